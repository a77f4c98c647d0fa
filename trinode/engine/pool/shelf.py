"""One of the two parts of the pool, the pending or the queued transactions, bounded in slots: who gives way when it is full."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from trinode.engine.pool.pooled import PooledTransaction
from trinode.protocol.types import Address, Hash32

Worth: TypeAlias = tuple[bool, int, int]
"""What counts when there is no room: first whether the transaction is among those that its account is guaranteed, then its
tip in the next block, then its age. The least goes first."""

_STALE = 2


class Shelf:
    """Transactions in the order in which they were put here. `worth` of a transaction must be the same until `reorder`."""

    def __init__(self, most_slots: int, worth: Callable[[PooledTransaction], Worth]) -> None:
        self.transactions: dict[Hash32, PooledTransaction] = {}
        self.slots = 0
        self._most_slots = most_slots
        self._worth = worth
        self._heap: list[tuple[Worth, Hash32]] | None = None

    def __len__(self) -> int:
        return len(self.transactions)

    def add(self, transaction: PooledTransaction) -> None:
        """Puts a transaction here that is not here."""
        self.transactions[transaction.hash] = transaction
        self.slots += transaction.slots
        if self._heap is not None:
            heappush(self._heap, (self._worth(transaction), transaction.hash))
            if len(self._heap) > _STALE * len(self.transactions) + 16:
                self._heap = None

    def remove(self, transaction: PooledTransaction) -> None:
        """Takes away a transaction that is here."""
        del self.transactions[transaction.hash]
        self.slots -= transaction.slots

    def reorder(self) -> None:
        """The worth of transactions has changed."""
        self._heap = None

    def excess(self, coming: int = 0) -> int:
        """How many slots must become free, if so many more are needed."""
        return max(0, self.slots + coming - self._most_slots)

    def weakest(self, slots: int, spared: Address | None = None) -> list[PooledTransaction]:
        """The least worthy transactions that take at least so many slots together; all there are, if they do not. Those of
        `spared` are passed over.
        """
        if self._heap is None:
            self._heap = [(self._worth(transaction), hash) for hash, transaction in self.transactions.items()]
            heapify(self._heap)
        taken: list[tuple[Worth, Hash32]] = []
        found: dict[Hash32, PooledTransaction] = {}
        while slots > 0 and self._heap:
            entry = heappop(self._heap)
            transaction = self.transactions.get(entry[1])
            if transaction is None or transaction.hash in found:
                continue  # gone, or here for the second time
            taken.append(entry)
            if transaction.sender != spared:
                found[transaction.hash] = transaction
                slots -= transaction.slots
        for entry in taken:
            heappush(self._heap, entry)
        return list(found.values())
