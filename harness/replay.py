"""Replays a recorded L1 through the derivation pipeline and judges what comes out, block by block.

L1 blocks come one at a time, and the pipeline runs until it is idle after each, so that a replay is deterministic to the event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from harness.engine_view import EngineView
from harness.expectation import Difference, Expectation
from harness.l1_view import L1View, UnsupportedRecording
from harness.recording import RecordedItem, RecordedL1Block, RecordedL2Block, RecordedLabels, RecordingHead
from trinode.derive.drops import DropReason
from trinode.derive.errors import ResetRequired
from trinode.derive.events import (
    Answer,
    DerivedAttributes,
    Dropped,
    HeadsFound,
    Idle,
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

MAX_IDLE_RESETS = 5
"""Resets at one L1 block without an L2 block in between, before a replay gives up: L1 does not reorg between two lines."""


class Execution(Protocol):
    """Makes blocks of attributes, or refuses them."""

    def __call__(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid: ...


class ReplayStopped(Exception):
    """The replay ends here; `difference` says why, or is None where all that is recorded has been derived."""

    def __init__(self, difference: Difference | None) -> None:
        super().__init__(difference)
        self.difference = difference


@dataclass
class Report:
    """What a replay did."""

    l1_blocks: int = 0
    derived: int = 0
    matched: int = 0
    expected: int = 0
    transactions: int = 0
    invalid: int = 0
    resets: int = 0
    l1_reorgs: int = 0
    blobs: int = 0
    drops: Counter[DropReason] = field(default_factory=Counter)
    difference: Difference | None = None

    @property
    def equal(self) -> bool:
        """Whether all that was expected came out, and nothing else."""
        return self.difference is None and self.matched == self.expected


OnDerived = Callable[[DerivedAttributes, L2Block | None], None]
OnNotice = Callable[[Notice], None]


class Replay:
    """One pass over a recording's L1. Feed it items; ask for the `report` at any time."""

    def __init__(
        self,
        head: RecordingHead,
        execution: Execution,
        *,
        on_derived: OnDerived | None = None,
        on_notice: OnNotice | None = None,
    ) -> None:
        self._config = head.rollup_config
        self._execution = execution
        self._on_derived = on_derived
        self._on_notice = on_notice
        self._start = head.l2_start.block
        self._idle_resets = 0
        self._started = False
        self.l1 = L1View()
        self.engine = EngineView(head.rollup_config, self._start, self.l1)
        self.pipeline = Pipeline(head.rollup_config, head.l1_chain_config, observe=on_notice is not None)
        self.report = Report()

    def feed(self, item: RecordedItem) -> None:
        """Show L1's next line to the pipeline. Raises UnsupportedRecording, ReplayStopped, or the pipeline's CriticalError."""
        if isinstance(item, RecordedLabels):
            self.l1.label(item)
            if self.l1.finalized is not None:
                self.engine.l1_finalized(self.l1.finalized)
        elif isinstance(item, RecordedL1Block):
            self.report.l1_blocks += 1
            self._idle_resets = 0
            if self.l1.add(item):
                self.report.l1_reorgs += 1
            self._derive()

    def finish(self) -> Report:
        """The report at the end of L1. Raises UnsupportedRecording if derivation could never begin."""
        if not self._started:
            raise UnsupportedRecording(f"the L1 origin {self._start.ref.l1_origin.number} of the start block is not in the recording")
        return self.report

    def _derive(self) -> None:
        if not self._started:
            # Begin where the start block's origin is there; what comes before it only serves the walk back.
            if self.l1.by_number(self._start.ref.l1_origin.number) is None:
                return
            self._started = True
            self.pipeline.reset(self.engine.heads)
        while True:
            try:
                event = self.pipeline.next_event()
            except ResetRequired as reason:
                self._reset(reason)
                continue
            if isinstance(event, Idle):
                return
            if isinstance(event, Request):
                self.pipeline.receive(self._answer(event))
            else:
                self._note(event)

    def _reset(self, reason: ResetRequired) -> None:
        self._idle_resets += 1
        if self._idle_resets > MAX_IDLE_RESETS:
            raise UnsupportedRecording(f"derivation resets without end: {reason}")
        self.report.resets += 1
        self.pipeline.reset(self.engine.heads)

    def _note(self, notice: Notice) -> None:
        if isinstance(notice, HeadsFound):
            self.engine.set_heads(notice.unsafe, notice.safe)
        elif isinstance(notice, Dropped):
            self.report.drops[notice.reason] += 1
        if self._on_notice is not None:
            self._on_notice(notice)

    def _answer(self, request: Request) -> Answer:
        if isinstance(request, DerivedAttributes):
            return self._execute(request)
        if isinstance(request, NeedL1Block):
            return self.l1.by_number(request.number)
        if isinstance(request, NeedL1BlockByHash):
            block = self.l1.by_hash.get(request.id.hash)
            if block is None:
                raise UnsupportedRecording(f"L1 block {request.id.number} 0x{request.id.hash.hex()} is not in the recording")
            return block
        if isinstance(request, NeedBlobs):
            self.report.blobs += len(request.hashes)
            return self.l1.blobs_of(request.hashes)
        if isinstance(request, NeedL2BlockByNumber):
            return self.engine.by_number(request.number)
        assert isinstance(request, NeedL2Block)
        return self.engine.by_hash(request.hash)

    def _execute(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        answer = self._execution(derived)
        if isinstance(answer, PayloadInvalid):
            self.report.invalid += 1
            if self._on_derived is not None:
                self._on_derived(derived, None)
            return answer
        self._idle_resets = 0
        self.engine.put(answer, derived.derived_from, concluding=derived.concluding)
        self.report.derived += 1
        self.report.transactions += len(derived.attributes.transactions)
        if self._on_derived is not None:
            self._on_derived(derived, answer)
        return answer


class RecordedExecution:
    """Answers attributes with the recorded block they agree with.

    `otherwise` executes what the recording cannot hold: blocks derived from L1 blocks that are reorged out later. With `lenient` it
    executes all that differs (for recordings whose L1 data was changed afterwards).
    """

    def __init__(self, expectation: Expectation, otherwise: Execution, *, lenient: bool = False) -> None:
        self._expectation = expectation
        self._otherwise = otherwise
        self._lenient = lenient
        self.matched: set[Hash32] = set()

    def __call__(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        """The block; raises ReplayStopped at a difference, and at the end of what is recorded."""
        expectation = self._expectation
        recorded = expectation.block(derived)
        if recorded is None:
            if self._lenient or not expectation.is_final(derived):
                return self._otherwise(derived)
            if derived.number > expectation.last:
                raise ReplayStopped(None)
            raise ReplayStopped(Difference(derived.number, "number", derived.number, None))
        if expectation.says_invalid(derived, recorded):
            return PayloadInvalid("the recording says so")
        difference = expectation.difference(derived, recorded)
        if difference is None:
            self.matched.add(recorded.block.ref.hash)
            return recorded.block
        if expectation.implies_invalid(derived, recorded, difference):
            return PayloadInvalid(f"the recorded block differs in {difference.field}")
        if self._lenient or not expectation.is_final(derived):
            return self._otherwise(derived)
        raise ReplayStopped(difference)


def final_l1_hashes(items: Iterable[RecordedItem]) -> set[Hash32]:
    """Hashes of the L1 blocks that are canonical at the end."""
    l1 = L1View()
    for item in items:
        if isinstance(item, RecordedL1Block):
            l1.add(item)
    return {block.hash for block in l1.chain}


def replay_recorded(
    head: RecordingHead,
    items: list[RecordedItem],
    otherwise: Execution,
    *,
    lenient: bool = False,
    on_derived: OnDerived | None = None,
    on_notice: OnNotice | None = None,
    watch: Callable[[Iterable[RecordedItem]], Iterator[RecordedItem]] = iter,
) -> Report:
    """Replay against the recorded blocks; `watch` wraps the iteration (a progress bar)."""
    blocks = [item for item in items if isinstance(item, RecordedL2Block)]
    expectation = Expectation(head.rollup_config, blocks, final_l1_hashes(items))
    execution = RecordedExecution(expectation, otherwise, lenient=lenient)
    replay = Replay(head, execution, on_derived=on_derived, on_notice=on_notice)
    difference = None
    try:
        for item in watch(items):
            replay.feed(item)
        report = replay.finish()
    except ReplayStopped as stopped:
        report, difference = replay.report, stopped.difference
    report.expected, report.matched, report.difference = expectation.count, len(execution.matched), difference
    return report
