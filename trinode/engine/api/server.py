"""The Engine API over HTTP (Engine API: common, authentication): an ASGI app for `jsonrpc.server`.

Every request carries a token. Requests are taken as they come; the engine answers one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from trinode.engine.api.jwt import InvalidToken, bearer_token, check_token
from trinode.execution.errors import UnknownFork
from trinode.jsonrpc.requests import Method, answer
from trinode.jsonrpc.server import Message, Receive, Refused, Send, headers_of, lifespan, read_body, respond
from trinode.storage.errors import StoreError

MAX_BODY = 128 << 20
"""Bytes of a request: a payload of the largest block in hex, and room."""

EXPLAINED = (UnknownFork, StoreError)
"""The engine cannot go on, and says how to mend it."""


class EngineApi:
    """The ASGI app: JSON-RPC `methods` for who has the secret. `clock`: Unix time in seconds."""

    def __init__(self, methods: Mapping[str, Method], secret: bytes, *, clock: Callable[[], float] = time.time, max_body: int = MAX_BODY) -> None:
        self._methods = methods
        self._secret = secret
        self._clock = clock
        self._max_body = max_body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
            body = await read_body(scope, receive, self._max_body)
        except Refused as refused:
            await respond(send, refused.status, b"text/plain; charset=utf-8", f"{refused.reason}\n".encode())
            return
        if body is not None:
            await respond(send, 200, b"application/json", await answer(body, self._methods, explained=EXPLAINED))

    def _check(self, scope: Message) -> None:
        if scope["method"] != "POST":
            raise Refused(405, "the Engine API takes POST")
        try:
            check_token(bearer_token(headers_of(scope).get(b"authorization", b"").decode("latin-1")), self._secret, self._clock())
        except InvalidToken as error:
            raise Refused(401, str(error)) from error
