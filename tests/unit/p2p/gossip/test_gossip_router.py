"""The router's rules for subscriptions and messages, one at a time (gossipsub v1.0, v1.1)."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.unit.p2p.gossip.driven import BLOCK, GRAFT, beat, on_topic, receive_new, recipients, sent_to, with_peers
from tests.unit.p2p.gossip.routers import OLD_TOPIC, TOPIC, message_id, new_router
from trinode.p2p.gossip.events import GossipEvent
from trinode.p2p.gossip.params import GossipLimits, GossipParams
from trinode.p2p.gossip.router import MAX_MESSAGE_SIZE, Router
from trinode.p2p.gossip.rpc import IHave, Message, Prune, Rpc, Subscription
from trinode.p2p.gossip.score_params import light, none
from trinode.p2p.verdict import Verdict


def test_peers_hear_of_subscriptions() -> None:
    router = new_router()
    (peer,) = with_peers(router, 1)
    assert router.hello() == Rpc(subscriptions=[])
    router.subscribe(TOPIC, 0.0)
    rpc = sent_to(router, peer)
    assert rpc.subscriptions == [Subscription(TOPIC, True)] and rpc.graft == [TOPIC]
    assert router.hello() == Rpc(subscriptions=[Subscription(TOPIC, True)])
    router.unsubscribe(TOPIC, 1.0)
    rpc = sent_to(router, peer)
    assert rpc.subscriptions == [Subscription(TOPIC, False)] and rpc.prune == [Prune(TOPIC, 10)]
    with pytest.raises(ValueError, match="not foreseen"):
        router.subscribe("another chain's", 1.0)


def test_a_new_message_goes_to_the_mesh_but_not_back() -> None:
    router = on_topic()
    peers = with_peers(router, 8)
    beat(router, 0.0)
    router.take()
    receive_new(router, peers[0], BLOCK, Verdict.ACCEPT)
    assert recipients(router) == set(peers[1:])
    assert router.receive(peers[1], Rpc(messages=[Message(TOPIC, BLOCK)]), 1.1) == []
    assert recipients(router) == set()


@pytest.mark.parametrize("verdict", [Verdict.IGNORE, Verdict.REJECT])
def test_what_is_not_accepted_goes_nowhere(verdict: Verdict) -> None:
    router = on_topic()
    peers = with_peers(router, 8)
    beat(router, 0.0)
    receive_new(router, peers[0], BLOCK, verdict)
    router.receive(peers[1], Rpc(messages=[Message(TOPIC, BLOCK)]), 1.0)
    assert recipients(router) == set()
    costs = verdict is Verdict.REJECT
    assert [router.scores.score(peer) < 0 for peer in peers] == [costs, costs] + [False] * 6
    router.receive(peers[2], Rpc(iwant=[message_id(TOPIC, BLOCK)]), 2.0)
    assert recipients(router) == set()


def test_a_message_with_an_author_is_rejected_unseen() -> None:
    router = on_topic()
    (peer,) = with_peers(router, 1)
    assert router.receive(peer, Rpc(messages=[Message(TOPIC, BLOCK, authored=True)]), 1.0) == []
    assert router.scores.score(peer) < 0
    assert len(router.receive(peer, Rpc(messages=[Message(TOPIC, BLOCK)]), 1.0)) == 1


def test_topics_that_we_are_not_on_are_nothing_to_us() -> None:
    router = on_topic()
    (peer,) = with_peers(router, 1)
    other = Rpc([Subscription("x", True)], [Message("x", BLOCK), Message(OLD_TOPIC, BLOCK)], [IHave("x", (b"id",))], (), ["x"], [Prune("x")])
    assert router.receive(peer, other, 1.0) == []
    assert sent_to(router, peer) == Rpc([], [], [], [], [], [], [])
    assert router.peers("x") == () and router.scores.score(peer) == 0


def test_our_own_message_goes_to_the_mesh_to_all_or_to_a_fanout() -> None:
    router = on_topic()
    peers = with_peers(router, 20)
    beat(router, 0.0)
    router.take()
    assert router.publish(TOPIC, BLOCK, 1.0) == 8 and recipients(router) == set(router.mesh(TOPIC))
    flooding = on_topic(GossipParams(flood_publish=True))
    with_peers(flooding, 20)
    assert flooding.publish(TOPIC, BLOCK, 1.0) == 20
    outside = new_router()
    with_peers(outside, 20)
    assert outside.publish(TOPIC, BLOCK, 1.0) == 8
    first = recipients(outside)
    outside.publish(TOPIC, b"next", 2.0)
    assert recipients(outside) == first and outside.sizes()["fanout"] == 1
    outside.subscribe(TOPIC, 3.0)
    assert set(outside.mesh(TOPIC)) == first and outside.sizes()["fanout"] == 0
    assert set(peers) > first
    growing = on_topic()
    with_peers(growing, 3)
    assert growing.publish(TOPIC, BLOCK, 1.0) == 3


def test_a_fanout_ends() -> None:
    router = new_router()
    peers = with_peers(router, 3)
    router.publish(TOPIC, BLOCK, 0.0)
    router.remove_peer(peers[0], 1.0)
    router.publish(TOPIC, b"next", 1.0)
    assert recipients(router) == set(peers)
    now = beat(router, 1.0, 47)
    assert router.sizes()["fanout"] == 1
    beat(router, now)
    assert router.sizes()["fanout"] == 0


def test_what_we_publish_is_not_sent_to_bad_peers_nor_when_it_cannot_be() -> None:
    router = new_router(params=GossipParams(flood_publish=True), application=lambda peer: -41.0 if peer == b"peer 0" else -39.0)
    peers = with_peers(router, 3)
    assert router.publish(TOPIC, BLOCK, 0.0) == 2 and recipients(router) == set(peers[1:])
    assert router.publish(TOPIC, bytes(MAX_MESSAGE_SIZE), 0.0) == 2
    for topic, data in ((TOPIC, bytes(MAX_MESSAGE_SIZE + 1)), ("x", b"")):
        with pytest.raises(ValueError, match="cannot be sent"):
            router.publish(topic, data, 0.0)


def test_what_is_kept_is_bounded() -> None:
    router = on_topic(limits=GossipLimits(most_seen=100, history_bytes=50_000, most_idontwant=5))
    peers = with_peers(router, 2)
    for at in range(300):
        receive_new(router, peers[0], b"%d" % at + BLOCK, Verdict.ACCEPT)
    sizes = router.sizes()
    assert sizes["seen"] == 100 and sizes["messages"] == 24 and sizes["message_bytes"] <= 50_000
    router.receive(peers[0], Rpc(idontwant=[b"%d" % at for at in range(1000)]), 1.0)
    beat(router, 1.0 + 65)
    assert router.sizes()["seen"] == 0


def test_messages_are_seen_for_a_while() -> None:
    router = on_topic()
    (peer,) = with_peers(router, 1)
    receive_new(router, peer, BLOCK, Verdict.IGNORE, 1.0)
    beat(router, 65.0)
    assert router.receive(peer, Rpc(messages=[Message(TOPIC, BLOCK)]), 65.9) == []
    beat(router, 65.5)
    assert len(router.receive(peer, Rpc(messages=[Message(TOPIC, BLOCK)]), 66.1)) == 1


def test_events_are_told() -> None:
    told: Counter[tuple[GossipEvent, str]] = Counter()
    router = Router([TOPIC], new_router().scores, message_id, new_router()._around.random, note=lambda event, topic: told.update([(event, topic)]))
    router.subscribe(TOPIC, 0.0)
    (peer,) = with_peers(router, 1)
    router.receive(peer, GRAFT, 0.0)
    for verdict in Verdict:
        receive_new(router, peer, verdict.value.encode(), verdict)
    router.receive(peer, Rpc(messages=[Message(TOPIC, b"accept")]), 1.0)
    router.publish(TOPIC, b"ours", 1.0)
    router.remove_peer(peer, 2.0)
    router.unsubscribe(TOPIC, 2.0)
    of_topic = "JOIN GRAFT DELIVER_MESSAGE IGNORE_MESSAGE REJECT_MESSAGE DUPLICATE_MESSAGE PUBLISH_MESSAGE PRUNE LEAVE"
    assert told == {
        **{(GossipEvent[name], TOPIC): 1 for name in of_topic.split()},
        (GossipEvent.ADD_PEER, ""): 1,
        (GossipEvent.RECV_RPC, ""): 6,
        (GossipEvent.REMOVE_PEER, ""): 1,
    }


def test_without_scoring_nobody_is_held_to_anything() -> None:
    router = new_router(scores=none(2.0), application=lambda _peer: -1000.0)
    router.subscribe(TOPIC, 0.0)
    (peer,) = with_peers(router, 1)
    for at in range(20):
        receive_new(router, peer, b"%d" % at, Verdict.REJECT)
        router.penalize(peer)
    assert router.scores.score(peer) == 0 and router.hears(peer)
    assert light(2.0).topics == {}
