"""HTTP/1.1 for many clients on one task: what can be answered at once is answered between two system calls.

hypercorn has two tasks for a connection, one for a request, and queues between them: 1.7 ms of CPU for a request. Here an epoll of our own
(elsewhere a kqueue), itself waited for by trio, says which of thousands of sockets have something; a task begins only for a request that has
to wait. Beside a thread that executes blocks each system call may cost a switch of threads, so that few of them are what keeps latency down.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from email.utils import formatdate

import structlog
import trio

from trinode.jsonrpc.connections import Connection, attended
from trinode.jsonrpc.http1 import Reader
from trinode.jsonrpc.http1_client import IDLE, App, Client
from trinode.jsonrpc.readiness import NOTHING, READABLE, Readiness, new_readiness
from trinode.jsonrpc.right_of_way import INTERPRETER
from trinode.jsonrpc.server import KEEP_ALIVE

MAX_CONNECTIONS = 16_384
"""Open at the same time, on one port: an idle one takes 4 KB."""

_FILES_OF_OTHERS = 2048  # file descriptors of the store, of other ports and of requests to others
_ACCEPTED_AT_ONCE = 128
_READY_AT_ONCE = 256
_BACKLOG = 4096
_SWEEP_SECONDS = 0.5
_log = structlog.get_logger()


async def serve_http1(
    app: App,
    host: str,
    port: int,
    *,
    websockets: Callable[[Connection], Awaitable[None]] | None,
    max_connections: int = MAX_CONNECTIONS,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until it is cancelled; its addresses (`http://host:port`) once connections are taken, with the port that was found if `port`
    is 0. Raises OSError where it cannot listen.

    `websockets` is given the connections that begin with a WebSocket's handshake, unread. Beyond `max_connections` one is closed at once;
    the process's limit of open files is raised for them, and where the system does not allow that, there are fewer.
    """
    listeners = [socket.socket(fileno=each.socket.detach()) for each in await trio.open_tcp_listeners(port, host=host, backlog=_BACKLOG)]
    max_connections = _as_files_allow(max_connections)
    with closing(new_readiness()) as readiness:
        async with trio.open_nursery() as nursery:
            server = Http1Server(app, readiness, nursery, listeners, websockets, max_connections)
            task_status.started([f"http://{_shown(each)}" for each in listeners])
            nursery.start_soon(server.sweep)
            try:
                await server.run()
            finally:
                server.close()
                nursery.cancel_scope.cancel()


def _as_files_allow(connections: int) -> int:
    """So that clients cannot take the file descriptors that the store needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _FILES_OF_OTHERS
    limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return min(connections, max(limit - _FILES_OF_OTHERS, limit // 2))


def _shown(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Http1Server:
    """One port's clients, by their file descriptors."""

    def __init__(
        self,
        app: App,
        readiness: Readiness,
        nursery: trio.Nursery,
        listeners: list[socket.socket],
        websockets: Callable[[Connection], Awaitable[None]] | None,
        max_connections: int,
    ) -> None:
        self.app = app
        self.readiness = readiness
        self.nursery = nursery
        self.takes_websockets = websockets is not None
        self.date = formatdate(usegmt=True).encode()
        self.clients: dict[int, Client] = {}
        self._websockets = websockets
        self._open_websockets = 0
        self._max_connections = max_connections
        self._listeners = {each.fileno(): each for each in listeners}
        self._deaf = False
        for listener in listeners:
            listener.setblocking(False)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # those that it accepts have it too
            readiness.register(listener, READABLE)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self.readiness.fileno())
            INTERPRETER.hurry()
            for number, events in self.readiness.poll(0, _READY_AT_ONCE):
                client = self.clients.get(number)
                if client is not None:
                    client.ready(events)
                elif number in self._listeners:
                    self._accept(self._listeners[number])

    def _accept(self, listener: socket.socket) -> None:
        now = trio.current_time()
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, address = listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:  # no file descriptors are left: others will be closed
                _log.warning("no connection can be taken", reason=str(error))
                self._listen(False)
                return
            if len(self.clients) + self._open_websockets >= self._max_connections:
                accepted.close()
                continue
            accepted.setblocking(False)
            reader = Reader(self.app.check, self.app.requests.take, address[0], self.app.max_body)
            client = Client(self, accepted, reader, now + KEEP_ALIVE)
            self.clients[accepted.fileno()] = client
            self.readiness.register(accepted, IDLE)

    def _listen(self, wanted: bool) -> None:
        self._deaf = not wanted
        for number in self._listeners:
            self.readiness.modify(number, READABLE if wanted else NOTHING)

    async def sweep(self) -> None:
        """Ends what takes too long."""
        while True:
            await trio.sleep(_SWEEP_SECONDS)
            self.date = formatdate(usegmt=True).encode()
            now = trio.current_time()
            for client in [each for each in self.clients.values() if each.deadline <= now]:
                client.is_late()
            if self._deaf:
                self._listen(True)

    def forget(self, number: int) -> None:
        """The client with that file descriptor is gone."""
        del self.clients[number]

    def become_websocket(self, client: Client, read: bytes, address: str) -> None:
        """The connection is no longer HTTP."""
        self.nursery.start_soon(self._serve_websocket, client.leave(), read, address)

    async def _serve_websocket(self, socket_: socket.socket, read: bytes, address: str) -> None:
        assert self._websockets is not None
        self._open_websockets += 1
        try:
            with socket_:
                connection = Connection(trio.SocketStream(trio.socket.from_stdlib_socket(socket_)), read, address)
                async with attended(connection):
                    await self._websockets(connection)
        finally:
            self._open_websockets -= 1

    def close(self) -> None:
        """All connections, and the port."""
        for client in list(self.clients.values()):
            client.close()
        for listener in self._listeners.values():
            listener.close()


