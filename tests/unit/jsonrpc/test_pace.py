"""How an endpoint's refusals slow requests down, and its answers let them be fast again."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import MockClock

from tests.fake_endpoints import Fault, RecordedChains
from tests.unit.l1.l1_network import network, on
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Retries, UnavailableError
from trinode.jsonrpc.pace import LONGEST_INTERVAL, Pace


async def test_a_refusal_halves_what_is_under_way_once(autojump_clock: MockClock) -> None:
    pace = Pace(8)
    async with trio.open_nursery() as nursery:

        async def refused() -> None:
            async with pace.turn() as begun:
                await trio.sleep(1)
                pace.refused(begun)

        for _ in range(8):
            nursery.start_soon(refused)
    # All eight were sent before the first refusal came.
    assert pace.allowed == 4
    assert pace.interval == 2 / 8
    for _ in range(200):
        pace.answered()
    assert (pace.allowed, pace.interval) == (8, 0.0)


async def test_requests_keep_the_interval(autojump_clock: MockClock) -> None:
    pace = Pace(2)
    beginnings = []
    async with pace.turn() as begun:
        pace.refused(begun)
    for _ in range(3):
        async with pace.turn() as begun:
            beginnings.append(begun)
    assert pace.interval == LONGEST_INTERVAL
    assert [round(later - beginnings[0], 6) for later in beginnings] == [0, 1, 2]


async def test_never_more_than_the_limit_and_never_less_than_one(autojump_clock: MockClock) -> None:
    pace = Pace(3)
    most = under_way = 0

    async def request() -> None:
        nonlocal most, under_way
        async with pace.turn() as begun:
            under_way += 1
            most = max(most, under_way)
            await trio.sleep(1)
            under_way -= 1
            pace.refused(begun)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(request)
    assert (most, pace.allowed) == (3, 1)


async def test_retry_after_holds_for_all_requests(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        rpc = JsonRpc(net.open(0, "l1", retries=Retries(3, 0.5, 30)))
        net.servers[0].fault = on("eth_chainId", Fault(status=429, retry_after="7"), times=1)
        times = []

        async def ask() -> None:
            await rpc.call("eth_chainId", [], lambda result: result)
            times.append(trio.current_time())

        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.5)
            nursery.start_soon(ask)
        assert min(times) - start >= 7
        assert rpc.endpoint.pace.allowed < 8


async def test_a_limit_said_in_json_is_a_limit(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source()
        for code, message in ((-32005, "slow down"), (-32000, "Too Many Requests"), (429, "compute units per second capacity")):
            net.servers[0].fault = on("eth_getBlockByNumber", Fault(error=(code, message)), times=1)
            autojump_clock.jump(61)
            await source.head()
            assert isinstance(net.notices[-1], UnavailableError)
            assert net.endpoints[2].pace.allowed < 8


async def test_many_requests_under_a_limit_all_come_through(chains: RecordedChains, autojump_clock: MockClock) -> None:
    """An endpoint that takes 20 requests a second, asked by 40 tasks at once."""
    async with network(chains) as net:
        rpc = JsonRpc(net.open(0, "l1", concurrency=16, retries=Retries(12, 0.5, 30)))
        taken: list[float] = []

        def limit(_service: str, _method: str, _params: list[Any]) -> Fault | None:
            now = trio.current_time()
            if sum(time > now - 1 for time in taken) >= 20:
                return Fault(status=429)
            taken.append(now)
            return None

        net.servers[0].fault = limit
        answers = []

        async def ask() -> None:
            for _ in range(5):
                answers.append(await rpc.call("eth_chainId", [], lambda result: result))

        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(ask)
        assert len(answers) == 200
        assert net.calls(0, "eth_chainId") < 400
