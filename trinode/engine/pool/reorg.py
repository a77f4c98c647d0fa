"""What comes back to the pool when blocks are taken back from the chain, and what a new head makes impossible."""

from __future__ import annotations

from collections.abc import Sequence

from trinode.engine.pool.admission import check_form, decode, prepare
from trinode.engine.pool.head import PoolHead
from trinode.engine.pool.limits import PoolError
from trinode.engine.pool.pooled import PooledTransaction
from trinode.execution.block import ExecutedBlock
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.types import Hash32
from trinode.storage.store import Store

MOST_TAKEN_BACK = 64
"""Blocks. Of a deeper reorg nothing comes back: it is not the time of the transactions any more."""


def leads(before: Hash32, head: Hash32, blocks: Sequence[ExecutedBlock]) -> bool:
    """Whether these blocks, one on the other, lead from one head to the other."""
    for block in blocks:
        if block.header.parent_hash != before:
            return False
        before = block.hash
    return before == head


def taken_back(store: Store, before: PoolHead) -> list[PooledTransaction]:
    """The transactions of the blocks from the former head back to the canonical chain, the oldest first, but for deposits and
    for what the canonical chain has too.

    Nothing, if that is too far, or the blocks are not there any more.
    """
    found: list[tuple[bytes, ...]] = []
    header, block_hash = before.header, before.hash
    while store.blocks.canonical_hash(header.number) != block_hash:
        transactions, parent = store.blocks.transactions(block_hash), store.blocks.header(header.parent_hash)
        if len(found) == MOST_TAKEN_BACK or transactions is None or parent is None:
            return []
        found.append(transactions)
        header, block_hash = parent, header.parent_hash
    raws = [raw for transactions in reversed(found) for raw in transactions if raw[0] != DEPOSIT_TRANSACTION_TYPE]
    return [prepare(raw, decode(raw)) for raw in raws if store.blocks.find_transaction(transaction_hash(raw)) is None]


def still_fits(transaction: PooledTransaction, chain_id: int, head: PoolHead) -> bool:
    """Whether a block on this head could have the transaction, for all that it says itself."""
    try:
        check_form(decode(transaction.raw), chain_id, head)
    except PoolError:
        return False
    return True
