"""One topic's mesh: the peers that give us whole messages and get them (gossipsub v1.0 "Mesh maintenance", v1.1 "Heartbeat Maintenance",
"Outbound Mesh Quotas", "PRUNE Backoff", "Opportunistic Grafting").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from trinode.p2p.gossip.events import GossipEvent
from trinode.p2p.gossip.neighbours import Neighbour, Neighbourhood
from trinode.p2p.gossip.rpc import Prune
from trinode.p2p.identity import PeerId

_SLACK_HEARTBEATS = 2
"""That we wait longer than a backoff says: the other side lifts it in a heartbeat of its own (v1.1 asks for some slack)."""


class Mesh:
    """The mesh of a topic that we have subscribed to."""

    def __init__(self, topic: str, around: Neighbourhood) -> None:
        self.topic = topic
        self._around = around
        self._members: dict[PeerId, Neighbour] = {}

    @property
    def members(self) -> tuple[PeerId, ...]:
        """Who is in it."""
        return tuple(self._members)

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._members

    def join(self, preferred: Iterable[PeerId], now: float) -> None:
        """Begins with the peers whom we sent to anyway (fanout), then any."""
        for peer in preferred:
            neighbour = self._around.neighbours.get(peer)
            if neighbour is not None and len(self._members) < self._around.params.mesh and self._may_graft(neighbour, now):
                self._graft(neighbour, now)
        self._fill(self._around.params.mesh, now)

    def leave(self, now: float) -> None:
        """We are no longer interested. The backoff is short: we may be again."""
        for peer in self.members:
            self._prune(peer, now, self._around.params.unsubscribe_backoff)

    def lost(self, peer: PeerId) -> None:
        """A peer is gone, or has left the topic."""
        if self._members.pop(peer, None) is not None:
            self._around.scores.pruned(peer, self.topic)
            self._around.note(GossipEvent.PRUNE, self.topic)

    def on_graft(self, neighbour: Neighbour, now: float) -> None:
        """A peer has taken us into its mesh. We do the same, or tell it why not with a PRUNE."""
        around, peer = self._around, neighbour.peer_id
        if peer in self._members:
            return
        until = around.backoffs.until(peer, self.topic)
        if until is not None and now < until:
            # It knows when it may come back. At once after the PRUNE is worse than a little too early.
            pruned_lately = now < until - around.params.prune_backoff + around.params.graft_flood
            around.scores.penalize(peer, 2 if pruned_lately else 1)
            self._refuse(neighbour, now)
        elif around.scores.score(peer) < 0 or (len(self._members) >= around.params.mesh_high and not neighbour.outbound):
            self._refuse(neighbour, now)
        else:
            self._enter(neighbour, now)

    def on_prune(self, peer: PeerId, prune: Prune, now: float) -> None:
        """A peer has left us out of its mesh."""
        self.lost(peer)
        limits, params = self._around.limits, self._around.params
        backoff = params.prune_backoff if prune.backoff is None else min(prune.backoff, limits.longest_backoff)
        self._around.backoffs.add(peer, self.topic, now + backoff)

    def heartbeat(self, now: float, *, opportunistic: bool) -> None:
        """Keeps the mesh at its size, with good peers and enough that we have dialed ourselves."""
        around, params = self._around, self._around.params
        for peer in self.members:
            if around.scores.score(peer) < 0:
                self._prune(peer, now, params.prune_backoff)
        if len(self._members) < params.mesh_low:
            self._fill(params.mesh, now)
        if len(self._members) > params.mesh_high:
            self._thin_out(now)
        if len(self._members) >= params.mesh_low:
            missing = params.mesh_outbound - sum(each.outbound for each in self._members.values())
            self._graft_some(missing, now, lambda each: each.outbound)
        if opportunistic and len(self._members) > 1:
            middle = median(around.scores.score(peer) for peer in self._members)
            if middle < around.thresholds.opportunistic_graft:
                self._graft_some(params.opportunistic_graft_peers, now, lambda each: around.scores.score(each.peer_id) > middle)

    def _fill(self, up_to: int, now: float) -> None:
        self._graft_some(up_to - len(self._members), now, lambda each: True)

    def _graft_some(self, number: int, now: float, fit: Callable[[Neighbour], bool]) -> None:
        if number <= 0:
            return
        candidates = [each for each in self._around.on_topic(self.topic) if fit(each) and self._may_graft(each, now)]
        for neighbour in candidates[:number]:
            self._graft(neighbour, now)

    def _may_graft(self, neighbour: Neighbour, now: float) -> bool:
        peer, around = neighbour.peer_id, self._around
        if peer in self._members or around.scores.score(peer) < 0:
            return False
        until = around.backoffs.until(peer, self.topic)
        return until is None or now >= until + _SLACK_HEARTBEATS * around.params.heartbeat_interval

    def _thin_out(self, now: float) -> None:
        around, params = self._around, self._around.params
        ranked = list(self._members.values())
        around.random.shuffle(ranked)
        ranked.sort(key=lambda each: -around.scores.score(each.peer_id))
        others = ranked[params.mesh_score :]
        around.random.shuffle(others)
        ranked[params.mesh_score :] = others
        kept, dropped = ranked[: params.mesh], ranked[params.mesh :]
        missing = params.mesh_outbound - sum(each.outbound for each in kept)
        dialed = [each for each in dropped if each.outbound]
        for newcomer in dialed[: max(missing, 0)]:  # in the place of the last that came in to us: one by chance, then the lower scores
            last = max(at for at, each in enumerate(kept) if not each.outbound)
            kept[last] = newcomer
        keep = {each.peer_id for each in kept}
        for peer in self.members:
            if peer not in keep:
                self._prune(peer, now, params.prune_backoff)

    def _enter(self, neighbour: Neighbour, now: float) -> None:
        self._members[neighbour.peer_id] = neighbour
        self._around.scores.grafted(neighbour.peer_id, self.topic, now)
        self._around.note(GossipEvent.GRAFT, self.topic)

    def _graft(self, neighbour: Neighbour, now: float) -> None:
        self._enter(neighbour, now)
        self._around.outgoing.graft(neighbour.peer_id, self.topic)

    def _refuse(self, neighbour: Neighbour, now: float) -> None:
        self._tell_pruned(neighbour, now, self._around.params.prune_backoff)

    def _prune(self, peer: PeerId, now: float, backoff: float) -> None:
        neighbour = self._members[peer]
        self.lost(peer)
        self._tell_pruned(neighbour, now, backoff)

    def _tell_pruned(self, neighbour: Neighbour, now: float, backoff: float) -> None:
        self._around.backoffs.add(neighbour.peer_id, self.topic, now + backoff)
        seconds = int(backoff) if neighbour.hears_backoff else None
        self._around.outgoing.prune(neighbour.peer_id, Prune(self.topic, seconds))
