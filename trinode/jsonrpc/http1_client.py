"""One client of an HTTP/1.1 server: what it has sent, what is answered, and how long it may take for either."""

from __future__ import annotations

import socket
from collections.abc import Awaitable
from typing import Protocol

import structlog
import trio

from trinode.jsonrpc.connections import HEAD_SECONDS, SEND_SECONDS
from trinode.jsonrpc.http1 import CONTINUE, TEXT, Reader, Request, Response
from trinode.jsonrpc.readiness import ENDED, READABLE, WRITABLE, Readiness
from trinode.jsonrpc.server import KEEP_ALIVE, Refused

LINGER_SECONDS = 2.0
"""For a client that is refused while it still sends to hear why: closed at once, its own bytes in flight would undo the answer."""

IDLE = READABLE | ENDED
_BUSY = ENDED
_SENDING = WRITABLE
_READ = 16 << 10
_READ_BODY = 256 << 10
_PIECE = 256 << 10
_NEVER = float("inf")
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


class Port(Protocol):
    """The server, as its clients see it. `date`: the header's value."""

    app: App
    readiness: Readiness
    nursery: trio.Nursery
    takes_websockets: bool
    date: bytes

    def become_websocket(self, client: Client, read: bytes, address: str) -> None:
        """The connection is no longer HTTP; `read` came after its head."""

    def forget(self, number: int) -> None:
        """The client with that file descriptor is gone."""


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

    def __init__(self, server: Port, socket_: socket.socket, reader: Reader, deadline: float) -> None:
        self.deadline = deadline
        self._server = server
        self._socket = socket_
        self._number = socket_.fileno()
        self._reader = reader
        self._events = IDLE
        self._work: trio.CancelScope | None = None
        self._unsent = b""
        self._sent = 0
        self._held = 0
        self._is_last = False
        self._lingers = False
        self._is_gone = False

    def ready(self, events: int) -> None:
        """Something can be done."""
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
            self._wait_for(_SENDING if self._unsent else _BUSY if self._work is not None else IDLE)

    def _wait_for(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._server.readiness.modify(self._number, events)

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
        self._server.readiness.unregister(self._number)
        self._server.forget(self._number)
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
