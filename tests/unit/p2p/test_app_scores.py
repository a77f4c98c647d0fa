"""P5: the weights and the decay of op-node's `light`."""

from __future__ import annotations

import pytest

from trinode.p2p import app_scores
from trinode.p2p.app_scores import AppCounts, AppScoreParams, AppScores, light_app_scores, no_app_scores
from trinode.p2p.identity import PeerId

PEER, OTHER = PeerId(b"peer"), PeerId(b"other")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def scores_of(params: AppScoreParams | None = None) -> tuple[AppScores, Clock]:
    clock = Clock()
    return AppScores(params or light_app_scores(2), clock), clock


def test_the_thresholds_that_the_weights_were_made_for() -> None:
    scores, _ = scores_of()
    assert scores.score(PEER) == 0
    scores.error(PEER)
    scores.error(PEER)
    assert scores.score(PEER) == -10
    for _ in range(5):
        scores.rejected(OTHER)
    assert scores.score(OTHER) == -100


def test_counts_have_caps() -> None:
    scores, _ = scores_of()
    for _ in range(100):
        scores.valid(PEER)
        scores.error(PEER)
        scores.rejected(PEER)
    assert scores.counts(PEER) == AppCounts(10, 10, 20)
    assert scores.score(PEER) == 5 - 50 - 400


def test_a_count_is_a_hundredth_after_sixty_blocks_and_then_none() -> None:
    scores, clock = scores_of()
    for _ in range(10):
        scores.valid(PEER)
    scores.error(PEER)
    clock.now += 1.9
    assert scores.counts(PEER) == AppCounts(10, 1, 0)
    clock.now += 118.1
    assert scores.counts(PEER).valid == pytest.approx(0.1)
    assert scores.counts(PEER).errors == pytest.approx(0.01, abs=0.01)
    clock.now += 120
    assert scores.counts(PEER) == AppCounts()


def test_being_counted_often_does_not_stop_the_decay() -> None:
    scores, clock = scores_of()
    scores.rejected(PEER)
    for _ in range(160):
        clock.now += 1.5
        scores.valid(PEER)
    assert scores.counts(PEER).rejected == 0


def test_scoring_none_counts_and_does_not_score() -> None:
    scores, _ = scores_of(no_app_scores(2))
    scores.rejected(PEER)
    assert scores.counts(PEER).rejected == 1
    assert scores.score(PEER) == 0


def test_a_block_time_of_zero_is_taken_for_two_seconds() -> None:
    assert light_app_scores(0) == light_app_scores(2)


def test_who_was_not_heard_of_for_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_scores, "_MOST_PEERS", 2)
    scores, _ = scores_of()
    for peer in (PEER, OTHER, PEER, PeerId(b"third")):
        scores.error(peer)
    assert [scores.counts(peer).errors for peer in (PEER, OTHER, PeerId(b"third"))] == [2, 0, 1]
