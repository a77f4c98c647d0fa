"""The peers a router gossips with, what it is about to send them, and whom it must not graft for now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from trinode.p2p.gossip.events import GossipEvent
from trinode.p2p.gossip.params import V1_0, V1_2, GossipLimits, GossipParams
from trinode.p2p.gossip.rpc import IHave, Message, Prune, Rpc, Subscription
from trinode.p2p.gossip.scoring import PeerScores
from trinode.p2p.identity import PeerId


@dataclass(slots=True, eq=False)
class Neighbour:
    """A peer that speaks our protocol. `topics`: what it has subscribed to, of those we know. The counters are of this heartbeat."""

    peer_id: PeerId
    outbound: bool
    protocol: str
    topics: dict[str, None] = field(default_factory=dict)
    ihave_messages: int = 0
    ids_asked: int = 0
    not_wanted: dict[bytes, int] = field(default_factory=dict)
    """Ids of messages it has, and the heartbeat at which that is forgotten."""

    @property
    def hears_backoff(self) -> bool:
        """Whether its PRUNE has a backoff (v1.1)."""
        return self.protocol != V1_0

    @property
    def hears_idontwant(self) -> bool:
        """Whether it knows IDONTWANT (v1.2)."""
        return self.protocol == V1_2


@dataclass(frozen=True, slots=True)
class Send:
    """An RPC, and to whom it goes."""

    peers: tuple[PeerId, ...]
    rpc: Rpc


class Outgoing:
    """What is to be sent since it was last taken: messages in their order, control messages one RPC a peer behind them."""

    def __init__(self) -> None:
        self._sends: list[Send] = []
        self._graft: dict[PeerId, dict[str, None]] = {}
        self._prune: dict[PeerId, dict[str, Prune]] = {}
        self._ihave: dict[PeerId, list[IHave]] = {}
        self._iwant: dict[PeerId, list[bytes]] = {}

    def subscription(self, peers: Iterable[PeerId], topic: str, *, subscribe: bool) -> None:
        """We join a topic or leave it."""
        self._send(peers, Rpc(subscriptions=(Subscription(topic, subscribe),)))

    def message(self, peers: Iterable[PeerId], message: Message) -> None:
        """A whole message."""
        self._send(peers, Rpc(messages=(message,)))

    def idontwant(self, peers: Iterable[PeerId], identifier: bytes) -> None:
        """At once: it is worth something only as long as the message is not under way."""
        self._send(peers, Rpc(idontwant=(identifier,)))

    def graft(self, peer: PeerId, topic: str) -> None:
        """Takes the peer into our mesh."""
        self._graft.setdefault(peer, {})[topic] = None

    def prune(self, peer: PeerId, prune: Prune) -> None:
        """Leaves the peer out of our mesh."""
        self._prune.setdefault(peer, {})[prune.topic] = prune

    def ihave(self, peer: PeerId, ihave: IHave) -> None:
        """Tells of messages."""
        self._ihave.setdefault(peer, []).append(ihave)

    def iwant(self, peer: PeerId, ids: list[bytes]) -> None:
        """Asks for messages."""
        self._iwant.setdefault(peer, []).extend(ids)

    def take(self) -> list[Send]:
        """All of it, once."""
        sends, self._sends = self._sends, []
        peers = dict.fromkeys((*self._prune, *self._graft, *self._iwant, *self._ihave))
        for peer in peers:
            rpc = Rpc(
                graft=tuple(self._graft.pop(peer, ())),
                prune=tuple(self._prune.pop(peer, {}).values()),
                ihave=tuple(self._ihave.pop(peer, ())),
                iwant=tuple(self._iwant.pop(peer, ())),
            )
            sends.append(Send((peer,), rpc))
        return sends

    def _send(self, peers: Iterable[PeerId], rpc: Rpc) -> None:
        if to := tuple(peers):
            self._sends.append(Send(to, rpc))


class Backoffs:
    """Until when a peer must not be in a topic's mesh, on either side's word (v1.1 "PRUNE Backoff and Peer Exchange")."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._until: dict[tuple[PeerId, str], float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def add(self, peer: PeerId, topic: str, until: float) -> None:
        """Keeps the later of what was and what is said now. The oldest gives place when there is none."""
        key = peer, topic
        until = max(until, self._until.pop(key, until))
        if len(self._until) >= self._most:
            del self._until[next(iter(self._until))]
        self._until[key] = until

    def until(self, peer: PeerId, topic: str) -> float | None:
        """When it ends; None when there is none."""
        return self._until.get((peer, topic))

    def expire(self, before: float) -> None:
        """Forgets what has ended before that time."""
        self._until = {key: until for key, until in self._until.items() if until > before}


class Neighbourhood:
    """What a router's parts share. Everything is kept in the order in which it came, so that a run can be repeated."""

    def __init__(
        self, params: GossipParams, limits: GossipLimits, scores: PeerScores, random: Random, note: Callable[[GossipEvent, str], None]
    ) -> None:
        self.params, self.limits, self.scores, self.random, self.note = params, limits, scores, random, note
        self.thresholds = scores.params.thresholds
        self.neighbours: dict[PeerId, Neighbour] = {}
        self.outgoing = Outgoing()
        self.backoffs = Backoffs(limits.most_backoffs)

    def on_topic(self, topic: str) -> list[Neighbour]:
        """The peers that have subscribed to it, shuffled."""
        peers = [each for each in self.neighbours.values() if topic in each.topics]
        self.random.shuffle(peers)
        return peers
