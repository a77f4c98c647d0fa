"""Rates with bursts."""

from __future__ import annotations

from trinode.p2p.token_bucket import TokenBucket


def test_tokens_come_back_with_time() -> None:
    bucket = TokenBucket(2.0, 3)
    assert [bucket.take_one(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take_one(10.5) for _ in range(2)] == [True, False]
    assert [bucket.take_one(100.0) for _ in range(4)] == [True, True, True, False]


def test_who_takes_one_that_is_not_there_makes_others_wait() -> None:
    bucket = TokenBucket(4.0, 1)
    for expected in (0.0, 0.25, 0.5):
        assert bucket.wait(7.0) == expected
        bucket.take(7.0)
    assert bucket.wait(7.75) == 0.0
