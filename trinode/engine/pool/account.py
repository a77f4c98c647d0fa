"""The transactions of one account."""

from __future__ import annotations

from typing import NamedTuple

from trinode.engine.pool.head import Costs
from trinode.engine.pool.pooled import PooledTransaction
from trinode.execution.state import Account
from trinode.protocol.types import Address


class Moved(NamedTuple):
    """Transactions that became pending, and such that became queued."""

    promoted: list[PooledTransaction]
    demoted: list[PooledTransaction]


class PooledAccount:
    """An account as of the head, and its transactions by nonce. `run`: the pending ones, in order; `spent`: the most, in wei,
    that they cost together.
    """

    __slots__ = ("address", "run", "spent", "state", "transactions")

    def __init__(self, address: Address, state: Account) -> None:
        self.address = address
        self.state = state
        self.transactions: dict[int, PooledTransaction] = {}
        self.run: list[PooledTransaction] = []
        self.spent = 0

    @property
    def next_nonce(self) -> int:
        """The nonce after the pending transactions."""
        return self.state.nonce + len(self.run)

    @property
    def queued(self) -> int:
        """How many transactions are not pending."""
        return len(self.transactions) - len(self.run)

    def is_guaranteed(self, nonce: int, account_slots: int) -> bool:
        """Whether a pending transaction is among the first of its account."""
        return nonce - self.state.nonce < account_slots

    def outdated(self) -> list[PooledTransaction]:
        """Those whose nonces are used up."""
        return [transaction for nonce, transaction in self.transactions.items() if nonce < self.state.nonce]

    def settle(self, costs: Costs) -> Moved:
        """Says anew which transactions are pending: the longest run that the balance covers."""
        before, self.run, self.spent = self.run, [], 0
        promoted = self.extend(costs).promoted
        demoted = [
            transaction
            for transaction in before
            if transaction.pending and transaction.nonce >= self.next_nonce and self.transactions.get(transaction.nonce) is transaction
        ]
        for transaction in demoted:
            transaction.pending = False
        return Moved(promoted, demoted)

    def cut(self, nonce: int, costs: Costs) -> Moved:
        """As `settle`, where nothing has changed since, but that the transaction of that nonce is gone. The work is that of
        the transactions after it.
        """
        position = nonce - self.state.nonce
        after = self.run[position:]
        del self.run[position:]
        self.spent -= sum(costs.of(transaction) for transaction in after)
        for transaction in after[1:]:
            transaction.pending = False
        return Moved([], after[1:])

    def extend(self, costs: Costs) -> Moved:
        """As `settle`, where nothing can have changed but that a transaction came behind the run."""
        promoted: list[PooledTransaction] = []
        while (transaction := self.transactions.get(self.next_nonce)) is not None:
            spent = self.spent + costs.of(transaction)
            if spent > self.state.balance:
                break
            self.run.append(transaction)
            self.spent = spent
            if not transaction.pending:
                transaction.pending = True
                promoted.append(transaction)
        return Moved(promoted, [])
