"""Batch Queue: batches in any order, sorted out by checking all of them for each next block (specification: derivation, "Batch Queue").

Before Holocene; from it on `batch_stage`.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import count
from operator import itemgetter
from typing import NamedTuple

from trinode.derive.batch_check import (
    Validity,
    Verdict,
    check_singular_batch,
    check_span_batch,
)
from trinode.derive.channel_reader import Batch, ChannelReader, describe_batch
from trinode.derive.checkpoint import MAX_WAITING, WaitingBatch
from trinode.derive.drops import DropReason
from trinode.derive.epochs import Epochs
from trinode.derive.errors import CriticalError, ResetRequired
from trinode.derive.events import Signal, Steps, Subject
from trinode.derive.journal import Journal
from trinode.derive.pending_span import PendingSpan
from trinode.protocol.batch import SingularBatch
from trinode.protocol.block import L1BlockRef
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2BlockRef


class Queued(NamedTuple):
    """A batch, decoded and as it was read, with the L1 block whose data completed it."""

    batch: Batch
    inclusion: L1BlockRef
    encoded: bytes


class NextBatch(NamedTuple):
    """A batch for the next block; `concluding`: that block becomes safe at once, and not only with the last block of its span."""

    batch: SingularBatch
    concluding: bool


class BatchQueue:
    """Keeps future and undecided batches until their time comes.

    Batches count in the order in which they were read, but those of the future wait apart, by time: a few posted bytes inflate to very many
    of them, and not every one can be checked again whenever another one is read. That cannot change what is accepted: a batch of the
    future stays one until the next block has its time.
    """

    def __init__(self, config: RollupConfig, reader: ChannelReader, epochs: Epochs, journal: Journal) -> None:
        self._config = config
        self._reader = reader
        self._epochs = epochs
        self._journal = journal
        self._due: list[tuple[int, Queued]] = []  # a heap by the order of reading
        self._future: list[tuple[int, int, Queued]] = []  # a heap by time
        self._order = count()
        self._span = PendingSpan(config, journal)

    def next_batch(self, parent: L2BlockRef) -> Steps[NextBatch | Signal]:
        """The batch of the block on top of `parent`. A span, once accepted, is given without checking again."""
        batch = self._span.next(parent)
        if batch is not None:
            return NextBatch(batch, concluding=not self._span)
        self._epochs.update(parent)
        behind = self._epochs.behind(parent)
        read = yield from self._reader.next_batch()
        if read is Signal.AGAIN:
            return read
        if behind:
            if not isinstance(read, Signal):
                self._drop(read, DropReason.ORIGIN_BEHIND)
                return Signal.AGAIN
            return read
        if not isinstance(read, Signal):
            yield from self._add(Queued(read, self._epochs.origin, self._reader.encoded), parent)
        found = yield from self._derive_next(parent, out_of_data=read is Signal.EXHAUSTED)
        if found is None:
            return Signal.EXHAUSTED if read is Signal.EXHAUSTED else Signal.AGAIN
        return self._begin(found, parent)

    def flush(self) -> None:
        """Drop the rest of the current span and channel.

        Reached only where Holocene activates in the same L1 gap as an earlier fork, so that this stage outlives its time; op-node panics there.
        """
        self._span.abandon("flushed")
        self._reader.flush()

    def abandon(self) -> None:
        """Note what is lost when Holocene's batch stage takes over."""
        for batch in self.waiting:
            self._drop(batch, DropReason.FORK_SWITCH)
        self._span.abandon("Holocene")

    def state(self) -> tuple[WaitingBatch, ...] | None:
        """What is kept, for a checkpoint; None while a span is being given, and where it is too much."""
        if not self._span.is_empty() or len(self._due) + len(self._future) > MAX_WAITING:
            return None
        kept = [(order, queued, False) for order, queued in self._due] + [(order, queued, True) for _, order, queued in self._future]
        return tuple(WaitingBatch(queued.encoded, queued.inclusion, future) for _, queued, future in sorted(kept, key=itemgetter(0)))

    def resume(self, batches: Iterable[WaitingBatch]) -> None:
        """Go on with these batches. Raises BatchDecodingError."""
        for waiting in batches:
            queued = Queued(self._reader.decode(waiting.encoded), waiting.inclusion, waiting.encoded)
            self._keep(next(self._order), queued, future=waiting.future)

    @property
    def waiting(self) -> list[Batch]:
        """The batches that are kept, in the order in which they were read."""
        by_order = dict(self._due) | {order: queued for _, order, queued in self._future}
        return [queued.batch for _, queued in sorted(by_order.items())]

    def _drop(self, batch: Batch, reason: DropReason, detail: str = "") -> None:
        self._journal.dropped(reason, Subject.BATCH, describe_batch(batch), detail)

    def _check(self, queued: Queued, parent: L2BlockRef) -> Steps[Verdict]:
        l1_blocks = self._epochs.l1_blocks
        if isinstance(queued.batch, SingularBatch):
            return check_singular_batch(self._config, l1_blocks, parent, queued.batch, queued.inclusion)
        return (yield from check_span_batch(self._config, l1_blocks, parent, queued.batch, queued.inclusion))

    def _add(self, queued: Queued, parent: L2BlockRef) -> Steps[None]:
        verdict = yield from self._check(queued, parent)
        if verdict.validity is Validity.DROP:
            assert verdict.reason is not None
            self._drop(queued.batch, verdict.reason, verdict.detail)
            return
        if self._journal.observing and verdict.validity is not Validity.ACCEPT:
            self._journal.progressed("kept for later", Subject.BATCH, describe_batch(queued.batch), verdict.detail)
        self._keep(next(self._order), queued, future=verdict.validity is Validity.FUTURE)

    def _keep(self, order: int, queued: Queued, *, future: bool) -> None:
        if future:
            batch = queued.batch
            heappush(self._future, (batch.timestamp if isinstance(batch, SingularBatch) else batch[0].timestamp, order, queued))
        else:
            heappush(self._due, (order, queued))

    def _wake(self, next_timestamp: int) -> None:
        while self._future and self._future[0][0] <= next_timestamp:
            _, order, queued = heappop(self._future)
            heappush(self._due, (order, queued))

    def _derive_next(self, parent: L2BlockRef, *, out_of_data: bool) -> Steps[Batch | None]:
        if not self._epochs.follows(parent):
            raise ResetRequired(f"L1 block {self._epochs.l1_blocks[0].number} does not follow the safe head's L1 origin {parent.l1_origin.number}")
        self._wake(parent.timestamp + self._config.block_time)
        while self._due:
            order, queued = self._due[0]
            verdict = yield from self._check(queued, parent)
            if verdict.validity is Validity.UNDECIDED:
                return None  # it blocks those behind it
            heappop(self._due)
            if verdict.validity is Validity.ACCEPT:
                return queued.batch
            if verdict.validity is Validity.FUTURE:  # an invalid block took the head back
                self._keep(order, queued, future=True)
            else:
                assert verdict.reason is not None
                self._drop(queued.batch, verdict.reason, verdict.detail)
        return self._epochs.forced_empty_batch(parent, out_of_data=out_of_data)

    def _begin(self, batch: Batch, parent: L2BlockRef) -> NextBatch:
        if self._journal.observing:
            self._journal.progressed("accepted", Subject.BATCH, describe_batch(batch))
        if isinstance(batch, SingularBatch):
            return NextBatch(batch, concluding=True)
        if not self._span.start(batch, self._epochs.l1_blocks, parent):
            raise CriticalError("an accepted span batch has an L1 origin that is not there")
        return NextBatch(self._span.pop(parent), concluding=not self._span)
