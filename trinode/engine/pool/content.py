"""What the pool says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from trinode.engine.pool.account import PooledAccount
from trinode.protocol.types import Address


class PoolStatus(NamedTuple):
    """How many transactions there are."""

    pending: int
    queued: int


class PoolContent(NamedTuple):
    """Raw transactions by account and nonce."""

    pending: dict[Address, dict[int, bytes]]
    queued: dict[Address, dict[int, bytes]]


def content_of(accounts: Iterable[PooledAccount]) -> PoolContent:
    """The transactions of these accounts, by rising nonces."""
    content = PoolContent({}, {})
    for account in accounts:
        for nonce, transaction in sorted(account.transactions.items()):
            part = content.pending if transaction.pending else content.queued
            part.setdefault(account.address, {})[nonce] = transaction.raw
    return content
