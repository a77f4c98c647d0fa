"""multistream-select: what is agreed on, what goes over the wire, and what a stranger may not say."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
import trio
from trio.testing import memory_stream_pair

from tests.unit.p2p.transport.both_sides import both
from trinode.p2p.errors import NegotiationFailed, ProtocolViolation
from trinode.p2p.transport.multistream import encode_line, handle, receive_line, select
from trinode.p2p.transport.receiving import receive_exactly

GREETING = b"\x13/multistream/1.0.0\n"


async def test_the_first_that_both_speak() -> None:
    ours, theirs = memory_stream_pair()
    assert await both(select(ours, ["/a/1", "/b/1", "/c/1"]), handle(theirs, {"/b/1", "/c/1"})) == ("/b/1", "/b/1")


async def test_what_follows_belongs_to_the_protocol() -> None:
    ours, theirs = memory_stream_pair()
    await ours.send_all(GREETING + b"\x05/a/1\n" + b"and so on")
    assert await handle(theirs, ["/a/1"]) == "/a/1"
    assert await receive_exactly(theirs, 9) == b"and so on"
    assert await receive_exactly(ours, 26) == GREETING + b"\x05/a/1\n"


async def test_header_and_proposal_go_together() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(GREETING + b"\x03na\n\x05/b/1\n")
    assert await select(ours, ["/a/1", "/b/1"]) == "/b/1"
    assert await theirs.receive_some(1000) == GREETING + b"\x05/a/1\n\x05/b/1\n"


async def test_a_peer_that_waits_for_our_header_before_it_proposes(nursery: trio.Nursery) -> None:
    ours, theirs = memory_stream_pair()
    nursery.start_soon(handle, theirs, ["/a/1"])
    await ours.send_all(GREETING)
    assert await receive_exactly(ours, 20) == GREETING
    await ours.send_all(b"\x05/a/1\n")
    assert await receive_exactly(ours, 6) == b"\x05/a/1\n"


async def test_none_in_common() -> None:
    ours, theirs = memory_stream_pair()

    async def give_up() -> None:
        with pytest.raises(NegotiationFailed, match="/a/1, /b/1"):
            await select(ours, ["/a/1", "/b/1"])
        await ours.aclose()

    async def answer() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await handle(theirs, ["/c/1"])

    await both(give_up(), answer())


async def test_too_many_proposals() -> None:
    ours, theirs = memory_stream_pair()
    await ours.send_all(GREETING + 40 * b"\x05/x/1\n")
    with pytest.raises(NegotiationFailed, match="32"):
        await handle(theirs, ["/a/1"])


@pytest.mark.parametrize("protocol", ["/" + "x" * 125, "/" + "x" * 126, "/" + "x" * 1022])
async def test_long_names(protocol: str) -> None:
    ours, theirs = memory_stream_pair()
    assert await both(select(ours, [protocol]), handle(theirs, [protocol])) == (protocol, protocol)


@pytest.mark.parametrize(
    "said",
    [
        b"\x00",
        b"\x01a",  # no line's end
        b"\x03\xff\xfe\n",
        b"\x81\x08" + b"a" * 1025,
        b"\xff\xff\xff\xff\x0f",
        b"\x80\x80\x01",
        b"\x05/x/1\n",  # no header
        GREETING[:5] + b"x" * 15,
    ],
)
async def test_not_multistream(said: bytes) -> None:
    ours, theirs = memory_stream_pair()
    await ours.send_all(said)
    with pytest.raises(ProtocolViolation):
        await handle(theirs, ["/a/1"])


async def test_an_answer_that_was_not_asked_for() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(GREETING + encode_line("/" + "b" * 1000))
    with pytest.raises(ProtocolViolation, match="an answer to '/a/1'") as caught:
        await select(ours, ["/a/1"])
    assert len(str(caught.value)) < 200


async def test_the_end_within_a_line() -> None:
    ours, theirs = memory_stream_pair()
    await ours.send_all(GREETING[:7])
    await ours.send_eof()
    waits: Awaitable[str] = receive_line(theirs)
    with pytest.raises(trio.BrokenResourceError, match="13 bytes too early"):
        await waits
