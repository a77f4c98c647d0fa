"""Two muxers without a network between them, and one that a test speaks to in frames."""

from __future__ import annotations

import struct

import trio

from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.mplex import Mplex
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.muxer import Muxer
from trinode.p2p.transport.yamux import Yamux

DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
WINDOW_SIZE = 262_144


def frame(kind: int, flags: int, stream: int, length: int, data: bytes = b"") -> bytes:
    """A Yamux frame. `length`: of data frames that of what they announce."""
    return struct.pack(">BBHII", 0, kind, flags, stream, length) + data


def data_frame(stream: int, data: bytes, flags: int = 0) -> bytes:
    return frame(DATA, flags, stream, len(data), data)


def frames(sent: bytes | bytearray) -> list[tuple[int, int, int, int]]:
    """Type, flags, stream and length of each Yamux frame."""
    found, at = [], 0
    while at < len(sent):
        _, kind, flags, stream, length = struct.unpack_from(">BBHII", sent, at)
        found.append((kind, flags, stream, length))
        at += 12 + (length if kind == DATA else 0)
    assert at == len(sent)
    return found


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Pair:
    """`ours` dialed. `exchange` carries what both have to say, `pump` does it for as long as a test runs."""

    def __init__(self, kind: type[Yamux] | type[Mplex], limits: TransportLimits, their_limits: TransportLimits | None = None) -> None:
        self.clock = Clock()
        self.ours: Muxer = kind(limits, outbound=True, clock=self.clock)
        self.theirs: Muxer = kind(their_limits or limits, outbound=False, clock=self.clock)

    def exchange(self) -> int:
        """Bytes that were carried."""
        carried = 0
        while True:
            there, back = self.ours.next_batch(), self.theirs.next_batch()
            if not there and not back:
                return carried
            self.theirs.received(there)
            self.ours.received(back)
            carried += len(there) + len(back)

    def opened(self) -> tuple[MuxedStream, MuxedStream]:
        """A stream of ours, at both ends."""
        stream = self.ours.open()
        self.exchange()
        return stream, self.theirs.arrived.popleft()

    async def pump(self) -> None:
        while True:
            self.exchange()
            await trio.sleep(0)
