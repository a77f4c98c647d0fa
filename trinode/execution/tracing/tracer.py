"""What a tracer is told of, in the order in which it happens, and how much it may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trinode.execution.engine import TransactionResult
from trinode.execution.errors import ExecutionError
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import Transaction
from trinode.protocol.types import Address

if TYPE_CHECKING:
    from trinode.execution.evm.frame import Frame
    from trinode.execution.tracing.machine import TracedMachine


class TraceLimitExceeded(ExecutionError):
    """A trace would hold more than it may. The execution that it watched is of no more use."""


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """What a trace may hold: `entries` (opcodes, calls, accounts, slots, whatever it lists), and about so many `size` bytes in them."""

    entries: int = 2_000_000
    size: int = 256_000_000


class Holding:
    """Counts what a trace holds."""

    def __init__(self, limits: TraceLimits | None = None) -> None:
        self._limits = limits or TraceLimits()
        self.entries = 0
        self.size = 0

    def add(self, size: int) -> None:
        """One more entry of `size` bytes. Raises TraceLimitExceeded."""
        self.entries += 1
        self.size += size
        if self.entries > self._limits.entries:
            raise TraceLimitExceeded(f"the trace has more than {self._limits.entries} entries")
        if self.size > self._limits.size:
            raise TraceLimitExceeded(f"the trace has more than {self._limits.size} bytes")


class Step:
    """An opcode at work. `gas` is the frame's before it, `byte` the opcode.

    `cost` (with what a CALL hands on, as geth counts it), `refund` (the counter, what an SSTORE adds included) and `error`
    (it does not begin: gas or stack do not suffice) are known when `Tracer.charged` is told.
    """

    __slots__ = ("byte", "cost", "error", "frame", "gas", "is_charged", "name", "refund")

    def __init__(self, frame: Frame, byte: int, name: str, refund: int) -> None:
        self.frame = frame
        self.byte = byte
        self.name = name
        self.gas = frame.gas
        self.refund = refund
        self.cost = 0
        self.error: str | None = None
        self.is_charged = False


@dataclass(frozen=True, slots=True)
class Call:
    """A message that begins. `kind` is the opcode's name, CALL or CREATE for a transaction's own; `value` in wei, None where there is none
    (STATICCALL). `depth` 0 is the transaction's own. SELFDESTRUCT is reported as a message, too, from the account to its heir.
    """

    kind: str
    sender: Address
    to: Address
    data: bytes
    gas: int
    value: int | None
    depth: int


class Tracer:
    """Told of all, this one notes nothing: a tracer overrides what it wants to know.

    `begin`, then any number of the others, `end`. For each opcode: `step` before it, `charged` before anything it does is reported, then its
    messages and logs. `enter` and `leave` are paired and nest.
    """

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        """Before anything of the transaction has been done."""

    def step(self, step: Step) -> None:
        """An opcode is about to run: stack, memory and state are as it finds them."""

    def charged(self, step: Step) -> None:
        """The opcode's cost is known. State and stack may be as it leaves them."""

    def enter(self, call: Call) -> None:
        """A message begins. Its value has not been moved."""

    def leave(self, gas_used: int, output: bytes, error: str | None) -> None:
        """The message that was entered last and not left has ended; `error` says why it failed ("execution reverted", if by REVERT)."""

    def log(self, log: Log, index: int) -> None:
        """A LOG opcode ran; `index` is the log's in the block."""

    def end(self, result: TransactionResult) -> None:
        """All is done, fees are paid."""
