"""In which order transactions are offered to a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heapreplace
from typing import NamedTuple

from trinode.engine.pool.pooled import PooledTransaction


class DaLimits(NamedTuple):
    """Bytes of estimated data at most, for a transaction and for a block (op-geth: miner_setMaxDASize). None: no limit."""

    transaction: int | None = None
    block: int | None = None


_NO_LIMITS = DaLimits()


def in_order(runs: Sequence[Sequence[PooledTransaction]], base_fee: int, limits: DaLimits) -> Iterator[PooledTransaction]:
    """The transactions by their tips at that base fee, and of equal ones by their age; those of a run one after the other.

    What pays less than the base fee, or is too large, ends its run. What is given counts as being in the block, whether
    the block took it or not: who asks for the next one does not say, and a block must not become too large.
    """
    heap = [(-run[0].tip(base_fee), run[0].order, 0, run) for run in runs if run[0].tip(base_fee) >= 0]
    heapify(heap)
    left = limits.block
    while heap:
        _, _, position, run = heap[0]
        transaction = run[position]
        size = 0 if limits == _NO_LIMITS else transaction.da_size
        if (limits.transaction is not None and size > limits.transaction) or (left is not None and size > left):
            heappop(heap)
            continue
        if left is not None:
            left -= size
        yield transaction
        position += 1
        if position < len(run) and (tip := run[position].tip(base_fee)) >= 0:
            heapreplace(heap, (-tip, run[position].order, position, run))
        else:
            heappop(heap)
