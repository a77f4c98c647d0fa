"""A stream among others over one connection: what is received and not read yet, and what waits to be sent."""

from __future__ import annotations

from typing import Protocol

import trio
from trio.abc import HalfCloseableStream


class Carrier(Protocol):
    """What a stream asks of the muxer that it belongs to. None of these waits."""

    def send_now(self, stream: MuxedStream, data: memoryview) -> bool:
        """Takes all of it, if it is little and nothing stands before it."""

    def send_later(self, stream: MuxedStream) -> None:
        """The stream has something to send (`MuxedStream.take`)."""

    def send_end(self, stream: MuxedStream) -> None:
        """Nothing follows on the stream."""

    def leave(self, stream: MuxedStream) -> None:
        """Nobody reads the stream any more; it has ended on our side."""

    def send_reset(self, stream: MuxedStream) -> None:
        """The stream is broken off."""

    def was_read(self, stream: MuxedStream, size: int) -> None:
        """So many bytes of what had been received are read."""


class MuxedStream(HalfCloseableStream):
    """`receive_some` gives what is there, b"" after the peer's end; raises trio.BrokenResourceError once the peer has reset the stream or the
    connection is over, trio.ClosedResourceError once we have closed or reset it. `send_all` returns when the connection has taken all.

    `aclose` ends our side orderly and forgets what the peer still sends; where something was sent by half, it resets instead.
    `key`, `outbound`: how the muxer knows it, and whether we opened it. `send_window`: bytes that the peer would still take.
    """

    def __init__(self, carrier: Carrier, key: int, *, outbound: bool, send_window: int) -> None:
        self.key, self.outbound, self.send_window = key, outbound, send_window
        self.queued = False  # among those that the muxer takes from in turn
        self.peer_ended = self.ended = self._closed = False
        self._broken: str | None = None
        self._carrier = carrier
        self._received = bytearray()
        self._pending: memoryview | None = None
        self._cut = False
        self._reading = False
        self._arrival, self._departure = trio.Event(), trio.Event()

    @property
    def is_over(self) -> bool:
        """Nothing more is read or sent here."""
        return self._closed or self._broken is not None

    @property
    def unread(self) -> int:
        """Bytes received and not read yet."""
        return len(self._received)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Waits until the connection has taken all of it: for the peer's window, and for a share of the connection.

        A send that is cancelled may have been sent in part; the stream is of no more use for sending then.
        """
        self._check_sendable()
        view = memoryview(data)
        if not view or self._carrier.send_now(self, view):
            await trio.lowlevel.checkpoint()
            return
        self._pending = view
        self._carrier.send_later(self)
        try:
            while self._pending:
                await self._wait_for_departure()
                self._raise_if_over()
        finally:
            self._cut |= 0 < len(self._pending) < len(view)
            self._pending = None

    async def wait_send_all_might_not_block(self) -> None:
        """Waits until the peer's window is open."""
        self._check_sendable()
        await trio.lowlevel.checkpoint()
        while self.send_window <= 0:
            await self._wait_for_departure()
            self._check_sendable()

    async def send_eof(self) -> None:
        """Ends our side; the peer's may go on."""
        if not self.ended:
            self._check_sendable()
            self.ended = True
            self._carrier.send_end(self)
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What is there, up to `max_bytes`; waits until something is."""
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._reading:
            raise trio.BusyResourceError("another task is reading from this stream")
        self._reading = True
        try:
            await trio.lowlevel.checkpoint()
            while not self._received:
                if self.peer_ended and not self._closed:
                    return b""
                self._raise_if_over()
                self._arrival = trio.Event()
                await self._arrival.wait()
        finally:
            self._reading = False
        if max_bytes is None or len(self._received) <= max_bytes:
            part, self._received = self._received, bytearray()
        else:
            part = self._received[:max_bytes]
            del self._received[:max_bytes]
        self._carrier.was_read(self, len(part))
        return part

    async def aclose(self) -> None:
        """Ends the stream for us. Does not wait."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """`aclose`, for where nothing can be awaited."""
        if self._cut or self._pending:
            self.reset()
        elif not self.is_over:
            self._forget()
            self._carrier.leave(self)

    def reset(self) -> None:
        """Breaks the stream off in both directions at once, and tells the peer. Nothing if it is over already."""
        if not self.is_over:
            self._forget()
            self._carrier.send_reset(self)

    # What the muxer calls.

    @property
    def can_send(self) -> bool:
        """Something waits, and the peer would take it."""
        return bool(self._pending) and self.send_window > 0 and not self.is_over

    def take(self, most: int) -> memoryview:
        """The next part of what waits to be sent, within the peer's window; may be nothing. It is counted as sent."""
        pending = self._pending
        if not pending or not self.can_send:
            return memoryview(b"")
        part = pending[: min(most, self.send_window)]
        self.send_window -= len(part)
        self._pending = pending[len(part) :]
        if not self._pending:
            self._departure.set()
        return part

    def widen(self, size: int) -> None:
        """The peer takes so many bytes more."""
        self.send_window += size
        if not self._pending:
            self._departure.set()

    def deliver(self, data: memoryview) -> None:
        """The peer has sent that."""
        self._received += data
        self._arrival.set()

    def end_by_peer(self) -> None:
        """The peer sends nothing more."""
        self.peer_ended = True
        self._arrival.set()

    def break_off(self, reason: str) -> None:
        """The peer has reset the stream, or there is no connection any more. What came before the peer's end can still be read."""
        if not self.is_over:
            self._broken = reason
            if not self.peer_ended:
                self._drop_received()
            self._wake()

    def _forget(self) -> None:
        self._closed = True
        self._drop_received()
        self._wake()

    def _drop_received(self) -> None:
        unread, self._received = self.unread, bytearray()
        self._carrier.was_read(self, unread)

    def _wake(self) -> None:
        self._arrival.set()
        self._departure.set()

    async def _wait_for_departure(self) -> None:
        if self._departure.is_set():
            self._departure = trio.Event()
        await self._departure.wait()

    def _check_sendable(self) -> None:
        self._raise_if_over()
        if self.ended:
            raise trio.ClosedResourceError("this side of the stream has ended")
        if self._pending:
            raise trio.BusyResourceError("another task is sending on this stream")

    def _raise_if_over(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the stream is closed")
        if self._broken is not None:
            raise trio.BrokenResourceError(self._broken)
