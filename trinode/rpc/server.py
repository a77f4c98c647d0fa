"""JSON-RPC over HTTP and WebSocket on one port, with /healthz and /readyz (JSON-RPC 2.0; ports, checks and limits as geth has them)."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from trinode.jsonrpc.server import Message, Receive, Refused, Send, headers_of, read_body, respond, serve_app
from trinode.rpc.access import Headers, check_content_type, check_host, cors_headers
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.health import health_answer
from trinode.rpc.node import Readiness
from trinode.rpc.room import Room
from trinode.rpc.websocket import WebSockets

_TEXT = b"text/plain; charset=utf-8"
_JSON = b"application/json"


@dataclass(frozen=True)
class ServerSettings:
    """One port. `port` 0: any free one. `virtual_hosts` and the origins in lower case; `*` is any.

    `max_body` in bytes, of a request over HTTP and of a message over WebSocket; `max_held`: of all that are read or answered, together;
    `max_unsent`: of all responses that were not taken yet. `body_seconds`: for a body to come.
    """

    host: str = "127.0.0.1"
    port: int = 8545
    http: bool = True
    websocket: bool = False
    virtual_hosts: tuple[str, ...] = ("localhost",)
    http_origins: tuple[str, ...] = ()
    websocket_origins: tuple[str, ...] = ()
    max_body: int = 5 << 20
    max_held: int = 64 << 20
    max_unsent: int = 512 << 20
    body_seconds: float = 30.0
    max_connections: int = 512


class RpcServer:
    """The methods of a dispatcher on one port; an ASGI app for its HTTP. `version` is told at /healthz."""

    def __init__(self, dispatcher: Dispatcher, readiness: Readiness, settings: ServerSettings, *, version: str) -> None:
        self._dispatcher = dispatcher
        self._readiness = readiness
        self._settings = settings
        self._version = version
        self._requests = Room(settings.max_held)
        self._responses = Room(settings.max_unsent)

    async def run(self, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until it is cancelled; its addresses once connections are taken. Raises OSError where it cannot listen."""
        settings = self._settings
        sockets = WebSockets(
            self._dispatcher,
            self._requests,
            self._responses,
            virtual_hosts=settings.virtual_hosts,
            origins=settings.websocket_origins,
            max_message=settings.max_body,
        )
        await serve_app(
            self,
            settings.host,
            settings.port,
            websockets=sockets.serve if settings.websocket else None,
            max_connections=settings.max_connections,
            task_status=task_status,
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # where WebSockets are not served: those that are never come here
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        health = health_answer(scope["path"], headers.get(b"accept", b""), self._readiness, self._version) if method == "GET" else None
        if health is not None:
            await respond(send, *health)
            return
        cors = cors_headers(headers, self._settings.http_origins, preflight=method == "OPTIONS")
        try:
            self._check(scope, headers)
            if method == "OPTIONS" and cors:
                await respond(send, 204, _TEXT, b"", cors)
            elif method != "POST":
                raise Refused(405, "JSON-RPC takes POST")
            else:
                await self._post(scope, headers, receive, send, cors)
        except Refused as refused:
            await respond(send, refused.status, _TEXT, f"{refused.reason}\n".encode(), cors)

    def _check(self, scope: Message, headers: Headers) -> None:
        check_host(headers, self._settings.virtual_hosts)
        if scope["http_version"] not in ("1.0", "1.1"):
            raise Refused(505, "HTTP/1.1 is spoken here")
        if not self._settings.http:
            raise Refused(404, "this port takes WebSockets alone")

    async def _post(self, scope: Message, headers: Headers, receive: Receive, send: Send, cors: tuple[tuple[bytes, bytes], ...]) -> None:
        check_content_type(headers)
        with self._requests.part() as request:
            with trio.move_on_after(self._settings.body_seconds) as patience:
                body = await read_body(scope, receive, self._settings.max_body, request.take)
            if patience.cancelled_caught:
                raise Refused(408, f"the body took more than {self._settings.body_seconds:.0f} s")
            if body is None:
                return
            response = await self._answer(body, receive)
        if response is not None:
            with self._responses.part() as unsent:
                unsent.take(len(response))
                await respond(send, 200, _JSON, response, cors)

    async def _answer(self, body: bytes, receive: Receive) -> bytes | None:
        """None: the client went away meanwhile, and what it asked for was given up."""
        response = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
            response = await self._dispatcher.answer(body)
            nursery.cancel_scope.cancel()
        return response


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
