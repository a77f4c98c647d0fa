"""What those who follow the chain are told when its head moves (Engine API: paris, "engine_forkchoiceUpdatedV1")."""

from __future__ import annotations

from collections.abc import Sequence

from trinode.execution.block import ExecutedBlock
from trinode.protocol.block import KnownBlock
from trinode.protocol.head_move import BlockWithReceipts, HeadMove
from trinode.storage.store import Store

MOST_TOLD_OF = 512
"""Blocks that are taken back in one move."""
MOST_LOG_BYTES = 32 << 20
"""Data of their logs."""


def about_to_be_removed(store: Store, base: int) -> tuple[BlockWithReceipts, ...] | None:
    """The canonical blocks above `base`, the oldest first, read while they are still there; None: they are too many, or too large."""
    if store.head.number - base > MOST_TOLD_OF:
        return None
    found: list[BlockWithReceipts] = []
    size = 0
    for number in range(base + 1, store.head.number + 1):
        block_hash = store.blocks.canonical_hash(number)
        header = None if block_hash is None else store.blocks.header(block_hash)
        if block_hash is None or header is None:
            return None
        receipts = store.blocks.receipts(block_hash)
        size += sum(len(log.data) for receipt in receipts or () for log in receipt.logs)
        if size > MOST_LOG_BYTES:
            return None
        found.append(BlockWithReceipts(KnownBlock(header, block_hash, store.blocks.transactions(block_hash) or ()), receipts))
    return tuple(found)


def move_of(removed: tuple[BlockWithReceipts, ...] | None, added: Sequence[ExecutedBlock]) -> HeadMove:
    """The move, once it is made."""
    return HeadMove(removed, tuple([told_of(each) for each in added]))


def told_of(block: ExecutedBlock) -> BlockWithReceipts:
    """What of a block is told."""
    return BlockWithReceipts(KnownBlock(block.header, block.hash, block.transactions), block.receipts)
