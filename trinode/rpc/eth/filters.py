"""Filters: what came since the last call, for those who ask again and again (execution-apis: eth/filter; op-geth's words).

A filter keeps nothing but its place in what the chain's and the pool's events remember: they remember it once, within bounds, for all. One that
is asked too late, or not for five minutes, is gone, and its client makes another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import trio

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import BOOLEAN, BOOLEAN_RESULT, HASH_RESULT, STRING, STRING_RESULT, list_of
from trinode.jsonrpc.requests import RpcError
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.errors import LIMIT_EXCEEDED, server_error
from trinode.rpc.eth.kinds import LOG_FILTER
from trinode.rpc.eth.log_criteria import Choices, LogCriteria, criteria_of, encoded_log
from trinode.rpc.eth.log_filter import LogQuery
from trinode.rpc.eth.schemas import LOG, TRANSACTION
from trinode.rpc.eth.subscriptions import Sources, encoded_hash, encoded_pending
from trinode.rpc.subscriptions.chain_events import HeadMoved, matching_logs
from trinode.rpc.subscriptions.feed import FellBehind, Follower
from trinode.rpc.subscriptions.session import new_id

LIFETIME = 300.0
"""Seconds that a filter lives unused."""

MAX_FILTERS = 1000

MOST_ANSWERED = 10 << 20
"""Bytes of events, roughly, that one answer goes through; the rest is left for the next."""

_THREADS = 2

GetLogs: TypeAlias = Callable[[LogQuery], Awaitable[Any]]
"""eth_getLogs."""


@dataclass(eq=False)
class _Filter:
    """One filter. `told`: what an event comes to. `query`: what it was made of, where it is of logs. `until`: on trio's clock."""

    follower: Follower[Any]
    told: Callable[[Any], Iterable[Any]]
    query: LogQuery | None = None
    criteria: LogCriteria | None = None
    until: float = 0.0


class FilterMethods:
    """All filters of all callers: who knows a filter's name may ask for it."""

    def __init__(self, sources: Sources, choices: Choices, get_logs: GetLogs, *, most: int = MAX_FILTERS, most_answered: int = MOST_ANSWERED) -> None:
        self._sources = sources
        self._choices = choices
        self._get_logs = get_logs
        self._most = most
        self._most_answered = most_answered
        self._filters: dict[str, _Filter] = {}  # who was asked last stands at the end
        self._threads = trio.CapacityLimiter(_THREADS)
        name = Param("filter", STRING)
        changes = {"anyOf": [list_of(LOG), list_of(HASH_RESULT), list_of(TRANSACTION)]}
        self.methods: dict[str, Declared] = {
            "eth_newFilter": declare(self._new, "A filter for logs that are yet to come", Param("filter", LOG_FILTER), result=STRING_RESULT),
            "eth_newBlockFilter": declare(self._new_block, "A filter for the hashes of blocks that are yet to come", result=STRING_RESULT),
            "eth_newPendingTransactionFilter": declare(
                self._new_pending,
                "A filter for transactions that become pending: their hashes, or all of them",
                Param("whole", BOOLEAN, required=False, default=False),
                result=STRING_RESULT,
            ),
            "eth_getFilterChanges": declare(self._changes, "What came since the last call", name, result=changes),
            "eth_getFilterLogs": declare(self._logs, "All logs that a filter lets through, as eth_getLogs finds them", name, result=list_of(LOG)),
            "eth_uninstallFilter": declare(self._uninstall, "Ends a filter; whether there was one", name, result=BOOLEAN_RESULT),
        }

    async def _new(self, query: LogQuery) -> str:
        criteria = criteria_of(query)
        self._check_room()
        self._choices.take(criteria)

        def told(moved: HeadMoved) -> Iterable[Any]:
            return (encoded_log(*found) for found in matching_logs(moved, criteria.matches))

        return self._install(_Filter(self._sources.chain.subscribe(), told, query, criteria))

    async def _new_block(self) -> str:
        self._check_room()
        return self._install(_Filter(self._sources.chain.subscribe(), lambda moved: [to_hex(block.hash) for block in moved.added]))

    async def _new_pending(self, whole: bool) -> str:
        self._check_room()
        shown = encoded_pending if whole else encoded_hash
        return self._install(_Filter(self._sources.pending.subscribe(), lambda raw: (shown(raw),)))

    async def _changes(self, name: str) -> msgspec.Raw:
        used = self._use(name)
        try:
            events = used.follower.take(self._most_answered)
        except FellBehind:
            self._remove(name)
            raise _not_found() from None
        if not events:
            return msgspec.Raw(b"[]")

        def encode() -> bytes:
            return msgspec.json.encode([each for event in events for each in used.told(event)])

        return msgspec.Raw(await trio.to_thread.run_sync(encode, limiter=self._threads))

    async def _logs(self, name: str) -> Any:
        query = self._use(name).query
        if query is None:
            raise _not_found()
        return await self._get_logs(query)

    async def _uninstall(self, name: str) -> bool:
        self._remove_expired()
        if name not in self._filters:
            return False
        self._remove(name)
        return True

    # ---- which there are ----

    def _check_room(self) -> None:
        self._remove_expired()
        if len(self._filters) >= self._most:
            raise RpcError(LIMIT_EXCEEDED, f"too many filters: there are {self._most} at this node; uninstall one, or try again later")

    def _install(self, made: _Filter) -> str:
        name = new_id()
        self._filters[name] = made
        made.until = trio.current_time() + LIFETIME
        return name

    def _use(self, name: str) -> _Filter:
        """The filter, for five minutes more. Raises RpcError."""
        self._remove_expired()
        used = self._filters.pop(name, None)
        if used is None:
            raise _not_found()
        self._filters[name] = used
        used.until = trio.current_time() + LIFETIME
        return used

    def _remove_expired(self) -> None:
        now = trio.current_time()
        while self._filters and self._filters[oldest := next(iter(self._filters))].until <= now:
            self._remove(oldest)

    def _remove(self, name: str) -> None:
        removed = self._filters.pop(name)
        removed.follower.close()
        if removed.criteria is not None:
            self._choices.give_back(removed.criteria)


def _not_found() -> RpcError:
    return server_error("filter not found")
