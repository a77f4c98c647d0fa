"""What Yamux and mplex have in common: many streams share a connection, each gets its turn, and none takes more than is due.

Nothing here waits for the network: received bytes go in (`received`), what is to be sent comes out (`next_batch`).

Bounds against hostile peers, besides `TransportLimits`:
- Frames cost. A peer may send FREE_FRAMES small ones in a keepalive period; those with contents pay for themselves. Opening a stream costs as much
  as many frames, and so does a ping. So neither pings nor streams opened and reset at once keep us busy.
- What is answered at once (resets, pongs, windows) is buffered: a peer that has us answer but does not read is gone at _MOST_UNSENT.
- Streams that we have left but the peer has not ended are kept in mind, _MOST_LEFT at most and two keepalive periods at longest; then they are reset.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

import trio

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.secure_channel import LARGEST_PLAINTEXT

FREE_FRAMES = 1 << 16
"""In a keepalive period."""
STREAM_COST, PING_COST = 32, 256
_BYTES_THAT_PAY = 64
_MOST_UNSENT = 128 << 10
_SMALL = 16 << 10
"""Bytes that a stream may hand over without waiting for its turn, while less than _BUFFERED wait to go out."""
_BUFFERED = 64 << 10
_FRAME = LARGEST_PLAINTEXT - 12
"""Bytes of a stream in one turn: with a header before them they fill one frame of the channel."""
_BATCH = 3 * LARGEST_PLAINTEXT + 1
"""Bytes from which on no further turn is given before what there is goes out."""
_MOST_LEFT = 64


class Muxer(ABC):
    """Streams over one connection. `outbound`: we dialed; `clock`: seconds.

    `arrived`: streams that the peer has opened, to be served; `served` is called for each when that is done. `unread`: bytes of all streams.
    `answers_pings`: whether a peer that lives is heard in each keepalive period.
    """

    answers_pings: bool

    def __init__(self, limits: TransportLimits, *, outbound: bool, clock: Callable[[], float] = trio.current_time) -> None:
        self._limits, self._outbound, self._clock = limits, outbound, clock
        self.arrived: deque[MuxedStream] = deque()
        self.unread = 0
        self._streams: dict[int, MuxedStream] = {}
        self._inbound_count = self._outbound_count = 0
        self._left: dict[int, MuxedStream] = {}
        self._left_before: dict[int, MuxedStream] = {}
        self._outgoing = bytearray()
        self._ready: deque[MuxedStream] = deque()
        self._something, self._room = trio.Event(), trio.Event()
        self._spent = 0
        self._closed_to_new: str | None = None
        self._partial = b""  # of a header
        self._contents = 0  # bytes that the current frame still has
        self._stream: MuxedStream | None = None  # of the current frame; None: they are dropped

    # What a protocol has of its own.

    @abstractmethod
    def _read_header(self, view: memoryview, at: int) -> int | None:
        """Does what the header that begins there says, and says where it ends; None: not all of it is there. Raises ProtocolViolation."""

    def _after_contents(self) -> None:  # noqa: B027 - where a header says all, nothing follows
        """The current frame is complete."""

    @abstractmethod
    def tick(self) -> None:
        """Called when the connection begins and once in each keepalive period."""

    @abstractmethod
    def say_goodbye(self) -> None:
        """The connection will end: the last thing that is sent, if the protocol has a word for it."""

    @abstractmethod
    def overfull(self) -> MuxedStream | None:
        """A stream that holds so much unread that nothing more should be received before some of it is read."""

    @abstractmethod
    def _open(self) -> MuxedStream: ...

    @abstractmethod
    def _append_frame(self, stream: MuxedStream, data: memoryview) -> None: ...

    @abstractmethod
    def _append_end(self, stream: MuxedStream) -> None: ...

    @abstractmethod
    def _append_reset(self, stream: MuxedStream) -> None: ...

    @abstractmethod
    def _widen_for_peer(self, stream: MuxedStream, size: int) -> None:
        """So many bytes of an open stream were read."""

    # What the connection calls.

    def received(self, data: bytes | bytearray) -> None:
        """Bytes from the peer, however cut. Raises ProtocolViolation: the connection must end."""
        if self._partial:
            data = self._partial + data
            self._partial = b""
        at: int | None = 0
        with memoryview(data) as view:
            while at is not None and at < len(view):
                begin = at
                if self._contents:
                    at += self._take_contents(view[at:])
                else:
                    at = self._read_header(view, at)
            if at is None:
                self._partial = bytes(view[begin:])

    def _take_contents(self, data: memoryview) -> int:
        size = min(self._contents, len(data))
        self._deliver(self._stream, data[:size])
        self._contents -= size
        if not self._contents:
            self._after_contents()
        return size

    def open(self) -> MuxedStream:
        """A new stream of ours. Raises trio.BrokenResourceError: there can be none."""
        if self._closed_to_new is not None:
            raise trio.BrokenResourceError(self._closed_to_new)
        if self._outbound_count >= self._limits.outbound_streams:
            raise trio.BrokenResourceError(f"{self._outbound_count} streams are open with this peer")
        stream = self._open()
        self._streams[stream.key] = stream
        self._outbound_count += 1
        self._something.set()
        return stream

    def next_batch(self) -> bytearray:
        """What goes out next, some 256 KiB at most; empty if there is nothing."""
        while self._ready and len(self._outgoing) < _BATCH:
            stream = self._ready.popleft()
            stream.queued = False
            part = stream.take(_FRAME)
            if part:
                self._append_frame(stream, part)
            self.send_later(stream)
        batch, self._outgoing = self._outgoing, bytearray()
        return batch

    async def wait_for_output(self) -> None:
        """Until `next_batch` may have something."""
        self._something = trio.Event()
        await self._something.wait()

    async def wait_for_room(self) -> None:
        """Until `overfull` may have another answer."""
        self._room = trio.Event()
        await self._room.wait()

    def served(self, stream: MuxedStream) -> None:
        """A stream of the peer's is served: it is closed, if it was not, and its place is free."""
        stream.close()
        self._inbound_count -= 1

    def end(self, reason: str) -> None:
        """There is no connection any more."""
        self._closed_to_new = reason
        for stream in list(self._streams.values()):
            stream.break_off(reason)
        self._streams.clear()
        self._left.clear()
        self._left_before.clear()
        self._ready.clear()
        self.arrived.clear()

    def charge(self, frames: int) -> None:
        """The peer has us do that much. Raises ProtocolViolation."""
        self._spent += frames
        if self._spent > FREE_FRAMES:
            raise ProtocolViolation("a flood of small frames, pings or streams")

    # What streams call (muxed_stream.Carrier).

    def send_now(self, stream: MuxedStream, data: memoryview) -> bool:
        size = len(data)
        if size > _SMALL or size > stream.send_window or len(self._outgoing) + size > _BUFFERED:
            return False
        stream.send_window -= size
        self._append_frame(stream, data)
        self._something.set()
        return True

    def send_later(self, stream: MuxedStream) -> None:
        if stream.can_send and not stream.queued:
            stream.queued = True
            self._ready.append(stream)
            self._something.set()

    def send_end(self, stream: MuxedStream) -> None:
        self._append_end(stream)
        self._something.set()
        if stream.peer_ended:
            self._remove(stream)

    def leave(self, stream: MuxedStream) -> None:
        if not stream.ended:
            stream.ended = True
            self._append_end(stream)
            self._something.set()
        self._remove(stream)
        if not stream.peer_ended:
            self._left[stream.key] = stream
            if len(self._left) + len(self._left_before) > _MOST_LEFT:
                self._reset_left(self._left_before or self._left)

    def send_reset(self, stream: MuxedStream) -> None:
        self._append_reset(stream)
        self._something.set()
        self._remove(stream)

    def was_read(self, stream: MuxedStream, size: int) -> None:
        self.unread -= size
        self._room.set()
        if size and not stream.is_over and not stream.peer_ended:
            self._widen_for_peer(stream, size)

    # For the protocols.

    def _known(self, key: int) -> MuxedStream | None:
        return self._streams.get(key) or self._left.get(key) or self._left_before.get(key)

    def _arrive(self, stream: MuxedStream) -> bool:
        """The peer opens a stream. False: it cannot have one, and hears so."""
        self.charge(STREAM_COST)
        if self._known(stream.key) is not None:
            raise ProtocolViolation(f"a stream {stream.key} is opened that there is already")
        if self._closed_to_new is not None or self._inbound_count >= self._limits.inbound_streams:
            self._append_reset(stream)
            self._check_unsent()
            return False
        self._inbound_count += 1
        self._streams[stream.key] = stream
        self.arrived.append(stream)
        return True

    def _deliver(self, stream: MuxedStream | None, data: memoryview) -> None:
        if stream is None or stream.is_over or stream.peer_ended:
            return  # it was on its way when we left
        self.unread += len(data)
        stream.deliver(data)
        self._spent -= min(self._spent, len(data) // _BYTES_THAT_PAY)
        if self.unread > self._limits.unread_bytes:
            stream.reset()
            self._check_unsent()

    def _end_by_peer(self, stream: MuxedStream) -> None:
        stream.end_by_peer()
        if stream.ended:
            self._remove(stream)
            self._left.pop(stream.key, None)
            self._left_before.pop(stream.key, None)

    def _break_off(self, stream: MuxedStream) -> None:
        stream.break_off("the peer has reset the stream")
        self._remove(stream)
        self._left.pop(stream.key, None)
        self._left_before.pop(stream.key, None)

    def _sweep(self) -> None:
        """A keepalive period has passed."""
        self._spent = 0
        while self._left_before:
            self._reset_left(self._left_before)
        self._left, self._left_before = {}, self._left

    def _check_unsent(self) -> None:
        self._something.set()
        if len(self._outgoing) > _MOST_UNSENT:
            raise ProtocolViolation("the peer does not read what it has us answer")

    def _reset_left(self, left: dict[int, MuxedStream]) -> None:
        self._append_reset(left.pop(next(iter(left))))
        self._something.set()

    def _remove(self, stream: MuxedStream) -> None:
        if self._streams.pop(stream.key, None) is not None and stream.outbound:
            self._outbound_count -= 1
