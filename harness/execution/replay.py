"""Replays a recording with execution: derivation is answered with the blocks that its attributes really make."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.execution.cases import fields_of
from harness.execution.chain_files import genesis_path
from harness.execution.differences import first_header_difference
from harness.execution.errors import ExecutionFileError
from harness.execution.files import read_genesis
from harness.execution.run import genesis_of
from harness.execution.states import ChainStates, MemoryStates, genesis_parent, new_store
from harness.expectation import Difference, Expectation
from harness.recording import RecordedItem, RecordedL2Block, RecordingHead
from harness.replay import OnDerived, OnNotice, Replay, ReplayStopped, Report, final_l1_hashes
from trinode.derive.events import DerivedAttributes, PayloadInvalid
from trinode.engine.sender_recovery import ThreadedRecovery
from trinode.execution.block import MESSAGE_PASSER, BlockExecutor, ExecutedBlock
from trinode.execution.engine import Engine
from trinode.execution.errors import InvalidAttributes, InvalidBlock
from trinode.execution.recovery import SenderRecovery
from trinode.protocol.output_root import output_root
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2Block, l2_block_of


@dataclass
class ExecutedReport(Report):
    """What a replay did: `executed` blocks with so much `gas`, those included that a reorg of L1 took back, in `seconds`
    without derivation.
    """

    executed: int = 0
    gas: int = 0
    seconds: float = 0.0


class RealExecution:
    """Executes attributes, and holds each block against the recorded one (an `Execution`).

    A block that the engine refuses is answered as invalid, so that derivation drops or replaces it; whether it had to be
    refused is judged too.
    """

    def __init__(
        self, head: RecordingHead, expectation: Expectation, states: ChainStates, engine: Engine, recover: SenderRecovery
    ) -> None:
        self._config: RollupConfig = head.rollup_config
        self._expectation = expectation
        self._departs_at = head.execution_departs_at
        self._states = states
        self._executor = BlockExecutor(head.rollup_config, engine, recover)
        self.matched: set[Hash32] = set()
        self.executed = 0
        self.gas = 0
        self.seconds = 0.0

    def __call__(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        """The block, or why there is none; raises ReplayStopped at a difference, and at the end of what is recorded."""
        expectation = self._expectation
        recorded = expectation.block(derived)
        if recorded is None and expectation.is_final(derived):
            if derived.number > expectation.last:
                raise ReplayStopped(None)
            raise ReplayStopped(Difference(derived.number, "number", derived.number, None))
        started = time.perf_counter()
        try:
            block = self._executor.build(self._states.parent(derived.parent.hash), derived.attributes)
            self._states.add(block)
        except (InvalidBlock, InvalidAttributes) as error:
            self._judge_refusal(derived, recorded, str(error))
            return PayloadInvalid(str(error))
        finally:
            self.seconds += time.perf_counter() - started
        self.executed += 1
        self.gas += block.header.gas_used
        if recorded is not None:
            self._judge(derived, recorded, block)
        return l2_block_of(self._config, block.header, block.hash, block.transactions)

    def _judge_refusal(self, derived: DerivedAttributes, recorded: RecordedL2Block | None, reason: str) -> None:
        expectation = self._expectation
        if recorded is None or expectation.says_invalid(derived, recorded):
            return
        difference = expectation.difference(derived, recorded)
        if difference is None:
            raise ReplayStopped(Difference(derived.number, "validity", f"refused: {reason}", "a valid block"))
        if expectation.is_final(derived) and not expectation.implies_invalid(derived, recorded, difference):
            raise ReplayStopped(difference)

    def _judge(self, derived: DerivedAttributes, recorded: RecordedL2Block, block: ExecutedBlock) -> None:
        expectation = self._expectation
        if expectation.says_invalid(derived, recorded):
            raise ReplayStopped(Difference(derived.number, "validity", "a valid block", "refused"))
        difference = expectation.difference(derived, recorded)
        if difference is None:
            difference = self._difference(recorded, block)
        elif not expectation.is_final(derived):
            return  # a block that a reorg of L1 takes back: nobody knows what it has to be
        if difference is not None:
            raise ReplayStopped(difference)
        self.matched.add(recorded.block.ref.hash)

    def _difference(self, recorded: RecordedL2Block, block: ExecutedBlock) -> Difference | None:
        number = block.header.number
        if self._departs_at is not None and number >= self._departs_at:
            return None
        if differing := first_header_difference(fields_of(block.header), fields_of(recorded.header)):
            return Difference(number, f"header.{differing[0]}", *differing[1:])
        if recorded.output_root is None:
            return None
        root = output_root(block.header.state_root, block.tries.storage_root(MESSAGE_PASSER), block.hash)
        return None if root == recorded.output_root else Difference(number, "output_root", root, recorded.output_root)


def replay_executed(
    head: RecordingHead,
    items: list[RecordedItem],
    states: ChainStates,
    engine: Engine,
    *,
    on_derived: OnDerived | None = None,
    on_notice: OnNotice | None = None,
    watch: Callable[[Iterable[RecordedItem]], Iterator[RecordedItem]] = iter,
) -> ExecutedReport:
    """Derive and execute what is recorded. `states` holds the block that the recording starts from; `watch` wraps the
    iteration (a progress bar). Raises UnsupportedRecording, CriticalError, UnknownFork.
    """
    blocks = [item for item in items if isinstance(item, RecordedL2Block)]
    expectation = Expectation(head.rollup_config, blocks, final_l1_hashes(items))
    difference = None
    with ThreadedRecovery() as recover:
        execution = RealExecution(head, expectation, states, engine, recover)
        replay = Replay(head, execution, on_derived=on_derived, on_notice=on_notice)
        try:
            for item in watch(items):
                replay.feed(item)
            report = replay.finish()
        except ReplayStopped as stopped:
            report, difference = replay.report, stopped.difference
    report.expected, report.matched, report.difference = expectation.count, len(execution.matched), difference
    return ExecutedReport(**vars(report), executed=execution.executed, gas=execution.gas, seconds=execution.seconds)


def states_from_genesis(path: Path, head: RecordingHead, genesis: Path | None, datadir: Path | None) -> ChainStates:
    """The genesis state of the recording in `path`: in memory, or in a new store in `datadir`.

    `genesis`: its file, None for the one beside the recording that it names. Raises ExecutionFileError, StoreError,
    UnknownFork.
    """
    config, start = head.rollup_config, head.l2_start.header
    if start.number != config.genesis.l2.number:
        raise ExecutionFileError(path, "l2_start", f"is block {start.number}, not the genesis block: there is no state to execute on")
    found = genesis_path(path, head.l2_genesis, genesis)
    block = genesis_of(found, read_genesis(found), config, start)
    return MemoryStates(genesis_parent(block)) if datadir is None else new_store(datadir, config, block)
