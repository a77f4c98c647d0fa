"""What of the chain can be subscribed to: newHeads, logs, newPendingTransactions, syncing (geth's publish and subscribe; its shapes)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import trio

from trinode.jsonrpc.header_object import whole_header_object
from trinode.jsonrpc.requests import INVALID_PARAMS, RpcError, take_params
from trinode.jsonrpc.transaction_object import pending_transaction_object
from trinode.protocol.transaction import transaction_hash
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import LATEST, parse_boolean
from trinode.rpc.eth.log_criteria import Choices, LogCriteria, criteria_of, encoded_log
from trinode.rpc.eth.log_filter import LogFilter, LogQuery, parse_log_query
from trinode.rpc.eth.namespace import SyncProgress
from trinode.rpc.subscriptions.chain_events import ChainEvents, HeadMoved, PendingTransactions, ToldBlock, matching_logs
from trinode.rpc.subscriptions.feed import Follower, Updates
from trinode.rpc.subscriptions.kinds import SubscriptionKind

SYNC_CHECK_SECONDS = 5.0
"""Whether the node is behind is looked at with each block, and as often as that."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where events come from. `progress`: how far the node is behind; None: it is not."""

    chain: ChainEvents
    pending: PendingTransactions
    progress: Callable[[], SyncProgress | None]


class EthSubscriptions:
    """The kinds, by name."""

    def __init__(self, sources: Sources, choices: Choices) -> None:
        self._sources = sources
        self._choices = choices
        self.kinds: dict[str, SubscriptionKind] = {
            "newHeads": self._new_heads,
            "logs": self._logs,
            "newPendingTransactions": self._new_pending_transactions,
            "syncing": self._syncing,
        }

    async def _new_heads(self, params: list[Any]) -> Updates[HeadMoved]:
        take_params(params, 1)
        return Updates(self._sources.chain.subscribe(), lambda moved: map(encoded_head, moved.added))

    async def _logs(self, params: list[Any]) -> Updates[HeadMoved]:
        if len(params) < 2:
            raise RpcError(INVALID_PARAMS, "missing value for required argument 1")
        _, wanted = take_params(params, 1, 1)
        criteria = criteria_of(LogQuery(LogFilter(), None, LATEST, LATEST) if wanted is None else parse_log_query(wanted, "params[1]"))
        self._choices.take(criteria)
        return _LogUpdates(self._sources.chain.subscribe(), criteria, self._choices)

    async def _new_pending_transactions(self, params: list[Any]) -> Updates[bytes]:
        _, whole = take_params(params, 1, 1)
        shown = encoded_pending if whole is not None and parse_boolean(whole, "params[1]") else encoded_hash
        return Updates(self._sources.pending.subscribe(), lambda raw: (shown(raw),))

    async def _syncing(self, params: list[Any]) -> SyncUpdates:
        take_params(params, 1)
        return SyncUpdates(self._sources)


class _LogUpdates(Updates[HeadMoved]):
    """The logs that are meant."""

    def __init__(self, follower: Follower[HeadMoved], criteria: LogCriteria, choices: Choices) -> None:
        super().__init__(follower, self._matching)
        self._criteria = criteria
        self._choices = choices

    def _matching(self, moved: HeadMoved) -> Iterator[msgspec.Raw]:
        return (encoded_log(*found) for found in matching_logs(moved, self._criteria.matches))

    async def aclose(self) -> None:
        await super().aclose()
        self._choices.give_back(self._criteria)


class SyncUpdates:
    """Tells when the node falls behind, and when it has caught up (an async iterator)."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._behind = sources.progress() is not None

    def __aiter__(self) -> SyncUpdates:
        return self

    async def __anext__(self) -> Any:
        while True:
            with trio.move_on_after(SYNC_CHECK_SECONDS):
                await self._sources.chain.next_head()
            progress = self._sources.progress()
            if (progress is not None) != self._behind:
                self._behind = progress is not None
                return False if progress is None else _syncing_object(progress)


def _syncing_object(progress: SyncProgress) -> dict[str, Any]:
    """Numbers are numbers here, as geth has it."""
    status = {"startingBlock": progress.starting, "currentBlock": progress.current, "highestBlock": progress.highest}
    return {"syncing": True, "status": status}


@lru_cache(64)
def encoded_head(block: ToldBlock) -> msgspec.Raw:
    """The header, with null where its fork has no such field."""
    return msgspec.Raw(msgspec.json.encode(whole_header_object(block.header, block.hash)))


@lru_cache(64)
def encoded_pending(raw: bytes) -> msgspec.Raw:
    """The whole transaction."""
    return msgspec.Raw(msgspec.json.encode(pending_transaction_object(raw)))


def encoded_hash(raw: bytes) -> str:
    """The transaction's hash."""
    return to_hex(transaction_hash(raw))
