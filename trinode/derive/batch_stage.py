"""Batch Stage: batches strictly in order, one at a time (specification: holocene/derivation, "Batch Queue"). Holocene and later."""

from __future__ import annotations

from collections.abc import Iterable

from trinode.derive.batch_check import (
    ACCEPT,
    Validity,
    check_singular_batch,
    check_span_overlap,
    check_span_prefix,
)
from trinode.derive.batch_queue import NextBatch
from trinode.derive.channel_reader import Batch, ChannelReader, describe_batch
from trinode.derive.checkpoint import WaitingBatch
from trinode.derive.drops import DropReason
from trinode.derive.epochs import Epochs
from trinode.derive.errors import ResetRequired
from trinode.derive.events import Signal, Steps, Subject
from trinode.derive.journal import Journal
from trinode.derive.pending_span import PendingSpan
from trinode.protocol.batch import SingularBatch
from trinode.protocol.span_batch import SpanBatch
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2BlockRef


class BatchStage:
    """Nothing is kept for later: past batches are skipped, invalid ones take the rest of their channel along."""

    def __init__(self, config: RollupConfig, reader: ChannelReader, epochs: Epochs, journal: Journal) -> None:
        self._config = config
        self._reader = reader
        self._epochs = epochs
        self._journal = journal
        self._span = PendingSpan(config, journal)

    def state(self) -> tuple[WaitingBatch, ...] | None:
        """What is kept, for a checkpoint: nothing; None while a span is being given."""
        return () if self._span.is_empty() else None

    def resume(self, batches: Iterable[WaitingBatch]) -> None:
        """Go on: this stage keeps no batches."""
        assert not tuple(batches), "only the batch queue keeps batches"

    def flush(self) -> None:
        """Drop the rest of the current span and channel: what follows an invalid batch or block is not to be trusted."""
        self._span.abandon("flushed")
        self._reader.flush()

    def abandon(self) -> None:
        """Nothing follows this stage yet."""

    def next_batch(self, parent: L2BlockRef) -> Steps[NextBatch | Signal]:
        """The batch of the block on top of `parent`."""
        self._epochs.update(parent)
        if self._epochs.origin.number <= parent.l1_origin.number:
            # Old L1 blocks are read for their channels only. Their batches cannot be for a block after the safe head.
            read = yield from self._reader.next_batch()
            if isinstance(read, Signal):
                return read
            self._drop(read, DropReason.ORIGIN_BEHIND)
            return Signal.AGAIN
        assert len(self._epochs.l1_blocks) >= 2, "L1 blocks from the parent's origin to the one being read are buffered"
        if not self._epochs.follows(parent):
            raise ResetRequired(f"L1 block {self._epochs.l1_blocks[0].number} does not follow the safe head's L1 origin {parent.l1_origin.number}")
        candidate = yield from self._candidate(parent)
        if candidate is Signal.EXHAUSTED:
            empty = self._epochs.forced_empty_batch(parent, out_of_data=True)
            return Signal.EXHAUSTED if empty is None else NextBatch(empty, concluding=True)
        if isinstance(candidate, Signal):
            return candidate
        verdict = check_singular_batch(self._config, self._epochs.l1_blocks, parent, candidate, self._epochs.origin)
        if verdict is ACCEPT:
            if self._journal.observing:
                self._journal.progressed("accepted", Subject.BATCH, describe_batch(candidate))
            return NextBatch(candidate, concluding=True)  # from Holocene on each block of a span is final by itself
        assert verdict.reason is not None
        self._drop(candidate, verdict.reason, verdict.detail)
        if verdict.validity is Validity.DROP:
            self.flush()
        return Signal.AGAIN

    def _drop(self, batch: Batch, reason: DropReason, detail: str = "") -> None:
        self._journal.dropped(reason, Subject.BATCH, describe_batch(batch), detail)

    def _candidate(self, parent: L2BlockRef) -> Steps[SingularBatch | Signal]:
        """The next block of the current span, or of the next batch of the channel."""
        batch = self._span.next(parent)
        if batch is not None:
            return batch
        read = yield from self._reader.next_batch()
        if isinstance(read, SpanBatch):
            return (yield from self._open_span(read, parent))
        return read

    def _open_span(self, batch: SpanBatch, parent: L2BlockRef) -> Steps[SingularBatch | Signal]:
        l1_blocks = self._epochs.l1_blocks
        verdict, span_parent = yield from check_span_prefix(self._config, l1_blocks, parent, batch, self._epochs.origin)
        if verdict is ACCEPT:
            verdict = yield from check_span_overlap(self._config, parent, span_parent, batch)
        if verdict is ACCEPT:
            if self._span.start(batch, l1_blocks, parent):
                return self._span.pop(parent)
            self._drop(batch, DropReason.EPOCH_UNKNOWN)
            self.flush()
            return Signal.AGAIN
        assert verdict.reason is not None
        self._drop(batch, verdict.reason, verdict.detail)
        if verdict.validity is Validity.DROP:
            self.flush()
        return Signal.AGAIN
