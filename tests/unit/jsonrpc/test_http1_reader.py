"""What a client may send before it is told that it is too much."""

from __future__ import annotations

from trinode.jsonrpc.connections import MAX_HEAD
from trinode.jsonrpc.http1 import Reader

MOST_BODY = 1000
PIECE = 1024
HOST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


def sent_until_refused(head: bytes, piece: bytes) -> tuple[int, int]:
    """The status, and how many bytes had come."""
    reader = Reader(lambda request: None, lambda size: None, "client", MOST_BODY)
    reader.feed(head)
    sent = len(head)
    while reader.fault is None:
        assert sent < 1 << 20
        reader.feed(piece)
        sent += len(piece)
    return reader.fault.status, sent


def test_a_head_without_an_end() -> None:
    for piece in (b"x" * PIECE, (b"X-Name: " + b"y" * 1000 + b"\r\n").ljust(PIECE, b"z"), b"A: b\r\n" * 200):
        status, sent = sent_until_refused(HOST + b"X: ", piece)
        assert status in (400, 431)
        assert sent <= MAX_HEAD + 2 * len(piece)


def test_a_line_without_an_end() -> None:
    status, sent = sent_until_refused(b"POST /", b"x" * PIECE)
    assert status == 431
    assert sent <= MAX_HEAD + 2 * PIECE


def test_chunks_that_are_nearly_all_overhead() -> None:
    """A body of single bytes is taken; what stands around them is bounded too."""
    chunked = HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    status, sent = sent_until_refused(chunked, b"1\r\nx\r\n")
    assert status == 413
    assert sent <= MAX_HEAD + 8 * MOST_BODY + len(chunked)
    status, sent = sent_until_refused(chunked, b"1;" + b"e" * PIECE + b"\r\nx\r\n")
    assert status in (400, 413)
    assert sent <= MAX_HEAD + 8 * MOST_BODY + 2 * PIECE
    trailers = sent_until_refused(chunked + b"0\r\n", b"X: " + b"y" * PIECE + b"\r\n")
    assert trailers[0] in (400, 413)
    assert trailers[1] <= MAX_HEAD + 8 * MOST_BODY + 2 * PIECE


def test_a_length_that_is_too_much() -> None:
    for length in (b"1001", b"9" * 19, b"9" * 40, b"-1", b"0x10"):
        reader = Reader(lambda request: None, lambda size: None, "client", MOST_BODY)
        reader.feed(HOST + b"Content-Length: " + length + b"\r\n\r\n")
        assert reader.fault is not None
        assert reader.fault.status in (400, 413)
