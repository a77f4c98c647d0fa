"""HTTP/1.1 in bytes (RFC 9112): requests out of what a client sends, whatever that is, and responses as they are sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

import httptools

from trinode.jsonrpc.connections import MAX_HEAD
from trinode.jsonrpc.server import Refused

_OVERHEAD = 8
"""Bytes on the wire for one of a body, at most: chunks of a single byte have a head of three and an end of two."""

_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TEXT = b"text/plain; charset=utf-8"


class Request:
    """A request, its headers by their names in lower case. `refused`: why it is not answered; then its body was not kept.

    `address`: the client's. `held`: bytes of the body that were taken room for.
    """

    __slots__ = ("address", "body", "headers", "held", "is_last", "method", "path", "refused", "version")

    def __init__(self, address: str) -> None:
        self.address = address
        self.method = b""
        self.path = b""
        self.version = "1.1"
        self.headers: dict[bytes, bytes] = {}
        self.body: bytes | bytearray = b""
        self.held = 0
        self.is_last = False
        self.refused: Refused | None = None


class Response(NamedTuple):
    """What is answered. `headers`: besides type and length."""

    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def head(self, *, is_last: bool, date: bytes) -> bytes:
        """Its status line and headers. `is_last`: the connection ends with it."""
        more = b"".join([b"%b: %b\r\n" % header for header in self.headers]) if self.headers else b""
        end = b"connection: close\r\n" if is_last else b""
        return b"%bdate: %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n" % (
            _STATUS_LINES[self.status],
            date,
            self.content_type,
            len(self.body),
            more,
            end,
        )


class Reader:
    """The requests in one client's bytes: `done`, in their order. `check` is shown each head, `take` is asked for room for each piece of a
    body, and both may raise Refused. `fault`: what came cannot be read, or is too much; nothing follows.

    `upgrade`: the last request in `done` wishes another protocol; the bytes since it began, empty if others came at once with it.
    """

    def __init__(self, check: Callable[[Request], None], take: Callable[[int], None], address: str, most_body: int) -> None:
        self.done: deque[Request] = deque()
        self.fault: Refused | None = None
        self.upgrade: bytes | None = None
        self.wants_continue = False
        self._check = check
        self._take = take
        self._address = address
        self._most_body = most_body
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._in_body = False
        self._since = 0
        self._head = bytearray()

    @property
    def is_between(self) -> bool:
        """No request has begun that is not whole."""
        return self._request is None

    @property
    def in_body(self) -> bool:
        """A request's head has come, and not all of its body."""
        return self._in_body

    def feed(self, data: bytes) -> None:
        """What came next."""
        if not self._in_body:
            self._head += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.upgrade = bytes(self._head) if len(self.done) == 1 else b""
            self.done[-1].is_last = True
        except httptools.HttpParserError:
            self.fault = Refused(400, "this is no HTTP/1.1")
        if self._in_body or self._request is None:
            self._head.clear()
        if self._request is None:
            return
        self._since += len(data)
        if not self._in_body:
            if self._since > MAX_HEAD:
                self.fault = self.fault or Refused(431, f"a request's head has at most {MAX_HEAD} bytes")
        elif self._request.refused is not None:
            self.fault = self.fault or self._request.refused
        elif self._since > MAX_HEAD + _OVERHEAD * self._most_body:
            self.fault = self.fault or Refused(413, "too much came around the body")

    def abandon(self) -> int:
        """Nothing more will be fed. The room that is taken."""
        held = sum(each.held for each in self.done) + (0 if self._request is None else self._request.held)
        self.done.clear()
        self._request = None
        return held

    # ---- what the parser calls ----

    def on_message_begin(self) -> None:
        """As in httptools."""
        self._request = Request(self._address)
        self._since = 0

    def on_url(self, url: bytes) -> None:
        """As in httptools."""
        assert self._request is not None
        self._request.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """As in httptools. What comes after a body is left out."""
        if not self._in_body:
            assert self._request is not None
            self._request.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """As in httptools."""
        request = self._request
        assert request is not None
        request.method = self._parser.get_method()
        request.version = self._parser.get_http_version()
        request.is_last = not self._parser.should_keep_alive()
        self._in_body = True
        headers = request.headers
        try:
            if b"host" not in headers and request.version == "1.1":
                raise Refused(400, "a request names its host")
            self._check_length(headers.get(b"content-length", b""))
            self._check(request)
        except Refused as refused:
            request.refused = refused
        self.wants_continue = request.refused is None and headers.get(b"expect", b"").lower() == b"100-continue"

    def _check_length(self, length: bytes) -> None:
        if length.isdigit() and int(length) > self._most_body:
            raise Refused(413, f"more than {self._most_body} bytes")

    def on_body(self, piece: bytes) -> None:
        """As in httptools."""
        request = self._request
        assert request is not None
        if request.refused is not None:
            return
        try:
            if len(request.body) + len(piece) > self._most_body:
                raise Refused(413, f"more than {self._most_body} bytes")
            self._take(len(piece))
        except Refused as refused:
            request.refused, request.body = refused, b""
            return
        request.held += len(piece)
        if not request.body:
            request.body = piece
        elif isinstance(request.body, bytearray):
            request.body += piece
        else:
            request.body = bytearray(request.body) + piece

    def on_message_complete(self) -> None:
        """As in httptools."""
        assert self._request is not None
        self.done.append(self._request)
        self._request = None
        self._in_body = False
        self.wants_continue = False
