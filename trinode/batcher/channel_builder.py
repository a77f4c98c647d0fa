"""One channel in the making: which blocks are in it, when it is full, and when it must be closed (specification: derivation, "Batch
Submission Wire Format"; delta/span-batches; fjord/derivation; holocene/derivation).

It keeps to what derivation takes at the L1 block that the channel will be in, which is later than the newest one: brotli and span
batches only if their fork is active already. All blocks of a channel are in span batches or none.
"""

from __future__ import annotations

from collections.abc import Sequence

from trinode.batcher.encoding import OriginBlock, encode_batches
from trinode.batcher.l1_sender import L1Head
from trinode.batcher.settings import BatcherSettings, BatchType, Compression, DataAvailability
from trinode.protocol.blob import MAX_BLOB_DATA_SIZE
from trinode.protocol.channel import ChannelCompression, compress_channel
from trinode.protocol.frame import CHANNEL_ID_SIZE
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork

_FRAME_HEADER = CHANNEL_ID_SIZE + 2 + 4 + 1
_VERSION_BYTE = 1
BLOB_FRAME_SIZE = MAX_BLOB_DATA_SIZE - _VERSION_BYTE - _FRAME_HEADER
"""Bytes of channel data that a blob holds as one frame."""
_TRANSACTION_BYTES = 12  # beyond its own: what a span's columns or an RLP length take at most
_BLOCK_BYTES = 120  # a singular batch's other fields; a span has fewer
_NEARLY_FULL = 0.9


def frame_size(settings: BatcherSettings, *, in_blobs: bool) -> int:
    """Bytes of channel data in one blob, or in one transaction's calldata."""
    return BLOB_FRAME_SIZE if in_blobs else settings.max_l1_tx_size - _VERSION_BYTE - _FRAME_HEADER


def takes_blobs(config: RollupConfig, head: L1Head) -> bool:
    """Whether derivation will read blobs of the L1 blocks to come, and L1 has them."""
    return head.excess_blob_gas is not None and config.rules(l1_inclusion_timestamp=head.timestamp).blob_data


class ChannelBuilder:
    """Takes consecutive L2 blocks from the first one on. `opened` is L1's head then, `now` the clock (seconds)."""

    def __init__(self, config: RollupConfig, settings: BatcherSettings, opened: L1Head, now: float) -> None:
        rules = config.rules(l1_inclusion_timestamp=opened.timestamp)
        brotli = rules.brotli and settings.compression is Compression.AUTO
        in_blobs = takes_blobs(config, opened) and settings.data_availability is not DataAvailability.CALLDATA
        self._config = config
        self._settings = settings
        self._opened = opened
        self._opened_at = now
        self._compression = ChannelCompression.BROTLI if brotli else ChannelCompression.ZLIB
        self._most_bytes = rules.max_rlp_bytes_per_channel
        self._room = settings.target_num_frames * frame_size(settings, in_blobs=in_blobs)
        self._size = self._raw_size = 0  # bytes at most, compressed and not
        self._in_spans: bool | None = None
        self.blocks: list[OriginBlock] = []
        self.full = False

    def fill(self, blocks: Sequence[OriginBlock]) -> int:
        """Take blocks until the channel is `full`; says how many. Compresses now and then, so it takes CPU."""
        for index, block in enumerate(blocks):
            if self.full or not self._add(block):
                self.full = True
                return index
        return len(blocks)

    def _add(self, block: OriginBlock) -> bool:
        """False if the block does not fit."""
        in_spans = self._takes_spans(block)
        growth = _BLOCK_BYTES + sum(len(raw) + _TRANSACTION_BYTES for raw in block.block.batch.transactions)
        if self.blocks and (in_spans != self._in_spans or self._raw_size + growth > self._most_bytes):
            return False
        self._in_spans = in_spans
        self.blocks.append(block)
        self._raw_size += growth
        self._size += growth
        if self._size <= self._room:
            return True
        # The bound holds what data takes that does not compress. What it really takes makes room again, mostly.
        self._size = len(self.encode())
        if self._size > self._room and len(self.blocks) > 1:
            self.blocks.pop()
            return False
        self.full = self._size > _NEARLY_FULL * self._room
        return True

    def _takes_spans(self, block: OriginBlock) -> bool:
        wanted = self._settings.batch_type is BatchType.SPAN
        return wanted and self._config.is_active(Fork.DELTA, l1_origin_timestamp=block.origin_timestamp)

    def encode(self) -> bytes:
        """The channel with the blocks so far, of which there must be one."""
        blocks = [block.block for block in self.blocks]
        batches = encode_batches(self._config, blocks, len(blocks) if self._in_spans else None)
        return compress_channel(batches, self._compression, self._settings.compression_level)

    def due(self, head: L1Head, now: float) -> str | None:
        """Why the channel is to be closed now; None if it may stay open."""
        settings, config = self._settings, self._config
        if not self.blocks:
            return None
        if self.full:
            return "it is full"
        age = head.number - self._opened.number
        if settings.max_channel_duration and age >= settings.max_channel_duration:
            return f"it has been open for {age} L1 blocks"
        if settings.max_channel_age is not None and now - self._opened_at >= settings.max_channel_age:
            return f"it has been open for {now - self._opened_at:.0f} s"
        latest = self.blocks[0].block.batch.epoch_number + config.seq_window_size
        if head.number + settings.sub_safety_margin >= latest:
            return f"its sequencing window ends with L1 block {latest}"
        timeout = config.channel_timeout_at(l1_inclusion_timestamp=head.timestamp)
        if age + settings.sub_safety_margin >= timeout:
            return f"it has been open for {age} L1 blocks, and channels time out after {timeout}"
        return None
