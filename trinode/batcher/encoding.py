"""From L2 blocks to what lies in calldata or blobs (OP Stack specification: derivation, "Batch Submission Wire Format";
delta/span-batches). Each step is a function of its own; the codecs are `trinode.protocol`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trinode.protocol.batch import SingularBatch, encode_singular_batch
from trinode.protocol.block import KnownBlock
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE, decode_deposit
from trinode.protocol.frame import CHANNEL_ID_SIZE, Frame, encode_frames
from trinode.protocol.l1_info import decode_l1_info
from trinode.protocol.span_batch import encode_span_batch
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import l2_block_of


class BatcherBlock(NamedTuple):
    """An L2 block as a batcher sees it; `sequence_number` counts the blocks of its L1 origin from 0."""

    batch: SingularBatch
    sequence_number: int


class OriginBlock(NamedTuple):
    """An L2 block to be posted, and the time of its L1 origin in seconds, by which Delta is decided."""

    id: BlockId
    block: BatcherBlock
    origin_timestamp: int


def batcher_block_of(config: RollupConfig, known: KnownBlock) -> OriginBlock:
    """What a batch says of a block: all but its deposits, which derivation adds. Raises L2BlockError where it is none of this chain."""
    ref = l2_block_of(config, known.header, known.hash, known.transactions).ref
    info = decode_l1_info(decode_deposit(known.transactions[0]).data)
    transactions = tuple(raw for raw in known.transactions if raw[0] != DEPOSIT_TRANSACTION_TYPE)
    batch = SingularBatch(ref.parent_hash, ref.l1_origin.number, ref.l1_origin.hash, ref.timestamp, transactions)
    return OriginBlock(ref.id, BatcherBlock(batch, ref.sequence_number), info.timestamp)


def encode_batches(config: RollupConfig, blocks: Sequence[BatcherBlock], span_blocks: int | None) -> list[bytes]:
    """Batches with their type byte: one for each block, or one span for each `span_blocks` of them."""
    if span_blocks is None:
        return [encode_singular_batch(block.batch) for block in blocks]
    return [encode_span(config, blocks[start : start + span_blocks]) for start in range(0, len(blocks), span_blocks)]


def encode_span(config: RollupConfig, blocks: Sequence[BatcherBlock]) -> bytes:
    """One span of consecutive blocks. Raises ValueError where a transaction cannot be in a span."""
    return encode_span_batch(
        [block.batch for block in blocks],
        genesis_timestamp=config.genesis.l2_time,
        chain_id=config.l2_chain_id,
        starts_epoch=blocks[0].sequence_number == 0,
    )


def split_frames(channel_id: bytes, channel: bytes, frame_size: int) -> list[Frame]:
    """The frames of a channel, in order; an empty channel has one empty frame."""
    if len(channel_id) != CHANNEL_ID_SIZE:
        raise ValueError(f"a channel id has {CHANNEL_ID_SIZE} bytes, not {len(channel_id)}")
    starts = range(0, max(1, len(channel)), frame_size)
    last = len(starts) - 1
    return [Frame(channel_id, n, channel[start : start + frame_size], n == last) for n, start in enumerate(starts)]


def pack_frames(frames: Sequence[Frame], frames_per_payload: int) -> list[bytes]:
    """What goes into calldata or blobs, one item each."""
    return [
        encode_frames(frames[start : start + frames_per_payload]) for start in range(0, len(frames), frames_per_payload)
    ]
