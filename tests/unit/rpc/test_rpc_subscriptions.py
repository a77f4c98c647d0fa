"""Subscriptions over WebSocket, with a real client on loopback; refused over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from structlog.testing import capture_logs
from trio_websocket import ConnectionClosed, WebSocketConnection

from tests.unit.rpc.scripted_node import ScriptedReadiness, TestMethods
from tests.unit.rpc.ticker import Hearer, Ticker
from tests.unit.rpc.websocket_client import websocket_to
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.server import RpcServer, ServerSettings
from trinode.rpc.subscriptions.session import MAX_SUBSCRIPTIONS


@asynccontextmanager
async def port_of(ticker: Ticker, **settings: Any) -> AsyncIterator[int]:
    dispatcher = Dispatcher([ticker, TestMethods()], ["tick", "test"])
    server = RpcServer(dispatcher, ScriptedReadiness(), ServerSettings(port=0, websocket=True, **settings), version="0")
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(lambda task_status: server.run(task_status=task_status))
        yield int(address.rpartition(":")[2])
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[Hearer]:
    async with websocket_to(port) as socket:
        yield Hearer(socket.send_message, socket.get_message)


async def until(condition: object) -> None:
    assert callable(condition)
    with trio.fail_after(10):
        while not condition():
            await trio.sleep(0.001)


async def end_of(socket: WebSocketConnection) -> str:
    """Why the server closes it, when all that was sent is read."""
    with trio.fail_after(10):
        try:
            while True:
                await socket.get_message()
        except ConnectionClosed as closed:
            return str(closed.reason)


async def test_notifications_come_after_the_answer_and_in_order() -> None:
    ticker = Ticker()
    async with port_of(ticker) as port, client_of(port) as client:
        first = await client.call("tick_subscribe", "ticks")
        second = await client.call("tick_subscribe", "ticks")
        assert first != second
        assert all(name.startswith("0x") and 30 <= len(name) <= 34 for name in (first, second))
        for tick in ("a", "b"):
            ticker.feed.publish(tick)
        told = [await client.told() for _ in range(4)]
        assert [tick for name, tick in told if name == first] == ["a", "b"]
        assert [tick for name, tick in told if name == second] == ["a", "b"]
        counted = await client.call("tick_subscribe", "count", 3)
        assert [await client.told() for _ in range(3)] == [(counted, 0), (counted, 1), (counted, 2)]
        await until(lambda: ticker.closed)
        assert await client.call("tick_unsubscribe", counted) == {"code": -32000, "message": "subscription not found"}


async def test_in_a_batch_too() -> None:
    async with port_of(Ticker()) as port, websocket_to(port) as socket:
        request = '{"jsonrpc":"2.0","id":%d,"method":"tick_subscribe","params":["count",1]}'
        await socket.send_message(f"[{request % 1},{request % 2}]")
        client = Hearer(socket.send_message, socket.get_message)
        names = [each["result"] for each in await client.hear()]
        assert sorted([await client.told() for _ in range(2)]) == sorted([(name, 0) for name in names])


async def test_subscriptions_end() -> None:
    ticker = Ticker()
    async with port_of(ticker) as port, client_of(port) as client:
        name = await client.call("tick_subscribe", "ticks")
        other = await client.call("tick_subscribe", "ticks")
        assert await client.call("tick_unsubscribe", name) is True
        assert await client.call("tick_unsubscribe", name) == {"code": -32000, "message": "subscription not found"}
        ticker.feed.publish("a")
        assert await client.told() == (other, "a")
        async with client_of(port) as stranger:
            assert await stranger.call("tick_unsubscribe", other) == {"code": -32000, "message": "subscription not found"}
            await stranger.call("tick_subscribe", "ticks")
        await until(lambda: ticker.followers == 1)
    await until(lambda: ticker.followers == 0)


async def test_errors_as_op_geth_has_them() -> None:
    """But for the last, which is the ticker's own."""
    async with port_of(Ticker()) as port, client_of(port) as client:
        nameless = {"code": -32602, "message": "expected subscription name as first argument"}
        for params in ([], [None], [5]):
            assert await client.call("tick_subscribe", *params) == nameless
        assert await client.call("tick_subscribe", "tocks") == {"code": -32601, "message": 'no "tocks" subscription in tick namespace'}
        assert await client.call("tick_subscribe", "ticks", 1) == {"code": -32602, "message": "too many arguments, want at most 1"}
        assert await client.call("tick_unsubscribe") == {"code": -32602, "message": "missing value for required argument 0"}
        assert (await client.call("tick_unsubscribe", 5))["code"] == -32602
        assert await client.call("tick_subscribe", "count", "x") == {"code": -32602, "message": "invalid argument 1: a number was expected"}


async def test_over_http_there_are_none() -> None:
    async with port_of(Ticker()) as port, httpx.AsyncClient() as client:
        for method, params in (("tick_subscribe", ["ticks"]), ("tick_unsubscribe", ["0x1"])):
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            answer = (await client.post(f"http://127.0.0.1:{port}", json=request)).json()
            assert answer["error"] == {"code": -32601, "message": "notifications not supported"}


async def test_their_number_is_bounded() -> None:
    async with port_of(Ticker()) as port, client_of(port) as client:
        names = [await client.call("tick_subscribe", "ticks") for _ in range(MAX_SUBSCRIPTIONS)]
        assert (await client.call("tick_subscribe", "ticks"))["code"] == -32005
        assert await client.call("tick_unsubscribe", names[0]) is True
        assert isinstance(await client.call("tick_subscribe", "ticks"), str)
        async with client_of(port) as other:
            assert isinstance(await other.call("tick_subscribe", "ticks"), str)


async def test_a_slow_reader_is_dropped() -> None:
    ticker = Ticker(most=4 << 20)
    async with port_of(ticker) as port, client_of(port) as client:
        async with websocket_to(port) as slow:
            await Hearer(slow.send_message, slow.get_message).call("tick_subscribe", "ticks")
            name = await client.call("tick_subscribe", "ticks")
            for number in range(60):  # what TCP holds, and what the feed holds, and more
                ticker.feed.publish(f"{number}" + "x" * (1 << 19))
                assert await client.told() == (name, f"{number}" + "x" * (1 << 19))
            assert "too slow" in await end_of(slow)
        await until(lambda: ticker.followers == 1)
        assert await client.call("tick_unsubscribe", name) is True


async def test_unsent_notifications_are_bounded_for_all_together() -> None:
    ticker = Ticker()
    async with port_of(ticker, max_unsent=1000) as port, client_of(port) as client:
        await client.call("tick_subscribe", "ticks")
        ticker.feed.publish("x" * 2000)
        with pytest.raises(ConnectionClosed):
            await client.told()
    await until(lambda: ticker.followers == 0)


async def test_one_that_crashes_closes_the_connection_and_is_logged() -> None:
    with capture_logs() as logs:
        async with port_of(Ticker()) as port, client_of(port) as client:
            await client.call("tick_subscribe", "crash")
            with pytest.raises(ConnectionClosed):
                await client.told()
    assert "a subscription crashed" in [entry["event"] for entry in logs]


async def test_no_file_stays_open_of_who_is_dropped() -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with capture_logs():
        async with port_of(Ticker()) as port:
            before = open_files()
            for _ in range(5):
                async with client_of(port) as client:
                    await client.call("tick_subscribe", "crash")
                    with pytest.raises(ConnectionClosed):
                        await client.told()
            await until(lambda: open_files() == before)
