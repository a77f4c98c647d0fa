"""ASGI apps under hypercorn on trio: the parts that every server of the node shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Event, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState
from hypercorn.utils import parse_socket_addr, repr_socket_addr

from trinode.jsonrpc.connections import Connection, attended

KEEP_ALIVE = 120.0
"""Seconds that an idle connection stays open: many blocks long, so that a caller does not connect for each."""

MAX_CONNECTIONS = 1024
"""Open at the same time, on one port."""

CLOSED_SECONDS = 30.0
"""For an answer to be finished whose connection is closed."""

Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]



class Refused(Exception):
    """The request is refused with an HTTP status; why, in one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def headers_of(scope: Message) -> dict[bytes, bytes]:
    """The request's headers by their names in lower case."""
    return {name.lower(): value for name, value in scope["headers"]}


async def read_body(scope: Message, receive: Receive, most: int, take: Callable[[int], None] = lambda size: None) -> bytes | None:
    """The request's body; None if the client has gone. `take` is told of each piece's size before the next is read, and may refuse it.
    Raises Refused (413) beyond `most` bytes.
    """
    too_large = Refused(413, f"more than {most} bytes")
    length = headers_of(scope).get(b"content-length", b"")
    if length.isdigit() and len(length) < 20 and int(length) > most:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        take(len(piece))
        body += piece
        if len(body) > most:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)


async def respond(send: Send, status: int, content_type: bytes, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """A whole response. `headers`: besides type and length."""
    all_headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Receive, send: Send) -> None:
    """The answer to a `lifespan` scope of an app with nothing to begin or to end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def serve_app(
    app: App,
    host: str,
    port: int,
    *,
    max_connections: int = MAX_CONNECTIONS,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until it is cancelled; its addresses (`http://host:port`) once connections are taken, with the port that was
    found if `port` is 0. Raises OSError where it cannot listen.

    A connection beyond `max_connections` is closed at once. What users ask is served by `trinode.jsonrpc.http1_server`, which is for many
    requests and many clients; this is for the few of a rollup node, of Prometheus and of the devnet's own parts.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    server = _Server(app, max_connections)
    addresses = [f"http://{repr_socket_addr(each.socket.family, each.socket.getsockname())}" for each in listeners]
    async with trio.open_nursery() as nursery:
        task_status.started(addresses)
        await trio.serve_listeners(server.handle, listeners, handler_nursery=nursery)


class _Server:
    """hypercorn's HTTP over our connections. What it does not expect of a client ends that connection, and no more."""

    def __init__(self, app: App, max_connections: int) -> None:
        self._app = ASGIWrapper(cast(ASGIFramework, _drained(app)))
        self._max_connections = max_connections
        self._open = 0
        self._context = WorkerContext(None)
        self._config = Config()
        self._config.keep_alive_timeout = KEEP_ALIVE
        self._config.keep_alive_max_requests = 2**62
        self._config.include_server_header = False
        self._config.loglevel = "WARNING"

    async def handle(self, stream: trio.SocketStream) -> None:
        if self._open >= self._max_connections:
            await stream.aclose()
            return
        self._open += 1
        try:
            connection = Connection(stream)
            async with attended(connection) as nursery:
                nursery.start_soon(_end_after, connection, nursery.cancel_scope)
                await self._serve(connection)
        finally:
            self._open -= 1

    async def _serve(self, connection: Connection) -> None:
        if await connection.first_head() is None:
            return
        await _Http1Server(self._app, self._config, self._context, ConnectionState({}), cast(Any, connection)).run()


async def _end_after(connection: Connection, scope: trio.CancelScope) -> None:
    """Cancels what still goes on a while after the connection was closed: hypercorn may wait for ever for what cannot come any more."""
    await connection.closed.wait()
    await trio.sleep(CLOSED_SECONDS)
    scope.cancel()


class _Http1Server(TCPServer):
    """hypercorn's server of one connection, without TLS and without HTTP/2, whose streams outlive a client that is gone."""

    _at_end = False

    async def run(self) -> None:
        socket = cast(Connection, self.stream).socket
        client, server = [parse_socket_addr(socket.family, address) for address in (socket.getpeername(), socket.getsockname())]
        try:
            async with TaskGroup() as self._task_group:
                protocol = _Http1(
                    self.app, self.config, self.context, self._task_group, ConnectionState(self.state), False, client, server, self.protocol_send
                )
                self.protocol = cast(ProtocolWrapper, protocol)
                await self.idle_task.restart(self._task_group, self._idle_timeout)
                await self._read_data()
                self._at_end = True
                await self.idle_task.stop()
        finally:
            await self._close()

    async def protocol_send(self, event: Event) -> None:
        """hypercorn would wait for the next request of a client that has ended its side."""
        if not (self._at_end and isinstance(event, Updated)):
            await super().protocol_send(event)


class _Http1(H11Protocol):
    async def _check_protocol(self, event: h11.Request) -> None:
        """Nobody is upgraded to HTTP/2."""


def _drained(app: App) -> App:
    """`app`, with what its client still sends taken while the response ends: hypercorn's queue could be full, and hypercorn stuck."""

    async def drained(scope: Message, receive: Receive, send: Send) -> None:
        received_all = False

        async def note_the_end() -> Message:
            nonlocal received_all
            message = await receive()
            received_all = received_all or not message.get("more_body", False)
            return message

        async def drain() -> None:
            while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
                pass

        async def send_and_drain(message: dict[str, Any]) -> None:
            if received_all or message["type"] not in ("http.response.body", "websocket.close") or message.get("more_body", False):
                await send(message)
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(drain)
                await send(message)
                nursery.cancel_scope.cancel()

        await app(scope, note_the_end, send_and_drain)

    return drained
