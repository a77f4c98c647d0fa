"""Messages on a state: eth_call, eth_estimateGas, eth_createAccessList (execution-apis: eth/execute; op-geth's errors)."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from eth_utils.address import to_checksum_address

from trinode.execution.calls.access_list import UnstableAccessList, create_access_list
from trinode.execution.calls.context import BlockOverrides, CallContext, InvalidOverride, StateOverrides, call_context
from trinode.execution.calls.estimate import AllowanceExceeded, MessageFailed, ValueNotCovered, allowance, estimate_gas
from trinode.execution.calls.message import GasTooLow, InsufficientFunds, Message, call, failure_words
from trinode.execution.errors import InvalidTransaction
from trinode.execution.evm.program import Programs
from trinode.execution.rules import EvmFork
from trinode.execution.tracing.reasons import REVERTED
from trinode.execution.tracing.tracer import TraceLimitExceeded, TraceLimits
from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import DATA_RESULT, QUANTITY_RESULT
from trinode.jsonrpc.transaction_object import access_list_object
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import LATEST, BlockName
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import invalid_override, reverted, server_error
from trinode.rpc.eth.kinds import BLOCK_NAME, BLOCK_OVERRIDES, STATE_OVERRIDES, message_of
from trinode.rpc.eth.schemas import CREATED_ACCESS_LIST
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
    """A request: a message at a block, with `gas` if it says how much, and with overrides."""

    message: Message
    gas: int | None
    block: BlockName
    state_overrides: StateOverrides
    block_overrides: BlockOverrides | None


class CallMethods:
    """Calls, each on a thread, with an end to their gas and to their time."""

    def __init__(self, chain: Chain, workers: Workers, gas_cap: int) -> None:
        self._chain = chain
        self._workers = workers
        self._gas_cap = gas_cap
        self._code = CompiledCode()
        params = (
            Param("message", message_of(chain.config.l2_chain_id)),
            Param("block", BLOCK_NAME, required=False, default=LATEST),
            Param("stateOverrides", STATE_OVERRIDES, required=False, default={}),
            Param("blockOverrides", BLOCK_OVERRIDES, required=False),
        )
        self.methods: dict[str, Declared] = {
            "eth_call": declare(partial(self._run, self._call_in), "What a message gives back", *params, result=DATA_RESULT),
            "eth_createAccessList": declare(
                partial(self._run, self._access_list_in), "What a message touches", *params, result=CREATED_ACCESS_LIST
            ),
            "eth_estimateGas": declare(partial(self._run, self._estimate_in), "The gas that a message needs", *params, result=QUANTITY_RESULT),
        }

    async def _run(
        self,
        work: Callable[[CallContext, _Wanted, Programs], Result],
        message: tuple[Message, int | None],
        block: BlockName,
        state_overrides: StateOverrides,
        block_overrides: BlockOverrides | None,
    ) -> Result:
        wanted = _Wanted(*message, block, state_overrides, block_overrides)
        return await self._workers.call(lambda: self._execute(wanted, work))

    # ---- on a worker thread ----

    def _execute(self, wanted: _Wanted, work: Callable[[CallContext, _Wanted, Programs], Result]) -> Result:
        known, state = self._chain.state_for(wanted.block, wanted.message)
        try:
            context = call_context(self._chain.config, known.header, state, wanted.state_overrides, wanted.block_overrides)
        except InvalidOverride as error:
            raise invalid_override(error) from error
        return self._code.use(context.environment.rules.evm, lambda programs: work(context, wanted, programs))

    def _limited(self, wanted: _Wanted) -> Message:
        """The message with all the gas that it may have."""
        return replace(wanted.message, gas_limit=self._gas_cap if wanted.gas is None else min(wanted.gas, self._gas_cap))

    def _call_in(self, context: CallContext, wanted: _Wanted, programs: Programs) -> str:
        message = self._limited(wanted)
        try:
            result = call(context, message, programs=programs)
        except InvalidTransaction as error:
            raise server_error(f"err: {refusal(error, context, message)} (supplied gas {message.gas_limit})") from error
        if result.succeeded:
            return to_hex(result.output)
        if result.failure == REVERTED:
            raise reverted(result.output)
        raise server_error(failure_words(context, message, str(result.failure), programs=programs))

    def _estimate_in(self, context: CallContext, wanted: _Wanted, programs: Programs) -> str:
        message = replace(wanted.message, gas_limit=wanted.gas or 0)
        try:
            return hex(estimate_gas(context, message, gas_cap=self._gas_cap, programs=programs))
        except MessageFailed as error:
            raise (reverted(error.output) if str(error) == REVERTED else server_error(str(error))) from error
        except (AllowanceExceeded, ValueNotCovered) as error:
            raise server_error(str(error)) from error
        except InvalidTransaction as error:
            raise server_error(f"failed with {allowance(context, message, self._gas_cap)} gas: {refusal(error, context, message)}") from error

    def _access_list_in(self, context: CallContext, wanted: _Wanted, programs: Programs) -> dict[str, Any]:
        message = self._limited(wanted)
        try:
            created = create_access_list(context, message, programs=programs, limits=_ACCESS_LIST_LIMITS)
        except InvalidTransaction as error:
            raise server_error(f"failed to apply transaction: err: {refusal(error, context, message)}") from error
        except (TraceLimitExceeded, UnstableAccessList) as error:
            raise server_error(str(error)) from error
        result: dict[str, Any] = {"accessList": access_list_object(created.access_list), "gasUsed": hex(created.gas_used)}
        return result if created.failure is None else result | {"error": created.failure}


def refusal(error: InvalidTransaction, context: CallContext, message: Message) -> str:
    """Why a message cannot begin, in geth's words."""
    who = f"address {to_checksum_address(message.sender)}"
    if isinstance(error, InsufficientFunds):
        return f"insufficient funds for gas * price + value: {who} have {error.balance} want {error.cost}"
    if isinstance(error, GasTooLow):
        words = "intrinsic gas too low" if error.rule == "intrinsic_gas" else "insufficient gas for floor data gas cost"
        return f"{words}: have {error.gas_limit}, want {error.needed}"
    match error.rule:
        case "base_fee":
            fees = f"maxFeePerGas: {message.max_fee}, baseFee: {context.environment.base_fee}"
            return f"max fee per gas less than block base fee: {who}, {fees}"
        case "priority_fee":
            fees = f"maxPriorityFeePerGas: {message.max_priority_fee}, maxFeePerGas: {message.max_fee}"
            return f"max priority fee per gas higher than max fee per gas: {who}, {fees}"
        case _:
            return str(error)
