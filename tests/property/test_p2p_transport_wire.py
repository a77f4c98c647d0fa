"""What peers say below the streams: any bytes at all end in nothing worse than ProtocolViolation, and what is sent is what arrives."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import memory_stream_pair

from tests.unit.p2p.transport.both_sides import both
from tests.unit.p2p.transport.muxed_pair import Clock, Pair, frame
from trinode.p2p.errors import P2PError, ProtocolViolation
from trinode.p2p.identity import Identity
from trinode.p2p.protobuf import encode_varint
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.mplex import Mplex
from trinode.p2p.transport.multistream import encode_line, handle, select
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.muxer import Muxer
from trinode.p2p.transport.upgrade import upgrade
from trinode.p2p.transport.yamux import Yamux

SMALL = TransportLimits(inbound_streams=4, outbound_streams=4, unread_bytes=400_000, largest_window=300_000)
STREAMS, SIZES = st.integers(0, 9), st.one_of(st.integers(0, 3000), st.sampled_from([262_143, 262_144, 262_145, (1 << 32) - 1]))
YAMUX_FRAMES = st.builds(
    lambda kind, flags, stream, size, more: frame(kind, flags, stream, size) + (bytes(size) if kind == 0 and size < 300_000 else b"")[: size - more],
    st.integers(0, 4),
    st.integers(0, 15),
    STREAMS,
    SIZES,
    st.sampled_from([0, 0, 0, 1]),
)
MPLEX_FRAMES = st.builds(
    lambda number, flag, size: encode_varint(number << 3 | flag) + encode_varint(size) + bytes(min(size, 300_000)), STREAMS, st.integers(0, 7), SIZES
)


def hear(kind: type[Yamux] | type[Mplex], pieces: list[bytes], cut: int) -> None:
    """A muxer hears that, cut anew at every `cut` bytes; what it holds stays within its limits."""
    muxer: Muxer = kind(SMALL, outbound=False, clock=Clock())
    muxer.open()
    said = b"".join(pieces)
    try:
        for at in range(0, len(said), cut):
            muxer.received(said[at : at + cut])
            muxer.next_batch()
            assert 0 <= muxer.unread == sum(stream.unread for stream in muxer._streams.values())
            assert muxer.unread <= SMALL.unread_bytes
            assert len(muxer.arrived) <= SMALL.inbound_streams
    except ProtocolViolation:
        pass  # what follows is not heard
    muxer.end("over")
    assert muxer._streams == {}


@given(st.lists(st.one_of(YAMUX_FRAMES, st.binary(max_size=30)), max_size=12), st.sampled_from([7, 12, 1000, 65_519]))
def test_yamux_hears_anything(pieces: list[bytes], cut: int) -> None:
    hear(Yamux, pieces, cut)


@given(st.lists(st.one_of(MPLEX_FRAMES, st.binary(max_size=30)), max_size=12), st.sampled_from([7, 12, 1000, 65_519]))
def test_mplex_hears_anything(pieces: list[bytes], cut: int) -> None:
    hear(Mplex, pieces, cut)


@given(
    st.sampled_from([Yamux, Mplex]),
    st.lists(st.lists(st.integers(0, 300_000), min_size=1, max_size=3), min_size=1, max_size=4),
    st.lists(st.integers(500, 100_000), min_size=1, max_size=5),
)
def test_streams_bring_what_was_sent(kind: type[Yamux] | type[Mplex], sizes: list[list[int]], reads: list[int]) -> None:
    async def send(stream: MuxedStream, parts: list[bytes]) -> None:
        for part in parts:
            await stream.send_all(part)
        await stream.send_eof()

    async def expect(stream: MuxedStream, parts: list[bytes]) -> None:
        received, turn = bytearray(), 0
        while part := await stream.receive_some(reads[turn % len(reads)]):
            received += part
            turn += 1
        assert received == b"".join(parts)

    async def run() -> None:
        pair = Pair(kind, TransportLimits())
        async with trio.open_nursery() as outer:
            outer.start_soon(pair.pump)
            async with trio.open_nursery() as nursery:
                for number, parts_of in enumerate(sizes):
                    one, other = pair.opened()
                    for sender, receiver in ((one, other), (other, one)):
                        parts = [bytes([number + size & 0xFF]) * size for size in parts_of]
                        nursery.start_soon(send, sender, parts)
                        nursery.start_soon(expect, receiver, parts)
            outer.cancel_scope.cancel()
        assert (pair.ours._streams, pair.theirs._streams, pair.ours.unread, pair.theirs.unread) == ({}, {}, 0, 0)

    trio.run(run)


@given(st.lists(st.text(max_size=200), max_size=5), st.text(min_size=1, max_size=200))
def test_multistream_agrees_on_any_name(others: list[str], name: str) -> None:
    async def run() -> None:
        ours, theirs = memory_stream_pair()
        proposals = [f"/{other}" for other in others] + [f"/{name}"]
        assert await both(select(ours, proposals), handle(theirs, [f"/{name}"])) == (f"/{name}", f"/{name}")

    trio.run(run)


@given(st.one_of(st.binary(max_size=100), st.binary(max_size=100).map(lambda rest: encode_line("/multistream/1.0.0") + rest)), st.booleans())
def test_multistream_hears_anything(said: bytes, ours_to_propose: bool) -> None:
    async def run() -> None:
        ours, theirs = memory_stream_pair()
        await theirs.send_all(said)
        await theirs.send_eof()
        with pytest.raises((P2PError, trio.BrokenResourceError)):
            await (select(ours, ["/a/1", "/b/1"]) if ours_to_propose else handle(ours, ["/a/1"]))

    trio.run(run)


@given(st.binary(max_size=400), st.sampled_from(["", "header", "noise"]), st.booleans())
def test_an_upgrade_hears_anything(said: bytes, begins: str, outbound: bool) -> None:
    """From its beginning, after the header, and where a handshake is expected."""
    greeting = {"": b"", "header": encode_line("/multistream/1.0.0"), "noise": encode_line("/multistream/1.0.0") + encode_line("/noise")}[begins]

    async def run() -> None:
        ours, theirs = memory_stream_pair()
        await theirs.send_all(greeting + said)
        await theirs.send_eof()
        with pytest.raises((P2PError, trio.BrokenResourceError)):
            await upgrade(ours, Identity(b"\x01" * 32), outbound=outbound)
        with pytest.raises(trio.ClosedResourceError):
            await ours.send_all(b"x")

    trio.run(run)
