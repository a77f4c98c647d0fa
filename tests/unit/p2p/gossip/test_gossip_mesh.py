"""A mesh's rules, one at a time: GRAFT, PRUNE, backoff, heartbeat (gossipsub v1.0, v1.1)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.unit.p2p.gossip.driven import BLOCK, GRAFT, beat, on_topic, sent_to, with_peers
from tests.unit.p2p.gossip.routers import TOPIC, new_router
from trinode.p2p.gossip.params import V1_0, GossipLimits, GossipParams
from trinode.p2p.gossip.rpc import Message, Prune, Rpc, Subscription
from trinode.p2p.identity import PeerId


def test_too_early_a_graft_is_refused_and_costs() -> None:
    penalties: Counter[PeerId] = Counter()
    router = on_topic()
    penalize = router.scores.penalize

    def count(peer: PeerId, times: int = 1) -> None:
        penalties[peer] += times
        penalize(peer, times)

    router.scores.penalize = count  # type: ignore[method-assign]
    (peer,) = with_peers(router, 1)
    router.receive(peer, GRAFT, 0.0)
    assert router.mesh(TOPIC) == (peer,)
    router.receive(peer, Rpc(prune=[Prune(TOPIC, 60)]), 1.0)
    for now, penalty in ((5.0, 2), (40.0, 1), (99.0, 1), (100.0, 2), (101.0, 2)):  # within ten seconds of a PRUNE it counts twice
        before = penalties[peer]
        router.receive(peer, GRAFT, now)
        assert sent_to(router, peer).prune == [Prune(TOPIC, 60)] and router.mesh(TOPIC) == ()
        assert penalties[peer] == before + penalty
    assert router.scores.score(peer) == -64 and not router.hears(peer)
    router.receive(peer, GRAFT, 300.0)
    assert router.mesh(TOPIC) == ()


def test_after_its_backoff_a_peer_is_grafted_again_with_some_slack() -> None:
    router = on_topic()
    (peer,) = with_peers(router, 1)
    beat(router, 0.0)
    assert router.mesh(TOPIC) == (peer,)
    router.receive(peer, Rpc(prune=[Prune(TOPIC, 5)]), 1.0)
    router.take()
    now = beat(router, 1.0, 11)
    assert now == 6.5 and router.mesh(TOPIC) == ()
    beat(router, now, 2)
    assert router.mesh(TOPIC) == (peer,) and router.scores.score(peer) == 0


def test_a_backoff_that_a_peer_asks_for_is_bounded() -> None:
    router = on_topic(limits=GossipLimits(longest_backoff=100, most_backoffs=3))
    peers = with_peers(router, 6)
    for peer in peers:
        router.receive(peer, Rpc(prune=[Prune(TOPIC, 2**64 - 1)]), 0.0)
    assert router.sizes()["backoffs"] == 3
    beat(router, 102.0)
    assert set(router.mesh(TOPIC)) == set(peers)


def test_a_full_mesh_takes_only_peers_that_we_dialed() -> None:
    router = on_topic()
    inbound = with_peers(router, 13)
    outbound = with_peers(router, 1, outbound=True, name="dialed")
    for peer in [*inbound, *outbound]:
        router.receive(peer, GRAFT, 1.0)
    assert router.mesh(TOPIC) == (*inbound[:12], *outbound)
    assert sent_to(router, inbound[12]).prune == [Prune(TOPIC, 60)]


def test_old_peers_are_told_no_backoff() -> None:
    router = on_topic()
    (peer,) = with_peers(router, 1, protocol=V1_0)
    beat(router, 0.0)
    router.take()
    router.unsubscribe(TOPIC, 1.0)
    assert sent_to(router, peer).prune == [Prune(TOPIC, None)]


def test_a_mesh_that_is_too_large_keeps_the_best_and_some_that_we_dialed() -> None:
    good = {b"peer %d" % at: 5.0 for at in (3, 7, 11, 12)}
    for seed in range(20):
        router = new_router(seed, GossipParams(mesh_high=14), application=lambda peer: good.get(peer, 0.0))
        router.subscribe(TOPIC, 0.0)
        inbound = with_peers(router, 13)
        dialed = with_peers(router, 3, outbound=True, name="dialed")
        for peer in [*inbound, *dialed]:
            router.receive(peer, GRAFT, 1.0)
        assert len(router.mesh(TOPIC)) == 16
        beat(router, 1.0)
        mesh = set(router.mesh(TOPIC))
        assert len(mesh) == 8 and good.keys() <= mesh and len(mesh & set(dialed)) >= 2
        pruned = {peer for send in router.take() if send.rpc.prune for peer in send.peers}
        assert pruned == {*inbound, *dialed} - mesh


def test_a_mesh_lets_bad_peers_go_and_takes_no_new_ones() -> None:
    bad: set[PeerId] = set()
    router = new_router(application=lambda peer: -1.0 if peer in bad else 0.0)
    router.subscribe(TOPIC, 0.0)
    peers = with_peers(router, 8)
    beat(router, 0.0)
    bad.update(peers[:5])
    beat(router, 1.0)
    assert set(router.mesh(TOPIC)) == set(peers[5:])
    router.receive(peers[0], GRAFT, 100.0)
    beat(router, 100.0)
    assert set(router.mesh(TOPIC)) == set(peers[5:])


def test_enough_of_a_mesh_is_dialed() -> None:
    router = on_topic()
    inbound = with_peers(router, 8)
    for peer in inbound:
        router.receive(peer, GRAFT, 0.0)
    dialed = with_peers(router, 4, outbound=True, name="dialed")
    beat(router, 1.0)
    assert len(set(router.mesh(TOPIC)) & set(dialed)) == 2 and set(inbound) <= set(router.mesh(TOPIC))


def test_a_mesh_that_performs_badly_takes_in_better_peers() -> None:
    good: set[PeerId] = set()
    router = new_router(application=lambda peer: 1.0 if peer in good else 0.0)
    router.subscribe(TOPIC, 0.0)
    inside = with_peers(router, 8)
    beat(router, 0.0)
    outside = with_peers(router, 5, name="good")
    good.update(outside)
    now = beat(router, 0.5, 58)
    assert set(router.mesh(TOPIC)) == set(inside)
    beat(router, now)
    assert len(set(router.mesh(TOPIC)) & good) == 2


def test_grafts_that_found_no_place_are_sent_again_while_they_hold() -> None:
    router = new_router()
    first, second = with_peers(router, 2)
    router.subscribe(TOPIC, 0.0)
    for send in router.take():
        for peer in send.peers:
            router.undelivered(peer, send.rpc)
    router.receive(second, Rpc(subscriptions=[Subscription(TOPIC, False)]), 1.0)
    assert sent_to(router, first).graft == [TOPIC]
    router.unsubscribe(TOPIC, 1.0)
    prunes = [send for send in router.take() if send.rpc.prune]
    for send in prunes:
        router.undelivered(first, replace(send.rpc, messages=[Message(TOPIC, BLOCK)]))
    assert sent_to(router, first) == Rpc([], [], [], [], [], [Prune(TOPIC, 10)], [])


@pytest.mark.parametrize("wrong", [{"mesh_low": 9}, {"mesh": 13}, {"mesh": 4, "mesh_low": 2}, {"mesh_outbound": 5}, {"history_gossip": 13}])
def test_parameters_that_contradict_each_other(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"mesh|told"):
        GossipParams(**wrong)  # type: ignore[arg-type] # the whole numbers among them
