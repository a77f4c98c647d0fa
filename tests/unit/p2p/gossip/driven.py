"""A router driven by hand: peers that say what a test wants, and what it sends them."""

from __future__ import annotations

from tests.unit.p2p.gossip.routers import TOPIC, new_router, peer_named
from trinode.p2p.gossip.params import V1_1, GossipLimits, GossipParams
from trinode.p2p.gossip.router import Router
from trinode.p2p.gossip.rpc import Message, Rpc, Subscription
from trinode.p2p.identity import PeerId
from trinode.p2p.verdict import Verdict

ON = Rpc(subscriptions=[Subscription(TOPIC, True)])
GRAFT = Rpc(graft=[TOPIC])
BLOCK = b"block" + bytes(2000)


def with_peers(router: Router, number: int, *, outbound: bool = False, protocol: str = V1_1, name: str = "peer") -> list[PeerId]:
    """Peers that have subscribed; what was to be sent to them so far is taken."""
    peers = [peer_named(f"{name} {at}", outbound=outbound) for at in range(number)]
    for peer in peers:
        router.add_peer(peer, protocol)
        router.receive(peer.peer_id, ON, 0.0)
    router.take()
    return [peer.peer_id for peer in peers]


def sent_to(router: Router, peer: PeerId) -> Rpc:
    """All that is to be sent to a peer now, as one."""
    rpcs = [send.rpc for send in router.take() if peer in send.peers]
    return Rpc(
        [each for rpc in rpcs for each in rpc.subscriptions],
        [each for rpc in rpcs for each in rpc.messages],
        [each for rpc in rpcs for each in rpc.ihave],
        [each for rpc in rpcs for each in rpc.iwant],
        [each for rpc in rpcs for each in rpc.graft],
        [each for rpc in rpcs for each in rpc.prune],
        [each for rpc in rpcs for each in rpc.idontwant],
    )


def recipients(router: Router) -> set[PeerId]:
    return {peer for send in router.take() if send.rpc.messages for peer in send.peers}


def on_topic(params: GossipParams | None = None, limits: GossipLimits | None = None) -> Router:
    router = new_router(params=params, limits=limits)
    router.subscribe(TOPIC, 0.0)
    return router


def receive_new(router: Router, peer: PeerId, data: bytes, verdict: Verdict, now: float = 1.0) -> None:
    (incoming,) = router.receive(peer, Rpc(messages=[Message(TOPIC, data)]), now)
    router.settle(incoming, verdict, now)


def beat(router: Router, now: float, times: int = 1) -> float:
    for _ in range(times):
        now += router.params.heartbeat_interval
        router.heartbeat(now)
    return now
