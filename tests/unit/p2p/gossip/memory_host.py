"""Hosts in one process: streams are trio's memory streams, addresses are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio
from trio.abc import HalfCloseableStream
from trio.testing import lockstep_stream_pair, memory_stream_pair

from trinode.p2p.errors import NegotiationFailed, NotConnected, ProtocolViolation
from trinode.p2p.identity import PeerId
from trinode.p2p.peers import Connected, PeerEvents, StreamHandler


@dataclass(eq=False)
class MemoryHost:
    """One node's side of a network."""

    peer_id: PeerId
    network: MemoryNetwork
    address: str
    handlers: dict[str, StreamHandler] = field(default_factory=dict)
    peers: dict[PeerId, Connected] = field(default_factory=dict)
    watchers: list[PeerEvents] = field(default_factory=list)
    scopes: dict[PeerId, list[trio.CancelScope]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    unbuffered: bool = False
    """Streams to it take nothing that is not read."""
    slow_opens: int = 0
    """How many more streams to it come too late."""
    served: list[HalfCloseableStream] = field(default_factory=list)

    def serve(self, protocol: str, handler: StreamHandler, *, most_per_peer: int) -> None:
        assert most_per_peer > 0
        self.handlers[protocol] = handler

    def watch(self, events: PeerEvents) -> None:
        self.watchers.append(events)
        for peer in self.peers.values():
            events.joined(peer)

    def connected(self) -> Sequence[Connected]:
        return list(self.peers.values())

    async def open_stream(self, peer_id: PeerId, protocols: Sequence[str]) -> tuple[str, HalfCloseableStream]:
        await trio.lowlevel.checkpoint()
        if peer_id not in self.peers:
            raise NotConnected("no such peer")
        other = self.network.hosts[peer_id]
        if other.slow_opens:
            other.slow_opens -= 1
            raise trio.TooSlowError
        for protocol in protocols:
            if protocol in other.handlers:
                ours, theirs = lockstep_stream_pair() if other.unbuffered else memory_stream_pair()
                other.served.append(theirs)
                self.network.nursery.start_soon(other.handle, self.peer_id, protocol, theirs)
                return protocol, ours
        raise NegotiationFailed("none of these")

    async def handle(self, peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        scope = trio.CancelScope()
        self.scopes[peer_id].append(scope)
        with scope:
            try:
                await self.handlers[protocol](peer_id, protocol, stream)
            except ProtocolViolation as violation:
                self.violations.append(str(violation))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)

    async def disconnect(self, peer_id: PeerId) -> None:
        await trio.lowlevel.checkpoint()
        if peer_id in self.peers:
            self.network.disconnect(self.peer_id, peer_id)


class MemoryNetwork:
    """All hosts, and who is connected with whom."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.hosts: dict[PeerId, MemoryHost] = {}

    def host(self, name: str, address: str | None = None) -> MemoryHost:
        peer = PeerId(name.encode())
        self.hosts[peer] = MemoryHost(peer, self, address or f"address of {name}")
        return self.hosts[peer]

    def connect(self, dialer: MemoryHost, listener: MemoryHost) -> None:
        for here, there, outbound in ((dialer, listener, True), (listener, dialer, False)):
            here.scopes[there.peer_id] = []
            here.peers[there.peer_id] = Connected(there.peer_id, there.address, outbound)
        for here, there in ((dialer, listener), (listener, dialer)):
            for watcher in here.watchers:
                watcher.joined(here.peers[there.peer_id])

    def disconnect(self, one: PeerId, other: PeerId) -> None:
        for here, there in ((self.hosts[one], other), (self.hosts[other], one)):
            del here.peers[there]
            for scope in here.scopes[there]:
                scope.cancel()
            for watcher in here.watchers:
                watcher.left(there)
