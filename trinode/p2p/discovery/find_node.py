"""What FINDNODE asks for and what answers it (discv5-wire: "FINDNODE Request", "NODES Response")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trinode.p2p.discovery.enr import Enr, known_record
from trinode.p2p.discovery.identity_scheme import NodeId, log_distance
from trinode.p2p.discovery.messages import MAX_DISTANCE, FindNode, Nodes

_DISTANCES = 3
_MOST_BYTES = 1100
"""Bytes of records in one NODES message: with all that is around them a packet stays below its 1,280."""
MOST_FOUND = 48
"""Records of an answer that are looked at."""


def distances_to(target: NodeId, asked: NodeId) -> tuple[int, ...]:
    """Where a node keeps what is near the target: the target's own distance from it, and the ones beside that."""
    middle = log_distance(target, asked)
    around = [middle, *(distance for step in range(1, _DISTANCES) for distance in (middle + step, middle - step))]
    return tuple(distance for distance in around if 0 < distance <= MAX_DISTANCE)[:_DISTANCES]


def found_in(records: Iterable[bytes], distances: Iterable[int], teller: NodeId) -> list[Enr]:
    """The records of an answer that were asked for, each node once. Raises ProtocolViolation: a record that is none."""
    wanted = set(distances)
    found: dict[NodeId, Enr] = {}
    for encoded in list(records)[:MOST_FOUND]:
        record = known_record(encoded)
        if log_distance(record.node_id, teller) in wanted:
            found.setdefault(record.node_id, record)
    return list(found.values())


def nodes_messages(request: FindNode, records: Sequence[bytes]) -> list[Nodes]:
    """The records in as many messages as they need; at least one."""
    parts: list[list[bytes]] = [[]]
    for record in records:
        if sum(map(len, parts[-1])) + len(record) > _MOST_BYTES:
            parts.append([])
        parts[-1].append(record)
    return [Nodes(request.request_id, len(parts), tuple(part)) for part in parts]
