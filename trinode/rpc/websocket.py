"""JSON-RPC over WebSocket (RFC 6455), with subscriptions.

A client that sends too much, does not read, or does not answer pings, is dropped: nothing is kept for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from trinode.jsonrpc.connections import Connection
from trinode.jsonrpc.requests import LIMIT_EXCEEDED, RpcError
from trinode.jsonrpc.server import Refused
from trinode.rpc.access import Headers, allows_origin, check_host
from trinode.rpc.conversation import Conversation
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.room import Room

HANDSHAKE_SECONDS = 10.0
PING_SECONDS = 30.0
"""Between pings, and for each to be answered."""

_READ_SIZE = 64 << 10
_OVERHEAD = 8
"""Bytes on the wire for one of a message, at most: frames of a single byte have a head of six."""

_TOO_BUSY = 1013


class WebSockets:
    """Answers connections that begin with a handshake. `requests` and `responses`: what may be held of them. `max_message` in bytes.

    `admit` is told of each message the client's address and how many requests it has, and may raise Refused.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        requests: Room,
        responses: Room,
        *,
        virtual_hosts: Collection[str],
        origins: Collection[str],
        max_message: int,
        admit: Callable[[str, int], None] = lambda address, count: None,
    ) -> None:
        self._dispatcher = dispatcher
        self._requests = requests
        self._responses = responses
        self._virtual_hosts = virtual_hosts
        self._origins = origins
        self._max_message = max_message
        self._admit = admit

    async def serve(self, connection: Connection) -> None:
        """Until it is closed."""
        headers = _headers_in(await connection.first_head() or b"")
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(HANDSHAKE_SECONDS) as patience:
                socket = await self._shake_hands(nursery, connection, headers)
            if not patience.cancelled_caught and socket is not None:
                connection.most_unread = self._max_message * _OVERHEAD
                nursery.start_soon(_ping, socket, nursery.cancel_scope)
                await self._read(nursery, connection, socket)
            nursery.cancel_scope.cancel()

    async def _shake_hands(self, nursery: trio.Nursery, connection: Connection, headers: Headers) -> WebSocketConnection | None:
        """None: it was refused. One that is no handshake at all is answered by trio_websocket, and this waits until it is cancelled."""
        request = await wrap_server_stream(
            nursery, connection, message_queue_size=1, max_message_size=self._max_message, receive_buffer_size=_READ_SIZE
        )
        try:
            check_host(headers, self._virtual_hosts)
            if not allows_origin(headers, self._origins):
                raise Refused(403, "origin not allowed")
        except Refused as refused:
            await request.reject(refused.status, body=f"{refused.reason}\n".encode())
            return None
        return await request.accept()

    async def _read(self, nursery: trio.Nursery, connection: Connection, socket: WebSocketConnection) -> None:
        async def send(message: bytes) -> None:
            try:
                await socket.send_message(message.decode())
            except ConnectionClosed as error:
                raise trio.ClosedResourceError from error

        async def close(reason: str) -> None:
            await socket.aclose(_TOO_BUSY, reason)

        def admit(count: int) -> None:
            try:
                self._admit(connection.address, count)
            except Refused as refused:
                raise RpcError(LIMIT_EXCEEDED, refused.reason) from refused

        conversation = Conversation(nursery, self._dispatcher, self._requests, self._responses, send=send, close=close, admit=admit)
        try:
            while True:
                message = await socket.get_message()
                connection.took_message()
                await conversation.take(message.encode() if isinstance(message, str) else message)
        except ConnectionClosed:
            return


async def _ping(socket: WebSocketConnection, whole: trio.CancelScope) -> None:
    """Ends the connection of a client that does not answer."""
    try:
        while True:
            await trio.sleep(PING_SECONDS)
            with trio.fail_after(PING_SECONDS):
                await socket.ping()
    except (trio.TooSlowError, ConnectionClosed):
        whole.cancel()


def _headers_in(head: bytes) -> Headers:
    """The headers in a request's head, by their names in lower case."""
    lines = [line.partition(b":") for line in head.splitlines()[1:]]
    return {name.strip().lower(): value.strip() for name, _, value in lines}
