"""How much of everything discovery keeps and does, and how often a network may speak to us unasked."""

from __future__ import annotations

from dataclasses import dataclass

from trinode.p2p.addresses import IpAddress
from trinode.p2p.discovery.endpoint import subnet_of
from trinode.p2p.discovery.recent import Recent
from trinode.p2p.token_bucket import TokenBucket


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds. Times are in seconds."""

    sessions: int = 2000
    challenges: int = 1024
    challenge_lifetime: float = 1.0
    request_timeout: float = 1.0
    """Of a request or, begun anew, of the handshake that it turns into."""
    requests: int = 256
    """Requests of ours under way at once."""
    waiting_per_node: int = 8
    records: int = 2000
    """Records of nodes that are not in the table."""
    packets_per_second: float = 50.0
    """Of one network (/24, /48), unasked; twice as many at once."""
    unknown_packets_per_second: float = 500.0
    """Of all that have no session; twice as many at once."""
    subnets: int = 4096
    """Networks whose packets are counted."""
    nodes_per_answer: int = 16
    nodes_per_bucket_subnet: int = 2
    nodes_per_table_subnet: int = 10
    replacements: int = 10
    checks: int = 3
    """Liveness checks under way at once."""


class Admission:
    """Who may speak to us unasked. Answers to our own requests are not counted here."""

    def __init__(self, limits: Limits) -> None:
        self._rate = limits.packets_per_second
        self._subnets: Recent[bytes, TokenBucket] = Recent(limits.subnets)
        self._unknown = _bucket(limits.unknown_packets_per_second)

    def admits(self, ip: IpAddress, known: bool, now: float) -> bool:
        """Whether a packet from there is read. `known`: there is a session with its endpoint."""
        subnet = subnet_of(ip)
        bucket = self._subnets.get(subnet)
        if bucket is None:
            bucket = _bucket(self._rate)
            self._subnets.put(subnet, bucket)
        return bucket.take_one(now) and (known or self._unknown.take_one(now))


def _bucket(rate: float) -> TokenBucket:
    return TokenBucket(rate, 2 * rate)
