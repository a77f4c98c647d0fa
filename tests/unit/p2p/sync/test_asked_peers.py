"""Whom to ask next, and at which rate."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.p2p.sync.memory_hosts import peer_name
from trinode.p2p.identity import PeerId
from trinode.p2p.peers import Connected
from trinode.p2p.sync.asked_peers import AskedPeers
from trinode.p2p.sync.limits import ClientLimits
from trinode.p2p.token_bucket import TokenBucket

A, B, C = (peer_name(name) for name in "abc")


def asked_peers(limits: ClientLimits | None = None, scores: dict[PeerId, float] | None = None) -> AskedPeers:
    peers = AskedPeers(limits or ClientLimits(), lambda _: True, lambda peer_id: (scores or {}).get(peer_id, 0.0), lambda: None)
    for peer_id in (A, B, C):
        peers.joined(Connected(peer_id, "10.0.0.1", outbound=True))
    return peers


def test_peers_take_turns() -> None:
    peers = asked_peers()
    assert [peers.choose(0.0, ()) for _ in range(6)] == [A, B, C, A, B, C]
    peers.answered(B)
    assert peers.choose(0.0, ()) == B
    assert peers.choose(0.0, {A, C}) == B


def test_each_has_so_many_requests_at_most() -> None:
    peers = asked_peers(ClientLimits(per_peer=1))
    assert {peers.choose(0.0, ()) for _ in range(3)} == {A, B, C}
    assert peers.choose(0.0, ()) is None
    assert peers.next_free(0.0, ()) == math.inf
    peers.left(A)
    peers.joined(Connected(A, "10.0.0.1", outbound=False))
    assert peers.choose(0.0, ()) is None  # the request from before is still under way
    peers.answered(A)
    assert peers.choose(0.0, ()) == A


def test_who_failed_pauses_for_longer_each_time_and_comes_last() -> None:
    peers = asked_peers(ClientLimits(pause=2, longest_pause=5))
    peers.left(C)
    for now, pause in ((0.0, 2), (10.0, 4), (20.0, 5), (30.0, 5)):
        peers.failed(A, now)
        assert peers.next_free(now, {B}) == now + pause
    assert [peers.choose(100.0, ()) for _ in range(4)] == [B, B, B, B]
    assert peers.choose(100.0, ()) == A
    peers.was_right(A)
    peers.failed(A, 200.0)
    assert peers.next_free(200.0, {B}) == 202


def test_those_with_a_low_score_are_not_asked() -> None:
    scores = {A: -41.0, B: -40.0}
    peers = asked_peers(scores=scores)
    assert peers.choose(0.0, {C}) == B
    assert peers.choose(0.0, {B, C}) is None
    assert peers.next_free(0.0, {B, C}) == 120
    scores[A] = -39.0
    assert peers.choose(0.0, {B, C}) == A


def test_who_does_not_serve_is_asked_when_it_comes_again() -> None:
    peers = asked_peers()
    peers.does_not_serve(A)
    assert peers.choose(1e9, {B, C}) is None
    peers.left(A)
    peers.left(A)
    for say in (peers.does_not_serve, peers.was_right):
        say(A)
    peers.failed(A, 0.0)
    peers.joined(Connected(A, "10.0.0.1", outbound=True))
    assert peers.choose(0.0, {B, C}) == A


@given(
    rate=st.floats(0.01, 100), burst=st.integers(1, 50), start=st.floats(0, 1e6), waits=st.lists(st.just(0.0) | st.floats(0, 3), min_size=1)
)
def test_a_bucket_gives_its_burst_and_its_rate_and_no_more(rate: float, burst: int, start: float, waits: list[float]) -> None:
    bucket = TokenBucket(rate, burst)
    now, times = start, []
    for wait in waits:
        now += wait
        until = bucket.wait(now)
        assert until >= 0
        if until:
            now += until
            assert bucket.wait(now) == 0
        bucket.take(now)
        times.append(now)
    for first, last in zip(times, times[burst:], strict=False):
        assert last - first >= 1 / rate - 1e-5 / rate - 1e-6
