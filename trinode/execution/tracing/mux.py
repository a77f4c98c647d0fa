"""Several tracers at once: geth's muxTracer."""

from __future__ import annotations

from collections.abc import Sequence

from trinode.execution.engine import TransactionResult
from trinode.execution.tracing.machine import TracedMachine
from trinode.execution.tracing.tracer import Call, Step, Tracer
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import Transaction
from trinode.protocol.types import Address


class MuxTracer(Tracer):
    """Tells each of `tracers` all that it is told."""

    def __init__(self, tracers: Sequence[Tracer]) -> None:
        self._tracers = tuple(tracers)

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        for tracer in self._tracers:
            tracer.begin(machine, transaction, sender)

    def step(self, step: Step) -> None:
        for tracer in self._tracers:
            tracer.step(step)

    def charged(self, step: Step) -> None:
        for tracer in self._tracers:
            tracer.charged(step)

    def enter(self, call: Call) -> None:
        for tracer in self._tracers:
            tracer.enter(call)

    def leave(self, gas_used: int, output: bytes, error: str | None) -> None:
        for tracer in self._tracers:
            tracer.leave(gas_used, output, error)

    def log(self, log: Log, index: int) -> None:
        for tracer in self._tracers:
            tracer.log(log, index)

    def end(self, result: TransactionResult) -> None:
        for tracer in self._tracers:
            tracer.end(result)
