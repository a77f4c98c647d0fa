"""Derivation beside the sequencer of a made-up chain: where batches come to nothing, it says what chain there is.

The recording does not depend on its being right: it only steers what the sequencer builds next.
"""

from __future__ import annotations

from harness.fake_execution import FakeExecution
from harness.recording import RecordedItem, RecordingHead
from harness.replay import Replay
from harness.sequencer import SequencedBlock, Sequencer, sequenced_block
from trinode.derive.events import DerivedAttributes
from trinode.protocol.types import Hash32
from trinode.rollup.l2_block import L2Block, L2BlockRef


class Follower:
    """Replays the recording as it grows."""

    def __init__(self, head: RecordingHead, execution: FakeExecution) -> None:
        self._derived: dict[Hash32, SequencedBlock] = {}
        self._rejected: list[int] = []
        self._start = head.l2_start.block.ref
        self._replay = Replay(head, execution, on_derived=self._on_derived)

    def feed(self, item: RecordedItem) -> None:
        """Derive from L1's next event; raises what `Replay.feed` raises."""
        self._replay.feed(item)

    def take_rejected(self) -> list[int]:
        """Numbers of the blocks that the engine has rejected since the last call."""
        rejected, self._rejected = self._rejected, []
        return rejected

    @property
    def head(self) -> L2BlockRef | None:
        """The last block derived on the canonical L1; None while derivation has not seen that L1 reorged."""
        status = self._replay.pipeline.status
        if status is None:
            return None
        seen = self._replay.l1.by_number(status.origin.number)
        return status.pending_safe if seen is not None and seen.hash == status.origin.hash else None

    def differing(self, sequencer: Sequencer) -> list[SequencedBlock]:
        """The derived blocks that are not the sequencer's, in order, if the last of them is not; else none."""
        ref, blocks = self.head, list[SequencedBlock]()
        while ref is not None and ref.number > self._start.number:
            mine = sequencer.by_number(ref.number)
            if mine is not None and mine.block.ref.hash == ref.hash:
                break
            blocks.append(self._derived[ref.hash])
            parent = self._derived.get(ref.parent_hash)
            ref = parent.block.ref if parent is not None else None
        return blocks[::-1]

    def _on_derived(self, derived: DerivedAttributes, block: L2Block | None) -> None:
        if block is None:
            self._rejected.append(derived.number)
        else:
            self._derived[block.ref.hash] = sequenced_block(derived.attributes, block)
