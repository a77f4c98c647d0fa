"""Scores: each parameter of the specification, by its formula (gossipsub v1.1 "The Score Function")."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trinode.p2p.gossip.score_params import DECAY_TO_ZERO, ScoreParams, TopicScoreParams, block_topic, decay, light, none
from trinode.p2p.gossip.scoring import PeerScores
from trinode.p2p.identity import PeerId

PEER, OTHER = PeerId(b"peer"), PeerId(b"other")
TOPIC = "topic"
ALL = TopicScoreParams(
    topic_weight=0.5,
    time_in_mesh_weight=0.01,
    time_in_mesh_quantum=2.0,
    time_in_mesh_cap=100.0,
    first_deliveries_weight=1.0,
    first_deliveries_decay=0.9,
    first_deliveries_cap=5.0,
    mesh_deliveries_weight=-0.7,
    mesh_deliveries_decay=0.9,
    mesh_deliveries_cap=30.0,
    mesh_deliveries_threshold=3.0,
    mesh_deliveries_window=2.0,
    mesh_deliveries_activation=48.0,
    mesh_failure_weight=-0.6,
    mesh_failure_decay=0.9,
    invalid_deliveries_weight=-10.0,
    invalid_deliveries_decay=0.9,
)


def scores_with(params: ScoreParams | None = None, application: float = 0.0) -> PeerScores:
    scores = PeerScores(params or replace(light(2.0), topics={TOPIC: ALL}), lambda _peer: application)
    scores.add(PEER, "10.0.0.1")
    scores.refresh(0.0)
    return scores


def test_time_in_mesh() -> None:
    scores = scores_with()
    scores.grafted(PEER, TOPIC, 0.0)
    assert scores.score(PEER) == 0
    scores.refresh(20.0)
    assert scores.score(PEER) == pytest.approx(0.5 * 0.01 * 10)
    scores.refresh(40.0)
    assert scores.score(PEER) == pytest.approx(0.5 * 0.01 * 20)
    scores.pruned(PEER, TOPIC)
    assert scores.score(PEER) == 0


def test_first_deliveries_are_capped_and_decay() -> None:
    scores = scores_with()
    for _ in range(9):
        scores.delivered_first(PEER, TOPIC)
    assert scores.score(PEER) == 0.5 * 5
    scores.refresh(2.0)
    scores.refresh(3.0)
    assert scores.score(PEER) == pytest.approx(0.5 * 5 * 0.9)
    for at in range(100):
        scores.refresh(4.0 + 2 * at)
    assert scores.score(PEER) == 0


def test_a_peer_in_the_mesh_must_deliver_and_failures_stick() -> None:
    scores = scores_with()
    scores.grafted(PEER, TOPIC, 0.0)
    scores.refresh(48.0)
    assert scores.score(PEER) > 0  # not yet
    scores.refresh(50.0)
    in_mesh = 0.5 * 0.01 * 25
    assert scores.score(PEER) == pytest.approx(in_mesh - 0.5 * 0.7 * 9)
    scores.delivered_first(PEER, TOPIC)
    scores.delivered_too(PEER, TOPIC, 0.0)
    scores.delivered_too(PEER, TOPIC, 2.1)  # too late to count
    assert scores.score(PEER) == pytest.approx(in_mesh + 0.5 * 1 - 0.5 * 0.7 * 1)
    scores.pruned(PEER, TOPIC)
    assert scores.score(PEER) == pytest.approx(0.5 * 1 - 0.5 * 0.6 * 1)
    scores.delivered_too(OTHER, TOPIC, 0.0)
    assert scores.score(OTHER) == 0


def test_invalid_messages_count_squared() -> None:
    scores = scores_with()
    for number in (1, 2, 3):
        scores.delivered_invalid(PEER, TOPIC)
        assert scores.score(PEER) == -0.5 * 10 * number**2
    scores.refresh(2.0)
    assert scores.score(PEER) == pytest.approx(-0.5 * 10 * (3 * 0.9) ** 2)
    scores.delivered_invalid(PEER, "a topic that is not scored")


def test_topics_are_capped_above_only() -> None:
    scores = scores_with(replace(light(2.0), topics={TOPIC: ALL}, topic_cap=1.0))
    for _ in range(5):
        scores.delivered_first(PEER, TOPIC)
    assert scores.score(PEER) == 1.0
    for _ in range(5):
        scores.delivered_invalid(PEER, TOPIC)
    assert scores.score(PEER) == 2.5 - 125


def test_the_application_counts_as_it_is() -> None:
    assert scores_with(application=-12.5).score(PEER) == -12.5
    assert scores_with(none(2.0), application=-12.5).score(PEER) == 0


def test_behaviour_counts_squared_beyond_its_threshold() -> None:
    scores = scores_with()
    scores.penalize(PEER, 6)
    assert scores.score(PEER) == 0
    scores.penalize(PEER, 3)
    assert scores.score(PEER) == -16 * 9
    for at in range(1, 61):
        scores.refresh(2.0 * at)
    detail = scores.detail(PEER)
    assert detail is not None and detail.behavioural_penalty == 0 and detail.total == 0


@pytest.mark.parametrize(
    ("addresses", "together"),
    [
        (["10.0.0.1"] * 12, True),
        ([f"10.0.0.{at}" for at in range(12)], False),
        ([f"2001:db8::{at:x}" for at in range(12)], True),
        ([f"2001:db8:0:{at:x}::1" for at in range(12)], False),
        (["::ffff:10.0.0.1"] * 6 + ["10.0.0.1"] * 6, True),
    ],
)
def test_peers_of_one_address(addresses: list[str], together: bool) -> None:
    scores = PeerScores(light(2.0), lambda _peer: 0.0)
    peers = [PeerId(b"%d" % at) for at in range(12)]
    for peer, address in zip(peers, addresses, strict=True):
        scores.add(peer, address)
    assert [scores.score(peer) for peer in peers] == [-35 * 4 if together else 0] * 12
    scores.remove(peers[0], 0.0)
    scores.remove(peers[0], 0.0)
    assert scores.score(peers[1]) == (-35 if together else 0)
    scores.add(peers[1], addresses[1])
    assert scores.score(peers[1]) == (-35 if together else 0)


def test_bad_scores_outlast_a_connection_and_good_ones_do_not() -> None:
    scores = scores_with()
    scores.add(OTHER, "10.0.0.2")
    scores.delivered_first(OTHER, TOPIC)
    for _ in range(3):
        scores.delivered_invalid(PEER, TOPIC)
    bad = scores.score(PEER)
    scores.remove(PEER, 0.0)
    scores.remove(OTHER, 0.0)
    assert scores.detail(OTHER) is None
    for at in range(1, 100):
        scores.refresh(10.0 * at)
    scores.add(PEER, "10.0.0.99")
    assert scores.score(PEER) == bad
    scores.remove(PEER, 1000.0)
    scores.refresh(1000.0 + 1201)
    assert scores.detail(PEER) is None


def test_scores_that_are_kept_are_bounded() -> None:
    scores = PeerScores(replace(light(2.0), most_retained=10), lambda _peer: 0.0)
    for at in range(100):
        peer = PeerId(b"%d" % at)
        scores.add(peer, "10.0.0.1")
        scores.penalize(peer, 10)
        scores.remove(peer, float(at))
    assert [at for at in range(100) if scores.detail(PeerId(b"%d" % at))] == list(range(90, 100))


def test_decay_reaches_zero_when_it_is_said_to() -> None:
    assert decay(60) ** 60 == pytest.approx(DECAY_TO_ZERO)


def test_rejected_messages_cost_as_documented() -> None:
    scores = PeerScores(light(2.0, {TOPIC: block_topic()}), lambda _peer: 0.0)
    scores.add(PEER, "10.0.0.1")
    found = []
    for _ in range(5):
        scores.delivered_invalid(PEER, TOPIC)
        found.append(scores.score(PEER))
    assert found == [-5, -20, -45, -80, -125]
