"""Bloom filters side by side: the same blocks as one by one, also when the chain becomes another one."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.block_tree import Blocks
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.header import Header
from trinode.protocol.receipt import Log, Receipt
from trinode.protocol.types import Hash32
from trinode.rpc.eth.bloom_index import SPAN, BloomIndex
from trinode.rpc.eth.log_filter import LogFilter
from trinode.storage.blocks import TransactionPlace

ADDRESSES = [bytes([number]) * 20 for number in range(12)]
TOPICS = [bytes([number]) * 32 for number in range(12)]
GENESIS = Blocks().genesis.header


class Chain:
    """Headers with random logs. `first`: nothing is known of earlier ones."""

    def __init__(self, length: int, first: int = 0) -> None:
        self.canonical: dict[int, Hash32] = {}
        self.headers: dict[Hash32, Header] = {}
        self.reads = 0
        self.grow(first, length, salt=0)

    def grow(self, first: int, length: int, *, salt: int) -> None:
        """Up to `length` blocks, others than with another salt."""
        for number in [each for each in self.canonical if each >= first]:
            del self.canonical[number]
        random = Random(salt)
        for number in range(first, length):
            logs = [Log(random.choice(ADDRESSES), (random.choice(TOPICS),), b"") for _ in range(random.randint(0, 3))]
            parent = self.canonical.get(number - 1, bytes(32))
            name = (number << 32 | salt).to_bytes(32, "big")
            self.canonical[number], self.headers[name] = name, replace(GENESIS, number=number, parent_hash=parent, logs_bloom=logs_bloom(logs))

    def header(self, block_hash: Hash32) -> Header | None:
        self.reads += 1
        return self.headers.get(block_hash)

    def canonical_hash(self, number: int) -> Hash32 | None:
        return self.canonical.get(number)

    def transactions(self, block_hash: Hash32) -> tuple[bytes, ...] | None:
        raise AssertionError

    def receipts(self, block_hash: Hash32) -> tuple[Receipt, ...] | None:
        raise AssertionError

    def canonical_number(self, block_hash: Hash32) -> int | None:
        raise AssertionError

    def find_transaction(self, hash: Hash32) -> TransactionPlace | None:
        raise AssertionError

    def one_by_one(self, first: int, last: int, wanted: LogFilter) -> list[int]:
        blooms = wanted.blooms()
        return [
            number
            for number in range(first, last + 1)
            if number not in self.canonical or blooms.may_be_in(self.headers[self.canonical[number]].logs_bloom)
        ]


FILTERS = st.builds(
    LogFilter, st.frozensets(st.sampled_from(ADDRESSES), max_size=3), st.tuples(st.frozensets(st.sampled_from(TOPICS), max_size=3))
)
CHAIN = Chain(3 * SPAN)
INDEX = BloomIndex(CHAIN)


@given(FILTERS, st.integers(0, 3 * SPAN - 1), st.integers(0, 3 * SPAN - 1))
def test_the_same_as_one_by_one(wanted: LogFilter, one: int, other: int) -> None:
    first, last = min(one, other), max(one, other)
    assert list(INDEX.candidates(first, last, wanted.blooms())) == CHAIN.one_by_one(first, last, wanted)


def test_headers_are_read_once() -> None:
    chain, wanted = Chain(SPAN + 10), LogFilter(frozenset(ADDRESSES[:1]))
    index = BloomIndex(chain)
    for last in (SPAN + 5, SPAN + 5, SPAN + 9):
        assert list(index.candidates(0, last, wanted.blooms())) == chain.one_by_one(0, last, wanted)
    assert chain.reads == SPAN + 10


def test_the_chain_becomes_another_one() -> None:
    chain, wanted = Chain(2 * SPAN), LogFilter(frozenset(ADDRESSES[:1]))
    index = BloomIndex(chain)
    for salt, first in ((0, 0), (1, 2 * SPAN - 3), (2, SPAN - 3), (3, 5)):
        if salt:
            chain.grow(first, 2 * SPAN, salt=salt)
        assert list(index.candidates(0, 2 * SPAN - 1, wanted.blooms())) == chain.one_by_one(0, 2 * SPAN - 1, wanted)


def test_blocks_of_which_nothing_is_known_are_candidates() -> None:
    chain, wanted = Chain(2 * SPAN, first=300), LogFilter(frozenset(ADDRESSES[:1]))
    found = list(BloomIndex(chain).candidates(200, 400, wanted.blooms()))
    assert found == chain.one_by_one(200, 400, wanted)
    assert found[:100] == list(range(200, 300))


def test_a_chain_that_does_not_hang_together_is_not_believed() -> None:
    chain, wanted = Chain(100), LogFilter(frozenset(ADDRESSES[:1]))
    index = BloomIndex(chain)
    chain.headers[chain.canonical[50]] = replace(chain.headers[chain.canonical[50]], parent_hash=b"\x09" * 32)
    assert list(index.candidates(0, 99, wanted.blooms())) == list(range(100))
