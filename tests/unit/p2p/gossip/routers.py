"""Routers in a simulated network: no trio, no clock but the simulation's, each RPC written and read as on the wire. The same seed, the same run."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from trinode.p2p.gossip.params import V1_2, GossipLimits, GossipParams
from trinode.p2p.gossip.router import Incoming, Router
from trinode.p2p.gossip.rpc import Rpc, decode_rpc, encode_rpc
from trinode.p2p.gossip.score_params import ScoreParams, block_topic, light
from trinode.p2p.gossip.scoring import PeerScores
from trinode.p2p.identity import PeerId
from trinode.p2p.peers import Connected
from trinode.p2p.verdict import Verdict

TOPIC, OLD_TOPIC = "/optimism/901/3/blocks", "/optimism/901/0/blocks"


def message_id(_topic: str, data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:20]


def verdict_of(data: bytes) -> Verdict:
    return Verdict.REJECT if data.startswith(b"bad") else Verdict.IGNORE if data.startswith(b"old") else Verdict.ACCEPT


def new_router(
    seed: object = 0,
    params: GossipParams | None = None,
    limits: GossipLimits | None = None,
    scores: ScoreParams | None = None,
    application: Callable[[PeerId], float] = lambda _peer: 0.0,
) -> Router:
    rated = PeerScores(scores or light(2.0, {TOPIC: block_topic()}), application)
    return Router([TOPIC, OLD_TOPIC], rated, message_id, Random(str(seed)), params, limits)


def peer_named(name: object, *, outbound: bool = False, address: str | None = None) -> Connected:
    return Connected(PeerId(str(name).encode()), address or f"of {name}", outbound)


@dataclass
class SimulatedNode:
    peer_id: PeerId
    router: Router
    heard: list[bytes] = field(default_factory=list)


@dataclass
class SimulatedNetwork:
    """`loss`: the share of RPCs that never arrive (TCP loses none; a broken stream does). `trace` is a digest of everything that was delivered."""

    seed: int
    loss: float = 0.0
    nodes: dict[PeerId, SimulatedNode] = field(default_factory=dict)
    links: set[tuple[PeerId, PeerId]] = field(default_factory=set)
    now: float = 0.0
    delivered: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.trace = hashlib.sha256()
        self._order: Iterator[int] = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def add(self, name: str, params: GossipParams | None = None) -> SimulatedNode:
        peer = PeerId(name.encode())
        node = self.nodes[peer] = SimulatedNode(peer, new_router(f"{self.seed} {name}", params))
        self.at(self.now + self.random.uniform(0, 0.5), lambda: self._beat(node))
        return node

    def connect(self, dialer: SimulatedNode, listener: SimulatedNode, address: str | None = None) -> None:
        for here, there, outbound in ((dialer, listener, True), (listener, dialer, False)):
            self.links.add((here.peer_id, there.peer_id))
            here.router.add_peer(Connected(there.peer_id, address or f"of {there.peer_id!r}", outbound), V1_2)
            self._send(here.peer_id, there.peer_id, here.router.hello())

    def disconnect(self, one: SimulatedNode, other: SimulatedNode) -> None:
        for here, there in ((one, other), (other, one)):
            self.links.discard((here.peer_id, there.peer_id))
            here.router.remove_peer(there.peer_id, self.now)

    def at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time, next(self._order), action))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.now, _, action = heapq.heappop(self._due)
            action()
        self.now = until

    def flush(self, node: SimulatedNode) -> None:
        for send in node.router.take():
            for peer in send.peers:
                self._send(node.peer_id, peer, send.rpc)

    def publish(self, node: SimulatedNode, data: bytes) -> int:
        number = node.router.publish(TOPIC, data, self.now)
        self.flush(node)
        return number

    def send_raw(self, sender: SimulatedNode, to: SimulatedNode, rpc: Rpc) -> None:
        """What a router would not say."""
        self._send(sender.peer_id, to.peer_id, rpc)

    def _beat(self, node: SimulatedNode) -> None:
        node.router.heartbeat(self.now)
        self.flush(node)
        self.at(self.now + node.router.params.heartbeat_interval, lambda: self._beat(node))

    def _send(self, sender: PeerId, to: PeerId, rpc: Rpc) -> None:
        encoded = encode_rpc(rpc)
        if self.random.random() >= self.loss:
            self.at(self.now + self.random.uniform(0.01, 0.15), lambda: self._arrive(sender, to, encoded))

    def _arrive(self, sender: PeerId, to: PeerId, encoded: bytes) -> None:
        if (sender, to) not in self.links:
            return
        self.delivered += 1
        self.trace.update(sender + to + encoded)
        node = self.nodes[to]
        for incoming in node.router.receive(sender, decode_rpc(encoded), self.now):
            self.at(self.now + 0.02, lambda each=incoming: self._settle(node, each))  # type: ignore[misc] # its default is its value
        self.flush(node)

    def _settle(self, node: SimulatedNode, incoming: Incoming) -> None:
        verdict = verdict_of(incoming.message.data)
        if verdict is Verdict.ACCEPT:
            node.heard.append(incoming.message.data)
        node.router.settle(incoming, verdict, self.now)
        self.flush(node)
