"""Messages on a state: eth_call, eth_estimateGas, eth_createAccessList (execution-apis: eth/execute; op-geth's errors)."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from eth_utils.address import to_checksum_address

from trinode.execution.calls.access_list import UnstableAccessList, create_access_list
from trinode.execution.calls.context import CallContext, InvalidOverride, call_context
from trinode.execution.calls.estimate import AllowanceExceeded, MessageFailed, estimate_gas
from trinode.execution.calls.message import InsufficientFunds, Message, call
from trinode.execution.errors import InvalidTransaction
from trinode.execution.evm.program import Programs
from trinode.execution.intrinsic import intrinsic_gas
from trinode.execution.rules import EvmFork
from trinode.execution.tracing.call_tracer import CallTracer
from trinode.execution.tracing.reasons import REVERTED
from trinode.execution.tracing.tracer import TraceLimitExceeded, TraceLimits
from trinode.jsonrpc.requests import take_params
from trinode.jsonrpc.transaction_object import access_list_object
from trinode.rollup.json_fields import to_hex
from trinode.rpc.dispatch import Handler
from trinode.rpc.eth.block_names import BlockName, parse_block_name
from trinode.rpc.eth.call_params import parse_block_overrides, parse_message, parse_state_overrides
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import reverted, server_error
from trinode.rpc.eth.workers import Workers

Result = TypeVar("Result")

_COMPILE_AFTER = 40
_PROGRAM_BYTES = 64_000_000
_ACCESS_LIST_LIMITS = TraceLimits(entries=100_000)


class CompiledCode:
    """Compiled code that calls of one EVM fork leave to the next ones. Each is used by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[EvmFork, list[Programs]] = defaultdict(list)

    def use(self, fork: EvmFork, work: Callable[[Programs], Result]) -> Result:
        """What `work` gives. Programs that an interrupt may have left half-written are not used again."""
        with self._lock:
            idle = self._idle[fork]
            programs = idle.pop() if idle else Programs(_COMPILE_AFTER, _PROGRAM_BYTES)
        try:
            result = work(programs)
        except Exception:
            self._leave(fork, programs)
            raise
        self._leave(fork, programs)
        return result

    def _leave(self, fork: EvmFork, programs: Programs) -> None:
        with self._lock:
            self._idle[fork].append(programs)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A request: a message at a block, with `gas` if it says how much, and with overrides as they were given."""

    message: Message
    gas: int | None
    block: BlockName
    state_overrides: Any
    block_overrides: Any


class CallMethods:
    """Calls, each on a thread, with an end to their gas and to their time."""

    def __init__(self, chain: Chain, workers: Workers, gas_cap: int) -> None:
        self._chain = chain
        self._workers = workers
        self._gas_cap = gas_cap
        self._code = CompiledCode()
        self.methods: dict[str, Handler] = {
            "eth_call": self._call,
            "eth_createAccessList": self._create_access_list,
            "eth_estimateGas": self._estimate_gas,
        }

    async def _call(self, params: list[Any]) -> str:
        wanted = self._wanted(params)
        return await self._workers.call(lambda: self._execute(wanted, self._call_in))

    async def _estimate_gas(self, params: list[Any]) -> str:
        wanted = self._wanted(params)
        return await self._workers.call(lambda: self._execute(wanted, self._estimate_in))

    async def _create_access_list(self, params: list[Any]) -> dict[str, Any]:
        wanted = self._wanted(params)
        return await self._workers.call(lambda: self._execute(wanted, self._access_list_in))

    def _wanted(self, params: list[Any]) -> _Wanted:
        """Raises InvalidParams, RpcError."""
        message, block, state, overrides = take_params(params, 1, 3)
        parsed, gas = parse_message(message, "params[0]", self._chain.config.l2_chain_id)
        return _Wanted(
            message=parsed,
            gas=gas,
            block=parse_block_name(block, "params[1]"),
            state_overrides=parse_state_overrides(state, "params[2]"),
            block_overrides=parse_block_overrides(overrides, "params[3]"),
        )

    # ---- on a worker thread ----

    def _execute(self, wanted: _Wanted, work: Callable[[CallContext, _Wanted, Programs], Result]) -> Result:
        known, state = self._chain.state(wanted.block)
        try:
            context = call_context(self._chain.config, known.header, state, wanted.state_overrides, wanted.block_overrides)
        except InvalidOverride as error:
            raise server_error(str(error)) from error
        return self._code.use(context.environment.rules.evm, lambda programs: work(context, wanted, programs))

    def _limited(self, wanted: _Wanted) -> Message:
        """The message with all the gas that it may have."""
        return replace(wanted.message, gas_limit=min(wanted.gas or self._gas_cap, self._gas_cap))

    def _call_in(self, context: CallContext, wanted: _Wanted, programs: Programs) -> str:
        message = self._limited(wanted)
        try:
            result = call(context, message, programs=programs)
        except InvalidTransaction as error:
            raise server_error(f"err: {_refusal(error, context, message)} (supplied gas {message.gas_limit})") from error
        if result.succeeded:
            return to_hex(result.output)
        if result.failure == REVERTED:
            raise reverted(result.output)
        # Compiled code does not say all that geth's words do: once more, opcode by opcode.
        tracer = CallTracer(only_top_call=True)
        call(context, message, tracer=tracer, programs=programs)
        raise server_error(tracer.call.error or str(result.failure))

    def _estimate_in(self, context: CallContext, wanted: _Wanted, programs: Programs) -> str:
        message = replace(wanted.message, gas_limit=wanted.gas or 0)
        try:
            return hex(estimate_gas(context, message, gas_cap=self._gas_cap, programs=programs))
        except MessageFailed as error:
            raise (reverted(error.output) if str(error) == REVERTED else server_error(str(error))) from error
        except AllowanceExceeded as error:
            raise server_error(str(error)) from error
        except InvalidTransaction as error:
            gas = min(message.gas_limit or context.environment.gas_limit, self._gas_cap)
            raise server_error(f"failed with {gas} gas: {_refusal(error, context, message)}") from error

    def _access_list_in(self, context: CallContext, wanted: _Wanted, programs: Programs) -> dict[str, Any]:
        message = self._limited(wanted)
        try:
            created = create_access_list(context, message, programs=programs, limits=_ACCESS_LIST_LIMITS)
        except InvalidTransaction as error:
            raise server_error(f"failed to apply transaction: err: {_refusal(error, context, message)}") from error
        except (TraceLimitExceeded, UnstableAccessList) as error:
            raise server_error(str(error)) from error
        result: dict[str, Any] = {"accessList": access_list_object(created.access_list), "gasUsed": hex(created.gas_used)}
        return result if created.failure is None else result | {"error": created.failure}


def _refusal(error: InvalidTransaction, context: CallContext, message: Message) -> str:
    """Why a message cannot begin, in geth's words."""
    who = f"address {to_checksum_address(message.sender)}"
    if isinstance(error, InsufficientFunds):
        return f"insufficient funds for gas * price + value: {who} have {error.balance} want {error.cost}"
    match error.rule:
        case "base_fee":
            fees = f"maxFeePerGas: {message.max_fee}, baseFee: {context.environment.base_fee}"
            return f"max fee per gas less than block base fee: {who}, {fees}"
        case "priority_fee":
            fees = f"maxPriorityFeePerGas: {message.max_priority_fee}, maxFeePerGas: {message.max_fee}"
            return f"max priority fee per gas higher than max fee per gas: {who}, {fees}"
        case "intrinsic_gas":
            needed = intrinsic_gas(message.unsigned(context.environment.chain_id), context.environment.rules.evm)
            return f"intrinsic gas too low: have {message.gas_limit}, want {needed}"
        case _:
            return str(error)
