"""Gossip proper: ids of messages are told to peers outside the mesh, and messages are asked for (gossipsub v1.0 "Control Messages", v1.1 "Adaptive
Gossip Dissemination", "Spam Protection Measures").
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from trinode.p2p.gossip.history import MessageCache, Sightings
from trinode.p2p.gossip.neighbours import Neighbour, Neighbourhood
from trinode.p2p.gossip.rpc import IHave
from trinode.p2p.identity import PeerId


class Exchange:
    """IHAVE and IWANT both ways, with their limits, and promises that are held against who breaks them (P7)."""

    def __init__(self, around: Neighbourhood, sightings: Sightings, cache: MessageCache) -> None:
        self._around, self._sightings, self._cache = around, sightings, cache
        self._promises: dict[bytes, dict[PeerId, float]] = {}
        """Of each IHAVE that we followed one message, by chance: who has promised it, and until when. Bounded by `most_ihave_messages` a peer
        and heartbeat.
        """

    @property
    def promises(self) -> int:
        """How many messages we wait for."""
        return len(self._promises)

    def on_ihave(self, neighbour: Neighbour, ihaves: Sequence[IHave], topics: Container[str], now: float) -> None:
        """A peer tells of messages. What we have not seen is asked for."""
        around, params, peer = self._around, self._around.params, neighbour.peer_id
        if not ihaves or around.scores.score(peer) < around.thresholds.gossip:
            return
        neighbour.ihave_messages += 1
        room = params.most_ids_asked - neighbour.ids_asked
        if neighbour.ihave_messages > params.most_ihave_messages or room <= 0:
            return
        unseen = dict.fromkeys(each for ihave in ihaves if ihave.topic in topics for each in ihave.ids if each not in self._sightings)
        if not unseen:
            return
        wanted = list(unseen)
        around.random.shuffle(wanted)
        del wanted[room:]
        neighbour.ids_asked += len(wanted)
        self._promises.setdefault(wanted[0], {}).setdefault(peer, now + params.iwant_followup)
        around.outgoing.iwant(peer, wanted)

    def on_iwant(self, neighbour: Neighbour, ids: Sequence[bytes]) -> None:
        """A peer asks for messages: those that are kept, each only so many times."""
        around, peer = self._around, neighbour.peer_id
        if not ids or around.scores.score(peer) < around.thresholds.gossip:
            return
        for identifier in dict.fromkeys(ids):
            if message := self._cache.give(identifier, peer, around.params.retransmissions):
                around.outgoing.message((peer,), message)

    def arrived(self, identifier: bytes) -> None:
        """A message is here, whoever sent it: nobody has broken a promise of it."""
        self._promises.pop(identifier, None)

    def tell(self, topic: str, outside_of: Container[PeerId]) -> None:
        """Tells some peers of the topic, outside of its mesh, what there was lately."""
        around, params = self._around, self._around.params
        ids = self._cache.recent(topic)[: params.most_ids_asked]
        if not ids:
            return
        candidates = [
            each.peer_id
            for each in around.on_topic(topic)
            if each.peer_id not in outside_of and around.scores.score(each.peer_id) >= around.thresholds.gossip
        ]
        number = max(params.lazy, int(params.gossip_factor * len(candidates)))
        for peer in candidates[:number]:
            around.outgoing.ihave(peer, IHave(topic, tuple(ids)))

    def heartbeat(self, now: float) -> None:
        """Promises are over that were not kept; all may tell us anew."""
        for identifier, promised in list(self._promises.items()):
            for peer in [each for each, until in promised.items() if until < now]:
                self._around.scores.penalize(peer)
                del promised[peer]
            if not promised:
                del self._promises[identifier]
        for neighbour in self._around.neighbours.values():
            neighbour.ihave_messages = neighbour.ids_asked = 0
