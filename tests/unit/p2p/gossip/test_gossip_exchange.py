"""IHAVE, IWANT and IDONTWANT, one rule at a time (gossipsub v1.0, v1.1 "Spam Protection Measures", v1.2)."""

from __future__ import annotations

from collections import Counter

from tests.unit.p2p.gossip.driven import BLOCK, beat, on_topic, receive_new, recipients, sent_to, with_peers
from tests.unit.p2p.gossip.routers import OLD_TOPIC, TOPIC, message_id, new_router
from trinode.p2p.gossip.params import V1_2, GossipParams
from trinode.p2p.gossip.rpc import IHave, Message, Rpc
from trinode.p2p.identity import PeerId
from trinode.p2p.verdict import Verdict


def test_who_has_a_message_is_not_sent_it() -> None:
    router = on_topic()
    peers = with_peers(router, 8, protocol=V1_2)
    beat(router, 0.0)
    router.take()
    (incoming,) = router.receive(peers[0], Rpc(messages=[Message(TOPIC, BLOCK)]), 1.0)
    told = {peer for send in router.take() if send.rpc.idontwant == (incoming.identifier,) for peer in send.peers}
    assert told == set(peers[1:])
    router.receive(peers[1], Rpc(messages=[Message(TOPIC, BLOCK)]), 1.0)
    router.receive(peers[2], Rpc(idontwant=[incoming.identifier]), 1.0)
    router.settle(incoming, Verdict.ACCEPT, 1.1)
    assert recipients(router) == set(peers[3:])


def test_ids_are_told_outside_the_mesh_for_three_heartbeats() -> None:
    router = on_topic()
    peers = with_peers(router, 60)
    now = beat(router, 0.0)
    router.take()
    receive_new(router, peers[0], BLOCK, Verdict.ACCEPT, now)
    router.take()
    told: Counter[PeerId] = Counter()
    for beats in range(1, 7):
        now = beat(router, now)
        sends = [send for send in router.take() if send.rpc.ihave]
        assert all(send.rpc.ihave == (IHave(TOPIC, (message_id(TOPIC, BLOCK),)),) for send in sends)
        assert len(sends) == (13 if beats <= 3 else 0)  # a quarter of 52
        told.update(peer for send in sends for peer in send.peers)
    assert not told.keys() & set(router.mesh(TOPIC))
    (asker,) = [peer for peer in peers if peer not in router.mesh(TOPIC)][:1]
    for expected in (1, 1, 1, 0):
        router.receive(asker, Rpc(iwant=[message_id(TOPIC, BLOCK)] * 3), now)
        assert len(sent_to(router, asker).messages) == expected
    now = beat(router, now, 6)
    router.receive(peers[-1], Rpc(iwant=[message_id(TOPIC, BLOCK)]), now)
    assert recipients(router) == set()


def test_what_is_told_is_asked_for_once_and_within_limits() -> None:
    router = on_topic(GossipParams(most_ids_asked=100))
    peers = with_peers(router, 2)
    router.subscribe(OLD_TOPIC, 0.0)
    router.take()
    receive_new(router, peers[0], BLOCK, Verdict.IGNORE)
    seen = message_id(TOPIC, BLOCK)
    router.receive(peers[0], Rpc(ihave=[IHave(TOPIC, (seen, b"new")), IHave(OLD_TOPIC, (b"new", b"too")), IHave("x", (b"not ours",))]), 1.0)
    assert sorted(sent_to(router, peers[0]).iwant) == [b"new", b"too"]
    many = tuple(b"%d" % at for at in range(1000))
    router.receive(peers[0], Rpc(ihave=[IHave(TOPIC, many)]), 1.0)
    assert len(sent_to(router, peers[0]).iwant) == 98
    router.receive(peers[0], Rpc(ihave=[IHave(TOPIC, many)]), 1.0)
    assert sent_to(router, peers[0]).iwant == []
    for _ in range(12):
        router.receive(peers[1], Rpc(ihave=[IHave(TOPIC, (b"a",))]), 1.0)
    assert sent_to(router, peers[1]).iwant == [b"a"] * 10
    beat(router, 1.0)
    router.receive(peers[1], Rpc(ihave=[IHave(TOPIC, (b"b",))]), 2.0)
    assert sent_to(router, peers[1]).iwant == [b"b"]


def test_broken_promises_cost_and_kept_ones_do_not() -> None:
    router = on_topic()
    liar, honest = with_peers(router, 2)
    now = 1.0
    for at in range(12):
        data = b"block %d" % at
        for lie in range(3):
            router.receive(liar, Rpc(ihave=[IHave(TOPIC, (b"nothing %d %d" % (at, lie),))]), now)
        router.receive(honest, Rpc(ihave=[IHave(TOPIC, (message_id(TOPIC, data),))]), now)
        receive_new(router, honest, data, Verdict.IGNORE, now + 1)
        now = beat(router, now, 8)
    assert router.scores.score(honest) == 0 and router.scores.score(liar) < -10
    assert router.sizes()["promises"] == 0
    router.take()
    router.receive(liar, Rpc(ihave=[IHave(TOPIC, (b"more",))]), now)
    assert sent_to(router, liar).iwant == []


def test_peers_of_a_low_score_get_and_give_no_gossip() -> None:
    router = new_router(application=lambda _peer: -11.0)
    router.subscribe(TOPIC, 0.0)
    (peer,) = with_peers(router, 1)
    receive_new(router, peer, BLOCK, Verdict.ACCEPT)
    router.receive(peer, Rpc(ihave=[IHave(TOPIC, (b"new",))], iwant=[message_id(TOPIC, BLOCK)]), 1.0)
    beat(router, 1.0)
    assert sent_to(router, peer) == Rpc([], [], [], [], [], [], [])
