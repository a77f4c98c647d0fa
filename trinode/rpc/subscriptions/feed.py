"""What happened lately, for many who follow it at their own pace (no specification).

It is kept once, however many follow, and no more of it than a bound says: who has not read what had to go has fallen behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import trio

T = TypeVar("T")

MOST_ITEMS = 1 << 16


class FellBehind(Exception):
    """What came since the last reading is no longer kept."""


class Feed(Generic[T]):
    """Items of one kind, in order. For trio's thread. `weigh`: an item's size in bytes, roughly; `most_weight`: of all that are kept."""

    def __init__(self, weigh: Callable[[T], int], most_weight: int, *, most_items: int = MOST_ITEMS) -> None:
        self._weigh = weigh
        self._most_weight = most_weight
        self._most_items = most_items
        self._items: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._first = 0  # the number of the first item that is kept
        self._followers = 0
        self._changed = trio.Event()

    def publish(self, item: T) -> None:
        """Something happened. It is kept if anybody follows."""
        if self._followers:
            weight = self._weigh(item)
            self._items.append((item, weight))
            self._weight += weight
            while self._weight > self._most_weight or len(self._items) > self._most_items:
                self._weight -= self._items.popleft()[1]
                self._first += 1
        self._wake()

    def break_off(self) -> None:
        """Something happened that is not told: all who follow have fallen behind."""
        self._first = self._end + 1
        self._items.clear()
        self._weight = 0
        self._wake()

    def follow(self) -> Follower[T]:
        """Reads what happens from now on. To be closed."""
        self._followers += 1
        return Follower(self)

    async def changed(self) -> None:
        """Returns when the next item comes."""
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # ---- for followers ----

    @property
    def _end(self) -> int:
        """The number that the next item will have."""
        return self._first + len(self._items)

    def _at(self, number: int) -> tuple[T, int] | None:
        """An item with its weight; None: it is yet to come. Raises FellBehind."""
        if number < self._first:
            raise FellBehind
        return self._items[number - self._first] if number < self._end else None

    def _leave(self) -> None:
        self._followers -= 1
        if not self._followers:
            self._first = self._end
            self._items.clear()
            self._weight = 0


class Follower(Generic[T]):
    """One who follows a feed, one item after the other."""

    def __init__(self, feed: Feed[T]) -> None:
        self._feed = feed
        self._next = feed._end
        self._closed = False

    def take(self, most_weight: int) -> list[T]:
        """What came, up to the item with which it becomes as heavy as that; the rest is left for the next time. Raises FellBehind."""
        taken: list[T] = []
        weight = 0
        while weight < most_weight and (found := self._feed._at(self._next)) is not None:
            taken.append(found[0])
            weight += found[1]
            self._next += 1
        return taken

    async def next(self) -> T:
        """The next item, once it is there. Raises FellBehind."""
        await trio.lowlevel.checkpoint()
        while (found := self._feed._at(self._next)) is None:
            await self._feed.changed()
        self._next += 1
        return found[0]

    def close(self) -> None:
        """Follows no more."""
        if not self._closed:
            self._closed = True
            self._feed._leave()


class Updates(Generic[T]):
    """What one subscription tells of each item of a feed (an async iterator): JSON values, none or many."""

    def __init__(self, follower: Follower[T], told: Callable[[T], Iterable[Any]]) -> None:
        self._follower = follower
        self._told = told
        self._rest: Iterator[Any] = iter(())

    def __aiter__(self) -> Updates[T]:
        return self

    async def __anext__(self) -> Any:
        """Raises FellBehind."""
        while True:
            for update in self._rest:
                return update
            self._rest = iter(self._told(await self._follower.next()))

    async def aclose(self) -> None:
        """Follows no more."""
        self._follower.close()
