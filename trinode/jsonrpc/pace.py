"""How fast an endpoint may be asked: learned from its refusals (HTTP 429 and what says the same), under a limit if there is one.

Requests under way: halved at a refusal, one more after as many answers as are allowed (as TCP's window). Requests a second: no
limit until a refusal, then half of what was sent in the second before it, from which every answer lets it rise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

_MEASURED = 1.0
LONGEST_INTERVAL = 1.0
"""Seconds between two requests at the slowest; what is slower yet is the back-off of each request that was refused."""
_NO_INTERVAL = 0.001
_FASTER = 0.85


class Pace:
    """Turns for requests to one endpoint, at most `most` at a time. `rate`: at most so many a second, whatever it takes; 0: no limit."""

    def __init__(self, most: int, rate: float = 0.0) -> None:
        self._most = most
        self._least_interval = 1 / rate if rate else 0.0
        self._allowed = float(most)
        self._limiter = trio.CapacityLimiter(most)
        self._interval = 0.0  # seconds between two beginnings
        self._not_before = float("-inf")
        self._slowed_at = float("-inf")
        self._begun: deque[float] = deque()

    @property
    def allowed(self) -> int:
        """Requests that may be under way now."""
        return int(self._allowed)

    @property
    def interval(self) -> float:
        """Seconds from the beginning of one request to the next."""
        return max(self._interval, self._least_interval)

    @property
    def busy(self) -> bool:
        """Whether a request would have to wait."""
        return self._limiter.available_tokens <= 0 or self._not_before > trio.current_time()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait until a request may begin; gives the time of its beginning, for `refused`."""
        async with self._limiter:
            while (wait := self._not_before - trio.current_time()) > 0:
                await trio.sleep(wait)
            begun = trio.current_time()
            self._not_before = begun + self.interval
            self._forget(begun)
            self._begun.append(begun)
            yield begun

    def hold(self, seconds: float) -> None:
        """Let no request begin for so long."""
        self._not_before = max(self._not_before, trio.current_time() + seconds)

    def refused(self, begun: float) -> None:
        """The endpoint said: too many. A request from before the last slowdown tells nothing new."""
        if begun < self._slowed_at:
            return
        now = trio.current_time()
        self._slowed_at = now
        self._allow(max(1.0, self._allowed / 2))
        self._forget(now)
        self._interval = min(max(2 * self._interval, 2 * _MEASURED / max(len(self._begun), 1)), LONGEST_INTERVAL)

    def answered(self) -> None:
        """The endpoint answered: a little faster from now on."""
        self._allow(min(float(self._most), self._allowed + 1 / self._allowed))
        self._interval = self._interval * _FASTER if self._interval > _NO_INTERVAL else 0.0

    def _allow(self, allowed: float) -> None:
        self._allowed = allowed
        self._limiter.total_tokens = int(allowed)

    def _forget(self, now: float) -> None:
        while self._begun and self._begun[0] < now - _MEASURED:
            self._begun.popleft()
