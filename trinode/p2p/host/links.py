"""Connections that there are, by peer. A peer may have two: both sides may dial at the same time, or its old one be dead without our knowing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from trinode.p2p.identity import PeerId
from trinode.p2p.peers import Connected, PeerEvents
from trinode.p2p.transport.connection import Connection


@dataclass(eq=False, slots=True)
class Link:
    """One connection: with what address, who dialed, since when (trio's clock). `ended`: it is, and nobody counts with it any more."""

    connection: Connection
    ip: str
    port: int
    outbound: bool
    since: float
    ended: trio.Event = field(default_factory=trio.Event)

    @property
    def peer_id(self) -> PeerId:
        """Who is there."""
        return self.connection.peer_id

    @property
    def connected(self) -> Connected:
        """As gossip and sync know it."""
        return Connected(self.peer_id, self.ip, self.outbound)


class Links:
    """All connections, and who is told of peers that come and go."""

    def __init__(self) -> None:
        self._of_peer: dict[PeerId, list[Link]] = {}
        self._watchers: list[PeerEvents] = []
        self._bytes_received = self._bytes_sent = 0  # over connections that have ended

    def __len__(self) -> int:
        return len(self._of_peer)

    def __contains__(self, peer_id: PeerId) -> bool:
        return peer_id in self._of_peer

    @property
    def bytes_received(self) -> int:
        """Over all connections, ended ones too."""
        return self._bytes_received + sum(link.connection.bytes_received for link in self.all())

    @property
    def bytes_sent(self) -> int:
        """Over all connections, ended ones too."""
        return self._bytes_sent + sum(link.connection.bytes_sent for link in self.all())

    def watch(self, events: PeerEvents) -> None:
        """Tells of peers that are there, and then of those that come and go."""
        self._watchers.append(events)
        for link in self.first():
            events.joined(link.connected)

    def all(self) -> Sequence[Link]:
        """Every connection."""
        return [link for links in self._of_peer.values() for link in links]

    def first(self) -> Sequence[Link]:
        """The oldest connection of each peer: it says which side came to the other."""
        return [links[0] for links in self._of_peer.values()]

    def of(self, peer_id: PeerId) -> Sequence[Link]:
        """The connections of a peer, the oldest first."""
        return tuple(self._of_peer.get(peer_id, ()))

    def add(self, link: Link) -> None:
        """A connection is there."""
        links = self._of_peer.setdefault(link.peer_id, [])
        links.append(link)
        if len(links) == 1:
            for events in self._watchers:
                events.joined(link.connected)

    def remove(self, link: Link) -> None:
        """A connection has ended."""
        self._bytes_received += link.connection.bytes_received
        self._bytes_sent += link.connection.bytes_sent
        links = self._of_peer[link.peer_id]
        links.remove(link)
        link.ended.set()
        if not links:
            del self._of_peer[link.peer_id]
            for events in self._watchers:
                events.left(link.peer_id)
