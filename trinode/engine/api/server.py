"""The Engine API over HTTP (Engine API: common, authentication): an ASGI app, and the service that runs it under hypercorn.

Every request carries a token. Requests are taken as they come; the engine answers one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import Framework

from trinode.engine.api.json_rpc import Method, answer
from trinode.engine.api.jwt import InvalidToken, bearer_token, check_token

MAX_BODY = 128 << 20
"""Bytes of a request: a payload of the largest block in hex, and room."""

KEEP_ALIVE = 120.0
"""Seconds that an idle connection stays open: many blocks long, so that a rollup node does not connect for each."""

Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]


class _Refused(Exception):
    """The request is refused with an HTTP status; why, in one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class EngineApi:
    """The ASGI app: JSON-RPC `methods` for who has the secret. `clock`: Unix time in seconds."""

    def __init__(self, methods: Mapping[str, Method], secret: bytes, *, clock: Callable[[], float] = time.time, max_body: int = MAX_BODY) -> None:
        self._methods = methods
        self._secret = secret
        self._clock = clock
        self._max_body = max_body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
            body = await self._read(receive)
        except _Refused as refused:
            await _respond(send, refused.status, b"text/plain; charset=utf-8", f"{refused.reason}\n".encode())
            return
        if body is not None:
            await _respond(send, 200, b"application/json", await answer(body, self._methods))

    def _check(self, scope: Message) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        if scope["method"] != "POST":
            raise _Refused(405, "the Engine API takes POST")
        try:
            check_token(bearer_token(headers.get(b"authorization", b"").decode("latin-1")), self._secret, self._clock())
        except InvalidToken as error:
            raise _Refused(401, str(error)) from error
        length = headers.get(b"content-length", b"")
        if length.isdigit() and len(length) < 20 and int(length) > self._max_body:
            raise self._too_large()

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; None if the client has gone."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> _Refused:
        return _Refused(413, f"more than {self._max_body} bytes")


async def _respond(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing to begin or to end: the engine lives longer than the app."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def serve_engine_api(api: EngineApi, host: str, port: int, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED) -> None:
    """Serves until it is cancelled; its addresses (`http://host:port`) once connections are taken, with the port that was
    found if `port` is 0. Raises OSError where it cannot listen.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    config = Config()
    config.bind = [f"fd://{listener.socket.detach()}" for listener in listeners]
    config.keep_alive_timeout = KEEP_ALIVE
    config.keep_alive_max_requests = 2**62
    config.include_server_header = False
    config.loglevel = "WARNING"
    await serve(cast(Framework, api), config, task_status=task_status)
