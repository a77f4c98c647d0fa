"""Where others see us (discv5-theory: "Maintaining The Local Node Record"): the endpoint that most of them name in their PONGs."""

from __future__ import annotations

from collections import Counter

from trinode.p2p.discovery.endpoint import Endpoint, is_local, subnet_of
from trinode.p2p.discovery.identity_scheme import NodeId
from trinode.p2p.discovery.recent import Recent

_FEWEST = 10
_MOST_VOTERS = 200
_LIFETIME = 300.0
"""Seconds that a vote counts."""


class EndpointVotes:
    """One vote for each network that answered us lately (for each node, where it is a network of our own)."""

    def __init__(self) -> None:
        self._votes: Recent[bytes, tuple[Endpoint, float]] = Recent(_MOST_VOTERS)

    def add(self, voter: NodeId, voter_at: Endpoint, seen: Endpoint, now: float) -> None:
        """A node answered us, and says where our request came from."""
        ip = voter_at.ip
        self._votes.put(voter if is_local(ip) else subnet_of(ip), (seen, now))

    def elected(self, version: int, now: float) -> Endpoint | None:
        """Our endpoint in that IP version: what more than half name, where there are enough of them."""
        votes = Counter(seen for seen, at in self._votes.values() if seen.ip.version == version and at > now - _LIFETIME)
        if votes.total() < _FEWEST:
            return None
        endpoint, count = votes.most_common(1)[0]
        return endpoint if 2 * count > votes.total() else None
