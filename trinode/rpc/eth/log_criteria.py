"""Which logs of blocks that are yet to come a subscription or a filter means (execution-apis: eth/filter), in op-geth's words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import msgspec

from trinode.jsonrpc.requests import INVALID_PARAMS, RpcError
from trinode.protocol.block import KnownHeader
from trinode.protocol.receipt import Log
from trinode.rpc.eth.block_names import EARLIEST, LATEST, PENDING
from trinode.rpc.eth.errors import LIMIT_EXCEEDED
from trinode.rpc.eth.log_filter import LogFilter, LogQuery
from trinode.rpc.eth.receipt_object import log_object
from trinode.rpc.subscriptions.chain_events import PlacedLog, ToldBlock

MOST_CHOICES = 100_000
"""Addresses and topics of all subscriptions and filters together."""

_MOST_KEPT_DATA = 4096  # bytes of a log whose JSON is kept for other subscribers
_KEPT = 2048


@dataclass(frozen=True, slots=True)
class LogCriteria:
    """Logs that the filter lets through, of blocks from `first` on, and up to `last` where there is one."""

    filter: LogFilter
    first: int = 0
    last: int | None = None

    def matches(self, block: ToldBlock, log: Log) -> bool:
        """Whether a block's log is meant."""
        number = block.header.number
        return self.first <= number and (self.last is None or number <= self.last) and self.filter.matches(log)

    @property
    def choices(self) -> int:
        """How many addresses and topics it has."""
        return len(self.filter.addresses) + sum(len(place) for place in self.filter.topics)


def criteria_of(query: LogQuery) -> LogCriteria:
    """Blocks from a number, or from now, on. Raises RpcError for a range that cannot be followed."""
    if PENDING in (query.first, query.last):
        raise RpcError(INVALID_PARAMS, "pending logs are not supported")
    first, last = [0 if name == EARLIEST else name for name in (query.first, query.last)]
    if first == LATEST and last == LATEST:
        return LogCriteria(query.filter)
    if isinstance(first, int) and last == LATEST:
        return LogCriteria(query.filter, first)
    if isinstance(first, int) and isinstance(last, int) and first <= last:
        return LogCriteria(query.filter, first, last)
    raise RpcError(INVALID_PARAMS, "invalid block range params")


class Choices:
    """How many addresses and topics all may have together."""

    def __init__(self, most: int = MOST_CHOICES) -> None:
        self._free = most

    def take(self, criteria: LogCriteria) -> None:
        """Raises RpcError if they are too many."""
        if criteria.choices > self._free:
            raise RpcError(LIMIT_EXCEEDED, "too many addresses and topics are followed at this node; name fewer, or try again later")
        self._free -= criteria.choices

    def give_back(self, criteria: LogCriteria) -> None:
        """What is followed no more."""
        self._free += criteria.choices


def encoded_log(block: ToldBlock, placed: PlacedLog, removed: bool) -> msgspec.Raw:
    """The log in JSON. Many may follow the same."""
    make = _encoded if len(placed.log.data) > _MOST_KEPT_DATA else _encoded_for_many
    return make(block, placed, removed)


def _encoded(block: ToldBlock, placed: PlacedLog, removed: bool) -> msgspec.Raw:
    shown = log_object(placed.log, KnownHeader(block.header, block.hash), placed.transaction_hash, placed.transaction_index, placed.log_index)
    return msgspec.Raw(msgspec.json.encode(shown | {"removed": removed}))


_encoded_for_many = lru_cache(_KEPT)(_encoded)
