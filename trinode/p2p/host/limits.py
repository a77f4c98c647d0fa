"""What all peers together, and each one, may take of us: places for connections and streams, and how fast connections may come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from trinode.p2p.addresses import Reach, neighbourhood, reach_of
from trinode.p2p.token_bucket import TokenBucket

_MOST_BUCKETS = 4_096
"""Neighbourhoods whose rate is remembered; the longest silent goes."""

_What = TypeVar("_What")


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Times in seconds. A neighbourhood is an IPv4 address or an IPv6 /64.

    `most_peers`: connected at once, well above the high mark; beyond, only protected peers and those that we dial. `links_per_peer`: connections
    with one peer; the oldest gives way. `links_per_neighbourhood`: in the world; our own site may have more. `upgrading`: accepted connections
    whose peer is not known yet. `arrivals_*`: accepted connections a second, and how many at once after a silence. `streams*`: opened by peers,
    and not ended. `dials`: at once; `dial_*`: for all addresses of a peer, and how many.
    """

    most_peers: int = 80
    links_per_peer: int = 2
    links_per_neighbourhood: int = 8
    upgrading: int = 32
    upgrading_per_neighbourhood: int = 8
    arrivals_per_second: float = 20.0
    arrivals_burst: int = 100
    arrivals_per_second_of_neighbourhood: float = 2.0
    arrivals_burst_of_neighbourhood: int = 32
    streams: int = 1_024
    streams_per_peer: int = 64
    negotiate_seconds: float = 10.0
    dials: int = 16
    dial_seconds: float = 30.0
    dial_targets: int = 8


class Arrivals:
    """Whether there is a place for one more connection that somebody opens, before anything is spent on it."""

    def __init__(self, limits: HostLimits) -> None:
        self._limits = limits
        self._all = TokenBucket(limits.arrivals_per_second, limits.arrivals_burst)
        self._buckets: dict[str, TokenBucket] = {}
        self._links: Counter[str] = Counter()
        self._upgrading: Counter[str] = Counter()

    def refuses(self, ip: str, now: float) -> str | None:
        """Why a connection from there is closed at once; None: it may be upgraded. Counts it for the rates."""
        limits, where = self._limits, neighbourhood(ip)
        if self._upgrading.total() >= limits.upgrading or self._upgrading[where] >= limits.upgrading_per_neighbourhood:
            return "too many are being upgraded"
        if self._links[where] >= limits.links_per_neighbourhood and reach_of(ip) is Reach.WORLD:
            return "too many from one neighbourhood"
        if not self._bucket(where).take_one(now) or not self._all.take_one(now):
            return "they come too fast"
        return None

    @contextmanager
    def upgrading(self, ip: str) -> Iterator[None]:
        """While its peer is not known yet."""
        with counted(self._upgrading, neighbourhood(ip)):
            yield

    @contextmanager
    def connected(self, ip: str) -> Iterator[None]:
        """While there is a connection with that address, whoever dialed."""
        with counted(self._links, neighbourhood(ip)):
            yield

    def _bucket(self, where: str) -> TokenBucket:
        bucket = self._buckets.pop(where, None)
        if bucket is None:
            limits = self._limits
            bucket = TokenBucket(limits.arrivals_per_second_of_neighbourhood, limits.arrivals_burst_of_neighbourhood)
            if len(self._buckets) >= _MOST_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
        self._buckets[where] = bucket
        return bucket


@contextmanager
def counted(counter: Counter[_What], what: _What) -> Iterator[None]:
    """One more of that, until the end of the block; at nought it is forgotten."""
    counter[what] += 1
    try:
        yield
    finally:
        counter[what] -= 1
        if not counter[what]:
            del counter[what]
