"""HTTP/1.1 for many clients on one task: what can be answered at once is answered between two system calls.

hypercorn has two tasks for a connection, one for a request, and queues between them: 1.7 ms of CPU for a request. Here an epoll of our own,
itself waited for by trio, says which of thousands of sockets have something; a task begins only for a request that has to wait. Beside a
thread that executes blocks each system call may cost a switch of threads, so that few of them are what keeps latency down.
"""

from __future__ import annotations

import resource
import select
import socket
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Protocol

import structlog
import trio

from trinode.jsonrpc.connections import HEAD_SECONDS, SEND_SECONDS, Connection, attended
from trinode.jsonrpc.http1 import CONTINUE, TEXT, Reader, Request, Response
from trinode.jsonrpc.server import KEEP_ALIVE, Refused

MAX_CONNECTIONS = 16_384
"""Open at the same time, on one port: an idle one takes 4 KB."""

LINGER_SECONDS = 2.0
"""For a client that is refused while it still sends to hear why: closed at once, its own bytes in flight would undo the answer."""

_FILES_OF_OTHERS = 2048  # file descriptors of the store, of other ports and of requests to others
_READ = 16 << 10
_READ_BODY = 256 << 10
_PIECE = 256 << 10
_ACCEPTED_AT_ONCE = 128
_READY_AT_ONCE = 256
_BACKLOG = 4096
_SWEEP_SECONDS = 0.5
_NEVER = float("inf")
_IDLE = select.EPOLLIN | select.EPOLLRDHUP
_BUSY = select.EPOLLRDHUP
_SENDING = select.EPOLLOUT
_log = structlog.get_logger()


class Space(Protocol):
    """Bytes that may be held, of all clients together."""

    def take(self, size: int) -> None:
        """Raises Refused."""

    def give(self, size: int) -> None:
        """They are free again."""


class App(Protocol):
    """What is served. A body has at most `max_body` bytes, and `body_seconds` to come."""

    max_body: int
    body_seconds: float

    @property
    def requests(self) -> Space:
        """For bodies."""

    @property
    def responses(self) -> Space:
        """For what was not sent yet."""

    def check(self, request: Request) -> None:
        """Of a request's head, before its body is read. Raises Refused."""

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """What is answered; where that has to wait, an awaitable. It is cancelled when the client goes."""

    def refuse(self, request: Request, refused: Refused) -> Response:
        """What is answered to a refused request."""


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
    with select.epoll() as epoll:
        async with trio.open_nursery() as nursery:
            server = Http1Server(app, epoll, nursery, listeners, websockets, max_connections)
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
        epoll: select.epoll,
        nursery: trio.Nursery,
        listeners: list[socket.socket],
        websockets: Callable[[Connection], Awaitable[None]] | None,
        max_connections: int,
    ) -> None:
        self.app = app
        self.epoll = epoll
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
            epoll.register(listener.fileno(), select.EPOLLIN)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self.epoll.fileno())
            for number, events in self.epoll.poll(0, _READY_AT_ONCE):
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
            self.epoll.register(accepted.fileno(), _IDLE)

    def _listen(self, wanted: bool) -> None:
        self._deaf = not wanted
        for number in self._listeners:
            self.epoll.modify(number, select.EPOLLIN if wanted else 0)

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


class Client:
    """One connection: one request after the other is answered, and none is read while one is worked on or sent.

    `deadline`: trio's time at which its state has lasted too long.
    """

    __slots__ = (
        "_events",
        "_held",
        "_is_gone",
        "_is_last",
        "_lingers",
        "_number",
        "_reader",
        "_sent",
        "_server",
        "_socket",
        "_unsent",
        "_work",
        "deadline",
    )

    def __init__(self, server: Http1Server, socket_: socket.socket, reader: Reader, deadline: float) -> None:
        self.deadline = deadline
        self._server = server
        self._socket = socket_
        self._number = socket_.fileno()
        self._reader = reader
        self._events = _IDLE
        self._work: trio.CancelScope | None = None
        self._unsent = b""
        self._sent = 0
        self._held = 0
        self._is_last = False
        self._lingers = False
        self._is_gone = False

    def ready(self, events: int) -> None:
        """epoll says that something can be done."""
        if self._unsent:
            self._send()
        elif self._work is not None:
            self.close()  # the only thing that was waited for is the client's end
        else:
            self._receive()
        if not self._is_gone:
            self._go_on()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_READ_BODY if self._reader.in_body else _READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif not self._lingers:
            was_between, was_in_body = self._reader.is_between, self._reader.in_body
            self._reader.feed(data)
            if self._reader.wants_continue:
                self._reader.wants_continue = False
                self._begin_to_send(CONTINUE, 0)
            now_between, now_in_body = self._reader.is_between, self._reader.in_body
            if not now_between and (was_between or was_in_body != now_in_body):
                self.deadline = trio.current_time() + (self._server.app.body_seconds if now_in_body else HEAD_SECONDS)

    def _go_on(self) -> None:
        """Answers what has come, as far as that goes without waiting, and says what is waited for next."""
        reader = self._reader
        while reader.done and not (self._work or self._unsent or self._is_last or self._is_gone):
            if reader.upgrade and self._server.takes_websockets and _is_handshake(reader.done[0]):
                self._server.become_websocket(self, reader.upgrade, reader.done[0].address)
                return
            self._answer(reader.done.popleft())
        if self._is_gone:
            return
        if self._work is None and not self._unsent:
            if self._is_last or (reader.upgrade is not None and not reader.done):
                self._end()
            elif reader.fault is not None and not reader.done and not self._lingers:
                self._respond(Response(reader.fault.status, TEXT, f"{reader.fault.reason}\n".encode()), is_last=True)
                if not self._is_gone and not self._unsent:
                    self._end()
        if not self._is_gone:
            self._wait_for(_SENDING if self._unsent else _BUSY if self._work is not None else _IDLE)

    def _wait_for(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._server.epoll.modify(self._number, events)

    def _answer(self, request: Request) -> None:
        app = self._server.app
        found: Response | Awaitable[Response]
        try:
            found = app.answer(request) if request.refused is None else app.refuse(request, request.refused)
        except Exception as error:  # noqa: BLE001
            found = _crashed(error)
        if isinstance(found, Response):
            app.requests.give(request.held)
            self._respond(found, is_last=request.is_last, is_head=request.method == b"HEAD")
        else:
            self._work = trio.CancelScope()
            self.deadline = _NEVER
            self._server.nursery.start_soon(self._finish, request, found, self._work)

    async def _finish(self, request: Request, found: Awaitable[Response], scope: trio.CancelScope) -> None:
        response = None
        try:
            with scope:
                response = await found
        except Exception as error:  # noqa: BLE001
            response = _crashed(error)
        finally:
            self._server.app.requests.give(request.held)
        self._work = None
        if response is not None and not self._is_gone:
            self._respond(response, is_last=request.is_last)
            if not self._is_gone:
                self._go_on()

    def _respond(self, response: Response, *, is_last: bool, is_head: bool = False) -> None:
        body = b"" if is_head else response.body
        try:
            self._server.app.responses.take(len(body))
        except Refused as refused:
            self._respond(Response(refused.status, TEXT, b""), is_last=is_last)
            return
        self._is_last = is_last
        self._begin_to_send(response.head(is_last=is_last, date=self._server.date) + body, len(body))

    def _begin_to_send(self, data: bytes, held: int) -> None:
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            sent = -1
        if sent == len(data) or sent < 0:
            self._server.app.responses.give(held)
            self._begin_to_wait()
            if sent < 0:
                self.close()
            return
        self._unsent, self._sent, self._held = data, sent, held
        self.deadline = trio.current_time() + SEND_SECONDS

    def _send(self) -> None:
        """The client must take a piece in SEND_SECONDS."""
        before = self._sent
        try:
            with memoryview(self._unsent) as view:
                self._sent += self._socket.send(view[before : before + _PIECE])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        if self._sent // _PIECE != before // _PIECE:
            self.deadline = trio.current_time() + SEND_SECONDS
        if self._sent == len(self._unsent):
            self._free_unsent()
            self._begin_to_wait()

    def _begin_to_wait(self) -> None:
        self.deadline = trio.current_time() + (KEEP_ALIVE if self._reader.is_between else HEAD_SECONDS)

    def _free_unsent(self) -> None:
        self._server.app.responses.give(self._held)
        self._unsent = b""

    def _end(self) -> None:
        """The last response is sent: whoever still sends is given a while to read it."""
        if self._reader.is_between and self._reader.fault is None:
            self.close()
            return
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._lingers, self._is_last = True, False
        self.deadline = trio.current_time() + LINGER_SECONDS

    def is_late(self) -> None:
        """Its deadline has come."""
        if self._reader.in_body and not self._lingers and not self._unsent:
            seconds = self._server.app.body_seconds
            self._respond(Response(408, TEXT, f"the body took more than {seconds:.0f} s\n".encode()), is_last=True)
        self.close()

    def leave(self) -> socket.socket:
        """Nobody waits for it any more; the socket, open."""
        self._is_gone = True
        self._server.epoll.unregister(self._number)
        del self._server.clients[self._number]
        self._server.app.requests.give(self._reader.abandon())
        if self._unsent:
            self._free_unsent()
        if self._work is not None:
            self._work.cancel()
        return self._socket

    def close(self) -> None:
        """At once."""
        if not self._is_gone:
            self.leave().close()


def _crashed(error: Exception) -> Response:
    _log.error("a request crashed", exc_info=error)
    return Response(500, TEXT, b"internal error\n")


def _is_handshake(request: Request) -> bool:
    return request.method == b"GET" and request.headers.get(b"upgrade", b"").lower() == b"websocket"
