"""Span batches: many consecutive L2 blocks in one batch, their fields in columns (specification: delta/span-batches).

A decoded span gives its blocks on demand: ten million empty blocks fit into a few bytes of a channel, and must not
become ten million objects before somebody has checked that the batch is wanted.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from trinode.protocol.batch import SPAN_BATCH_TYPE, BatchDecodingError, SingularBatch
from trinode.protocol.span_batch_columns import (
    MAX_SPAN_BATCH_ELEMENT_COUNT,
    TransactionColumns,
    decode_columns,
    encode_columns,
)
from trinode.protocol.span_batch_fields import (
    bits_to_text,
    encode_bits,
    encode_uvarint,
    read_bits,
    read_uvarint,
    read_uvarints,
    text_to_bits,
)
from trinode.protocol.span_batch_transactions import assemble_transactions
from trinode.protocol.span_batch_transposition import transpose_transactions
from trinode.protocol.types import UINT64, Hash32

CHECK_SIZE = 20
"""Bytes of the parent hash and of the last L1 origin's hash that a span carries."""


@dataclass(frozen=True, slots=True)
class RawSpanBatch:
    """A span batch as on the wire: what decodes need not make sense, what is encoded need not decode."""

    relative_timestamp: int
    """Of the first block, seconds after the genesis block."""
    l1_origin_number: int
    """Of the last block."""
    parent_check: bytes
    l1_origin_check: bytes
    block_count: int
    origin_bits: int
    """One a block, the first block's the lowest: whether its L1 origin is not that of the block before it."""
    transaction_counts: Sequence[int]
    """One a block."""
    columns: TransactionColumns


class SpanBatchElement(NamedTuple):
    """One block of a span: number of its L1 origin, timestamp in seconds (both uint64), raw transactions."""

    epoch_number: int
    timestamp: int
    transactions: tuple[bytes, ...]


class SpanBatch:
    """A span of `len(batch)` blocks, at least one; `batch[i]` is a block, the last one with a negative index."""

    def __init__(
        self,
        parent_check: bytes,
        l1_origin_check: bytes,
        first_timestamp: int,
        block_time: int,
        last_epoch_number: int,
        origin_changes: str,
        transaction_counts: Sequence[int],
        transactions: list[bytes],
    ) -> None:
        """`origin_changes`: "1" for each block with another L1 origin than the block before it, else "0".

        `transaction_counts` has one entry a block too.
        """
        self.parent_check = parent_check
        self.l1_origin_check = l1_origin_check
        self._first_timestamp = first_timestamp
        self._block_time = block_time
        # What the first block's bit says is not known to matter: nothing in the span comes before it.
        changes = array("I", accumulate(map(int, "0" + origin_changes[1:])))
        self._changes = changes
        self._first_epoch_number = last_epoch_number - changes[-1]
        self._ends = array("I", accumulate(transaction_counts))
        self._transactions = transactions

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> SpanBatchElement:
        """Block `index`; numbers wrap as uint64, as in op-node. Raises IndexError."""
        index = range(len(self._ends))[index]
        end = self._ends[index]
        start = self._ends[index - 1] if index > 0 else 0
        return SpanBatchElement(
            (self._first_epoch_number + self._changes[index]) & UINT64,
            (self._first_timestamp + index * self._block_time) & UINT64,
            tuple(self._transactions[start:end]),
        )

    def __iter__(self) -> Iterator[SpanBatchElement]:
        return map(self.__getitem__, range(len(self)))

    @property
    def transaction_count(self) -> int:
        """Of all blocks."""
        return len(self._transactions)


def decode_span_batch(payload: bytes, *, block_time: int, genesis_timestamp: int, chain_id: int) -> SpanBatch:
    """The span in `payload`, which is what comes after the type byte; what follows the span is ignored.

    Raises BatchDecodingError, or its subclass SpanTransactionError where only a transaction in the columns is wrong.
    """
    raw = decode_raw_span_batch(payload)
    return derive_span_batch(raw, block_time=block_time, genesis_timestamp=genesis_timestamp, chain_id=chain_id)


def decode_raw_span_batch(payload: bytes) -> RawSpanBatch:
    """The same, not yet made into blocks. Raises BatchDecodingError."""
    relative_timestamp, position = read_uvarint(payload, 0)
    l1_origin_number, checks = read_uvarint(payload, position)
    position = checks + 2 * CHECK_SIZE
    if position > len(payload):
        raise BatchDecodingError("the span batch ends within its prefix")
    parent_check, l1_origin_check = payload[checks : checks + CHECK_SIZE], payload[checks + CHECK_SIZE : position]
    block_count, position = read_uvarint(payload, position)
    if not 0 < block_count <= MAX_SPAN_BATCH_ELEMENT_COUNT:
        raise BatchDecodingError(f"{block_count} blocks in a span batch, not 1 to {MAX_SPAN_BATCH_ELEMENT_COUNT}")
    origin_bits, position = read_bits(payload, position, block_count)
    transaction_counts, position = read_uvarints(payload, position, block_count)
    count = sum(transaction_counts)
    if count > MAX_SPAN_BATCH_ELEMENT_COUNT:
        raise BatchDecodingError(f"{count} transactions in a span batch, at most {MAX_SPAN_BATCH_ELEMENT_COUNT}")
    return RawSpanBatch(
        relative_timestamp=relative_timestamp,
        l1_origin_number=l1_origin_number,
        parent_check=parent_check,
        l1_origin_check=l1_origin_check,
        block_count=block_count,
        origin_bits=origin_bits,
        transaction_counts=transaction_counts,
        columns=decode_columns(payload, position, count),
    )


def derive_span_batch(raw: RawSpanBatch, *, block_time: int, genesis_timestamp: int, chain_id: int) -> SpanBatch:
    """The blocks that a decoded span stands for. Raises SpanTransactionError."""
    return SpanBatch(
        raw.parent_check,
        raw.l1_origin_check,
        genesis_timestamp + raw.relative_timestamp,
        block_time,
        raw.l1_origin_number,
        bits_to_text(raw.origin_bits, raw.block_count),
        raw.transaction_counts,
        assemble_transactions(raw.columns, chain_id),
    )


def encode_span_batch(
    blocks: Sequence[SingularBatch],
    *,
    genesis_timestamp: int,
    chain_id: int,
    starts_epoch: bool,
    origin_hash: Hash32 | None = None,
) -> bytes:
    """The span of `blocks`, consecutive and at least one, with its type byte, as op-batcher encodes it.

    `starts_epoch`: the first block has another L1 origin than its parent. `origin_hash`: of the last block's L1 origin,
    if not its own. Raises ValueError where a transaction cannot be in a span.
    """
    changes = [starts_epoch] + [later.epoch_number != earlier.epoch_number for earlier, later in pairwise(blocks)]
    span = RawSpanBatch(
        relative_timestamp=(blocks[0].timestamp - genesis_timestamp) & UINT64,
        l1_origin_number=blocks[-1].epoch_number,
        parent_check=blocks[0].parent_hash[:CHECK_SIZE],
        l1_origin_check=(origin_hash or blocks[-1].epoch_hash)[:CHECK_SIZE],
        block_count=len(blocks),
        origin_bits=text_to_bits("".join("1" if change else "0" for change in changes)),
        transaction_counts=[len(block.transactions) for block in blocks],
        columns=transpose_transactions((raw for block in blocks for raw in block.transactions), chain_id),
    )
    return encode_raw_span_batch(span)


def encode_raw_span_batch(raw: RawSpanBatch) -> bytes:
    """The batch with its type byte, whether its fields fit together or not."""
    return b"".join((
        bytes([SPAN_BATCH_TYPE]),
        encode_uvarint(raw.relative_timestamp),
        encode_uvarint(raw.l1_origin_number),
        raw.parent_check,
        raw.l1_origin_check,
        encode_uvarint(raw.block_count),
        encode_bits(raw.origin_bits, raw.block_count),
        *map(encode_uvarint, raw.transaction_counts),
        encode_columns(raw.columns),
    ))
