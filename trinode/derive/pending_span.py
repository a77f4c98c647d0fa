"""The rest of an accepted span batch: given block by block, as long as each follows the block before it."""

from __future__ import annotations

from collections.abc import Sequence

from trinode.derive.batch_check import first_new_block
from trinode.derive.drops import DropReason
from trinode.derive.events import Subject
from trinode.derive.journal import Journal
from trinode.protocol.batch import SingularBatch
from trinode.protocol.block import L1BlockRef
from trinode.protocol.span_batch import SpanBatch
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2BlockRef


class PendingSpan:
    """The blocks of one span batch that are still to be given, as singular batches made when they are due."""

    def __init__(self, config: RollupConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._span: SpanBatch | None = None
        self._next = 0
        self._l1_blocks: tuple[L1BlockRef, ...] = ()

    def __len__(self) -> int:
        return len(self._span) - self._next if self._span is not None else 0

    def is_empty(self) -> bool:
        """Whether there is no span."""
        return self._span is None

    def start(self, span: SpanBatch, l1_blocks: Sequence[L1BlockRef], safe_head: L2BlockRef) -> bool:
        """Take a span whose checks found it to have blocks after `safe_head` and its last L1 origin among `l1_blocks`.

        False if the L1 origin of a block is not there. Origins never go back within a span, so that the first block's tells.
        """
        self._next = first_new_block(span, safe_head)
        first, last = span[self._next].epoch_number, span[-1].epoch_number
        if not l1_blocks[0].number <= first <= last <= l1_blocks[-1].number:
            return False
        lowest = first - l1_blocks[0].number
        self._l1_blocks = tuple(l1_blocks[lowest : last - l1_blocks[0].number + 1])
        self._span = span
        return True

    def next(self, parent: L2BlockRef) -> SingularBatch | None:
        """The next batch on top of `parent`; if its time does not follow, the rest of the span is dropped."""
        if self._span is None:
            return None
        timestamp = self._span[self._next].timestamp
        if timestamp != parent.timestamp + self._config.block_time:
            self.abandon(f"time {timestamp} does not follow {parent.timestamp}")
            return None
        return self.pop(parent)

    def pop(self, parent: L2BlockRef) -> SingularBatch:
        """The next batch, whatever its time."""
        assert self._span is not None
        element = self._span[self._next]
        self._next += 1
        if self._next == len(self._span):
            self._span = None
        origin = self._l1_blocks[element.epoch_number - self._l1_blocks[0].number]
        return SingularBatch(parent.hash, origin.number, origin.hash, element.timestamp, element.transactions)

    def abandon(self, detail: str) -> None:
        """Drop what is left."""
        if self._span is not None:
            self._journal.dropped(DropReason.SPAN_ABANDONED, Subject.BATCH, f"{len(self)} blocks of a span batch", detail)
        self._span = None
