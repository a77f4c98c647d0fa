"""Span batches: many consecutive L2 blocks in one batch, their fields column by column (specification: delta/span-batches).

A decoded span keeps its columns and gives blocks on demand: ten million empty blocks fit into a few bytes of a channel, and must not
become ten million objects before somebody has checked that the batch is wanted.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from trinode.protocol.batch import SPAN_BATCH_TYPE, BatchDecodingError, SingularBatch
from trinode.protocol.span_batch_transactions import (
    MAX_SPAN_BATCH_ELEMENT_COUNT,
    decode_span_transactions,
    encode_bits,
    encode_span_transactions,
    encode_uvarint,
    read_bits,
    read_uvarint,
    read_uvarints,
)
from trinode.protocol.types import Hash32

CHECK_SIZE = 20
"""Bytes of the parent hash and of the last L1 origin's hash that a span carries."""
UINT64 = 2**64 - 1


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
        """`origin_changes`: "1" for each block with another L1 origin than the block before it, else "0"; lists one entry a block."""
        self.parent_check = parent_check
        self.l1_origin_check = l1_origin_check
        self._first_timestamp = first_timestamp
        self._block_time = block_time
        # What the first block's bit says is not known to matter: nothing in the span comes before it.
        changes = array("L", accumulate(map(int, "0" + origin_changes[1:])))
        self._changes = changes
        self._first_epoch_number = last_epoch_number - changes[-1]
        self._ends = array("L", accumulate(transaction_counts))
        self._transactions = transactions

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> SpanBatchElement:
        """Block `index`; numbers wrap as uint64, as in op-node. Raises IndexError."""
        if index < 0:
            index += len(self._ends)
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
    """The span in `payload`, which comes after the type byte; what follows it is ignored.

    Raises BatchDecodingError, or its subclass SpanTransactionError where the columns are whole but a transaction in them is not.
    """
    relative_timestamp, position = read_uvarint(payload, 0)
    last_epoch_number, position = read_uvarint(payload, position)
    if position + 2 * CHECK_SIZE > len(payload):
        raise BatchDecodingError("the span batch ends within its prefix")
    parent_check = payload[position : position + CHECK_SIZE]
    position += CHECK_SIZE
    l1_origin_check = payload[position : position + CHECK_SIZE]
    block_count, position = read_uvarint(payload, position + CHECK_SIZE)
    if not 0 < block_count <= MAX_SPAN_BATCH_ELEMENT_COUNT:
        raise BatchDecodingError(f"{block_count} blocks in a span batch, at least 1 and at most {MAX_SPAN_BATCH_ELEMENT_COUNT}")
    origin_changes, position = read_bits(payload, position, block_count)
    counts, position = read_uvarints(payload, position, block_count)
    if sum(counts) > MAX_SPAN_BATCH_ELEMENT_COUNT:
        raise BatchDecodingError(f"{sum(counts)} transactions in a span batch, at most {MAX_SPAN_BATCH_ELEMENT_COUNT}")
    transactions = decode_span_transactions(payload, position, sum(counts), chain_id)
    return SpanBatch(
        parent_check,
        l1_origin_check,
        (genesis_timestamp + relative_timestamp) & UINT64,
        block_time,
        last_epoch_number,
        origin_changes,
        counts,
        transactions,
    )


def encode_span_batch(
    blocks: Sequence[SingularBatch], *, genesis_timestamp: int, chain_id: int, starts_epoch: bool, origin_hash: Hash32 | None = None
) -> bytes:
    """The span of `blocks`, consecutive and at least one, with its type byte.

    `starts_epoch`: the first block has another L1 origin than its parent. `origin_hash`: of the last block's L1 origin, if not its own.
    Raises ValueError where a transaction cannot be in a span.
    """
    changes = [starts_epoch] + [later.epoch_number != earlier.epoch_number for earlier, later in pairwise(blocks)]
    transactions = [raw for block in blocks for raw in block.transactions]
    pieces = [
        bytes([SPAN_BATCH_TYPE]),
        encode_uvarint((blocks[0].timestamp - genesis_timestamp) & UINT64),
        encode_uvarint(blocks[-1].epoch_number),
        blocks[0].parent_hash[:CHECK_SIZE],
        (origin_hash or blocks[-1].epoch_hash)[:CHECK_SIZE],
        encode_uvarint(len(blocks)),
        encode_bits(changes),
        *(encode_uvarint(len(block.transactions)) for block in blocks),
        encode_span_transactions(transactions, chain_id),
    ]
    return b"".join(pieces)
