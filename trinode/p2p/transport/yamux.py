"""Yamux (hashicorp's specification, version 0, with libp2p's additions): streams with receive windows.

A frame's header has 12 bytes: version, type, flags (2), stream (4), length (4). The length of data frames is that of what follows; of window
updates, how many bytes more the sender takes; of pings, what is to be repeated; of a go away, why. Each stream begins with windows of 256 KiB.
A window of ours grows while it is what holds the peer up: when half of it was read within a few round trips.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import trio

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.muxer import PING_COST, Muxer

YAMUX = "/yamux/1.0.0"
INITIAL_WINDOW = 256 << 10
_HEADER = struct.Struct(">BBHII")
_DATA, _WINDOW_UPDATE, _PING, _GO_AWAY = range(4)
_SYN, _ACK, _FIN, _RST = 1, 2, 4, 8
_LARGEST_SEND_WINDOW = (1 << 32) - 1
_LAST_STREAM = (1 << 32) - 1
_ROUND_TRIPS_TO_GROW = 4


class _YamuxStream(MuxedStream):
    """`window`: what we let the peer send ahead; `credit`: what it may still send; `read`: bytes read since it was last told."""

    def __init__(self, carrier: Muxer, key: int, *, outbound: bool, now: float) -> None:
        super().__init__(carrier, key, outbound=outbound, send_window=INITIAL_WINDOW)
        self.window = self.credit = INITIAL_WINDOW
        self.read, self.told_at = 0, now


class Yamux(Muxer):
    """One side of a Yamux session."""

    answers_pings = True

    def __init__(self, limits: TransportLimits, *, outbound: bool, clock: Callable[[], float] = trio.current_time) -> None:
        super().__init__(limits, outbound=outbound, clock=clock)
        self._next_key = 1 if outbound else 2
        self._flags = 0  # of the current data frame
        self._pinged_at: float | None = None
        self._ping_number = 0
        self._round_trip: float | None = None

    def tick(self) -> None:
        self._sweep()
        self._ping_number = self._ping_number + 1 & 0xFFFFFFFF
        self._pinged_at = self._clock()
        self._append(_PING, _SYN, 0, self._ping_number)
        self._something.set()

    def say_goodbye(self) -> None:
        self._closed_to_new = "we have ended the connection"
        self._append(_GO_AWAY, 0, 0, 0)
        self._something.set()

    def overfull(self) -> MuxedStream | None:
        return None  # windows see to it

    # What comes in.

    def _read_header(self, view: memoryview, at: int) -> int | None:
        if len(view) - at < _HEADER.size:
            return None
        self._header(*_HEADER.unpack_from(view, at))
        return at + _HEADER.size

    def _after_contents(self) -> None:
        self._after_frame(self._stream, self._flags)

    def _header(self, version: int, kind: int, flags: int, key: int, length: int) -> None:
        self.charge(1)
        if version != 0:
            raise ProtocolViolation(f"yamux: version {version}")
        if kind == _DATA:
            stream = self._stream_of(flags, key)
            self._count(stream, length)
            self._stream, self._flags, self._contents = stream, flags, length
            if not length:
                self._after_frame(stream, flags)
        elif kind == _WINDOW_UPDATE:
            stream = self._stream_of(flags, key)
            if stream is not None:
                stream.widen(min(length, _LARGEST_SEND_WINDOW - stream.send_window))
                self.send_later(stream)
                self._after_frame(stream, flags)
        elif kind == _PING:
            self._pinged(flags, length)
        elif kind == _GO_AWAY:
            self._closed_to_new = f"the peer ends the connection (code {length})"
        else:
            raise ProtocolViolation(f"yamux: a frame of type {kind}")

    def _stream_of(self, flags: int, key: int) -> _YamuxStream | None:
        """The stream of a frame; a new one where the frame opens it. None: there is none any more, or cannot be."""
        if not flags & _SYN:
            known = self._known(key)
            return known if isinstance(known, _YamuxStream) else None
        if key % 2 != (0 if self._outbound else 1) or key == 0:
            raise ProtocolViolation(f"yamux: the peer opens a stream {key}, which is not its to open")
        stream = _YamuxStream(self, key, outbound=False, now=self._clock())
        if not self._arrive(stream):
            return None
        self._append(_WINDOW_UPDATE, _ACK, key, 0)
        self._check_unsent()
        return stream

    def _count(self, stream: _YamuxStream | None, length: int) -> None:
        if stream is None:
            if length > self._limits.largest_window:
                raise ProtocolViolation(f"yamux: {length} bytes for a stream that there is not")
            return
        stream.credit -= length
        if stream.credit < 0:
            raise ProtocolViolation(f"yamux: {-stream.credit} bytes beyond the window of a stream")

    def _after_frame(self, stream: MuxedStream | None, flags: int) -> None:
        self._stream = None
        if stream is None:
            return
        if flags & _RST:
            self._break_off(stream)
        elif flags & _FIN:
            self._end_by_peer(stream)

    def _pinged(self, flags: int, number: int) -> None:
        if flags & _SYN:
            self.charge(PING_COST)
            self._append(_PING, _ACK, 0, number)
            self._check_unsent()
        elif self._pinged_at is not None and number == self._ping_number:
            self._round_trip = self._clock() - self._pinged_at
            self._pinged_at = None

    # What goes out.

    def _open(self) -> MuxedStream:
        if self._next_key > _LAST_STREAM:
            raise trio.BrokenResourceError("this connection has had all the streams that it can have")
        stream = _YamuxStream(self, self._next_key, outbound=True, now=self._clock())
        self._next_key += 2
        self._append(_WINDOW_UPDATE, _SYN, stream.key, 0)
        return stream

    def _append_frame(self, stream: MuxedStream, data: memoryview) -> None:
        self._append(_DATA, 0, stream.key, len(data))
        self._outgoing += data

    def _append_end(self, stream: MuxedStream) -> None:
        self._append(_WINDOW_UPDATE, _FIN, stream.key, 0)

    def _append_reset(self, stream: MuxedStream) -> None:
        self._append(_WINDOW_UPDATE, _RST, stream.key, 0)

    def _widen_for_peer(self, stream: MuxedStream, size: int) -> None:
        assert isinstance(stream, _YamuxStream)
        stream.read += size
        if stream.read < stream.window // 2:
            return
        now = self._clock()
        growth = 0
        if self._round_trip is not None and now - stream.told_at < _ROUND_TRIPS_TO_GROW * self._round_trip:
            growth = max(0, min(stream.window, self._limits.largest_window - stream.window))
        stream.window += growth
        stream.credit += stream.read + growth
        self._append(_WINDOW_UPDATE, 0, stream.key, stream.read + growth)
        self._something.set()
        stream.read, stream.told_at = 0, now

    def _append(self, kind: int, flags: int, key: int, length: int) -> None:
        self._outgoing += _HEADER.pack(0, kind, flags, key, length)
