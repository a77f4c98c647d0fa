"""What peers are worth to us (gossipsub v1.1 "The Score Function"): P1 to P7, with decay, kept for a while when a peer has left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trinode.p2p.addresses import neighbourhood
from trinode.p2p.gossip.score_params import ScoreParams, TopicScoreParams
from trinode.p2p.identity import PeerId


@dataclass(frozen=True, slots=True)
class TopicScore:
    """What a peer does on a topic, as of the last decay (`opp2p_peers` shows it). `time_in_mesh`: seconds."""

    time_in_mesh: float
    first_message_deliveries: float
    mesh_message_deliveries: float
    invalid_message_deliveries: float


@dataclass(frozen=True, slots=True)
class PeerScore:
    """A peer's score and its parts, weighted where they are not a topic's counters."""

    total: float
    topics: Mapping[str, TopicScore]
    application: float
    ip_colocation_factor: float
    behavioural_penalty: float


@dataclass(slots=True)
class _TopicCounters:
    params: TopicScoreParams
    in_mesh_since: float | None = None
    mesh_time: float = 0.0
    first: float = 0.0
    mesh: float = 0.0
    mesh_failure: float = 0.0
    invalid: float = 0.0

    def deficit(self) -> float:
        """P3: how far below what is expected of a peer in the mesh, squared."""
        params = self.params
        if self.in_mesh_since is None or self.mesh_time <= params.mesh_deliveries_activation or self.mesh >= params.mesh_deliveries_threshold:
            return 0.0
        return (params.mesh_deliveries_threshold - self.mesh) ** 2

    def score(self) -> float:
        params = self.params
        score = self.first * params.first_deliveries_weight + self.mesh_failure * params.mesh_failure_weight
        if self.invalid:
            score += self.invalid**2 * params.invalid_deliveries_weight
        if params.time_in_mesh_weight and self.in_mesh_since is not None:
            score += min(self.mesh_time / params.time_in_mesh_quantum, params.time_in_mesh_cap) * params.time_in_mesh_weight
        if params.mesh_deliveries_weight:
            score += self.deficit() * params.mesh_deliveries_weight
        return params.topic_weight * score

    def refresh(self, now: float, to_zero: float) -> None:
        params = self.params
        self.first = _decayed(self.first, params.first_deliveries_decay, to_zero)
        self.mesh = _decayed(self.mesh, params.mesh_deliveries_decay, to_zero)
        self.mesh_failure = _decayed(self.mesh_failure, params.mesh_failure_decay, to_zero)
        self.invalid = _decayed(self.invalid, params.invalid_deliveries_decay, to_zero)
        if self.in_mesh_since is not None:
            self.mesh_time = now - self.in_mesh_since

    def delivered_in_mesh(self) -> None:
        if self.in_mesh_since is not None:
            self.mesh = min(self.mesh + 1, self.params.mesh_deliveries_cap)

    def leave_mesh(self) -> None:
        self.mesh_failure += self.deficit()
        self.in_mesh_since, self.mesh_time = None, 0.0


@dataclass(slots=True)
class _Counters:
    address: str
    topics: dict[str, _TopicCounters] = field(default_factory=dict)
    behaviour: float = 0.0
    forget_at: float | None = None
    """Set when the peer has left."""

    def is_clean(self) -> bool:
        return not self.behaviour and not any(each.invalid or each.mesh_failure for each in self.topics.values())


class PeerScores:
    """The scores of all peers. `application`: what the rest of the node thinks of one (P5)."""

    def __init__(self, params: ScoreParams, application: Callable[[PeerId], float]) -> None:
        self.params = params
        self._application = application
        self._peers: dict[PeerId, _Counters] = {}
        self._peers_at: dict[str, int] = {}
        self._next_refresh: float | None = None

    def add(self, peer: PeerId, address: str) -> None:
        """A peer is there (again)."""
        kept = self._peers.pop(peer, None)
        counters = _Counters(_counted_as(address)) if kept is None else kept
        if kept is not None and kept.forget_at is None:
            self._leave_address(kept.address)
        counters.address, counters.forget_at = _counted_as(address), None
        self._peers[peer] = counters
        self._peers_at[counters.address] = self._peers_at.get(counters.address, 0) + 1

    def remove(self, peer: PeerId, now: float) -> None:
        """A peer has left. What stands against it is kept, so that coming back does not help; a good score is not."""
        counters = self._peers.get(peer)
        if counters is None or counters.forget_at is not None:
            return
        for each in counters.topics.values():
            each.leave_mesh()
            each.first = 0.0
        good = self.score(peer) > 0 or counters.is_clean()
        self._leave_address(counters.address)
        del self._peers[peer]
        if good:
            return
        counters.forget_at = now + self.params.retain
        self._peers[peer] = counters  # behind all others, so that those who left first are first
        left = [each for each, kept in self._peers.items() if kept.forget_at is not None]
        if len(left) > self.params.most_retained:
            del self._peers[left[0]]

    def score(self, peer: PeerId) -> float:
        """The score now. 0 for whom nothing is known of."""
        counters = self._peers.get(peer)
        if counters is None:
            return 0.0
        return self._topics_score(counters) + self._application_score(peer) + self._colocation(counters) + self._behaviour(counters)

    def detail(self, peer: PeerId) -> PeerScore | None:
        """The score and where it comes from; None for whom nothing is known of."""
        counters = self._peers.get(peer)
        if counters is None:
            return None
        topics = {topic: TopicScore(each.mesh_time, each.first, each.mesh, each.invalid) for topic, each in counters.topics.items()}
        return PeerScore(self.score(peer), topics, self._application_score(peer), self._colocation(counters), self._behaviour(counters))

    def penalize(self, peer: PeerId, times: int = 1) -> None:
        """P7: the peer did what the protocol does not allow."""
        if counters := self._peers.get(peer):
            counters.behaviour += times

    def grafted(self, peer: PeerId, topic: str, now: float) -> None:
        """The peer is in a mesh now."""
        if each := self._topic(peer, topic):
            each.in_mesh_since, each.mesh_time = now, 0.0

    def pruned(self, peer: PeerId, topic: str) -> None:
        """The peer is no longer in a mesh."""
        if each := self._topic(peer, topic):
            each.leave_mesh()

    def delivered_first(self, peer: PeerId, topic: str) -> None:
        """P2, P3: it was the first to send us a message that is valid."""
        if each := self._topic(peer, topic):
            each.first = min(each.first + 1, each.params.first_deliveries_cap)
            each.delivered_in_mesh()

    def delivered_too(self, peer: PeerId, topic: str, since_validated: float) -> None:
        """P3: it sent a valid message that somebody else sent first, `since_validated` seconds after we knew (0: before)."""
        each = self._topic(peer, topic)
        if each is not None and since_validated <= each.params.mesh_deliveries_window:
            each.delivered_in_mesh()

    def delivered_invalid(self, peer: PeerId, topic: str) -> None:
        """P4."""
        if each := self._topic(peer, topic):
            each.invalid += 1

    def refresh(self, now: float) -> None:
        """Lets counters decay when it is time, and forgets peers that are long gone. To be called each heartbeat."""
        if self._next_refresh is None:
            self._next_refresh = now + self.params.decay_interval
        if now < self._next_refresh:
            return
        self._next_refresh = now + self.params.decay_interval
        for peer, counters in list(self._peers.items()):
            if counters.forget_at is not None:  # no decay while it is away: it cannot sit a penalty out
                if now > counters.forget_at:
                    del self._peers[peer]
                continue
            counters.behaviour = _decayed(counters.behaviour, self.params.behaviour_decay, self.params.decay_to_zero)
            for each in counters.topics.values():
                each.refresh(now, self.params.decay_to_zero)

    def _topic(self, peer: PeerId, topic: str) -> _TopicCounters | None:
        counters, params = self._peers.get(peer), self.params.topics.get(topic)
        if counters is None or params is None:
            return None
        return counters.topics.setdefault(topic, _TopicCounters(params))

    def _topics_score(self, counters: _Counters) -> float:
        total = 0.0
        for each in counters.topics.values():  # asked for with each RPC, and twice as fast as sum()
            total += each.score()
        return min(total, self.params.topic_cap) if self.params.topic_cap else total

    def _application_score(self, peer: PeerId) -> float:
        return self.params.application_weight * self._application(peer) if self.params.application_weight else 0.0

    def _colocation(self, counters: _Counters) -> float:
        surplus = self._peers_at.get(counters.address, 0) - self.params.ip_colocation_threshold
        return self.params.ip_colocation_weight * surplus**2 if surplus > 0 else 0.0

    def _behaviour(self, counters: _Counters) -> float:
        excess = counters.behaviour - self.params.behaviour_threshold
        return self.params.behaviour_weight * excess**2 if excess > 0 else 0.0

    def _leave_address(self, address: str) -> None:
        self._peers_at[address] -= 1
        if not self._peers_at[address]:
            del self._peers_at[address]


def _decayed(counter: float, factor: float, to_zero: float) -> float:
    counter *= factor
    return counter if counter >= to_zero else 0.0


def _counted_as(address: str) -> str:
    """What counts as one. What is no IP (tests, a simulated network) counts as it is."""
    try:
        return neighbourhood(address)
    except ValueError:
        return address
