"""Channel Reader: inflates a channel and decodes its batches one by one (specification: derivation, "Channel Reader")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from trinode.derive.channel_assembler import ChannelAssembler
from trinode.derive.channel_bank import ChannelBank
from trinode.derive.drops import DropReason
from trinode.derive.events import Signal, Steps, Subject
from trinode.derive.journal import Journal
from trinode.derive.l1_traversal import L1Traversal
from trinode.protocol.batch import (
    SINGULAR_BATCH_TYPE,
    SPAN_BATCH_TYPE,
    BatchDecodingError,
    SingularBatch,
    decode_singular_batch,
)
from trinode.protocol.channel import ChannelDecodingError, read_batches
from trinode.protocol.span_batch import SpanBatch, decode_span_batch
from trinode.protocol.span_batch_transactions import SpanTransactionError
from trinode.rollup.config import RollupConfig

Batch: TypeAlias = SingularBatch | SpanBatch


class ChannelReader:
    """Batches of one channel after the other. What a channel held before it turned out damaged stays valid."""

    def __init__(self, config: RollupConfig, traversal: L1Traversal, channels: ChannelBank | ChannelAssembler, journal: Journal) -> None:
        self._config = config
        self._traversal = traversal
        self._journal = journal
        self._batches: Iterator[bytes] | None = None
        self._read = 0
        self.channels = channels
        self.encoded = b""  # the batch that was given last, with its type byte

    def flush(self) -> None:
        """Drop the rest of the current channel."""
        if self._batches is not None:
            self._journal.dropped(DropReason.CHANNEL_FLUSHED, Subject.CHANNEL, "current", f"after {self._read} batches")
        self._batches = None

    def next_batch(self) -> Steps[Batch | Signal]:
        """The next batch that decodes; AGAIN where a channel ended or was dropped."""
        rules = self._config.rules(l1_inclusion_timestamp=self._traversal.origin.timestamp)
        if self._batches is None:
            channel = yield from self.channels.next_channel()
            if isinstance(channel, Signal):
                return channel
            self._batches = read_batches(channel, brotli_allowed=rules.brotli, max_rlp_bytes=rules.max_rlp_bytes_per_channel)
            self._read = 0
        try:
            data = next(self._batches, None)
        except ChannelDecodingError as error:
            self._batches = None
            self._journal.dropped(DropReason.BAD_CHANNEL, Subject.CHANNEL, "current", f"after {self._read} batches: {error}")
            return Signal.AGAIN
        if data is None:
            self._batches = None
            if self._read == 0:
                self._journal.dropped(DropReason.BAD_CHANNEL, Subject.CHANNEL, "current", "it holds no batch")
            return Signal.AGAIN
        self._read += 1
        return self._decode(data, span_batches=rules.span_batches)

    def _decode(self, data: bytes, *, span_batches: bool) -> Batch | Signal:
        name = f"batch {self._read - 1} of its channel"
        try:
            batch = self.decode(data)
        except SpanTransactionError as error:
            self._journal.dropped(DropReason.BAD_SPAN_TRANSACTION, Subject.BATCH, name, str(error))
            return Signal.AGAIN
        except BatchDecodingError as error:
            self._batches = None
            self._journal.dropped(DropReason.BAD_BATCH, Subject.BATCH, name, str(error))
            return Signal.AGAIN
        self.encoded = data
        # The L1 inclusion time decides here whether spans count; the batch checks ask again, of their first L1 origin's time.
        if isinstance(batch, SpanBatch) and not span_batches:
            self._journal.dropped(DropReason.SPAN_BATCH_BEFORE_DELTA, Subject.BATCH, describe_batch(batch))
            return Signal.AGAIN
        if self._journal.observing:
            self._journal.progressed("read", Subject.BATCH, describe_batch(batch))
        return batch

    def decode(self, data: bytes) -> Batch:
        """The batch with its type byte in front. Raises BatchDecodingError."""
        if data[:1] == bytes([SINGULAR_BATCH_TYPE]):
            return decode_singular_batch(data[1:])
        if data[:1] != bytes([SPAN_BATCH_TYPE]):
            raise BatchDecodingError(f"batch type {data[0]}" if data else "an empty batch")
        return decode_span_batch(
            data[1:],
            block_time=self._config.block_time,
            genesis_timestamp=self._config.genesis.l2_time,
            chain_id=self._config.l2_chain_id,
        )


def describe_batch(batch: Batch) -> str:
    """How notices name a batch."""
    if isinstance(batch, SingularBatch):
        return f"singular batch at time {batch.timestamp}, origin {batch.epoch_number}, {len(batch.transactions)} transactions"
    first, last = batch[0], batch[-1]
    return (
        f"span batch of {len(batch)} blocks, times {first.timestamp} to {last.timestamp},"
        f" origins {first.epoch_number} to {last.epoch_number}, {batch.transaction_count} transactions"
    )
