"""Every call of a transaction, as a tree: geth's callTracer."""

from __future__ import annotations

from dataclasses import dataclass, field

from trinode.execution.engine import TransactionResult
from trinode.execution.tracing.call_failures import revert_reason
from trinode.execution.tracing.machine import TracedMachine
from trinode.execution.tracing.reasons import REVERTED
from trinode.execution.tracing.tracer import Call, Holding, TraceLimits, Tracer
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import Transaction
from trinode.protocol.types import Address

_ENTRY_SIZE = 400
_CREATIONS = frozenset(("CREATE", "CREATE2"))
_NOT_BEGUN = "failed deposit transaction"


@dataclass(frozen=True, slots=True)
class CallLog:
    """A log. `index` in the block; `position`: how many calls its frame had made before it."""

    log: Log
    index: int
    position: int


@dataclass(slots=True)
class CallFrame:
    """A call with the calls that it made. Gas in gas, value in wei (None: has none).

    `to` is None for a creation that failed. `output` of a call that failed is only there if it reverted.
    """

    kind: str
    sender: Address
    to: Address | None
    data: bytes
    gas: int
    value: int | None
    gas_used: int = 0
    output: bytes = b""
    error: str | None = None
    revert_reason: str | None = None
    calls: list[CallFrame] = field(default_factory=list)
    logs: list[CallLog] = field(default_factory=list)


class CallTracer(Tracer):
    """Notes calls; of those that the outermost makes nothing if `only_top_call`, logs if `with_log`. Raises TraceLimitExceeded."""

    def __init__(self, *, with_log: bool = False, only_top_call: bool = False, limits: TraceLimits | None = None) -> None:
        self._with_log = with_log
        self._only_top_call = only_top_call
        self._holding = Holding(limits)
        self._gas_limit = 0
        self._depth = 0
        self._open: list[CallFrame] = []
        self._top: CallFrame | None = None

    @property
    def call(self) -> CallFrame:
        """The outermost call; the transaction has ended."""
        assert self._top is not None
        return self._top

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        self._gas_limit, self._depth, self._open, self._top = transaction.gas_limit, 0, [], None

    def enter(self, call: Call) -> None:
        self._depth += 1
        if self._only_top_call and self._depth > 1:
            return
        self._holding.add(_ENTRY_SIZE + len(call.data))
        # The outermost call's gas is the transaction's, with what it costs before anything is executed.
        gas = call.gas if self._open else self._gas_limit
        self._open.append(CallFrame(call.kind, call.sender, call.to, call.data, gas, call.value))

    def leave(self, gas_used: int, output: bytes, error: str | None) -> None:
        self._depth -= 1
        if self._only_top_call and self._depth > 0:
            return
        call = self._open.pop()
        call.gas_used, call.error = gas_used, error
        if error is None or error == REVERTED:
            self._holding.add(len(output))
            call.output = output
        if error is not None and call.kind in _CREATIONS:
            call.to = None
        if error == REVERTED:
            call.revert_reason = revert_reason(output)
        if self._open:
            self._open[-1].calls.append(call)
        else:
            self._top = call

    def log(self, log: Log, index: int) -> None:
        if not self._with_log or (self._only_top_call and self._depth > 1):
            return
        self._holding.add(_ENTRY_SIZE + len(log.data))
        frame = self._open[-1]
        frame.logs.append(CallLog(log, index, len(frame.calls)))

    def end(self, result: TransactionResult) -> None:
        if self._top is None:
            # A deposit that could not begin. op-geth shows it like this.
            self._top = CallFrame("STOP", bytes(20), None, b"", 0, None, error=_NOT_BEGUN)
        self._top.gas_used = result.gas_used
        _drop_undone_logs(self._top)


def _drop_undone_logs(top: CallFrame) -> None:
    """Logs of calls that failed, or within one that did, never were."""
    pending = [(top, False)]
    while pending:
        call, is_undone = pending.pop()
        is_undone = is_undone or call.error is not None
        if is_undone:
            call.logs.clear()
        pending += [(inner, is_undone) for inner in call.calls]
