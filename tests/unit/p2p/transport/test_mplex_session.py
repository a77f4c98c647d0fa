"""mplex: its frames, and peers that send more than is read."""

from __future__ import annotations

import pytest
import trio

from tests.unit.p2p.transport.muxed_pair import Clock
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.protobuf import encode_varint
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.mplex import Mplex

LIMITS = TransportLimits()
NEW, MESSAGE_RECEIVER, MESSAGE_INITIATOR, CLOSE_RECEIVER, CLOSE_INITIATOR, RESET_RECEIVER, RESET_INITIATOR = range(7)


def frame(number: int, flag: int, data: bytes = b"") -> bytes:
    return encode_varint(number << 3 | flag) + encode_varint(len(data)) + data


def listener(limits: TransportLimits = LIMITS) -> Mplex:
    return Mplex(limits, outbound=False, clock=Clock())


async def test_the_frames_of_the_peers_stream() -> None:
    ours = listener()
    ours.received(frame(300, NEW, b"a name") + frame(300, MESSAGE_INITIATOR, b"hello") + frame(300, CLOSE_INITIATOR))
    stream = ours.arrived.popleft()
    assert (await stream.receive_some(), await stream.receive_some()) == (b"hello", b"")
    await stream.send_all(b"hi")
    await stream.send_eof()
    assert ours.next_batch() == frame(300, MESSAGE_RECEIVER, b"hi") + frame(300, CLOSE_RECEIVER)


async def test_the_frames_of_ours() -> None:
    ours = listener()
    first, second = ours.open(), ours.open()
    await first.send_all(b"hello")
    second.reset()
    assert ours.next_batch() == frame(0, NEW) + frame(1, NEW) + frame(0, MESSAGE_INITIATOR, b"hello") + frame(1, RESET_INITIATOR)
    ours.received(frame(0, MESSAGE_RECEIVER, b"hi") + frame(0, RESET_INITIATOR))  # the latter is of a stream of the peer's
    assert await first.receive_some() == b"hi"
    ours.received(frame(0, RESET_RECEIVER))
    with pytest.raises(trio.BrokenResourceError, match="reset"):
        await first.receive_some()


async def test_one_number_at_both_sides() -> None:
    ours = listener()
    mine = ours.open()
    ours.received(frame(0, NEW) + frame(0, MESSAGE_INITIATOR, b"theirs") + frame(0, MESSAGE_RECEIVER, b"mine"))
    assert (await mine.receive_some(), await ours.arrived.popleft().receive_some()) == (b"mine", b"theirs")


async def test_too_much_unread() -> None:
    ours = listener(TransportLimits(largest_window=1000, unread_bytes=2500))
    for number in range(3):
        ours.received(frame(number, NEW) + frame(number, MESSAGE_INITIATOR, bytes(900)))
    assert ours.overfull() is None
    assert [stream.is_over for stream in ours.arrived] == [False, False, True]  # all together had too much
    ours.received(frame(1, MESSAGE_INITIATOR, bytes(101)))
    assert ours.overfull() is ours.arrived[1]
    await ours.arrived[1].receive_some(1)
    assert ours.overfull() is None


@pytest.mark.parametrize(
    "said",
    [
        frame(0, 7),
        encode_varint(0 << 3 | NEW) + encode_varint((1 << 20) + 1),
        frame(0, NEW) * 2,
        b"\xff" * 9,
        b"\x00" + b"\xff" * 9,
        b"".join(frame(number, NEW) + frame(number, RESET_INITIATOR) for number in range(2049)),
        frame(5, CLOSE_INITIATOR) * 70_000,
    ],
)
async def test_frames_that_no_peer_may_send(said: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        listener().received(said)


async def test_a_header_in_pieces() -> None:
    ours = listener()
    for byte in frame(1 << 20, NEW, b"x") + frame(1 << 20, MESSAGE_INITIATOR, bytes(300)):
        ours.received(bytes([byte]))
    assert await ours.arrived.popleft().receive_some() == bytes(300)
