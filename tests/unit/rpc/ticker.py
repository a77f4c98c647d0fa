"""A namespace whose subscriptions tell what a test tells them, and a client that hears them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import msgspec
import trio

from trinode.jsonrpc.fields import InvalidParams
from trinode.jsonrpc.requests import take_params
from trinode.rpc.subscriptions.feed import Feed, Updates
from trinode.rpc.subscriptions.kinds import Notifications, SubscriptionKind


class Ticker:
    """`ticks` come from a feed of `most` bytes; `count` counts up to its parameter, and ends; `crash` crashes."""

    name = "tick"

    def __init__(self, most: int = 1 << 20) -> None:
        self.feed: Feed[str] = Feed(len, most)
        self.closed = 0
        self.methods: dict[str, Any] = {}
        self.subscriptions: dict[str, SubscriptionKind] = {"ticks": self._ticks, "count": self._count, "crash": self._crash}

    async def _ticks(self, params: list[Any]) -> Updates[str]:
        take_params(params, 1)
        return Updates(self.feed.follow(), lambda tick: (tick,))

    async def _count(self, params: list[Any]) -> Notifications:
        _, most = take_params(params, 2)
        if not isinstance(most, int):
            raise InvalidParams("params[1]", "a number was expected")
        return self._counting(most)

    async def _counting(self, most: int) -> AsyncGenerator[int, None]:
        try:
            for number in range(most):
                await trio.lowlevel.checkpoint()
                yield number
        finally:
            self.closed += 1

    async def _crash(self, params: list[Any]) -> Notifications:
        return self._crashing()

    async def _crashing(self) -> AsyncGenerator[int, None]:
        await trio.lowlevel.checkpoint()
        yield 1 // 0

    @property
    def followers(self) -> int:
        return self.feed._followers


class Hearer:
    """A client: what it sends, and what it hears."""

    def __init__(self, send: Callable[[str], Awaitable[None]], hear: Callable[[], Awaitable[str | bytes]]) -> None:
        self._send = send
        self._hear = hear

    async def send(self, method: str, *params: object, id: object = 1) -> None:
        await self._send(msgspec.json.encode({"jsonrpc": "2.0", "id": id, "method": method, "params": list(params)}).decode())

    async def hear(self) -> Any:
        with trio.fail_after(10):
            return msgspec.json.decode(await self._hear())

    async def call(self, method: str, *params: object) -> Any:
        """The result, or the error, which must come next."""
        await self.send(method, *params)
        response = await self.hear()
        assert response["id"] == 1
        return response["result"] if "result" in response else response["error"]

    async def told(self) -> tuple[str, Any]:
        """The next notification of `tick_`: its subscription, and its result."""
        message = await self.hear()
        assert (set(message), message["jsonrpc"], message["method"]) == ({"jsonrpc", "method", "params"}, "2.0", "tick_subscription")
        return message["params"]["subscription"], message["params"]["result"]
