"""`debug_trace*` and debug_intermediateRoots as op-geth has them (geth's JSON-RPC, "debug" namespace).

Left out: debug_standardTraceBlockToFile, debug_standardTraceBadBlockToFile and debug_traceBlockFromFile, which write and read files on the
node's disk for whoever asks; debug_traceBadBlock, as a block that is not valid is not kept.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
import structlog

from trinode.execution.errors import ExecutionError
from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import DATA, HASH, HASH_RESULT, list_of, object_of
from trinode.jsonrpc.requests import INTERNAL_ERROR, RpcError, take_params
from trinode.protocol.types import Hash32
from trinode.rpc.debug.trace_block import decode_block, explained
from trinode.rpc.debug.trace_execution import Traces
from trinode.rpc.debug.trace_options import TRACE_CALL_OPTIONS, TRACE_OPTIONS, TraceCallOptions, TraceOptions, parse_trace_options
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.debug.trace_tracers import check_tracer
from trinode.rpc.eth.block_names import PENDING, BlockName, ByHash, parse_block_number
from trinode.rpc.eth.calls import CompiledCode
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import server_error
from trinode.rpc.eth.kinds import BLOCK_NAME, BLOCK_NUMBER, message_of
from trinode.rpc.eth.threads import Threads
from trinode.rpc.eth.time_limit import TimeLimitExceeded, run_within
from trinode.rpc.subscriptions.kinds import SubscriptionKind
from trinode.storage.errors import StoreError

Result = TypeVar("Result")

_OPTIONS = Param("options", TRACE_OPTIONS, required=False, default=TraceOptions())
_TRACE: dict[str, Any] = {}  # any JSON value: it is the tracer's
_TRACES = list_of(object_of({"txHash": HASH_RESULT}, optional={"result": _TRACE}))

_log = structlog.get_logger()


class TraceMethods:
    """Traces, each on a thread, with an end to their size and to their time. `code` may be shared with the other methods that execute.

    `subscriptions`: what `debug_subscribe` offers.
    """

    def __init__(self, chain: Chain, code: CompiledCode, settings: TraceSettings | None = None) -> None:
        self._settings = TraceSettings() if settings is None else settings
        self._threads = Threads(self._settings.threads)
        self._traces = Traces(chain, code, self._settings)
        self.subscriptions: dict[str, SubscriptionKind] = {"traceChain": self._trace_chain}
        self.methods: dict[str, Declared] = {
            "debug_intermediateRoots": declare(
                self._intermediate_roots,
                "The state root after each transaction of a block",
                Param("block", HASH),
                _OPTIONS,
                result=list_of(HASH_RESULT),
            ),
            "debug_traceBlock": declare(
                self._trace_raw_block, "The traces of a block that is given in RLP", Param("block", DATA), _OPTIONS, result=_TRACES
            ),
            "debug_traceBlockByHash": declare(
                self._trace_block_by_hash, "The traces of a block's transactions", Param("block", HASH), _OPTIONS, result=_TRACES
            ),
            "debug_traceBlockByNumber": declare(
                self._trace_block, "The traces of a block's transactions", Param("block", BLOCK_NUMBER), _OPTIONS, result=_TRACES
            ),
            "debug_traceCall": declare(
                self._trace_call,
                "The trace of a message on the state of a block",
                Param("message", message_of(chain.config.l2_chain_id)),
                Param("block", BLOCK_NAME),
                Param("options", TRACE_CALL_OPTIONS, required=False, default=TraceCallOptions()),
                result=_TRACE,
            ),
            "debug_traceTransaction": declare(
                self._trace_transaction, "The trace of a transaction", Param("transaction", HASH), _OPTIONS, result=_TRACE
            ),
        }

    async def _trace_chain(self, params: list[Any]) -> AsyncIterator[msgspec.Raw]:
        """Raises RpcError and InvalidParams."""
        _, *named, wanted = take_params(params, 3, 1)
        start, end = (parse_block_number(name, f"params[{index}]") for index, name in enumerate(named, 1))
        options = TraceOptions() if wanted is None else parse_trace_options(wanted, "params[3]")
        return await self.trace_chain(start, end, options)

    async def trace_chain(self, start: str | int, end: str | int, options: TraceOptions) -> AsyncIterator[msgspec.Raw]:
        """The traces of the blocks after `start` up to `end`: each block is traced when it is taken. Raises RpcError.

        Blocks without transactions are passed over, but for the last one. A block that is no longer there when its turn comes ends it.
        """
        first, last = await self._run(options, lambda: (self._traces.find(start).header.number, self._traces.find(end).header.number))
        if first >= last:
            raise server_error(f"end block (#{last}) needs to come after start block (#{first})")
        if last - first > self._settings.chain_blocks:
            raise server_error(f"{last - first} blocks, at most {self._settings.chain_blocks} are traced")
        check_tracer(options)
        return self._blocks(first, last, options)

    async def _blocks(self, first: int, last: int, options: TraceOptions) -> AsyncIterator[msgspec.Raw]:
        for number in range(first + 1, last + 1):
            try:
                sent = await self._run(options, self._block_of_chain(number, options, is_last=number == last))
            except RpcError as error:
                _log.warning("the traces of a chain end early", block=number, reason=error.message)
                return
            if sent is not None:
                yield sent

    def _block_of_chain(self, number: int, options: TraceOptions, *, is_last: bool) -> Callable[[], msgspec.Raw | None]:
        return lambda: self._traces.block_of_chain(number, options, is_last=is_last)

    async def _trace_transaction(self, name: Hash32, options: TraceOptions) -> msgspec.Raw:
        return await self._run(options, lambda: self._traces.transaction(name, options))

    async def _trace_block(self, name: BlockName, options: TraceOptions) -> msgspec.Raw:
        return await self._run(options, lambda: self._traces.block(self._traces.find_block(name), options))

    async def _trace_block_by_hash(self, name: Hash32, options: TraceOptions) -> msgspec.Raw:
        return await self._trace_block(ByHash(name), options)

    async def _trace_raw_block(self, rlp: bytes, options: TraceOptions) -> msgspec.Raw:
        return await self._run(options, lambda: self._traces.block(decode_block(rlp), options))

    async def _intermediate_roots(self, name: Hash32, options: TraceOptions) -> list[str]:
        return await self._run(options, lambda: self._traces.roots(name))

    async def _trace_call(self, message: Any, name: BlockName, options: TraceCallOptions) -> msgspec.Raw:
        if name == PENDING:
            raise server_error("tracing on top of pending is not supported")
        wanted, gas = message
        return await self._run(options.trace, lambda: self._traces.call(wanted, gas, name, options))

    async def _run(self, options: TraceOptions, work: Callable[[], Result]) -> Result:
        """Does the work on a thread, in its turn and in its time. Raises RpcError."""
        wanted = math.inf if options.timeout is None else options.timeout
        try:
            if wanted <= 0:
                raise TimeLimitExceeded
            return await run_within(min(wanted, self._settings.seconds), work, self._threads)
        except TimeLimitExceeded:
            raise server_error("execution timeout") from None
        except ExecutionError as error:
            raise explained(error) from error
        except StoreError as error:
            raise RpcError(INTERNAL_ERROR, str(error)) from error
