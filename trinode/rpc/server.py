"""JSON-RPC over HTTP and WebSocket on one port, with /healthz and /readyz (JSON-RPC 2.0; ports, checks and limits as geth has them)."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

import trio

from trinode.jsonrpc.http1 import TEXT, Request, Response
from trinode.jsonrpc.http1_server import MAX_CONNECTIONS, serve_http1
from trinode.jsonrpc.server import Refused
from trinode.rpc.access import HeaderPairs, check_content_type, check_host, cors_headers
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.health import HEALTH_PATHS, Told, health_answer
from trinode.rpc.node import Readiness
from trinode.rpc.rates import Rates
from trinode.rpc.room import Room
from trinode.rpc.websocket import WebSockets

_JSON = b"application/json"


@dataclass(frozen=True)
class ServerSettings:
    """One port. `port` 0: any free one. `virtual_hosts` and the origins in lower case; `*` is any.

    `max_body` in bytes, of a request over HTTP and of a message over WebSocket; `max_held`: of all that are read or answered, together;
    `max_unsent`: of all responses that were not taken yet. `body_seconds`: for a body to come. `rate`: JSON-RPC requests in a
    second from one address, over HTTP and WebSocket together (0: any number), after the first `rate_burst`.
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
    max_connections: int = MAX_CONNECTIONS
    rate: float = 0.0
    rate_burst: int = 1000


class RpcServer:
    """The methods of a dispatcher on one port (a `trinode.jsonrpc.http1_server.App`). `version` is told at /healthz, and with what `told`
    gives at /status.
    """

    def __init__(self, dispatcher: Dispatcher, readiness: Readiness, settings: ServerSettings, *, version: str, told: Told = dict) -> None:
        self.requests = Room(settings.max_held)
        self.responses = Room(settings.max_unsent)
        self.max_body = settings.max_body
        self.body_seconds = settings.body_seconds
        self._dispatcher = dispatcher
        self._readiness = readiness
        self._settings = settings
        self._version = version
        self._told = told
        self._rates = Rates(settings.rate, settings.rate_burst) if settings.rate else None

    async def run(self, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until it is cancelled; its addresses once connections are taken. Raises OSError where it cannot listen."""
        settings = self._settings
        sockets = WebSockets(
            self._dispatcher,
            self.requests,
            self.responses,
            virtual_hosts=settings.virtual_hosts,
            origins=settings.websocket_origins,
            max_message=settings.max_body,
            admit=self._admit,
        )
        await serve_http1(
            self,
            settings.host,
            settings.port,
            websockets=sockets.serve if settings.websocket else None,
            max_connections=settings.max_connections,
            task_status=task_status,
        )

    def check(self, request: Request) -> None:
        """As in `App`: what can be refused before a body is read."""
        if request.method in (b"GET", b"HEAD") and request.path.partition(b"?")[0] in HEALTH_PATHS:
            return
        headers = request.headers
        check_host(headers, self._settings.virtual_hosts)
        if not self._settings.http:
            raise Refused(404, "this port takes WebSockets alone")
        if not self._settings.websocket and headers.get(b"upgrade", b"").lower() == b"websocket":
            raise Refused(403, "this port takes no WebSockets")
        if request.method == b"POST":
            check_content_type(headers)
        elif request.method != b"OPTIONS" or not cors_headers(headers, self._settings.http_origins, preflight=True):
            raise Refused(405, "JSON-RPC takes POST")

    def refuse(self, request: Request, refused: Refused) -> Response:
        """As in `App`."""
        return Response(refused.status, TEXT, f"{refused.reason}\n".encode(), self._cors(request))

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """As in `App`."""
        if request.method == b"OPTIONS":
            return Response(204, TEXT, b"", cors_headers(request.headers, self._settings.http_origins, preflight=True))
        if request.method != b"POST":
            path = request.path.partition(b"?")[0].decode("latin-1")
            health = health_answer(path, request.headers.get(b"accept", b""), self._readiness, self._version, self._told)
            assert health is not None, "no other path was let through"
            return Response(*health)
        try:
            found = self._dispatcher.begin(request.body, lambda count: self._admit(request.address, count))
        except Refused as refused:
            return self.refuse(request, refused)
        cors = self._cors(request)
        return Response(200, _JSON, found, cors) if isinstance(found, bytes) else self._wait(found, cors)

    async def _wait(self, found: Awaitable[bytes], cors: HeaderPairs) -> Response:
        return Response(200, _JSON, await found, cors)

    def _cors(self, request: Request) -> HeaderPairs:
        return cors_headers(request.headers, self._settings.http_origins, preflight=False)

    def _admit(self, address: str, count: int) -> None:
        if self._rates is not None:
            self._rates.take(address, count, trio.current_time())
