"""Peers that get what we publish on topics that we are not on (gossipsub v1.0 "Fanout")."""

from __future__ import annotations

from dataclasses import dataclass

from trinode.p2p.gossip.neighbours import Neighbourhood
from trinode.p2p.identity import PeerId


@dataclass(slots=True)
class _Set:
    peers: dict[PeerId, None]
    published: float


class Fanout:
    """A set of peers a topic, kept for as long as we publish there. Bounded by the topics that a router knows."""

    def __init__(self, around: Neighbourhood) -> None:
        self._around = around
        self._sets: dict[str, _Set] = {}

    def __len__(self) -> int:
        return len(self._sets)

    def peers(self, topic: str) -> tuple[PeerId, ...]:
        """Who gets what we publish there."""
        return tuple(self._sets[topic].peers) if topic in self._sets else ()

    def reach(self, topic: str, now: float) -> tuple[PeerId, ...]:
        """We publish: who gets it. Fewer than a mesh has only if there are no more."""
        fanout = self._sets.setdefault(topic, _Set({}, now))
        fanout.published = now
        self._fill(topic, fanout)
        return self.peers(topic)

    def take(self, topic: str) -> tuple[PeerId, ...]:
        """We join the topic: its peers are to be in the mesh."""
        peers = self.peers(topic)
        self._sets.pop(topic, None)
        return peers

    def lost(self, peer: PeerId, topic: str | None = None) -> None:
        """A peer is gone, or has left the topic."""
        for each in self._sets if topic is None else [topic]:
            if each in self._sets:
                self._sets[each].peers.pop(peer, None)

    def heartbeat(self, now: float) -> tuple[str, ...]:
        """Forgets topics on which nothing was published for long, keeps the others' peers complete, and returns these topics."""
        around = self._around
        self._sets = {topic: each for topic, each in self._sets.items() if each.published + around.params.fanout_ttl > now}
        for topic, fanout in self._sets.items():
            fanout.peers = {peer: None for peer in fanout.peers if around.scores.score(peer) >= around.thresholds.publish}
            self._fill(topic, fanout)
        return tuple(self._sets)

    def _fill(self, topic: str, fanout: _Set) -> None:
        around = self._around
        for neighbour in around.on_topic(topic):
            if len(fanout.peers) >= around.params.mesh:
                return
            if around.scores.score(neighbour.peer_id) >= around.thresholds.publish:
                fanout.peers[neighbour.peer_id] = None
