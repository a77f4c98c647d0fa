"""Following L1: polling, subscription, and what happens when a subscription drops, lies or falls silent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from tests.fake_endpoints import Fault, RecordedChains
from tests.rpc_objects import block_object
from tests.unit.l1.l1_network import Network, network, on
from trinode.l1.watch import L1Heads, L1Watcher, WatchSettings

SETTINGS = WatchSettings(interval=2, label_interval=10, silence=30, timeout=5)


class Subscriptions:
    """A WebSocket endpoint: `say` goes to the subscriber; None closes its connection."""

    def __init__(self, net: Network) -> None:
        self.chains = net.chains
        self.count = 0
        self.refuses = False
        self.port = 0
        self._send, self._receive = trio.open_memory_channel[str | None](100)

    def say(self, message: str | None) -> None:
        self._send.send_nowait(message)

    def head(self, number: int, **fields: Any) -> None:
        block = self.chains.l1[number].block
        result = block_object(block.hash, block.header, ()) | fields
        self.say(json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0x7", "result": result}}))

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve_websocket, self._handle, "127.0.0.1", 0, ssl_context=None))
            self.port = server.port
            task_status.started()

    async def _handle(self, request: WebSocketRequest) -> None:
        connection = await request.accept()
        try:
            call = json.loads(await connection.get_message())
            assert (call["method"], call["params"]) == ("eth_subscribe", ["newHeads"])
            self.count += 1
            if self.refuses:
                await connection.send_message(json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32601, "message": "no"}}))
                return
            await connection.send_message(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": "0x7"}))
            async for message in self._receive.clone():
                if message is None:
                    await connection.aclose()
                    return
                await connection.send_message(message)
        except ConnectionClosed:
            return


@asynccontextmanager
async def watching(net: Network, settings: WatchSettings = SETTINGS, websocket: Subscriptions | None = None) -> AsyncIterator[L1Watcher]:
    url = None if websocket is None else f"ws://127.0.0.1:{websocket.port}/key"
    watcher = L1Watcher(net.source(), settings, websocket=url, notice=net.notices.append)
    async with trio.open_nursery() as nursery:
        await nursery.start(watcher.run)
        yield watcher
        nursery.cancel_scope.cancel()


async def until_head(watcher: L1Watcher, number: int) -> L1Heads:
    async with aclosing(watcher.updates()) as updates:
        async for heads in updates:
            if heads.head.number == number:
                return heads
    raise AssertionError


async def test_polling(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        chains.labels |= {"latest": 10, "safe": None, "finalized": None}
        async with watching(net, SETTINGS._replace(confirmation_depth=4)) as watcher:
            heads = await until_head(watcher, 10)
            assert heads == L1Heads(net.expected(10).ref, None, None, 6)
            await trio.sleep(1)  # the labels are asked for after the head
            chains.labels |= {"latest": 12, "safe": 11, "finalized": 9}
            assert (await until_head(watcher, 12)).confirmed == 8
            await trio.sleep(11)
            chains.labels["latest"] = 13
            async with aclosing(watcher.updates()) as updates:
                async for heads in updates:
                    if heads.head.number == 13 and heads.finalized is not None:
                        break
            # A finalized block needs no confirmations.
            assert heads == L1Heads(net.expected(13).ref, net.expected(11).ref, net.expected(9).ref, 9)
        assert net.notices == []


async def test_the_first_news_has_the_labels(chains: RecordedChains, autojump_clock: MockClock) -> None:
    """What is read then is final, and needs no second look."""
    async with network(chains) as net:
        chains.labels |= {"latest": 12, "safe": 11, "finalized": 9}
        async with watching(net) as watcher, aclosing(watcher.updates()) as updates:
            async for heads in updates:
                assert heads == L1Heads(net.expected(12).ref, net.expected(11).ref, net.expected(9).ref, 12)
                break


async def test_a_head_without_labels_is_better_than_none(chains: RecordedChains, autojump_clock: MockClock) -> None:
    def fault(service: str, method: str, params: list[Any]) -> Fault | None:
        return Fault(status=500) if params[:1] in (["safe"], ["finalized"]) else None

    async with network(chains) as net:
        chains.labels["latest"] = 12
        net.servers[0].fault = fault
        async with watching(net) as watcher:
            assert await until_head(watcher, 12) == L1Heads(net.expected(12).ref, None, None, 12)


async def test_updates_begin_with_what_is_known_and_skip_to_the_newest(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        chains.labels["latest"] = 10
        async with watching(net) as watcher:
            await until_head(watcher, 10)
            async with aclosing(watcher.updates()) as updates:
                assert (await anext(updates)).head.number == 10
                for number in (11, 12, 13):
                    chains.labels["latest"] = number
                    await until_head(watcher, number)
                assert (await anext(updates)).head.number == 13


async def test_a_lagging_node_does_not_turn_the_head_back(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        chains.labels |= {"latest": 10, "safe": None, "finalized": None}
        async with watching(net) as watcher:
            await until_head(watcher, 10)
            chains.labels["latest"] = 8
            await trio.sleep(2.5)
            assert watcher.latest is not None
            assert watcher.latest.head.number == 10
            # Said twice, it is a reorg.
            assert (await until_head(watcher, 8)).head == net.expected(8).ref


async def test_polling_goes_on_through_failures(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        for server in net.servers:
            server.fault = on("eth_getBlockByNumber", Fault(status=503), times=6)
        async with watching(net) as watcher:
            await until_head(watcher, max(chains.l1))
        assert {error.message for error in net.notices} == {"HTTP 503"}


async def test_heads_by_subscription(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net, trio.open_nursery() as nursery:
        chains.labels["latest"] = 10
        websocket = Subscriptions(net)
        await nursery.start(websocket.serve)
        async with watching(net, websocket=websocket) as watcher:
            await until_head(watcher, 10)  # asked for: what came before the subscription
            asked = net.calls(0, "eth_getBlockByNumber")
            for number in (11, 12):
                websocket.head(number)
                assert (await until_head(watcher, number)).head == net.expected(number).ref
            assert net.calls(0, "eth_getBlockByNumber") <= asked + 2  # labels
            assert websocket.count == 1
        assert net.notices == []
        nursery.cancel_scope.cancel()


async def test_a_dropped_subscription_is_polled_for_and_made_again(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net, trio.open_nursery() as nursery:
        chains.labels["latest"] = 10
        websocket = Subscriptions(net)
        await nursery.start(websocket.serve)
        async with watching(net, websocket=websocket) as watcher:
            await until_head(watcher, 10)
            chains.labels["latest"] = 11
            websocket.say(None)
            await until_head(watcher, 11)
            assert [str(error) for error in net.notices] == [
                f"L1 ws://127.0.0.1:{websocket.port}: eth_subscribe: the connection was closed"
            ]
            await trio.sleep(5)
            assert websocket.count == 2
            websocket.head(12)
            await until_head(watcher, 12)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hash": "0x" + "00" * 32}, "eth_subscribe: hash: 0x00"),
        ({"gasUsed": "0x1"}, "eth_subscribe: hash: 0x"),
        ({"stateRoot": None}, "eth_subscribe: stateRoot: missing"),
    ],
)
async def test_a_head_that_lies_is_named_and_not_taken(
    chains: RecordedChains, autojump_clock: MockClock, fields: dict[str, Any], message: str
) -> None:
    async with network(chains) as net, trio.open_nursery() as nursery:
        chains.labels["latest"] = 10
        websocket = Subscriptions(net)
        await nursery.start(websocket.serve)
        async with watching(net, websocket=websocket) as watcher:
            await until_head(watcher, 10)
            websocket.head(12, **fields)
            chains.labels["latest"] = 11
            await until_head(watcher, 11)
            assert f"L1 ws://127.0.0.1:{websocket.port}: {message}" in str(net.notices[0])
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("message", ["{", "[]", "\ud83d"])
async def test_nonsense_from_a_subscription(chains: RecordedChains, autojump_clock: MockClock, message: str) -> None:
    async with network(chains) as net, trio.open_nursery() as nursery:
        chains.labels["latest"] = 10
        websocket = Subscriptions(net)
        await nursery.start(websocket.serve)
        async with watching(net, websocket=websocket) as watcher:
            await until_head(watcher, 10)
            websocket.say(message.encode("utf-8", "replace").decode())
            chains.labels["latest"] = 11
            await until_head(watcher, 11)
            assert net.notices[0].method == "eth_subscribe"
        nursery.cancel_scope.cancel()


async def test_a_silent_subscription_is_given_up_if_there_are_heads(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net, trio.open_nursery() as nursery:
        chains.labels["latest"] = 10
        websocket = Subscriptions(net)
        await nursery.start(websocket.serve)
        async with watching(net, websocket=websocket) as watcher:
            await until_head(watcher, 10)
            await trio.sleep(65)
            assert (net.notices, websocket.count) == ([], 1)  # silent, but so is L1
            chains.labels["latest"] = 11
            await until_head(watcher, 11)
            await trio.sleep(5)
            assert "no head in 30 s, though there are new ones" in net.notices[0].message
            assert websocket.count == 2
        nursery.cancel_scope.cancel()


async def test_without_subscriptions_there_is_polling(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net, trio.open_nursery() as nursery:
        chains.labels["latest"] = 10
        websocket = Subscriptions(net)
        websocket.refuses = True
        await nursery.start(websocket.serve)
        async with watching(net, websocket=websocket) as watcher:
            await until_head(watcher, 10)
            chains.labels["latest"] = 11
            await until_head(watcher, 11)
            assert "no subscription: {'code': -32601" in net.notices[0].message
        nursery.cancel_scope.cancel()
    async with network(chains) as net:
        nobody = Subscriptions(net)
        async with watching(net, websocket=nobody) as watcher:  # port 0: nobody is there
            await until_head(watcher, max(chains.l1))
            assert "no connection" in net.notices[0].message
