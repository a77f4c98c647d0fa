"""HTTP/1.1 requests out of a client's bytes: however they are cut, the same requests; and whatever they are, no more is kept than is allowed."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from trinode.jsonrpc.connections import MAX_HEAD
from trinode.jsonrpc.http1 import Reader, Request
from trinode.jsonrpc.server import Refused

MOST_BODY = 1000
MOST_HELD = 1500


@dataclass
class Room:
    """Bytes of bodies, at most MOST_HELD of all together."""

    held: int = 0

    def take(self, size: int) -> None:
        if self.held + size > MOST_HELD:
            raise Refused(503, "no room")
        self.held += size


def check(request: Request) -> None:
    """As a server does: one path is refused."""
    if request.path == b"/no":
        raise Refused(404, "no such path")


def reader(room: Room) -> Reader:
    return Reader(check, room.take, "client", MOST_BODY)


@dataclass(frozen=True)
class Wanted:
    """A request that is sent, `chunks`: its body in them, or in one piece with its length."""

    method: bytes
    path: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    chunk: int | None

    def encoded(self) -> bytes:
        head = [b"%b %b HTTP/1.1" % (self.method, self.path), b"Host: localhost", *[b"%b: %b" % header for header in self.headers]]
        if self.chunk is None:
            return b"\r\n".join([*head, b"Content-Length: %d" % len(self.body), b"", self.body])
        pieces = [self.body[start : start + self.chunk] for start in range(0, len(self.body), self.chunk)]
        chunks = b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces])
        return b"\r\n".join([*head, b"Transfer-Encoding: chunked", b"", chunks + b"0\r\n\r\n"])


names = st.sampled_from([b"Content-Type", b"Origin", b"X-Long", b"Accept"])
texts = st.text("abz019/*=;. -", max_size=40).map(lambda text: text.strip().encode())
requests = st.builds(
    Wanted,
    st.sampled_from([b"POST", b"GET", b"OPTIONS"]),
    st.sampled_from([b"/", b"/no", b"/healthz?x=1", b"/" + b"p" * 300]),
    st.lists(st.tuples(names, texts), max_size=4, unique_by=lambda header: header[0]).map(tuple),
    st.binary(max_size=120),
    st.sampled_from([None, None, 1, 7, 1000]),
)


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in pieces."""
    at = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=12)))
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


def fed(pieces: list[bytes]) -> list[tuple[bytes, bytes, dict[bytes, bytes], bytes, int | None]]:
    """What the server sees, each request once it is done, and its room given back."""
    room = Room()
    one = reader(room)
    seen = []
    for piece in pieces:
        one.feed(piece)
        while one.done:
            request = one.done.popleft()
            room.held -= request.held
            refused = None if request.refused is None else request.refused.status
            seen.append((request.method, request.path, request.headers, bytes(request.body), refused))
            assert (request.address, request.version, request.is_last) == ("client", "1.1", False)
        if one.fault is not None:
            break
    assert one.fault is not None or (one.is_between and room.held == 0)
    return seen


@given(st.data(), st.lists(requests, min_size=1, max_size=4))
def test_the_same_requests_however_they_are_cut(data: st.DataObject, wanted: list[Wanted]) -> None:
    """A refused one whose body was not all there with its head ends the connection: what is before it must be the same."""
    stream = b"".join([each.encoded() for each in wanted])
    seen = fed(data.draw(cut(stream)))
    for found, each in zip(seen, wanted, strict=False):
        method, path, headers, body, refused = found
        assert (method, path) == (each.method, each.path)
        assert {name.lower(): value for name, value in each.headers}.items() <= headers.items()
        assert refused == (404 if each.path == b"/no" else None)
        assert body == (b"" if refused else each.body)
    assert len(seen) == len(wanted) or wanted[len(seen)].path == b"/no"


def held_by(one: Reader) -> int:
    """Bytes of what was fed that it still has."""
    open_request = one._request
    bodies = sum(len(each.body) for each in one.done) + (0 if open_request is None else len(open_request.body))
    return bodies + len(one._head)


garbage = st.one_of(
    st.binary(max_size=300),
    requests.map(lambda wanted: wanted.encoded()),
    st.sampled_from(
        [
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"X: " + b"y" * 400,
            b"1\r\nx\r\n" * 60,
            b"\r\n" * 100,
        ]
    ),
)


@given(st.lists(garbage, min_size=1, max_size=6), st.integers(1, 60))
def test_whatever_comes_is_bounded(parts: list[bytes], times: int) -> None:
    """Fed as the server feeds: until there is a fault, an upgrade or an end; what is done stays where it is, as if it waited for its turn."""
    room = Room()
    one = reader(room)
    size = 0
    for part in parts * times:
        one.feed(part)
        size += len(part)
        assert held_by(one) <= MOST_HELD + MAX_HEAD + len(part)
        assert room.held <= MOST_HELD
        for request in one.done:
            assert len(request.body) <= MOST_BODY
            assert sum(len(name) + len(value) for name, value in request.headers.items()) <= MAX_HEAD + len(part)
        if one.fault is not None or one.upgrade is not None or (one.done and one.done[-1].is_last):
            break
    assert one.fault is None or 400 <= one.fault.status < 600
    assert one.abandon() == room.held
