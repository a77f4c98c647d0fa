"""A rate of requests with a burst: a token for each, which come back with time."""

from __future__ import annotations

import math

_ROUNDING = 1e-6
"""Of a token: who waited until there is one must not find that a hair's breadth is missing."""


class TokenBucket:
    """`rate` tokens in a second, `burst` at most; full at the beginning. `now` everywhere: seconds of one clock."""

    __slots__ = ("_burst", "_left", "_rate", "_since")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._since = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until there is a token."""
        missing = 1.0 - self._left_at(now)
        return missing / self._rate if missing > _ROUNDING else 0.0

    def take(self, now: float) -> None:
        """Takes a token; one that is not there yet too, and then all who follow wait longer."""
        self._left = self._left_at(now) - 1
        self._since = max(now, self._since)

    def take_one(self, now: float) -> bool:
        """Takes a token if there is one; whether there was."""
        if self.wait(now):
            return False
        self.take(now)
        return True

    def _left_at(self, now: float) -> float:
        return min(float(self._burst), self._left + max(0.0, now - self._since) * self._rate)
