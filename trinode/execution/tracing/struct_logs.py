"""Every opcode with what it found: what debug_traceTransaction replies without a tracer's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trinode.execution.engine import TransactionResult
from trinode.execution.evm.frame import Frame
from trinode.execution.tracing.machine import TracedMachine
from trinode.execution.tracing.tracer import Holding, Step, TraceLimits, Tracer
from trinode.protocol.transaction import Transaction
from trinode.protocol.types import Address

_SLOAD, _SSTORE = 0x54, 0x55
_ENTRY_SIZE = 200
"""About what an entry takes by itself, in bytes."""


@dataclass(frozen=True, slots=True)
class StructLogOptions:
    """What entries hold; the defaults are geth's."""

    disable_stack: bool = False
    enable_memory: bool = False
    disable_storage: bool = False
    enable_return_data: bool = False


@dataclass(slots=True)
class StructLog:
    """An opcode. Everything is as before it, but `gas_cost` and `refund` (`tracing.tracer.Step`). `depth` begins with 1.

    `stack` from the bottom; `storage`, at an SLOAD or SSTORE, has all slots of the account that such opcodes have named so far, this one
    included. None: not asked for.
    """

    pc: int
    op: str
    gas: int
    depth: int
    stack: tuple[int, ...] | None
    memory: bytes | None
    storage: Mapping[int, int] | None
    return_data: bytes | None
    gas_cost: int = 0
    refund: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StructTrace:
    """The trace of a transaction. `return_value` of its outermost call, nothing if that failed other than by REVERT.

    `failed` is about that call: a deposit that cannot begin has none that failed, in op-geth's traces, too.
    """

    gas: int
    failed: bool
    return_value: bytes
    struct_logs: list[StructLog] = field(default_factory=list)


class StructLogger(Tracer):
    """Notes opcodes. Raises TraceLimitExceeded."""

    def __init__(self, options: StructLogOptions | None = None, limits: TraceLimits | None = None) -> None:
        self._options = options or StructLogOptions()
        self._holding = Holding(limits)
        self._logs: list[StructLog] = []
        self._open: StructLog | None = None
        self._storage: dict[Address, dict[int, int]] = {}
        self._failed = False
        self._result: TransactionResult | None = None

    @property
    def trace(self) -> StructTrace:
        """What was noted; the transaction has ended."""
        result = self._result
        assert result is not None
        return StructTrace(result.gas_used, self._failed, result.output, self._logs)

    @property
    def is_full(self) -> bool:
        """Whether it takes no more opcodes."""
        return False

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        self._logs, self._open, self._storage, self._failed, self._result = [], None, {}, False, None

    def step(self, step: Step) -> None:
        options, frame = self._options, step.frame
        if self.is_full:
            return
        self._open = StructLog(
            pc=frame.pc,
            op=step.name,
            gas=step.gas,
            depth=frame.depth + 1,
            stack=None if options.disable_stack else tuple(frame.stack),
            memory=bytes(frame.memory) if options.enable_memory else None,
            storage=None if options.disable_storage else self._storage_at(step),
            return_data=frame.return_data if options.enable_return_data else None,
        )

    def charged(self, step: Step) -> None:
        log, self._open = self._open, None
        if log is not None:
            log.gas_cost, log.refund, log.error = step.cost, step.refund, step.error
            self.keep(log)

    def keep(self, log: StructLog) -> None:
        """Takes an opcode that is complete: they come in their order."""
        held = _ENTRY_SIZE + 32 * len(log.stack or ()) + len(log.memory or b"") + len(log.return_data or b"") + 64 * len(log.storage or ())
        self._holding.add(held)
        self._logs.append(log)

    def leave(self, gas_used: int, output: bytes, error: str | None) -> None:
        self._failed = error is not None  # the outermost call is left last

    def end(self, result: TransactionResult) -> None:
        self._result = result

    def _storage_at(self, step: Step) -> Mapping[int, int] | None:
        frame = step.frame
        stack = frame.stack
        if step.byte == _SLOAD and stack:
            value = _stored(frame, stack[-1])
        elif step.byte == _SSTORE and len(stack) >= 2:
            value = stack[-2]
        else:
            return None
        named = self._storage.setdefault(frame.address, {})
        named[stack[-1]] = value
        return dict(named)


def _stored(frame: Frame, slot: int) -> int:
    journal = frame.machine.journal
    return journal.load(frame.storage(), slot)
