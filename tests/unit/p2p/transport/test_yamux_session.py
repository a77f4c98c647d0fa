"""Yamux: its frames, its windows, and peers that keep to neither."""

from __future__ import annotations

import pytest
import trio

from tests.unit.p2p.transport.muxed_pair import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW, WINDOW_SIZE, Clock, Pair, data_frame, frame, frames
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.muxer import FREE_FRAMES
from trinode.p2p.transport.yamux import Yamux

LIMITS = TransportLimits()


def listener(limits: TransportLimits = LIMITS) -> Yamux:
    """Ours; the peer dialed, so its streams have odd numbers."""
    return Yamux(limits, outbound=False, clock=Clock())


async def test_the_frames_of_a_short_life() -> None:
    ours = listener()
    ours.received(frame(WINDOW, SYN, 1, 0))
    ours.received(data_frame(1, b"hello", FIN))
    stream = ours.arrived.popleft()
    assert await stream.receive_some(2) == b"he"
    assert await stream.receive_some() == b"llo"
    assert await stream.receive_some() == b""
    await stream.send_all(b"hi")
    await stream.aclose()
    assert ours.next_batch() == frame(WINDOW, ACK, 1, 0) + data_frame(1, b"hi") + frame(WINDOW, FIN, 1, 0)


async def test_a_stream_that_begins_and_ends_in_one_frame() -> None:
    ours = listener()
    ours.received(data_frame(7, b"all", SYN | FIN))
    stream = ours.arrived.popleft()
    assert (await stream.receive_some(), await stream.receive_some()) == (b"all", b"")
    ours.received(data_frame(9, b"", SYN | RST))
    with pytest.raises(trio.BrokenResourceError):
        await ours.arrived.popleft().receive_some()


async def test_numbers_of_ours() -> None:
    assert [Yamux(LIMITS, outbound=outbound, clock=Clock()).open().key for outbound in (True, False)] == [1, 2]


async def test_a_window_is_filled_and_not_a_byte_more() -> None:
    ours = listener()
    ours.received(data_frame(1, bytes(WINDOW_SIZE - 1), SYN))
    ours.received(data_frame(1, b"x"))
    assert ours.unread == WINDOW_SIZE
    with pytest.raises(ProtocolViolation, match="1 bytes beyond the window"):
        ours.received(data_frame(1, b"x"))
    assert ours.unread == WINDOW_SIZE


async def test_a_frame_beyond_the_window_is_refused_by_its_header() -> None:
    with pytest.raises(ProtocolViolation, match="beyond the window"):
        listener().received(frame(DATA, SYN, 1, WINDOW_SIZE + 1))


async def test_reading_opens_the_window_again() -> None:
    ours = listener()
    ours.received(data_frame(1, bytes(WINDOW_SIZE), SYN))
    stream = ours.arrived.popleft()
    ours.next_batch()
    await stream.receive_some(WINDOW_SIZE // 2 - 1)
    assert ours.next_batch() == b""
    await stream.receive_some(1)
    assert ours.next_batch() == frame(WINDOW, 0, 1, WINDOW_SIZE // 2)
    ours.received(data_frame(1, bytes(WINDOW_SIZE // 2)))
    with pytest.raises(ProtocolViolation):
        ours.received(data_frame(1, b"x"))


async def test_nobody_hears_of_windows_of_what_has_ended() -> None:
    ours = listener()
    ours.received(data_frame(1, bytes(WINDOW_SIZE), SYN | FIN))
    ours.next_batch()
    await ours.arrived.popleft().receive_some()
    assert ours.next_batch() == b""


async def test_we_keep_to_the_peers_window() -> None:
    ours = Yamux(LIMITS, outbound=True, clock=Clock())
    stream = ours.open()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, bytes(WINDOW_SIZE + 10))
        await trio.testing.wait_all_tasks_blocked()
        sent = frames(b"".join(iter(lambda: bytes(ours.next_batch()), b"")))
        assert sum(length for kind, _, _, length in sent if kind == DATA) == WINDOW_SIZE
        ours.received(frame(WINDOW, 0, 1, 4))
        assert frames(ours.next_batch()) == [(DATA, 0, 1, 4)]
        ours.received(frame(WINDOW, 0, 1, 100))
        assert frames(ours.next_batch()) == [(DATA, 0, 1, 6)]
    assert stream.send_window == 94
    ours.received(frame(WINDOW, 0, 1, 0xFFFFFFFF) * 2)
    assert stream.send_window == 0xFFFFFFFF


async def test_waiting_for_the_peers_window() -> None:
    ours = Yamux(LIMITS, outbound=True, clock=Clock())
    stream = ours.open()
    stream.send_window = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.wait_send_all_might_not_block)
        await trio.testing.wait_all_tasks_blocked()
        ours.received(frame(WINDOW, 0, 1, 1))


async def test_a_window_grows_while_it_holds_the_peer_up() -> None:
    pair = Pair(Yamux, TransportLimits(largest_window=3 * WINDOW_SIZE))
    pair.theirs.tick()
    sent = pair.theirs.next_batch()
    pair.clock.now = 0.1  # a round trip
    pair.ours.received(sent)
    pair.exchange()
    one, other = pair.opened()
    for window, seconds, told in ((1, 0.3, 2), (2, 0.5, 2), (2, 0.3, 3), (3, 0.3, 3)):  # slow readers need no more, and there is a largest
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.send_all, bytes(window * WINDOW_SIZE))
            await trio.testing.wait_all_tasks_blocked()
            pair.exchange()
        pair.clock.now += seconds
        assert len(await other.receive_some()) == window * WINDOW_SIZE
        update = pair.theirs.next_batch()
        assert frames(update) == [(WINDOW, 0, 1, told * WINDOW_SIZE)]
        pair.ours.received(update)


async def test_all_that_is_unread_is_bounded_and_only_one_stream_pays() -> None:
    ours = listener(TransportLimits(unread_bytes=2 * WINDOW_SIZE))
    for number in (1, 3, 5):
        ours.received(data_frame(number, bytes(WINDOW_SIZE), SYN))
    assert ours.unread == 2 * WINDOW_SIZE
    assert [stream.is_over for stream in ours.arrived] == [False, False, True]
    assert frames(ours.next_batch())[-1] == (WINDOW, RST, 5, 0)
    ours.received(data_frame(5, bytes(1000)))
    assert ours.unread == 2 * WINDOW_SIZE
    assert len(await ours.arrived[0].receive_some()) == WINDOW_SIZE
    assert ours.unread == WINDOW_SIZE


async def test_pings_are_answered() -> None:
    ours = listener()
    ours.received(frame(PING, SYN, 0, 77))
    assert ours.next_batch() == frame(PING, ACK, 0, 77)
    ours.tick()
    assert frames(ours.next_batch()) == [(PING, SYN, 0, 1)]
    ours.received(frame(PING, ACK, 0, 5) + frame(PING, ACK, 0, 1) + frame(PING, ACK, 0, 1))
    assert ours.next_batch() == b""


async def test_going_away() -> None:
    ours = listener()
    ours.received(frame(WINDOW, SYN, 1, 0) + frame(GO_AWAY, 0, 0, 0))
    with pytest.raises(trio.BrokenResourceError, match="code 0"):
        ours.open()
    ours.received(data_frame(1, b"the last"))
    assert await ours.arrived.popleft().receive_some() == b"the last"
    other = listener()
    other.say_goodbye()
    assert other.next_batch() == frame(GO_AWAY, 0, 0, 0)
    other.received(frame(WINDOW, SYN, 1, 0))
    assert other.next_batch() == frame(WINDOW, RST, 1, 0)
    assert not other.arrived


@pytest.mark.parametrize(
    "said",
    [
        b"\x01" + bytes(11),
        frame(4, 0, 0, 0),
        frame(WINDOW, SYN, 2, 0),  # ours to open
        frame(WINDOW, SYN, 0, 0),
        frame(WINDOW, SYN, 1, 0) * 2,
        frame(DATA, 0, 9, (1 << 20) + 1),
        frame(DATA, SYN, 1, 0xFFFFFFFF),
    ],
)
async def test_frames_that_no_peer_may_send(said: bytes) -> None:
    with pytest.raises(ProtocolViolation, match=r"yamux|opened that there is already"):
        listener().received(said)


async def test_frames_of_streams_that_there_are_not() -> None:
    ours = listener()
    ours.received(data_frame(9, b"abc") + frame(WINDOW, 0, 9, 5) + frame(WINDOW, FIN, 9, 0) + frame(WINDOW, RST, 9, 0) + data_frame(0, b"x"))
    assert ours.unread == 0
    assert ours.next_batch() == b""


@pytest.mark.parametrize(
    ("said", "times"),
    [
        (frame(PING, SYN, 0, 1), 255),
        (frame(WINDOW, SYN, 1, 0) + frame(WINDOW, RST, 1, 0), 1927),
        (frame(WINDOW, 0, 9, 1), FREE_FRAMES),
        (data_frame(9, b"x" * 1000), FREE_FRAMES),  # nobody reads that
        (frame(GO_AWAY, 0, 0, 0), FREE_FRAMES),
    ],
)
async def test_floods(said: bytes, times: int) -> None:
    ours = listener()

    def flood(count: int) -> None:
        for _ in range(count):
            ours.received(said)
            ours.next_batch()  # the peer reads
            while ours.arrived:
                ours.served(ours.arrived.popleft())

    flood(times - 1)
    ours.tick()
    flood(times - 1)
    with pytest.raises(ProtocolViolation, match="flood"):
        flood(3)


async def test_contents_pay_for_their_frames() -> None:
    ours = listener()
    ours.received(frame(WINDOW, SYN, 1, 0))
    stream = ours.arrived.popleft()
    for _ in range(FREE_FRAMES + 100):
        ours.received(data_frame(1, b"x" * 64))
        if stream.unread > 100_000:
            await stream.receive_some()
            ours.next_batch()


async def test_who_has_us_answer_but_does_not_read() -> None:
    ours = listener(TransportLimits(inbound_streams=0))
    opened = 0

    def flood() -> None:
        nonlocal opened
        while opened < 1 << 16:
            if opened % 1000 == 0:
                ours.tick()  # so that it is not the flood that ends it
            ours.received(frame(WINDOW, SYN, 2 * opened + 1, 0))
            opened += 1

    with pytest.raises(ProtocolViolation, match="does not read"):
        flood()
    assert 10_000 < opened < 11_000
