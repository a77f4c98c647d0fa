"""mplex 6.7.0 (libp2p specification: mplex): streams without windows, for peers that do not speak Yamux.

A frame: a varint of stream number << 3 | flag, a varint of the length, the contents. Numbers are counted by each side for itself; whether a flag is
"Initiator" or "Receiver" says whose number it is. As there are no windows, nothing more is received from a peer while one of its streams holds more
unread than a Yamux window may have; the connection waits a while for its reader, then resets that stream.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.protobuf import encode_varint
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.muxer import Muxer

MPLEX = "/mplex/6.7.0"
_NEW_STREAM, _MESSAGE, _CLOSE, _RESET = 0, 1, 3, 5
"""Flags as a stream's receiver sends them; its initiator sends one more (but for a new stream)."""
_LAST_FLAG = 6
_LARGEST_FRAME = 1 << 20
_NO_WINDOW = 1 << 62
_LONGEST_VARINT = 9


class Mplex(Muxer):
    """One side of an mplex session. Streams are known by their number << 1 | whether they are ours."""

    answers_pings = False

    def __init__(self, limits: TransportLimits, *, outbound: bool, clock: Callable[[], float] = trio.current_time) -> None:
        super().__init__(limits, outbound=outbound, clock=clock)
        self._next_number = 0

    def tick(self) -> None:
        self._sweep()

    def say_goodbye(self) -> None:
        self._closed_to_new = "we have ended the connection"

    def overfull(self) -> MuxedStream | None:
        if self.unread <= self._limits.largest_window:
            return None
        fullest = max(self._streams.values(), key=lambda stream: stream.unread, default=None)
        return fullest if fullest is not None and fullest.unread > self._limits.largest_window else None

    def _read_header(self, view: memoryview, at: int) -> int | None:
        values = _read_varints(view, at)
        if values is None:
            return None
        tag, length, end = values
        self._header(tag >> 3, tag & 7, length)
        return end

    def _header(self, number: int, flag: int, length: int) -> None:
        self.charge(1)
        if flag > _LAST_FLAG:
            raise ProtocolViolation(f"mplex: a frame with flag {flag}")
        if length > _LARGEST_FRAME:
            raise ProtocolViolation(f"mplex: a frame of {length} bytes")
        self._stream, self._contents = None, length
        if flag == _NEW_STREAM:
            self._arrive(MuxedStream(self, number << 1, outbound=False, send_window=_NO_WINDOW))
            return
        stream = self._known(number << 1 | flag & 1)
        if stream is None:
            return
        if flag in (_MESSAGE, _MESSAGE + 1):
            self._stream = stream
        elif flag in (_CLOSE, _CLOSE + 1):
            self._end_by_peer(stream)
        else:
            self._break_off(stream)

    def _open(self) -> MuxedStream:
        number = self._next_number
        self._next_number += 1
        stream = MuxedStream(self, number << 1 | 1, outbound=True, send_window=_NO_WINDOW)
        self._outgoing += encode_varint(number << 3 | _NEW_STREAM) + b"\x00"
        return stream

    def _append_frame(self, stream: MuxedStream, data: memoryview) -> None:
        self._append(stream, _MESSAGE, len(data))
        self._outgoing += data

    def _append_end(self, stream: MuxedStream) -> None:
        self._append(stream, _CLOSE, 0)

    def _append_reset(self, stream: MuxedStream) -> None:
        self._append(stream, _RESET, 0)

    def _widen_for_peer(self, stream: MuxedStream, size: int) -> None:
        """There are no windows."""

    def _append(self, stream: MuxedStream, flag: int, length: int) -> None:
        self._outgoing += encode_varint(stream.key >> 1 << 3 | flag + stream.outbound) + encode_varint(length)


def _read_varints(view: memoryview, at: int) -> tuple[int, int, int] | None:
    """Tag, length and where the contents begin; None: not all of it is there. Raises ProtocolViolation."""
    values = []
    for _ in range(2):
        value = shift = 0
        while True:
            if at == len(view):
                return None
            byte = view[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift == 7 * _LONGEST_VARINT:
                raise ProtocolViolation(f"mplex: a varint of more than {_LONGEST_VARINT} bytes")
        values.append(value)
    return values[0], values[1], at
