"""Blobs from a beacon node and archivers behind it: each gives what it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from trio.testing import MockClock

from tests.fake_endpoints import GENESIS_TIME, Fault, RecordedChains
from tests.unit.l1.l1_network import Network, network, on
from trinode.jsonrpc.endpoint import EndpointError
from trinode.l1.beacon import Beacon, BlobsMissingError
from trinode.l1.pool import AllFailedError


def a_beacon(net: Network, seconds_per_slot: int | None = None) -> Beacon:
    return Beacon([net.open(0, "beacon"), net.open(1, "beacon")], net.hasher, seconds_per_slot, notice=net.notices.append)


async def test_what_one_lacks_another_has(chains: RecordedChains, autojump_clock: MockClock) -> None:
    """Two blobs from two blocks of the fake; the first endpoint shows one of them only, the second the other."""
    async with network(chains) as net:
        number = max(net.with_blobs(), key=lambda number: len(chains.l1[number].blobs))
        item = chains.l1[number]
        chains.has_sidecars_route = False
        if len(item.blobs) < 2:
            pytest.skip("the recording has no block with two blobs")
        first = "0x" + next(iter(item.blobs.values())).hex()
        net.servers[0].fault = on("blobs", Fault(damage=lambda reply: {"data": [blob for blob in reply["data"] if blob == first]}))
        asked: list[str] = []

        def remember(_service: str, method: str, params: list[Any]) -> Fault | None:
            asked.extend(params if method == "blobs" else [])
            return None

        net.servers[1].fault = remember
        assert await a_beacon(net).blobs(item.block.header.timestamp, tuple(item.blobs)) == item.blobs
        assert asked[0].count("versioned_hashes=") == len(item.blobs) - 1


async def test_the_clock_may_come_from_the_archiver(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        item = chains.l1[net.with_blobs()[0]]

        def no_clock(_service: str, method: str, _params: list[Any]) -> Fault | None:
            return Fault(status=404) if method in {"genesis", "spec"} else None

        net.servers[0].fault = no_clock
        assert await a_beacon(net).blobs(item.block.header.timestamp, tuple(item.blobs)) == item.blobs
        for server in net.servers:
            server.fault = on("spec", Fault(status=404))
        with pytest.raises(AllFailedError, match=r"SECONDS_PER_SLOT: HTTP 404; say --seconds-per-slot"):
            await a_beacon(net).blobs(item.block.header.timestamp, tuple(item.blobs))
        assert await a_beacon(net, 1).blobs(item.block.header.timestamp, tuple(item.blobs)) == item.blobs


async def test_a_time_between_slots(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        with pytest.raises(EndpointError, match="is no slot after 1000000000 by 7 s"):
            await a_beacon(net, 7).blobs(1_000_000_001, (bytes(32),))


async def test_a_node_that_is_down_is_no_proof_that_blobs_are_gone(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        item = chains.l1[net.with_blobs()[0]]
        net.servers[0].fault = on("blobs", Fault(status=503))

        def gone(_service: str, method: str, _params: list[Any]) -> Fault | None:
            return Fault(status=404) if method in {"blobs", "blob_sidecars"} else None

        net.servers[1].fault = gone
        with pytest.raises(AllFailedError) as caught:
            await a_beacon(net).blobs(item.block.header.timestamp, tuple(item.blobs))
        assert not isinstance(caught.value, BlobsMissingError)
        assert "HTTP 503" in str(caught.value)


def _another_bit(blob: str) -> str:
    return blob[:-1] + format(int(blob[-1], 16) ^ 1, "x")


@pytest.mark.parametrize("lie", [_another_bit, lambda blob: "0x" + "ff" * (len(blob) // 2 - 1)], ids=["another blob", "no blob at all"])
async def test_a_node_without_the_older_route_that_lies_is_named(
    chains: RecordedChains, autojump_clock: MockClock, lie: Callable[[str], str]
) -> None:
    async with network(chains) as net:
        item = chains.l1[net.with_blobs()[0]]
        chains.has_sidecars_route = False
        net.servers[0].fault = on("blobs", Fault(damage=lambda reply: {"data": [lie(blob) for blob in reply["data"]]}))
        timestamp = item.block.header.timestamp
        assert await a_beacon(net).blobs(timestamp, tuple(item.blobs)) == item.blobs
        named = [(error.endpoint, error.method, error.field) for error in net.notices]
        assert named == [(net.name(0, "beacon"), f"blobs/{timestamp - GENESIS_TIME}", "data")]
