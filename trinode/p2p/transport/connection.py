"""A connection with one peer, whose identity is proven, and streams over it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import PeerId, PublicKey
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.muxer import Muxer
from trinode.p2p.transport.secure_channel import SecureChannel

Accept = Callable[[MuxedStream], Awaitable[None]]
"""Serves a stream that the peer has opened: runs in a task of its own. When it returns, the stream is closed if it was not."""

_BY_US = "we have ended the connection"
_GOODBYE_SECONDS = 1.0
"""How long `aclose` waits for what is still to be sent."""
_SECONDS_FOR_READERS = 5.0
"""How long nothing is received because one stream holds too much unread, before that stream is reset (mplex)."""


class Connection:
    """Made by `upgrade`; nothing moves before `run`.

    `peer_id`, `public_key`: who is there. `protocol`: what shares the connection among streams (`/yamux/1.0.0` or `/mplex/6.7.0`).
    `ended`: why it is over, in a few words; None while it is not.
    """

    def __init__(self, channel: SecureChannel, muxer: Muxer, public_key: PublicKey, protocol: str, limits: TransportLimits) -> None:
        self._channel, self._muxer, self._limits = channel, muxer, limits
        self.public_key, self.protocol = public_key, protocol
        self.peer_id: PeerId = public_key.peer_id
        self.ended: str | None = None
        self._violation: ProtocolViolation | None = None
        self._tasks = trio.CancelScope()
        self._is_running = self._is_leaving = False
        self._is_over = trio.Event()
        self._heard_at = 0.0

    @property
    def bytes_received(self) -> int:
        """Since the handshake, as they come over the wire."""
        return self._channel.bytes_received

    @property
    def bytes_sent(self) -> int:
        """Since the handshake, as they go over the wire."""
        return self._channel.bytes_sent

    async def run(self, accept: Accept) -> None:
        """Carries the streams until the connection ends; call it once. When it ends, all streams break and the tasks of `accept` are cancelled.

        Returns when the peer has ended it, orderly or not, when the peer is silent or does not read for too long, or after `aclose`: `ended` says
        which. Raises ProtocolViolation: the peer did what the protocols do not allow. When `accept` raises what streams raise, its stream is reset;
        whatever else it raises ends the connection and comes out as a group.
        """
        self._is_running = True
        self._heard_at = trio.current_time()
        try:
            with self._tasks:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._until_it_ends, self._write)
                    nursery.start_soon(self._until_it_ends, self._keep_alive)
                    await self._until_it_ends(lambda: self._read(nursery, accept))
        finally:
            self._end(_BY_US)
            await trio.aclose_forcefully(self._channel)
        if self._violation is not None:
            raise self._violation

    async def open_stream(self) -> MuxedStream:
        """A new stream. Raises trio.BrokenResourceError: the connection is over, the peer takes no more, or `outbound_streams` are open."""
        await trio.lowlevel.checkpoint()
        return self._muxer.open()

    async def aclose(self) -> None:
        """Says goodbye if the peer listens, ends `run` and closes the socket. May be called more than once, and without `run`."""
        try:
            if self._is_running and not self._is_leaving:
                self._is_leaving = True
                self._muxer.say_goodbye()
                with trio.move_on_after(_GOODBYE_SECONDS):
                    await self._is_over.wait()
        finally:
            self._end(_BY_US)
            await trio.aclose_forcefully(self._channel)

    def _end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = _BY_US if self._is_leaving else reason
            self._muxer.end(self.ended)
            self._is_over.set()
            self._tasks.cancel()

    async def _until_it_ends(self, part: Callable[[], Awaitable[None]]) -> None:
        """One of the connection's tasks: when it is over, for whatever reason that lies with the peer, so is the connection."""
        try:
            await part()
        except ProtocolViolation as violation:
            self._violation = self._violation or violation
            self._end(str(violation))
        except trio.BrokenResourceError:
            self._end("the connection broke")
        except trio.ClosedResourceError:
            self._end(_BY_US)
        except trio.TooSlowError:
            self._end("the peer does not read")

    async def _read(self, nursery: trio.Nursery, accept: Accept) -> None:
        muxer, channel = self._muxer, self._channel
        while True:
            frames_before = channel.frames_received
            data = await channel.receive_some()
            if not data:
                self._end("the peer has ended the connection")
                return
            self._heard_at = trio.current_time()
            muxer.charge(channel.frames_received - frames_before)
            muxer.received(data)
            while muxer.arrived:
                nursery.start_soon(self._serve, accept, muxer.arrived.popleft())
            if muxer.overfull() is not None:
                await self._wait_for_readers()

    async def _serve(self, accept: Accept, stream: MuxedStream) -> None:
        try:
            await accept(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            stream.reset()
        finally:
            self._muxer.served(stream)

    async def _wait_for_readers(self) -> None:
        with trio.move_on_after(_SECONDS_FOR_READERS):
            while self._muxer.overfull() is not None:
                await self._muxer.wait_for_room()
        while (stream := self._muxer.overfull()) is not None:
            stream.reset()

    async def _write(self) -> None:
        while True:
            batch = self._muxer.next_batch()
            if batch:
                with trio.fail_after(self._limits.dead_seconds):
                    await self._channel.send_all(batch)
            elif self._is_leaving:
                self._end(_BY_US)
                return
            else:
                await self._muxer.wait_for_output()

    async def _keep_alive(self) -> None:
        while True:
            self._muxer.tick()
            await trio.sleep(self._limits.keepalive_seconds)
            if self._muxer.answers_pings and trio.current_time() - self._heard_at > self._limits.dead_seconds:
                self._end("the peer is silent")
                return
