"""One connection that stays open: its requests answered side by side, as they are done, and notifications of what it subscribed to.

A client for which there is no room, or that does not read, is dropped: nothing is kept for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from trinode.jsonrpc.server import Refused
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.room import Room
from trinode.rpc.subscriptions.session import Session

MAX_AT_ONCE = 16
"""Requests of one connection that are worked on; the next is not read until one is done."""

CLOSE_SECONDS = 5.0
"""For a client that is dropped to be told why."""


class Conversation:
    """`send` sends one message; it raises trio.BrokenResourceError or trio.ClosedResourceError where the client is gone. `close` ends the
    connection politely, and says why; the nursery, which is the connection's own, is cancelled then. `requests` and `responses`: what may be
    held of them. `admit` is told how many requests a message has, and may raise RpcError.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        dispatcher: Dispatcher,
        requests: Room,
        responses: Room,
        *,
        send: Callable[[bytes], Awaitable[None]],
        close: Callable[[str], Awaitable[None]],
        admit: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._nursery = nursery
        self._dispatcher = dispatcher
        self._requests = requests
        self._responses = responses
        self._send_message = send
        self._close = close
        self._admit = admit
        self._turns = trio.Semaphore(MAX_AT_ONCE)
        self._session = Session(nursery, self._notify, self._drop)

    async def take(self, body: bytes) -> None:
        """Begins to answer a message, once it has a turn."""
        await self._turns.acquire()
        self._nursery.start_soon(self._answer, body)

    async def finish(self) -> None:
        """Returns when all that was taken is answered: the client has ended its side, and may still read."""
        for _ in range(MAX_AT_ONCE):
            await self._turns.acquire()

    async def _answer(self, body: bytes) -> None:
        try:
            with self._session.answering() as sent:
                with self._requests.part() as request:
                    request.take(len(body))
                    response = await self._dispatcher.answer(body, self._admit)
                if response:
                    await self._send(response)
                sent()
        except Refused as refused:
            await self._drop(refused.reason)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            self._turns.release()

    async def _notify(self, notification: bytes) -> None:
        try:
            await self._send(notification)
        except Refused as refused:
            await self._drop(refused.reason)

    async def _send(self, message: bytes) -> None:
        with self._responses.part() as unsent:
            unsent.take(len(message))
            await self._send_message(message)

    async def _drop(self, reason: str) -> None:
        with trio.move_on_after(CLOSE_SECONDS):
            await self._close(reason)
        self._nursery.cancel_scope.cancel()
