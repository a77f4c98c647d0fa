"""Gossipsub's router as a state machine (libp2p specifications: gossipsub v1.0, v1.1; v1.2): no IO, no clock, no randomness of its own.

Whoever drives it says what happened and what time it is (seconds, of any clock that does not go back), and then sends what `take()` gives:

    router.add_peer(peer, protocol)                     # a stream to the peer is open: send it router.hello() first
    for message in router.receive(peer, rpc, now):      # new messages, to be validated
        router.settle(message, verdict, now)
    router.heartbeat(now)                               # each params.heartbeat_interval
    for send in router.take(): ...                      # after any of these

The same calls with the same seed give the same sends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random

from trinode.p2p.gossip.events import GossipEvent
from trinode.p2p.gossip.exchange import Exchange
from trinode.p2p.gossip.fanout import Fanout
from trinode.p2p.gossip.history import MessageCache, Sightings
from trinode.p2p.gossip.mesh import Mesh
from trinode.p2p.gossip.neighbours import Neighbour, Neighbourhood, Send
from trinode.p2p.gossip.params import GossipLimits, GossipParams
from trinode.p2p.gossip.rpc import MAX_RPC_SIZE, Message, Rpc, Subscription
from trinode.p2p.gossip.scoring import PeerScores
from trinode.p2p.identity import PeerId
from trinode.p2p.peers import Connected
from trinode.p2p.verdict import Verdict

_BACKOFF_SWEEP = 16
"""Heartbeats between two searches for backoffs that are over."""
_ENVELOPE_SIZE = 1024
"""Bytes that are left of an RPC for what stands around a message."""
MAX_MESSAGE_SIZE = MAX_RPC_SIZE - _ENVELOPE_SIZE


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that nobody has sent before, and who did now."""

    identifier: bytes
    sender: PeerId
    message: Message


def _unheard(_event: GossipEvent, _topic: str) -> None:
    """Nobody counts."""


class Router:
    """One node's gossip. `topics`: all that it may ever subscribe to; what peers do on others is nothing to it. `note` is told of what happens,
    with the topic ("" where there is none).
    """

    def __init__(
        self,
        topics: Collection[str],
        scores: PeerScores,
        message_id: Callable[[str, bytes], bytes],
        random: Random,
        params: GossipParams | None = None,
        limits: GossipLimits | None = None,
        note: Callable[[GossipEvent, str], None] = _unheard,
    ) -> None:
        self.params, self.limits = params or GossipParams(), limits or GossipLimits()
        self.scores = scores
        self._topics, self._message_id, self._note = frozenset(topics), message_id, note
        self._around = Neighbourhood(self.params, self.limits, scores, random, note)
        self._sightings = Sightings(self.params.seen_ttl, self.limits.most_seen)
        self._cache = MessageCache(self.params.history_length, self.params.history_gossip, self.limits.history_bytes)
        self._exchange = Exchange(self._around, self._sightings, self._cache)
        self._fanout = Fanout(self._around)
        self._meshes: dict[str, Mesh] = {}
        self._heartbeats = 0

    # What the router shows

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The topics that we are on."""
        return tuple(self._meshes)

    def mesh(self, topic: str) -> tuple[PeerId, ...]:
        """The peers of a topic's mesh."""
        return self._meshes[topic].members if topic in self._meshes else ()

    def peers(self, topic: str | None = None) -> tuple[PeerId, ...]:
        """The peers that gossip with us; with a topic, those that have subscribed to it."""
        return tuple(each.peer_id for each in self._around.neighbours.values() if topic is None or topic in each.topics)

    def hears(self, peer: PeerId) -> bool:
        """Whether what the peer sends is looked at (v1.1: graylist)."""
        return self.scores.score(peer) >= self.scores.params.thresholds.graylist

    def sizes(self) -> dict[str, int]:
        """How much is kept, for metrics and for tests of the bounds."""
        return {
            "peers": len(self._around.neighbours),
            "seen": len(self._sightings),
            "messages": len(self._cache),
            "message_bytes": self._cache.size,
            "backoffs": len(self._around.backoffs),
            "promises": self._exchange.promises,
            "fanout": len(self._fanout),
        }

    # What its driver says

    def take(self) -> list[Send]:
        """What is to be sent, once, in this order."""
        return self._around.outgoing.take()

    def hello(self) -> Rpc:
        """What a stream to a peer begins with: the topics that we are on."""
        return Rpc(subscriptions=[Subscription(topic, True) for topic in self._meshes])

    def add_peer(self, peer: Connected, protocol: str) -> None:
        """A peer speaks one of our protocols."""
        self.scores.add(peer.peer_id, peer.address)
        self._around.neighbours[peer.peer_id] = Neighbour(peer.peer_id, peer.outbound, protocol)
        self._note(GossipEvent.ADD_PEER, "")

    def remove_peer(self, peer: PeerId, now: float) -> None:
        """A peer has gone."""
        if self._around.neighbours.pop(peer, None) is None:
            return
        for mesh in self._meshes.values():
            mesh.lost(peer)
        self._fanout.lost(peer)
        self.scores.remove(peer, now)
        self._note(GossipEvent.REMOVE_PEER, "")

    def subscribe(self, topic: str, now: float) -> None:
        """Joins a topic. Raises ValueError: it is none of those named in the beginning."""
        if topic not in self._topics:
            raise ValueError(f"a topic that was not foreseen: {topic}")
        if topic in self._meshes:
            return
        mesh = self._meshes[topic] = Mesh(topic, self._around)
        self._around.outgoing.subscription(self._around.neighbours, topic, subscribe=True)
        mesh.join(self._fanout.take(topic), now)
        self._note(GossipEvent.JOIN, topic)

    def unsubscribe(self, topic: str, now: float) -> None:
        """Leaves a topic."""
        mesh = self._meshes.pop(topic, None)
        if mesh is None:
            return
        self._around.outgoing.subscription(self._around.neighbours, topic, subscribe=False)
        mesh.leave(now)
        self._note(GossipEvent.LEAVE, topic)

    def publish(self, topic: str, data: bytes, now: float) -> int:
        """Sends a message of our own, which is taken to be valid; returns to how many peers. One that was seen before is not sent again.
        Raises ValueError: it is too large, or the topic is none of ours.
        """
        if len(data) > MAX_MESSAGE_SIZE or topic not in self._topics:
            raise ValueError(f"a message of {len(data)} bytes for {topic} cannot be sent")
        identifier = self._message_id(topic, data)
        if identifier in self._sightings:
            return 0
        message = Message(topic, data)
        sighting = self._sightings.add(identifier, topic, now)
        sighting.settled, sighting.accepted = now, True
        self._cache.put(identifier, message)
        self._exchange.arrived(identifier)
        recipients = self._recipients(topic, now)
        self._around.outgoing.message(recipients, message)
        self._note(GossipEvent.PUBLISH_MESSAGE, topic)
        return len(recipients)

    def penalize(self, peer: PeerId) -> None:
        """The peer broke the protocol where only the driver saw it (P7)."""
        self.scores.penalize(peer)

    def identify(self, rpc: Rpc) -> list[bytes]:
        """The ids of an RPC's messages, in their order (b"" for those that nobody looks at). Takes its time, and may run in any thread."""
        return [self._message_id(each.topic, each.data) if each.topic in self._topics and not each.authored else b"" for each in rpc.messages]

    def receive(self, peer: PeerId, rpc: Rpc, now: float, ids: Sequence[bytes] | None = None) -> list[Incoming]:
        """A peer has sent this. Returns the messages that are new: each is to be settled. `ids`: what `identify` gave, if it was asked before."""
        neighbour = self._around.neighbours.get(peer)
        if neighbour is None or not self.hears(peer):
            return []
        self._note(GossipEvent.RECV_RPC, "")
        for subscription in rpc.subscriptions:
            self._on_subscription(neighbour, subscription)
        ids = self.identify(rpc) if ids is None else ids
        messages = zip(rpc.messages, ids, strict=True)
        fresh = [each for message, identifier in messages if (each := self._on_message(neighbour, message, identifier, now)) is not None]
        self._exchange.on_ihave(neighbour, rpc.ihave, self._meshes, now)
        self._exchange.on_iwant(neighbour, rpc.iwant)
        for topic in rpc.graft:
            if topic in self._meshes:  # others are not answered: it would be work for nothing (v1.1 "Spam Protection Measures")
                self._meshes[topic].on_graft(neighbour, now)
        for prune in rpc.prune:
            if prune.topic in self._meshes:
                self._meshes[prune.topic].on_prune(peer, prune, now)
        self._on_idontwant(neighbour, rpc.idontwant)
        return fresh

    def settle(self, incoming: Incoming, verdict: Verdict, now: float) -> None:
        """The verdict of a message that `receive` gave."""
        topic, identifier = incoming.message.topic, incoming.identifier
        sighting = self._sightings.get(identifier)
        senders = [incoming.sender] if sighting is None else list(sighting.senders)
        if sighting is not None:
            sighting.settled, sighting.accepted, sighting.rejected = now, verdict is Verdict.ACCEPT, verdict is Verdict.REJECT
        if verdict is Verdict.REJECT:
            for peer in senders:
                self.scores.delivered_invalid(peer, topic)
            self._note(GossipEvent.REJECT_MESSAGE, topic)
        elif verdict is Verdict.IGNORE:
            self._note(GossipEvent.IGNORE_MESSAGE, topic)
        else:
            self._accepted(incoming, senders)

    def queued(self) -> None:
        """An RPC is on its way to a peer."""
        self._note(GossipEvent.SEND_RPC, "")

    def undelivered(self, peer: PeerId, rpc: Rpc) -> None:
        """An RPC found no place. What keeps two meshes alike goes with what is sent next, if it still holds; the rest is lost."""
        self._note(GossipEvent.DROP_RPC, "")
        if peer not in self._around.neighbours:
            return
        for topic in rpc.graft:
            if topic in self._meshes and peer in self._meshes[topic]:
                self._around.outgoing.graft(peer, topic)
        for prune in rpc.prune:
            if prune.topic not in self._meshes or peer not in self._meshes[prune.topic]:
                self._around.outgoing.prune(peer, prune)

    def heartbeat(self, now: float) -> None:
        """What is done in each interval: scores, meshes, gossip, forgetting."""
        self._heartbeats += 1
        self.scores.refresh(now)
        self._exchange.heartbeat(now)
        self._sightings.expire(now)
        if self._heartbeats % _BACKOFF_SWEEP == 0:
            self._around.backoffs.expire(now - 2 * self.params.heartbeat_interval)
        for neighbour in self._around.neighbours.values():
            if neighbour.not_wanted:
                neighbour.not_wanted = {each: until for each, until in neighbour.not_wanted.items() if until > self._heartbeats}
        opportunistic = self._heartbeats % self.params.opportunistic_graft_heartbeats == 0
        for topic, mesh in self._meshes.items():
            mesh.heartbeat(now, opportunistic=opportunistic)
            self._exchange.tell(topic, mesh.members)
        for topic in self._fanout.heartbeat(now):
            self._exchange.tell(topic, self._fanout.peers(topic))
        self._cache.shift()

    def _recipients(self, topic: str, now: float) -> list[PeerId]:
        """Whom our own message goes to."""
        around, mesh = self._around, self._meshes.get(topic)
        willing = [each.peer_id for each in around.on_topic(topic) if self.scores.score(each.peer_id) >= around.thresholds.publish]
        if self.params.flood_publish:
            return willing
        if mesh is None:
            return list(self._fanout.reach(topic, now))
        # A mesh that is still growing is no reason to reach fewer peers.
        others = [peer for peer in willing if peer not in mesh]
        return [*mesh.members, *others[: max(self.params.mesh - len(mesh.members), 0)]]

    def _on_subscription(self, neighbour: Neighbour, subscription: Subscription) -> None:
        topic = subscription.topic
        if topic not in self._topics:
            return
        if subscription.subscribe:
            neighbour.topics[topic] = None
            return
        neighbour.topics.pop(topic, None)
        self._fanout.lost(neighbour.peer_id, topic)
        if topic in self._meshes:
            self._meshes[topic].lost(neighbour.peer_id)

    def _on_message(self, neighbour: Neighbour, message: Message, identifier: bytes, now: float) -> Incoming | None:
        peer, topic = neighbour.peer_id, message.topic
        if topic not in self._meshes:
            return None
        if message.authored:  # StrictNoSign
            self.scores.delivered_invalid(peer, topic)
            self._note(GossipEvent.REJECT_MESSAGE, topic)
            return None
        self._exchange.arrived(identifier)
        if sighting := self._sightings.get(identifier):
            self._note(GossipEvent.DUPLICATE_MESSAGE, topic)
            if peer not in sighting.senders:
                sighting.senders[peer] = None
                if sighting.accepted and sighting.settled is not None:
                    self.scores.delivered_too(peer, topic, now - sighting.settled)
                elif sighting.rejected:
                    self.scores.delivered_invalid(peer, topic)
            return None
        self._sightings.add(identifier, topic, now).senders[peer] = None
        if len(message.data) >= self.params.idontwant_size:
            others = [each for each in self._meshes[topic].members if each != peer and self._around.neighbours[each].hears_idontwant]
            self._around.outgoing.idontwant(others, identifier)
        return Incoming(identifier, peer, message)

    def _accepted(self, incoming: Incoming, senders: Sequence[PeerId]) -> None:
        topic = incoming.message.topic
        for at, peer in enumerate(senders):
            if at == 0:
                self.scores.delivered_first(peer, topic)
            else:
                self.scores.delivered_too(peer, topic, 0.0)
        self._note(GossipEvent.DELIVER_MESSAGE, topic)
        if topic not in self._meshes:
            return
        self._cache.put(incoming.identifier, incoming.message)
        neighbours = self._around.neighbours
        to = [each for each in self._meshes[topic].members if each not in senders and incoming.identifier not in neighbours[each].not_wanted]
        self._around.outgoing.message(to, incoming.message)

    def _on_idontwant(self, neighbour: Neighbour, ids: Sequence[bytes]) -> None:
        until = self._heartbeats + self.params.idontwant_heartbeats
        for identifier in ids:
            if len(neighbour.not_wanted) >= self.limits.most_idontwant:
                return
            neighbour.not_wanted[identifier] = until
