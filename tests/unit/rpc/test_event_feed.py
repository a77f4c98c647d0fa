"""What happened lately is kept once, within bounds, for all who follow."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trinode.rpc.subscriptions.feed import Feed, FellBehind, Follower, Updates

ALL = 1 << 30


def feed_of(most: int = 100) -> Feed[bytes]:
    return Feed(len, most)


def test_each_follows_at_its_own_pace() -> None:
    feed = feed_of()
    feed.publish(b"nobody follows")
    early = feed.follow()
    feed.publish(b"1")
    late = feed.follow()
    feed.publish(b"2")
    assert (early.take(ALL), late.take(ALL)) == ([b"1", b"2"], [b"2"])
    feed.publish(b"3")
    assert (early.take(ALL), early.take(ALL), late.take(ALL)) == ([b"3"], [], [b"3"])


def test_what_is_too_much_at_once_is_left_for_the_next_time() -> None:
    feed = feed_of()
    follower = feed.follow()
    for item in (b"aaaa", b"bb", b"cccc", b"d"):
        feed.publish(item)
    assert [follower.take(5) for _ in range(3)] == [[b"aaaa", b"bb"], [b"cccc", b"d"], []]


def test_who_is_too_slow_has_fallen_behind() -> None:
    feed = feed_of(10)
    slow, quick = feed.follow(), feed.follow()
    for number in range(5):
        feed.publish(b"xxx%d" % number)
        assert quick.take(ALL) == [b"xxx%d" % number]
    with pytest.raises(FellBehind):
        slow.take(ALL)


def test_a_number_of_items_is_the_bound_too() -> None:
    feed: Feed[bytes] = Feed(len, 1000, most_items=2)
    slow = feed.follow()
    for _ in range(3):
        feed.publish(b"")
    with pytest.raises(FellBehind):
        slow.take(ALL)


def test_a_feed_that_breaks_off_leaves_all_behind() -> None:
    feed = feed_of()
    waiting, idle = feed.follow(), feed.follow()
    feed.publish(b"1")
    assert idle.take(ALL) == [b"1"]
    feed.break_off()
    new = feed.follow()
    feed.publish(b"2")
    for follower in (waiting, idle):
        with pytest.raises(FellBehind):
            follower.take(ALL)
    assert new.take(ALL) == [b"2"]


def test_nothing_is_kept_for_nobody() -> None:
    feed = feed_of()
    first, second = feed.follow(), feed.follow()
    feed.publish(b"1")
    for follower in (first, first, second):
        follower.close()
    assert (len(feed._items), feed._weight, feed._followers) == (0, 0, 0)
    third = feed.follow()
    feed.publish(b"2")
    assert third.take(ALL) == [b"2"]


async def test_updates_wait_for_what_comes() -> None:
    feed = feed_of()
    heard: list[str] = []

    async def listen(follower: Follower[bytes]) -> None:
        async for update in Updates(follower, lambda item: item.decode()):
            heard.append(update)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, feed.follow())
        await wait_all_tasks_blocked()
        feed.publish(b"ab")
        feed.publish(b"")
        await wait_all_tasks_blocked()
        assert heard == ["a", "b"]
        feed.publish(b"c")
        await wait_all_tasks_blocked()
        assert heard == ["a", "b", "c"]
        nursery.cancel_scope.cancel()
