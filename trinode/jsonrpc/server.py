"""ASGI apps under hypercorn on trio: the parts that every server of the node shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import Framework

KEEP_ALIVE = 120.0
"""Seconds that an idle connection stays open: many blocks long, so that a caller does not connect for each."""

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


async def read_body(scope: Message, receive: Receive, most: int) -> bytes | None:
    """The request's body; None if the client has gone. Raises Refused (413) beyond `most` bytes."""
    too_large = Refused(413, f"more than {most} bytes")
    length = headers_of(scope).get(b"content-length", b"")
    if length.isdigit() and len(length) < 20 and int(length) > most:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
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


async def serve_app(app: App, host: str, port: int, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED) -> None:
    """Serves until it is cancelled; its addresses (`http://host:port`) once connections are taken, with the port that was
    found if `port` is 0. Raises OSError where it cannot listen.
    """
    # Bound here: hypercorn leaks its socket where binding fails.
    listeners = await trio.open_tcp_listeners(port, host=host)
    config = Config()
    config.bind = [f"fd://{listener.socket.detach()}" for listener in listeners]
    config.keep_alive_timeout = KEEP_ALIVE
    config.keep_alive_max_requests = 2**62
    config.include_server_header = False
    config.loglevel = "WARNING"
    await serve(cast(Framework, app), config, task_status=task_status)
