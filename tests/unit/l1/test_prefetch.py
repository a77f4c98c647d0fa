"""Blocks and blobs fetched ahead of derivation, within the caches' bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from tests.fake_endpoints import Fault, RecordedChains
from tests.unit.l1.l1_network import Network, network, on
from trinode.l1.cache import ByteCache
from trinode.l1.prefetch import Prefetcher
from trinode.l1.source import L1Source


@asynccontextmanager
async def prefetching(net: Network, source: L1Source, ahead: int) -> AsyncIterator[Prefetcher]:
    prefetcher = Prefetcher(source, ahead=ahead, inbox=net.chains.head.rollup_config.batch_inbox_address)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            await nursery.start(prefetcher.work)
        yield prefetcher
        nursery.cancel_scope.cancel()


async def until_held(prefetcher: Prefetcher, first: int, last: int) -> None:
    while set(prefetcher._held) != set(range(first, last + 1)):
        await prefetcher._changed.wait()


async def until_quiet() -> None:
    """Long enough on the mock clock for everything that is not waiting for something else."""
    for _ in range(40):
        await trio.sleep(1)


async def test_blocks_and_blobs_are_there_before_they_are_asked_for(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source, first = net.source(servers=(0,), beacons=(0,)), net.with_blobs()[0]
        await source.finalized()
        async with prefetching(net, source, ahead=6) as prefetcher:
            prefetcher.want(first - 3, max(chains.l1))
            await until_held(prefetcher, first - 2, first + 3)
            asked = net.calls(0, "eth_getBlockByNumber"), net.calls(0, "blobs", "beacon")
            assert asked[0] == 6 + 1
            for number in range(first - 2, first + 4):
                block = await source.block_by_number(number)
                assert block == net.expected(number)
                blobs = chains.l1[number].blobs
                assert await source.blobs(block.id, block.header.timestamp, tuple(blobs)) == tuple(blobs.values())
            assert (net.calls(0, "eth_getBlockByNumber"), net.calls(0, "blobs", "beacon")) == asked
            prefetcher.want(first + 3, first + 5)  # the head
            await until_held(prefetcher, first + 4, first + 5)
            assert net.calls(0, "eth_getBlockByNumber") == asked[0] + 2


async def test_a_block_under_way_is_not_asked_for_twice(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source(servers=(0,))
        await source.finalized()
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(source.block_by_number, 7)
        assert net.calls(0, "eth_getBlockByNumber") == 2


async def test_the_caches_bytes_bound_what_is_fetched_ahead(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source(servers=(0,), cache_bytes=20_000)
        async with prefetching(net, source, ahead=50) as prefetcher:
            prefetcher.want(1, max(chains.l1))
            await until_quiet()
            before = net.calls(0, "eth_getBlockByNumber")
            assert 1 < before < 12
            prefetcher.want(4, max(chains.l1))
            await until_quiet()
            assert before < net.calls(0, "eth_getBlockByNumber") < before + 12


async def test_after_a_reset_it_begins_anew(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source(servers=(0,))
        async with prefetching(net, source, ahead=3) as prefetcher:
            prefetcher.want(20, 99)
            await until_held(prefetcher, 21, 23)
            prefetcher.want(5, 99)
            await until_held(prefetcher, 6, 8)
            assert all(chains.l1[number].block.hash in source._blocks for number in (6, 7, 8, 21, 22, 23))


async def test_a_failure_is_left_to_derivation(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source(servers=(0,), rounds=None)
        net.servers[0].fault = on("eth_getBlockByNumber", Fault(status=503))
        async with prefetching(net, source, ahead=3) as prefetcher:
            prefetcher.want(5, 99)
            await until_quiet()
            assert {error.message for error in net.notices} == {"HTTP 503"}
            net.servers[0].fault = None
            assert await source.block_by_number(6) == net.expected(6)


def test_a_cache_forgets_what_was_not_used_for_longest() -> None:
    cache: ByteCache[bytes] = ByteCache(10, len)
    cache.put(b"a", b"1234")
    cache.put(b"b", b"1234")
    assert cache.get(b"a") == b"1234"
    cache.put(b"c", b"1234")
    assert (b"a" in cache, b"b" in cache, b"c" in cache, cache.size, len(cache)) == (True, False, True, 8, 2)
    cache.put(b"a", b"12")
    assert cache.size == 6
    cache.put(b"d", bytes(11))
    assert b"d" not in cache
    cache.put(b"a", bytes(11))
    assert (cache.get(b"a"), cache.size) == (None, 4)
