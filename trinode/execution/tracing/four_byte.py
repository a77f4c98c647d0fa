"""Which functions a transaction calls, by selector and size of arguments: geth's 4byteTracer."""

from __future__ import annotations

from collections import Counter

from trinode.execution.tracing.machine import TracedMachine
from trinode.execution.tracing.tracer import Call, Holding, TraceLimits, Tracer
from trinode.protocol.transaction import Transaction
from trinode.protocol.types import Address

_CALLS = frozenset(("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"))
_ENTRY_SIZE = 100


class FourByteTracer(Tracer):
    """Counts selectors (4 bytes) with the size of what follows them; calls of precompiles are left out, they have none. Raises
    TraceLimitExceeded.
    """

    def __init__(self, limits: TraceLimits | None = None) -> None:
        self._holding = Holding(limits)
        self.counts: Counter[tuple[bytes, int]] = Counter()
        self._precompiles: frozenset[Address] = frozenset()

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        self.counts = Counter()
        self._precompiles = frozenset(machine.rules.precompiles)

    def enter(self, call: Call) -> None:
        if call.kind in _CALLS and len(call.data) >= 4 and call.to not in self._precompiles:
            key = call.data[:4], len(call.data) - 4
            if key not in self.counts:
                self._holding.add(_ENTRY_SIZE)
            self.counts[key] += 1
