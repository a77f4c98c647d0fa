"""Streams as those who use them see them, over Yamux and over mplex."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from tests.unit.p2p.transport.both_sides import both
from tests.unit.p2p.transport.muxed_pair import Pair
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.mplex import Mplex
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.yamux import Yamux

LIMITS = TransportLimits(inbound_streams=3, outbound_streams=5)


@pytest.fixture(params=[Yamux, Mplex])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    made = Pair(request.param, LIMITS, TransportLimits(inbound_streams=200))
    yield made
    made.exchange()
    assert made.ours.unread >= 0 <= made.theirs.unread


async def read_all(stream: MuxedStream) -> bytes:
    received = b""
    while part := await stream.receive_some(50_000):
        received += part
    return received


async def send_and_end(stream: MuxedStream, data: bytes) -> None:
    await stream.send_all(data)
    await stream.send_eof()


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 1_000_000])
async def test_both_ways_at_once(pair: Pair, nursery: trio.Nursery, size: int) -> None:
    one, other = pair.opened()
    nursery.start_soon(pair.pump)
    there, back = bytes(size), b"\x01" * size
    async with trio.open_nursery() as sending:
        sending.start_soon(send_and_end, one, there)
        sending.start_soon(send_and_end, other, back)
        assert await both(read_all(other), read_all(one)) == (there, back)
    assert await one.receive_some() == b""
    assert pair.ours._streams == pair.theirs._streams == {}
    nursery.cancel_scope.cancel()


async def test_small_messages_go_together(pair: Pair) -> None:
    one, other = pair.opened()
    for n in range(100):
        await one.send_all(b"%03d" % n)
    batch = pair.ours.next_batch()
    assert len(batch) < 100 * 16
    assert pair.ours.next_batch() == b""
    pair.theirs.received(batch)
    assert await other.receive_some() == b"".join(b"%03d" % n for n in range(100))


async def test_each_stream_has_its_turn(pair: Pair) -> None:
    streams = [pair.opened() for _ in range(2)]
    async with trio.open_nursery() as sending:
        for one, _ in streams:
            sending.start_soon(one.send_all, bytes(200_000))
        await trio.testing.wait_all_tasks_blocked()
        pair.theirs.received(pair.ours.next_batch())
        for _, other in streams:
            assert other.unread >= 100_000
        pair.exchange()


async def test_a_reset_is_heard_at_once(pair: Pair) -> None:
    one, other = pair.opened()
    await one.send_all(b"abc")
    one.reset()
    pair.exchange()
    for wait in (other.receive_some, other.send_eof):
        with pytest.raises(trio.BrokenResourceError, match="reset"):
            await wait()
    with pytest.raises(trio.BrokenResourceError, match="reset"):
        await other.send_all(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await one.receive_some()
    assert pair.ours.unread == pair.theirs.unread == 0
    one.reset()
    other.reset()
    assert pair.exchange() == 0


async def test_what_came_before_the_end_outlives_a_reset_and_the_connection(pair: Pair) -> None:
    (one, other), (second, other_second) = pair.opened(), pair.opened()
    for stream in (one, second):
        await send_and_end(stream, b"abc")
    pair.exchange()
    one.reset()
    pair.exchange()
    pair.theirs.end("gone")
    for stream in (other, other_second):
        assert await stream.receive_some() == b"abc"
        assert await stream.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")


async def test_who_waits_is_woken(pair: Pair) -> None:
    for end in (MuxedStream.reset, MuxedStream.close, lambda stream: stream.break_off("gone")):
        one, _ = pair.opened()

        async def receive(stream: MuxedStream = one) -> None:
            with pytest.raises((trio.ClosedResourceError, trio.BrokenResourceError)):
                await stream.receive_some()

        async def send(stream: MuxedStream = one) -> None:
            with pytest.raises((trio.ClosedResourceError, trio.BrokenResourceError)):
                await stream.send_all(bytes(1_000_000))

        async with trio.open_nursery() as waiting:
            waiting.start_soon(receive)
            waiting.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            end(one)


async def test_a_message_that_was_cut_does_not_look_whole(pair: Pair) -> None:
    one, other = pair.opened()
    with trio.move_on_after(0):
        await one.send_all(b"never begun" * 10_000)
    assert pair.exchange() == 0
    async with trio.open_nursery() as sending:
        sending.start_soon(one.send_all, bytes(600_000))
        await trio.testing.wait_all_tasks_blocked()
        pair.theirs.received(pair.ours.next_batch())
        sending.cancel_scope.cancel()
    await one.aclose()
    pair.exchange()
    with pytest.raises(trio.BrokenResourceError, match="reset"):
        await read_all(other)


async def test_what_comes_after_we_left_is_dropped(pair: Pair) -> None:
    one, other = pair.opened()
    await one.aclose()
    await other.send_all(b"too late")
    pair.exchange()
    assert await other.receive_some() == b""
    assert pair.ours.unread == 0
    await other.send_eof()
    pair.exchange()
    assert pair.ours._left == {}


async def test_who_never_ends_a_stream_is_reset_in_the_end(pair: Pair) -> None:
    one, other = pair.opened()
    await one.aclose()
    pair.exchange()
    pair.ours.tick()
    pair.ours.tick()
    pair.exchange()
    with pytest.raises(trio.BrokenResourceError, match="reset"):
        await other.send_all(b"x")


async def test_streams_that_were_left_are_bounded(pair: Pair) -> None:
    others = []
    for _ in range(100):
        one, other = pair.opened()
        others.append(other)
        await one.aclose()
    pair.exchange()
    assert len(pair.ours._left) == 64
    assert [other.is_over for other in others] == [True] * 36 + [False] * 64


async def test_places_for_the_peers_streams(pair: Pair) -> None:
    """A place is free when its stream is served: not when the peer has reset it."""
    theirs = [pair.theirs.open() for _ in range(5)]
    pair.exchange()
    assert [stream.is_over for stream in theirs] == [False] * 3 + [True] * 2
    for stream in theirs:
        stream.reset()
    pair.exchange()
    again = pair.theirs.open()
    pair.exchange()
    assert again.is_over
    assert len(pair.ours.arrived) == 3
    pair.ours.served(pair.ours.arrived.popleft())
    again = pair.theirs.open()
    pair.exchange()
    assert not again.is_over


async def test_places_for_ours(pair: Pair) -> None:
    streams = [pair.ours.open() for _ in range(5)]
    with pytest.raises(trio.BrokenResourceError, match="5 streams"):
        pair.ours.open()
    streams[0].reset()
    pair.ours.open()


async def test_served_streams_are_closed(pair: Pair) -> None:
    one, other = pair.opened()
    pair.theirs.served(other)
    pair.exchange()
    assert await one.receive_some() == b""


async def test_the_connection_is_over(pair: Pair) -> None:
    one, _ = pair.opened()
    pair.ours.end("gone")
    with pytest.raises(trio.BrokenResourceError, match="gone"):
        await one.receive_some()
    with pytest.raises(trio.BrokenResourceError, match="gone"):
        pair.ours.open()


async def test_two_tasks_may_not_share_a_direction(pair: Pair) -> None:
    one, _ = pair.opened()
    async with trio.open_nursery() as waiting:
        waiting.start_soon(one.receive_some)
        waiting.start_soon(one.send_all, bytes(1_000_000))
        await trio.testing.wait_all_tasks_blocked()
        for wait in (one.receive_some, one.send_eof, one.wait_send_all_might_not_block):
            with pytest.raises(trio.BusyResourceError):
                await wait()
        with pytest.raises(trio.BusyResourceError):
            await one.send_all(b"x")
        waiting.cancel_scope.cancel()


async def test_nothing_is_sent_after_the_end(pair: Pair) -> None:
    one, _ = pair.opened()
    await one.send_eof()
    await one.send_eof()
    with pytest.raises(trio.ClosedResourceError):
        await one.send_all(b"x")
    with pytest.raises(ValueError, match="at least 1"):
        await one.receive_some(0)
