"""Routers under any peers: whatever they say in whatever order, nothing is raised, nothing grows, nothing is sent to who is not there."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.p2p.gossip.routers import OLD_TOPIC, TOPIC, message_id, new_router, peer_named
from trinode.p2p.gossip.params import PROTOCOLS, GossipLimits
from trinode.p2p.gossip.router import Incoming
from trinode.p2p.gossip.rpc import IHave, Message, Prune, Rpc, Subscription, decode_rpc, encode_rpc
from trinode.p2p.verdict import Verdict

LIMITS = GossipLimits(most_seen=50, history_bytes=2_000, most_backoffs=20, most_idontwant=5, longest_backoff=100)
peers = st.integers(0, 15).map(lambda number: peer_named(number, outbound=number % 3 == 0, address=f"10.0.0.{number % 4}"))
topics = st.sampled_from((TOPIC, OLD_TOPIC, "unknown"))
bodies = st.integers(0, 39).map(lambda number: b"%d" % number * (100 * (number % 5) + 1))
ids = st.lists(bodies.map(lambda data: message_id(TOPIC, data)) | st.binary(max_size=20), max_size=6)
rpcs = st.builds(
    Rpc,
    st.lists(st.builds(Subscription, topics, st.booleans()), max_size=3),
    st.lists(st.builds(Message, topics, bodies, st.just(False) | st.booleans()), max_size=3),
    st.lists(st.builds(IHave, topics, ids.map(tuple)), max_size=3),
    ids,
    st.lists(topics, max_size=3),
    st.lists(st.builds(Prune, topics, st.none() | st.integers(0, 2**64 - 1)), max_size=3),
    ids,
)


class RouterMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.router = new_router(limits=LIMITS)
        self.open: list[Incoming] = []

    @rule(peer=peers, protocol=st.sampled_from(PROTOCOLS))
    def joins(self, peer, protocol) -> None:  # type: ignore[no-untyped-def] # hypothesis gives them
        if peer.peer_id not in self.router.peers():
            self.router.add_peer(peer, protocol)

    @rule(peer=peers)
    def leaves(self, peer) -> None:  # type: ignore[no-untyped-def]
        self.router.remove_peer(peer.peer_id, self.now)

    @rule(peer=peers, rpc=rpcs)
    def says(self, peer, rpc) -> None:  # type: ignore[no-untyped-def]
        self.open += self.router.receive(peer.peer_id, decode_rpc(encode_rpc(rpc)), self.now)

    @rule(topic=st.sampled_from((TOPIC, OLD_TOPIC)), on=st.booleans())
    def subscribes(self, topic: str, on: bool) -> None:
        (self.router.subscribe if on else self.router.unsubscribe)(topic, self.now)

    @rule(topic=st.sampled_from((TOPIC, OLD_TOPIC)), data=bodies)
    def publishes(self, topic: str, data: bytes) -> None:
        self.router.publish(topic, data, self.now)

    @rule(verdict=st.sampled_from(Verdict))
    def settles(self, verdict: Verdict) -> None:
        if self.open:
            self.router.settle(self.open.pop(0), verdict, self.now)

    @rule(beats=st.integers(1, 200))
    def time_passes(self, beats: int) -> None:
        for _ in range(beats):
            self.now += 0.5
            self.router.heartbeat(self.now)

    @invariant()
    def holds(self) -> None:
        router, there = self.router, set(self.router.peers())
        for send in router.take():
            encode_rpc(send.rpc)
            assert set(send.peers) <= there or not (send.rpc.messages or send.rpc.subscriptions)
        for topic in (TOPIC, OLD_TOPIC):
            assert set(router.mesh(topic)) <= there
            assert len(router.mesh(topic)) <= 12 + 6  # only peers that we dialed come in beyond what is most
        sizes = router.sizes()
        assert sizes["seen"] <= 50 and sizes["message_bytes"] <= 2_000 and sizes["backoffs"] <= 20 and sizes["fanout"] <= 2


TestRouterMachine = RouterMachine.TestCase
TestRouterMachine.settings = settings(settings.default, stateful_step_count=40)
