"""Every call of a transaction, one after the other: geth's flatCallTracer, in the shape of Parity's `trace` module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trinode.execution.tracing.call_tracer import CallFrame, CallTracer
from trinode.execution.tracing.machine import TracedMachine
from trinode.execution.tracing.tracer import TraceLimits
from trinode.protocol.transaction import Transaction
from trinode.protocol.types import Address

_OF_PRECOMPILES = frozenset(("CALL", "STATICCALL"))


@dataclass(frozen=True, slots=True)
class FlatCall:
    """A call, where it stands (which call of the outermost, which call of that, and so on), and how many calls it made."""

    call: CallFrame
    place: tuple[int, ...]
    calls: int


class FlatCallTracer(CallTracer):
    """Notes calls; those of precompiles only if they are wanted. Raises TraceLimitExceeded."""

    def __init__(self, *, include_precompiles: bool = False, limits: TraceLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._include_precompiles = include_precompiles
        self._precompiles: frozenset[Address] = frozenset()

    @property
    def flat_calls(self) -> Iterator[FlatCall]:
        """Each call before those that it made; the transaction has ended."""
        yield FlatCall(self.call, (), len(self.call.calls))
        place: list[int] = []
        open_calls = [enumerate(self.call.calls)]
        while open_calls:
            for index, call in open_calls[-1]:
                place.append(index)
                yield FlatCall(call, tuple(place), len(call.calls))
                open_calls.append(enumerate(call.calls))
                break
            else:
                open_calls.pop()
                del place[-1:]

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        super().begin(machine, transaction, sender)
        self._precompiles = frozenset(() if self._include_precompiles else machine.rules.precompiles)

    def leave(self, gas_used: int, output: bytes, error: str | None) -> None:
        super().leave(gas_used, output, error)
        if not self._open:
            return
        last = self._open[-1].calls[-1]
        if last.kind in _OF_PRECOMPILES and last.to in self._precompiles:
            self._open[-1].calls.pop()
