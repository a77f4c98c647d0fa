"""eth_getLogs of the devnet's L1 (execution-apis: eth/filter): its blocks are few, so each one of the range is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trinode.devnet.l1_store import StoredBlock
from trinode.jsonrpc.fields import InvalidParams, JsonFields, parse_data, parse_list
from trinode.protocol.bloom import bloom_may_contain
from trinode.protocol.receipt import Log

MAX_LOGS = 10_000
_MAX_CHOICES, _MAX_TOPICS = 100, 4

Choices = frozenset[bytes]
"""One of these; an empty set means any."""


@dataclass(frozen=True, slots=True)
class WantedLogs:
    """Logs of one of `addresses`, with one of `topics` at each place."""

    addresses: Choices
    topics: tuple[Choices, ...]

    def places_in(self, block: StoredBlock) -> Iterator[tuple[int, list[int]]]:
        """The transactions that have some, by index, and the places of those in the receipt."""
        bloom = block.header.logs_bloom
        if any(choices and not any(bloom_may_contain(bloom, each) for each in choices) for choices in (self.addresses, *self.topics)):
            return
        for index, receipt in enumerate(block.decoded_receipts):
            if positions := [position for position, log in enumerate(receipt.logs) if self._has(log)]:
                yield index, positions

    def _has(self, log: Log) -> bool:
        if (self.addresses and log.address not in self.addresses) or len(self.topics) > len(log.topics):
            return False
        return all(not choices or topic in choices for choices, topic in zip(self.topics, log.topics, strict=False))


def wanted_logs(fields: JsonFields) -> WantedLogs:
    """`address` and `topics` of a filter object. Raises InvalidParams."""
    topics, path = fields.optional("topics"), fields.path_of("topics")
    places = [] if topics is None else parse_list(topics, path)
    if len(places) > _MAX_TOPICS:
        raise InvalidParams(path, f"{len(places)} topics, a log has at most {_MAX_TOPICS}")
    addresses = _choices(fields.optional("address"), fields.path_of("address"), 20)
    return WantedLogs(addresses, tuple([_choices(each, f"{path}[{index}]", 32) for index, each in enumerate(places)]))


def _choices(value: object, path: str, size: int) -> Choices:
    """One value, several, or null for any."""
    if value is None:
        return frozenset()
    several = value if isinstance(value, list) else [value]
    if len(several) > _MAX_CHOICES:
        raise InvalidParams(path, f"{len(several)} values, at most {_MAX_CHOICES} are taken")
    return frozenset([parse_data(each, path, size) for each in several])
