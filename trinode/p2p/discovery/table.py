"""The table of nodes (discv5-theory: "Node Table"): buckets by logarithmic distance, with liveness and with limits by network."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from trinode.p2p.addresses import IpAddress
from trinode.p2p.discovery.contact import Contact
from trinode.p2p.discovery.endpoint import is_local, subnet_of
from trinode.p2p.discovery.enr import Enr
from trinode.p2p.discovery.identity_scheme import NodeId, log_distance
from trinode.p2p.discovery.limits import Limits

BUCKET_SIZE = 16
_MOST_FAILURES = 3
"""Requests in a row that a node of the table may leave unanswered."""
_RETRY = 5.0
_RECHECK = 60.0
_SLOWEST_RECHECK = 300.0


@dataclass(slots=True)
class Entry:
    """A node of the table. `answered`: how many checks it answered; only who answered the last one is told to others."""

    contact: Contact
    record: Enr
    next_check: float
    answered: int = 0
    failures: int = 0
    being_checked: bool = False

    @property
    def live(self) -> bool:
        """Whether it may be told to others."""
        return self.answered > 0 and not self.failures


@dataclass(slots=True)
class _Bucket:
    entries: dict[NodeId, Entry] = field(default_factory=dict)
    replacements: deque[tuple[Contact, Enr]] = field(default_factory=deque)


class Table:
    """The nodes that we know, around `node_id`."""

    def __init__(self, node_id: NodeId, limits: Limits, entropy: random.Random) -> None:
        self._node_id, self._limits, self._entropy = node_id, limits, entropy
        self._buckets: dict[int, _Bucket] = {}
        self._subnets: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return sum(len(bucket.entries) for bucket in self._buckets.values())

    def entries(self) -> list[Entry]:
        """All of them, the nearest buckets first."""
        return [entry for _, bucket in sorted(self._buckets.items()) for entry in bucket.entries.values()]

    def get(self, node_id: NodeId) -> Entry | None:
        """The node, if it is here."""
        bucket = self._buckets.get(log_distance(self._node_id, node_id))
        return bucket.entries.get(node_id) if bucket is not None else None

    def add(self, contact: Contact, record: Enr, now: float) -> bool:
        """Takes a node in, or its newer record. False: it is not in the table (it is us, too many of its network are here, or the bucket is full:
        then it may come in later).
        """
        if record.node_id == self._node_id:
            return False
        bucket = self._buckets.setdefault(log_distance(self._node_id, record.node_id), _Bucket())
        entry = bucket.entries.get(record.node_id)
        if entry is not None:
            return self._renew(bucket, entry, contact, record, now)
        if any(known.node_id == record.node_id for known, _ in bucket.replacements) or not self._has_room_for(contact.endpoint.ip, bucket):
            return False
        self._count(contact.endpoint.ip, 1)
        if len(bucket.entries) < BUCKET_SIZE:
            bucket.entries[record.node_id] = Entry(contact, record, now)
            return True
        bucket.replacements.append((contact, record))
        if len(bucket.replacements) > self._limits.replacements:
            self._count(bucket.replacements.popleft()[0].endpoint.ip, -1)
        return False

    def _renew(self, bucket: _Bucket, entry: Entry, contact: Contact, record: Enr, now: float) -> bool:
        if record.seq <= entry.record.seq:
            return True
        if contact.endpoint != entry.contact.endpoint:
            self._count(entry.contact.endpoint.ip, -1)
            if not self._has_room_for(contact.endpoint.ip, bucket, instead_of=entry):
                self._count(entry.contact.endpoint.ip, 1)
                return True  # the old address stays until it fails
            self._count(contact.endpoint.ip, 1)
            entry.answered, entry.next_check = 0, now
        entry.contact, entry.record = contact, record
        return True

    def answered(self, node_id: NodeId, now: float) -> None:
        """A node answered a check."""
        entry = self.get(node_id)
        if entry is None:
            return
        entry.answered, entry.failures = entry.answered + 1, 0
        wait = min(_SLOWEST_RECHECK, _RECHECK * entry.answered)
        entry.next_check = now + wait * self._entropy.uniform(0.75, 1.0)
        bucket = self._buckets[log_distance(self._node_id, node_id)]
        bucket.entries[node_id] = bucket.entries.pop(node_id)  # last seen stands last

    def failed(self, node_id: NodeId, now: float) -> None:
        """A node left a request unanswered: it is asked again soon, and goes after a few times."""
        entry = self.get(node_id)
        if entry is None:
            return
        entry.failures += 1
        entry.next_check = now + _RETRY
        if entry.failures >= _MOST_FAILURES:
            self._replace(node_id, now)

    def next_to_check(self) -> Entry | None:
        """The node whose check is due first."""
        idle = (entry for bucket in self._buckets.values() for entry in bucket.entries.values() if not entry.being_checked)
        return min(idle, key=lambda entry: entry.next_check, default=None)

    def closest(self, target: NodeId, count: int) -> list[Entry]:
        """The nodes nearest to an id."""
        wanted = int.from_bytes(target, "big")
        entries = [entry for bucket in self._buckets.values() for entry in bucket.entries.values()]
        return sorted(entries, key=lambda entry: int.from_bytes(entry.record.node_id, "big") ^ wanted)[:count]

    def live_at(self, distances: Iterable[int]) -> list[Entry]:
        """The nodes at these distances from us that may be told to others."""
        buckets = (self._buckets[distance] for distance in distances if distance in self._buckets)
        return [entry for bucket in buckets for entry in bucket.entries.values() if entry.live]

    def _replace(self, node_id: NodeId, now: float) -> None:
        bucket = self._buckets[log_distance(self._node_id, node_id)]
        self._count(bucket.entries.pop(node_id).contact.endpoint.ip, -1)
        if bucket.replacements:
            at = self._entropy.randrange(len(bucket.replacements))
            contact, record = bucket.replacements[at]
            del bucket.replacements[at]
            bucket.entries[record.node_id] = Entry(contact, record, now)

    def _has_room_for(self, ip: IpAddress, bucket: _Bucket, instead_of: Entry | None = None) -> bool:
        """Whether one more of this network may come in: else who has one network could surround us."""
        if is_local(ip):
            return True
        subnet = subnet_of(ip)
        if self._subnets[subnet] >= self._limits.nodes_per_table_subnet:
            return False
        members = [entry.contact for entry in bucket.entries.values() if entry is not instead_of] + [contact for contact, _ in bucket.replacements]
        return sum(subnet_of(contact.endpoint.ip) == subnet for contact in members) < self._limits.nodes_per_bucket_subnet

    def _count(self, ip: IpAddress, change: int) -> None:
        subnet = subnet_of(ip)
        self._subnets[subnet] += change
        if not self._subnets[subnet]:
            del self._subnets[subnet]
