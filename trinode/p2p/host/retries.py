"""When a peer that was not there is dialed again: after a pause that doubles, with some chance in it, so that not all come back at once."""

from __future__ import annotations

from random import Random

from trinode.p2p.identity import PeerId

_MOST = 2_000
"""Peers of whom failures are remembered; the oldest goes."""
_MOST_DOUBLINGS = 16


class Retries:
    """`first`, `most`: seconds of pause after one failure, and at most."""

    def __init__(self, first: float, most: float, random: Random) -> None:
        self._first = first
        self._most = most
        self._random = random
        self._failures: dict[PeerId, tuple[int, float]] = {}  # how many in a row, and not before when

    def is_due(self, peer_id: PeerId, now: float) -> bool:
        """Whether it may be tried."""
        return self._failures.get(peer_id, (0, now))[1] <= now

    def failed(self, peer_id: PeerId, now: float) -> float:
        """It was not there; gives the seconds to wait."""
        count, _ = self._failures.pop(peer_id, (0, 0.0))
        pause = min(self._first * 2.0 ** min(count, _MOST_DOUBLINGS), self._most) * self._random.uniform(0.75, 1.0)
        if len(self._failures) >= _MOST:
            del self._failures[next(iter(self._failures))]
        self._failures[peer_id] = (count + 1, now + pause)
        return pause

    def succeeded(self, peer_id: PeerId) -> None:
        """It was there: failures are forgotten."""
        self._failures.pop(peer_id, None)
