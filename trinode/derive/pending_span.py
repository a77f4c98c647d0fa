"""The rest of an accepted span batch: given block by block, as long as each follows the block before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from trinode.derive.drops import DropReason
from trinode.derive.events import Subject
from trinode.derive.journal import Journal
from trinode.protocol.batch import SingularBatch
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2BlockRef


class PendingSpan:
    """Singular batches of one span batch that are still to be given."""

    def __init__(self, config: RollupConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._batches: deque[SingularBatch] = deque()

    def __len__(self) -> int:
        return len(self._batches)

    def start(self, batches: Iterable[SingularBatch]) -> None:
        """Take a span's singular batches (without parent hashes)."""
        self._batches = deque(batches)

    def next(self, parent: L2BlockRef) -> SingularBatch | None:
        """The next batch on top of `parent`; if its time does not follow, the rest of the span is dropped."""
        if not self._batches:
            return None
        if self._batches[0].timestamp != parent.timestamp + self._config.block_time:
            self.abandon(f"time {self._batches[0].timestamp} does not follow {parent.timestamp}")
            return None
        return self.pop(parent)

    def pop(self, parent: L2BlockRef) -> SingularBatch:
        """The next batch, with its parent hash."""
        return replace(self._batches.popleft(), parent_hash=parent.hash)

    def abandon(self, detail: str) -> None:
        """Drop what is left."""
        if self._batches:
            self._journal.dropped(DropReason.SPAN_ABANDONED, Subject.BATCH, f"{len(self._batches)} blocks of a span batch", detail)
        self._batches.clear()
