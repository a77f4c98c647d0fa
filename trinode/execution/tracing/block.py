"""Transactions of a block, traced where they stand in it: those before are executed, at full speed, and not traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trinode.execution.block import BlockExecutor, ExecutedBlock, Parent
from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.environment import BlockEnvironment
from trinode.execution.evm.engine import FastSession
from trinode.execution.recovery import SenderRecovery, recover_in_order
from trinode.execution.rules import EvmFork
from trinode.execution.state import StateReader
from trinode.execution.tracing.machine import TracedMachine, new_programs
from trinode.execution.tracing.tracer import Tracer
from trinode.protocol.header import Header
from trinode.rollup.config import RollupConfig

TracerOf = Callable[[int, PreparedTransaction], Tracer | None]
"""The tracer of the block's transaction of that index, None: it is not traced."""


class TracingEngine:
    """The fast engine, watched (an `execution.engine.Engine`). Its results and changes are the fast engine's."""

    def __init__(self, tracer_of: TracerOf) -> None:
        self._tracer_of = tracer_of
        self._programs = {fork: new_programs() for fork in EvmFork}

    def begin(self, environment: BlockEnvironment, state: StateReader) -> TracingSession:
        """A session on top of `state`."""
        return TracingSession(TracedMachine(environment, state, self._programs[environment.rules.evm]), self._tracer_of)


class TracingSession(FastSession):
    """A block in the making. What a tracer raises ends it."""

    def __init__(self, machine: TracedMachine, tracer_of: TracerOf) -> None:
        super().__init__(machine)
        self._traced = machine
        self._tracer_of = tracer_of
        self._index = 0

    def apply(self, prepared: PreparedTransaction) -> TransactionResult:
        """Executes one transaction, traced if there is a tracer for it."""
        machine = self._traced
        tracer = self._tracer_of(self._index, prepared)
        if tracer is not None:
            machine.journal.begin_transaction()
            tracer.begin(machine, prepared.transaction, prepared.sender)
        machine.tracer = tracer
        try:
            result = super().apply(prepared)
        finally:
            machine.stop_tracing()
        if tracer is not None:
            tracer.end(result)
        self._index += 1
        machine.logs_before += len(result.logs)
        return result


class _Traced(Exception):  # the transaction has been traced: the rest of the block is of no interest
    def __init__(self, result: TransactionResult) -> None:
        super().__init__()
        self.result = result


class _StoppingSession(TracingSession):
    def __init__(self, machine: TracedMachine, tracer_of: TracerOf, last: int) -> None:
        super().__init__(machine, tracer_of)
        self._last = last

    def apply(self, prepared: PreparedTransaction) -> TransactionResult:
        is_last = self._index == self._last
        result = super().apply(prepared)
        if is_last:
            raise _Traced(result)
        return result


class _StoppingEngine(TracingEngine):
    def __init__(self, index: int, tracer: Tracer) -> None:
        super().__init__(lambda at, _: tracer if at == index else None)
        self._last = index

    def begin(self, environment: BlockEnvironment, state: StateReader) -> _StoppingSession:
        machine = TracedMachine(environment, state, self._programs[environment.rules.evm])
        return _StoppingSession(machine, self._tracer_of, self._last)


def trace_transaction(
    config: RollupConfig,
    parent: Parent,
    header: Header,
    transactions: Sequence[bytes],
    index: int,
    tracer: Tracer,
    recover: SenderRecovery = recover_in_order,
) -> TransactionResult:
    """Executes the block's transactions up to `index`, the last of them traced: `tracer` has the trace afterwards.

    The block's begin (system calls) is executed, what comes after the transaction is not. Raises IndexError, TraceLimitExceeded, and what
    `BlockExecutor.check` raises.
    """
    if not 0 <= index < len(transactions):
        raise IndexError(f"transaction {index} of {len(transactions)}")
    try:
        BlockExecutor(config, _StoppingEngine(index, tracer), recover).check(parent, header, transactions[: index + 1])
    except _Traced as traced:
        return traced.result
    raise AssertionError("a block with the transaction ends without it")


def trace_block(
    config: RollupConfig,
    parent: Parent,
    header: Header,
    transactions: Sequence[bytes],
    tracer_of: TracerOf,
    recover: SenderRecovery = recover_in_order,
) -> ExecutedBlock:
    """Executes a whole block, each transaction with the tracer that `tracer_of` gives for it. Raises TraceLimitExceeded, and what
    `BlockExecutor.check` raises.
    """
    return BlockExecutor(config, TracingEngine(tracer_of), recover).check(parent, header, transactions)
