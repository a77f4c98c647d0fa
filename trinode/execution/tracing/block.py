"""Transactions of a block, traced where they stand in it: those before are executed, at full speed, and not traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trinode.execution.block import BlockExecutor, Parent
from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import MissingState
from trinode.execution.evm.engine import FastSession
from trinode.execution.evm.program import Programs
from trinode.execution.recovery import SenderRecovery, recover_in_order
from trinode.execution.state import StateReader
from trinode.execution.tracing.machine import TracedMachine, new_programs
from trinode.execution.tracing.midway import MidwayState
from trinode.execution.tracing.tracer import Tracer
from trinode.execution.trie.nodes import Owner, Path
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.header import Header
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig

TracerOf = Callable[[int, PreparedTransaction], Tracer | None]
"""The tracer of the block's transaction of that index, None: it is not traced."""


class TracingEngine:
    """The fast engine, watched (an `execution.engine.Engine`), for one block. Its results and changes are the fast engine's."""

    def __init__(self, tracer_of: TracerOf, programs: Programs | None = None) -> None:
        """`programs`: compiled code of the block's EVM fork, which it may use and add to."""
        self._tracer_of = tracer_of
        self._programs = new_programs() if programs is None else programs

    def begin(self, environment: BlockEnvironment, state: StateReader) -> TracingSession:
        """A session on top of `state`."""
        return TracingSession(TracedMachine(environment, state, self._programs), self._tracer_of)


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


class _Stopped(Exception):  # so many transactions are done: the rest of the block is of no interest
    def __init__(self, machine: TracedMachine, results: list[TransactionResult]) -> None:
        super().__init__()
        self.machine = machine
        self.results = results


class _StoppingSession(TracingSession):
    def __init__(self, machine: TracedMachine, tracer_of: TracerOf, count: int) -> None:
        super().__init__(machine, tracer_of)
        self._left = count
        self._results: list[TransactionResult] = []

    def apply(self, prepared: PreparedTransaction) -> TransactionResult:
        self._stop_at_end()
        result = super().apply(prepared)
        self._results.append(result)
        self._left -= 1
        self._stop_at_end()
        return result

    def _stop_at_end(self) -> None:
        if not self._left:
            raise _Stopped(self._traced, self._results)


class _StoppingEngine(TracingEngine):
    def __init__(self, tracer_of: TracerOf, programs: Programs | None, count: int) -> None:
        super().__init__(tracer_of, programs)
        self._count = count

    def begin(self, environment: BlockEnvironment, state: StateReader) -> _StoppingSession:
        return _StoppingSession(TracedMachine(environment, state, self._programs), self._tracer_of, self._count)


class _NoNodes:
    """Tries of which nothing is read: a block that is not finished has no roots."""

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        raise MissingState(f"a trace has no trie nodes, and 0x{node_hash.hex()} was asked for")


def traceable(header: Header, block_hash: Hash32, state: StateReader) -> Parent:
    """A block as a parent for what is traced: it has the state after it, and no tries."""
    return Parent(header, block_hash, state, StateTries(_NoNodes(), header.state_root))


def trace_transactions(
    config: RollupConfig,
    parent: Parent,
    header: Header,
    transactions: Sequence[bytes],
    tracer_of: TracerOf,
    *,
    programs: Programs | None = None,
    recover: SenderRecovery = recover_in_order,
) -> list[TransactionResult]:
    """Executes the block's begin (system calls) and then `transactions`, its first ones or all, each with the tracer that `tracer_of` gives
    for it; nothing after them. Raises TraceLimitExceeded, and what `BlockExecutor.check` raises.
    """
    if not transactions:
        return []
    return _stopped(config, parent, header, transactions, _StoppingEngine(tracer_of, programs, len(transactions)), recover).results


def trace_transaction(
    config: RollupConfig,
    parent: Parent,
    header: Header,
    transactions: Sequence[bytes],
    index: int,
    tracer: Tracer,
    *,
    programs: Programs | None = None,
    recover: SenderRecovery = recover_in_order,
) -> TransactionResult:
    """Executes the block's transactions up to `index`, the last of them traced: `tracer` has the trace afterwards.

    Raises IndexError, and as `trace_transactions` does.
    """
    if not 0 <= index < len(transactions):
        raise IndexError(f"transaction {index} of {len(transactions)}")

    def tracer_of(at: int, _: PreparedTransaction) -> Tracer | None:
        return tracer if at == index else None

    return trace_transactions(config, parent, header, transactions[: index + 1], tracer_of, programs=programs, recover=recover)[-1]


def state_before(
    config: RollupConfig,
    parent: Parent,
    header: Header,
    transactions: Sequence[bytes],
    index: int,
    *,
    programs: Programs | None = None,
    recover: SenderRecovery = recover_in_order,
) -> StateReader:
    """The state that the block's transaction of that index finds. Raises IndexError, and what `BlockExecutor.check` raises."""
    if not 0 <= index < len(transactions):
        raise IndexError(f"transaction {index} of {len(transactions)}")
    engine = _StoppingEngine(lambda _, __: None, programs, index)
    return MidwayState(_stopped(config, parent, header, transactions[: index + 1], engine, recover).machine)


def _stopped(
    config: RollupConfig,
    parent: Parent,
    header: Header,
    transactions: Sequence[bytes],
    engine: _StoppingEngine,
    recover: SenderRecovery,
) -> _Stopped:
    try:
        BlockExecutor(config, engine, recover).check(parent, header, transactions)
    except _Stopped as stopped:
        return stopped
    raise AssertionError("a block with the transactions ends without them")
