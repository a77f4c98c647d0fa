"""A node that goes on from a checkpoint derives exactly what it would have derived without a restart, and hardly reads L1 again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.expectation import Expectation
from harness.fake_execution import FakeExecution
from harness.fake_l1 import L1Transaction
from harness.recording import RecordedItem, RecordedL2Block, RecordingHead, open_recording
from harness.replay import Execution, RecordedExecution, ReplayStopped, final_l1_hashes
from harness.scenario import Scenario
from harness.simulation import Simulation
from harness.strategies import scenarios
from tests.property.observed_network import RestartableReplay, canonical_events
from tests.shared import shared
from trinode.derive.checkpoint import Checkpoint
from trinode.derive.errors import ResetRequired
from trinode.derive.events import (
    Answer,
    CheckpointIgnored,
    CheckpointUsed,
    DerivedAttributes,
    HeadsFound,
    NeedBlobs,
    NeedL1Block,
    NeedL1BlockByHash,
    NeedL2Block,
    NeedL2BlockByNumber,
    Notice,
    PayloadInvalid,
    Request,
)
from trinode.derive.pipeline import Pipeline
from trinode.protocol.types import Hash32
from trinode.rollup.l2_block import L2Block

seeds = st.integers(0, 1 << 30)
distances = st.integers(3, 60)
"""Requests from one restart to the next."""
RECORDINGS = ["forks-regolith-to-karst", "window-expiry-and-garbage", "window-expiry-and-garbage-fjord", "steady-karst"]
MAX_KEPT = 64


@dataclass
class Cost:
    """Requests that a restart took before the pipeline stood where it had been before."""

    l1: list[int] = field(default_factory=list)
    l2: list[int] = field(default_factory=list)


class ResumingReplay(RestartableReplay):
    """A replay that keeps checkpoints as bytes, and goes on from them with a new pipeline at the requests of these numbers.

    `trace`: what was derived, each with the block's hash (None: it was invalid), without what a restart derived again.
    A restart just after an L1 reorg that nobody has noticed yet goes on from an older checkpoint, where the others walk back: what they derive
    on the way is not the same from then on (`comparable` entries are), only what becomes of it.
    `in_reorgs`: resets for other reasons use the checkpoints too. `walk`: measure the walk back instead.
    """

    def __init__(
        self, head: RecordingHead, execution: Execution, *, stops: Collection[int] = (), in_reorgs: bool = False, walk: bool = False
    ) -> None:
        super().__init__(head, execution, stops=stops, on_notice=lambda notice: None)
        self.pipeline = Pipeline(head.rollup_config, head.l1_chain_config)
        self.kept: list[tuple[bytes, int]] = []  # with the length of the trace
        self.trace: list[tuple[DerivedAttributes, Hash32 | None]] = []
        self.used = self.ignored = 0
        self.comparable: int | None = None
        self.cost = Cost()
        self._in_reorgs = in_reorgs
        self._walk = walk
        self._last: Checkpoint | None = None
        self._until: int | None = None  # number of the L1 block at which a restarted pipeline has caught up

    def restart(self, *, renew: bool) -> None:
        """Begin again with a new pipeline."""
        status = self.pipeline.status
        assert status is not None
        self._until = status.origin.number
        self.cost.l1.append(0)
        self.cost.l2.append(0)
        self.pipeline = Pipeline(self._config, self._head.l1_chain_config)
        self._start_again()

    def _start_again(self) -> None:
        self._last = None
        self.pipeline.reset(self.engine.heads, [] if self._walk else [Checkpoint.from_bytes(data) for data, _ in reversed(self.kept)])

    def _reset(self, reason: ResetRequired) -> None:
        if self._in_reorgs:
            self.report.resets += 1
            self._start_again()
        else:
            self.kept.clear()
            self._last = None
            super()._reset(reason)

    def _keep(self) -> None:
        checkpoint = self.pipeline.checkpoint()
        if checkpoint is not None and checkpoint is not self._last:
            self._last = checkpoint
            data = checkpoint.to_bytes()
            assert Checkpoint.from_bytes(data) == checkpoint
            self.kept = [*self.kept[-MAX_KEPT + 1 :], (data, len(self.trace))]

    def _note(self, notice: Notice) -> None:
        self._keep()
        if isinstance(notice, CheckpointUsed):
            self.used += 1
            while Checkpoint.from_bytes(self.kept[-1][0]).origin.id != notice.origin:
                self.kept.pop()
            del self.trace[self.kept[-1][1] :]
            if self.comparable is not None:
                self.comparable = min(self.comparable, self.kept[-1][1])
        elif isinstance(notice, CheckpointIgnored):
            self.ignored += 1
            if self.comparable is None:
                self.comparable = self.kept[-1][1]
        elif isinstance(notice, HeadsFound) and self._walk:
            self.kept.clear()
        super()._note(notice)

    def _answer(self, request: Request) -> Answer:
        self._keep()
        if self._until is not None:
            status = self.pipeline.status
            caught_up = status is not None and status.origin.number == self._until
            if caught_up and isinstance(request, NeedL1Block) and request.number == self._until + 1:
                self._until = None
            elif isinstance(request, NeedL1Block | NeedL1BlockByHash | NeedBlobs):
                self.cost.l1[-1] += 1
            elif isinstance(request, NeedL2Block | NeedL2BlockByNumber):
                self.cost.l2[-1] += 1
        if not self.kept or self._until is not None:
            self._stops.discard(self.requests + 1)
        return super()._answer(request)

    def _execute(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        answer = super()._execute(derived)
        self.trace.append((derived, answer.ref.hash if isinstance(answer, L2Block) else None))
        return answer


# ---- recordings ----


def recorded(name: str) -> tuple[RecordingHead, list[RecordedItem]]:
    with open_recording(shared(f"recordings/{name}.jsonl.gz"), check=False) as reader:
        return reader.head, list(reader)


def replayed(head: RecordingHead, items: list[RecordedItem], *, every: int | None = None, walk: bool = False) -> ResumingReplay:
    blocks = [item for item in items if isinstance(item, RecordedL2Block)]
    expectation = Expectation(head.rollup_config, blocks, final_l1_hashes(items))
    execution = RecordedExecution(expectation, FakeExecution(head.rollup_config))
    replay = ResumingReplay(head, execution, stops=range(every, 100_000, every) if every else (), walk=walk)
    difference = None
    try:
        for item in items:
            replay.feed(item)
    except ReplayStopped as stopped:
        difference = stopped.difference
    assert difference is None
    return replay


@pytest.mark.parametrize("every", [31, 53])
@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings_cut_everywhere(name: str, every: int) -> None:
    head, items = recorded(name)
    straight, cut = replayed(head, items), replayed(head, items, every=every)
    assert cut.trace[: cut.comparable] == straight.trace[: cut.comparable]
    assert cut.safe_chain == straight.safe_chain
    assert cut.used == cut.restarts > 0


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_checkpoint_spares_the_walk(name: str) -> None:
    head, items = recorded(name)
    resumed, walked = replayed(head, items, every=97), replayed(head, items, every=97, walk=True)
    mean, walk = [sum(replay.cost.l1) / len(replay.cost.l1) for replay in (resumed, walked)]
    print(f"{name}: L1 requests at a restart {mean:.1f}, with a walk back {walk:.1f}; of L2 at most {max(resumed.cost.l2)}, {max(walked.cost.l2)}")
    assert 5 * mean < walk and max(resumed.cost.l2) <= 12


# ---- made-up chains ----


def execution_of(simulation: Simulation, scenario: Scenario) -> FakeExecution:
    return FakeExecution(simulation.config, frozenset(scenario.invalid_blocks), scenario.reject_undecodable)


def assert_agreed(one: ResumingReplay, other: ResumingReplay) -> None:
    """The same is derived, once both have noticed L1's last reorg: a restart just after it notices it at once, the others with the next block."""
    head = one.l1.chain[-1].hash
    if all(replay.pipeline.status is not None and replay.pipeline.status.origin.hash == head for replay in (one, other)):
        assert one.safe_chain == other.safe_chain
        assert one.pipeline.status == other.pipeline.status


@given(scenario=scenarios(chaos=True), seed=seeds, every=distances)
def test_going_on_anywhere_changes_nothing(scenario: Scenario, seed: int, every: int) -> None:
    simulation = Simulation(scenario, seed)
    execution = execution_of(simulation, scenario)
    straight, cut = ResumingReplay(simulation.head, execution), ResumingReplay(simulation.head, execution, stops=range(every, 10_000, every))
    for item in simulation.run():
        straight.feed(item)
        cut.feed(item)
        assert_agreed(cut, straight)
    assert cut.trace[: cut.comparable] == straight.trace[: cut.comparable]


@given(scenario=scenarios(chaos=True), seed=seeds, depth=st.integers(1, 23), blocks=st.integers(1, 6), data=st.data())
def test_after_a_reorg_an_older_checkpoint_serves(scenario: Scenario, seed: int, depth: int, blocks: int, data: st.DataObject) -> None:
    simulation = Simulation(scenario, seed)
    execution = execution_of(simulation, scenario)
    seen = ResumingReplay(simulation.head, execution, in_reorgs=True)
    for item in simulation.run():
        seen.feed(item)
    l1 = simulation.l1
    known = len(l1.events)
    gone = l1.rewind(1 + (depth - 1) % min(len(l1.chain) - 1, 4 * scenario.seq_window))
    for _ in range(len(gone) + blocks):
        l1.extend([L1Transaction(raw, blobs=l1.blobs) for raw in data.draw(st.sampled_from(gone)).transactions])
    for event in l1.events[known:]:
        seen.feed(event)
    fresh = RestartableReplay(simulation.head, execution)
    for event in canonical_events(l1):
        fresh.feed(event)
    assert seen.safe_chain == fresh.safe_chain
    assert seen.pipeline.status == fresh.pipeline.status


class CrashingReplay(ResumingReplay):
    """Records and engine are not of the same moment after a crash: `behind` checkpoints were not written, `lost` blocks of the engine neither."""

    def __init__(self, head: RecordingHead, execution: Execution, *, stops: Collection[int], behind: int, lost: int) -> None:
        super().__init__(head, execution, stops=stops, in_reorgs=True)
        self._behind, self._lost = behind, lost

    def restart(self, *, renew: bool) -> None:
        """Begin again with what is left."""
        if self._behind:
            del self.kept[-self._behind :]
        heads = self.engine.heads
        unsafe = self.engine.by_number(max(heads.finalized.number, heads.unsafe.number - self._lost))
        assert unsafe is not None
        self.engine.set_heads(unsafe.ref, min(unsafe.ref, heads.safe, key=lambda ref: ref.number))
        super().restart(renew=renew)


@given(
    scenario=scenarios(chaos=True),
    seed=seeds,
    every=st.integers(25, 90),
    behind=st.integers(0, 4),
    lost=st.integers(0, 12),
)
def test_records_may_be_ahead_or_behind(scenario: Scenario, seed: int, every: int, behind: int, lost: int) -> None:
    simulation = Simulation(scenario, seed)
    execution = execution_of(simulation, scenario)
    straight = ResumingReplay(simulation.head, execution)
    crashed = CrashingReplay(simulation.head, execution, stops=range(every, 10_000, every), behind=behind, lost=lost)
    for item in simulation.run():
        straight.feed(item)
        crashed.feed(item)
        assert_agreed(crashed, straight)
