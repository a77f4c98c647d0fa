"""Which logs a request means (execution-apis: eth/filter)."""

from __future__ import annotations

from dataclasses import dataclass

from trinode.jsonrpc.fields import InvalidParams, JsonFields, parse_data, parse_list
from trinode.jsonrpc.requests import INVALID_PARAMS, RpcError
from trinode.protocol.bloom import BLOOM_SIZE, logs_bloom
from trinode.protocol.receipt import Log
from trinode.protocol.types import Address, Hash32
from trinode.rpc.eth.block_names import LATEST, parse_address, parse_block_number

MAX_TOPICS = 4
MAX_CHOICES = 1000
"""Addresses, and topics at one place, where nothing else is configured."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Logs of `addresses` (none: of all) whose topics are, place by place, one of `topics` (an empty place: any)."""

    addresses: frozenset[Address] = frozenset()
    topics: tuple[frozenset[Hash32], ...] = ()

    def matches(self, log: Log) -> bool:
        """Whether it is one of them."""
        if self.addresses and log.address not in self.addresses:
            return False
        if len(self.topics) > len(log.topics):
            return False
        return all(not choices or topic in choices for choices, topic in zip(self.topics, log.topics, strict=False))

    def blooms(self) -> LogBlooms:
        """The same for blocks, by their bloom filters."""
        return LogBlooms([[_bloom_of(each) for each in choices] for choices in (self.addresses, *self.topics) if choices])


class LogBlooms:
    """The bits of each choice, by place, computed once for many blocks."""

    def __init__(self, places: list[list[int]]) -> None:
        self._places = places
        self._bits = [[[bit for bit in range(8 * BLOOM_SIZE) if bits >> bit & 1] for bits in choices] for choices in places]

    def may_be_in(self, bloom: bytes) -> bool:
        """False: no log that matches is in the block with that bloom filter."""
        found = int.from_bytes(bloom, "big")
        return all(any(found & bits == bits for bits in choices) for choices in self._places)

    def marks(self, blooms: bytes) -> bytes:
        """The same for many blocks at once: a byte for each bloom filter, 1 or 0."""
        count = len(blooms) // BLOOM_SIZE
        every = int.from_bytes(b"\1" * count, "big")
        result = every
        for choices in self._bits:
            any_of = 0
            for bits in choices:
                all_of = result
                for bit in bits:
                    all_of &= int.from_bytes(blooms[BLOOM_SIZE - 1 - bit // 8 :: BLOOM_SIZE], "big") >> bit % 8
                any_of |= all_of
            result = any_of
        return result.to_bytes(count, "big")


def _bloom_of(item: bytes) -> int:
    return int.from_bytes(logs_bloom([Log(item, (), b"")]), "big")


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A filter, and where to look: in the block `block_hash`, or in the canonical ones between two, both included."""

    filter: LogFilter
    block_hash: Hash32 | None
    first: str | int
    last: str | int


def parse_log_query(value: object, path: str, most: int = MAX_CHOICES) -> LogQuery:
    """The parameter of eth_getLogs. `most`: addresses, and topics at one place. Raises InvalidParams, RpcError."""
    fields = JsonFields(value, path)
    block_hash = fields.optional_data("blockHash", 32)
    first, last = fields.optional("fromBlock"), fields.optional("toBlock")
    if block_hash is not None and (first is not None or last is not None):
        problem = "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other"
        raise RpcError(INVALID_PARAMS, f"invalid argument 0: {problem}")
    return LogQuery(
        parse_log_filter(fields, most),
        block_hash,
        LATEST if first is None else parse_block_number(first, fields.path_of("fromBlock")),
        LATEST if last is None else parse_block_number(last, fields.path_of("toBlock")),
    )


def parse_log_filter(fields: JsonFields, most: int = MAX_CHOICES) -> LogFilter:
    """`address` and `topics` of an object, each one or several, at most `most`. Raises InvalidParams."""
    addresses: frozenset[Address] = frozenset()
    address, path = fields.optional("address"), fields.path_of("address")
    if isinstance(address, list):
        _check_count(address, path, most)
        addresses = frozenset([parse_address(each, f"{path}[{index}]") for index, each in enumerate(address)])
    elif address is not None:
        addresses = frozenset((parse_address(address, path),))
    topics, path = fields.optional("topics"), fields.path_of("topics")
    places = [] if topics is None else parse_list(topics, path)
    if len(places) > MAX_TOPICS:
        raise InvalidParams(path, f"{len(places)} topics, a log has at most {MAX_TOPICS}")
    return LogFilter(addresses, tuple([_parse_topics(each, f"{path}[{index}]", most) for index, each in enumerate(places)]))


def _parse_topics(value: object, path: str, most: int) -> frozenset[Hash32]:
    """One topic or several; null, alone or among others, is any."""
    if value is None:
        return frozenset()
    if not isinstance(value, list):
        return frozenset((parse_data(value, path, 32),))
    _check_count(value, path, most)
    if None in value:
        return frozenset()
    return frozenset([parse_data(each, f"{path}[{index}]", 32) for index, each in enumerate(value)])


def _check_count(choices: list[object], path: str, most: int) -> None:
    if len(choices) > most:
        raise InvalidParams(path, f"{len(choices)} values, at most {most} are taken")
