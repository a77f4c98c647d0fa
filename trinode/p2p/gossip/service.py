"""Gossip over a host: one stream to each peer and one from it, messages validated, a heartbeat.

A peer's stream is read on only when the messages that it brought are validated, so that what it sends too much of waits with the peer
itself. What goes to a peer waits in a bounded outbox; a peer that does not read is let go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio
from trio.abc import HalfCloseableStream

from trinode.p2p.errors import NegotiationFailed, NotConnected, ProtocolViolation
from trinode.p2p.gossip.frames import Frame, FrameReader, frame_of, write_frame
from trinode.p2p.gossip.outbox import Outbox
from trinode.p2p.gossip.params import PROTOCOLS
from trinode.p2p.gossip.router import Incoming, Router
from trinode.p2p.gossip.rpc import Rpc, decode_rpc
from trinode.p2p.identity import PeerId
from trinode.p2p.peers import Connected, Host
from trinode.p2p.verdict import Verdict

Validate = Callable[[PeerId, str, bytes], Awaitable[Verdict]]
"""What the application says of a message that a peer has sent on a topic."""

_REOPEN_DELAYS = (0.0, 1.0, 4.0, 16.0)
"""Seconds before a stream to a connected peer is opened, again and again; then it is no longer a peer of ours."""
_LASTING = 60.0
"""Seconds after which a stream that breaks was a good one."""
_MOST_STREAMS = 2
"""Of a peer, at once: the new one of a peer that begins anew comes before the old one has ended."""


@dataclass(eq=False)
class _Link:
    """A connected peer. `known`: set when it is clear whether it gossips."""

    peer: Connected
    outbox: Outbox
    known: trio.Event = field(default_factory=trio.Event)
    gossips: bool = False
    writing: trio.CancelScope = field(default_factory=trio.CancelScope)
    reading: trio.CancelScope | None = None
    frames: int = 0
    bytes: int = 0

    def end(self) -> None:
        """Ends whatever is done with the peer."""
        self.writing.cancel()
        if self.reading is not None:
            self.reading.cancel()


class GossipService:
    """A router's driver. All its methods are for the trio thread."""

    def __init__(self, host: Host, router: Router, validate: Validate) -> None:
        self._host, self._router, self._validate = host, router, validate
        self._limits = router.limits
        self._links: dict[PeerId, _Link] = {}
        self._nursery: trio.Nursery | None = None
        self._large_frames = trio.CapacityLimiter(self._limits.large_frames)
        self._batches = trio.CapacityLimiter(self._limits.batches)
        self._validations = trio.CapacityLimiter(self._limits.validations)
        self._identifying = trio.CapacityLimiter(2)
        self._beat = trio.Event()
        for protocol in PROTOCOLS:
            host.serve(protocol, self._serve, most_per_peer=_MOST_STREAMS)

    @property
    def router(self) -> Router:
        """For what it shows; what changes it goes through here."""
        return self._router

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Gossips until it is cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                self._host.watch(self)
                task_status.started()
                await self._heartbeats()
            finally:
                self._nursery = None
                for peer in list(self._links):
                    self.left(peer)

    def subscribe(self, topic: str) -> None:
        """Joins a topic. Raises ValueError as the router does."""
        self._router.subscribe(topic, trio.current_time())
        self._flush()

    def unsubscribe(self, topic: str) -> None:
        """Leaves a topic."""
        self._router.unsubscribe(topic, trio.current_time())
        self._flush()

    def publish(self, topic: str, data: bytes) -> int:
        """Sends a message of our own; returns to how many peers. Raises ValueError as the router does."""
        recipients = self._router.publish(topic, data, trio.current_time())
        self._flush()
        return recipients

    def waiting(self) -> tuple[int, int]:
        """Frames and bytes that wait for peers."""
        return sum(len(each.outbox) for each in self._links.values()), sum(each.outbox.size for each in self._links.values())

    def joined(self, peer: Connected) -> None:
        """A peer is there (`PeerEvents`)."""
        if self._nursery is None:
            return
        self.left(peer.peer_id)
        link = self._links[peer.peer_id] = _Link(peer, Outbox(self._limits.outbox_frames, self._limits.outbox_bytes))
        self._nursery.start_soon(self._attend, link)

    def left(self, peer_id: PeerId) -> None:
        """A peer has gone (`PeerEvents`)."""
        if link := self._links.pop(peer_id, None):
            link.end()
            self._router.remove_peer(peer_id, trio.current_time())

    async def _heartbeats(self) -> None:
        """At fixed times, however long one takes; what was missed is not made up for."""
        interval = self._router.params.heartbeat_interval
        at = trio.current_time()
        while True:
            at = max(at + interval, trio.current_time())
            await trio.sleep_until(at)
            for link in self._links.values():
                if self._is_over_allowance(link):
                    self._router.penalize(link.peer.peer_id)
                link.frames = link.bytes = 0
            self._router.heartbeat(trio.current_time())
            self._flush()
            self._beat.set()
            self._beat = trio.Event()

    def _flush(self) -> None:
        """Puts what the router wants sent into the peers' outboxes, each RPC encoded once."""
        for send in self._router.take():
            frame = frame_of(send.rpc)
            for peer in send.peers:
                link = self._links.get(peer)
                if link is not None and link.outbox.put(frame):
                    self._router.queued()
                else:
                    self._router.undelivered(peer, send.rpc)

    async def _attend(self, link: _Link) -> None:
        """Keeps a stream to a peer open and writes to it, until the peer leaves. A peer that does not take what it is sent is disconnected."""
        peer, too_slow = link.peer.peer_id, False
        with link.writing:
            try:
                await self._keep_writing(link)
            except trio.TooSlowError:
                too_slow = True
            except (NotConnected, NegotiationFailed):
                pass  # it has just left, or does not gossip: neither is a fault
        if self._links.get(peer) is not link or link.writing.cancelled_caught:
            return
        link.gossips = False
        link.known.set()
        self._router.remove_peer(peer, trio.current_time())
        if too_slow:
            await self._host.disconnect(peer)

    async def _keep_writing(self, link: _Link) -> None:
        delays = iter(_REOPEN_DELAYS)
        while (delay := next(delays, None)) is not None:
            await trio.sleep(delay)
            opened = trio.current_time()
            await self._write_stream(link)
            if trio.current_time() - opened > _LASTING:
                delays = iter(_REOPEN_DELAYS)

    async def _write_stream(self, link: _Link) -> None:
        """Opens a stream, if that does not take too long, and writes to it until it breaks. Raises NotConnected, NegotiationFailed, and TooSlowError
        when the peer does not read.
        """
        try:
            protocol, stream = await self._host.open_stream(link.peer.peer_id, PROTOCOLS)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            return
        try:
            if not link.gossips:
                link.gossips = True
                self._router.add_peer(link.peer, protocol)
            hello = self._router.hello()
            link.known.set()
            if hello.subscriptions:
                await self._write(stream, frame_of(hello))
            while True:
                await self._write(stream, await link.outbox.take())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            await trio.aclose_forcefully(stream)

    async def _write(self, stream: HalfCloseableStream, frame: Frame) -> None:
        with trio.fail_after(self._limits.send_timeout):
            await write_frame(stream, frame)

    async def _serve(self, peer_id: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
        """Reads what a peer sends; its newest stream only."""
        link = self._links.get(peer_id)
        if link is None:
            return
        with trio.CancelScope() as scope:
            if link.reading is not None:
                link.reading.cancel()
            link.reading = scope
            await link.known.wait()
            if link.gossips:
                await self._read(link, stream)

    async def _read(self, link: _Link, stream: HalfCloseableStream) -> None:
        reader = FrameReader(stream, self._limits, self._large_frames)
        peer = link.peer.peer_id
        try:
            while (frame := await reader.next()) is not None:
                link.frames += 1
                link.bytes += len(frame)
                rpc = decode_rpc(frame) if self._router.hears(peer) else None
                del frame
                if rpc is not None:
                    await self._receive(peer, rpc)
                while self._is_over_allowance(link):
                    await self._beat.wait()
        except ProtocolViolation:
            self._router.penalize(peer)
            raise

    async def _receive(self, peer: PeerId, rpc: Rpc) -> None:
        if not rpc.messages:
            self._router.receive(peer, rpc, trio.current_time())
            self._flush()
            return
        ids = await self._identify(rpc)
        settled = trio.Event()
        await self._batches.acquire_on_behalf_of(settled)
        if self._nursery is None:
            self._batches.release_on_behalf_of(settled)
            return
        # From here on the messages count as seen, and nobody sends them again: that this peer goes away must not keep them from being validated.
        fresh = self._router.receive(peer, rpc, trio.current_time(), ids)
        self._flush()
        self._nursery.start_soon(self._settle, fresh, settled)
        await settled.wait()

    async def _identify(self, rpc: Rpc) -> list[bytes]:
        """Inflating and hashing what is large would keep all others waiting."""
        if sum(len(each.data) for each in rpc.messages) < self._limits.identified_in_thread:
            return self._router.identify(rpc)
        return await trio.to_thread.run_sync(self._router.identify, rpc, limiter=self._identifying, abandon_on_cancel=True)

    async def _settle(self, fresh: list[Incoming], settled: trio.Event) -> None:
        for incoming in fresh:
            verdict = await self._verdict(incoming)
            self._router.settle(incoming, verdict, trio.current_time())
            self._flush()
        self._batches.release_on_behalf_of(settled)
        settled.set()

    async def _verdict(self, incoming: Incoming) -> Verdict:
        """IGNORE when it takes too long, which is our fault and not the peer's."""
        async with self._validations:
            with trio.move_on_after(self._limits.validation_timeout):
                return await self._validate(incoming.sender, incoming.message.topic, incoming.message.data)
        return Verdict.IGNORE

    def _is_over_allowance(self, link: _Link) -> bool:
        return link.frames > self._limits.frames_a_heartbeat or link.bytes > self._limits.bytes_a_heartbeat
