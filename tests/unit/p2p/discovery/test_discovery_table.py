"""The table of nodes, and the votes on where we are."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, ip_address

import pytest

from trinode.p2p.addresses import parse_ip
from trinode.p2p.discovery.contact import Contact, Reach
from trinode.p2p.discovery.endpoint import Endpoint, may_be_told
from trinode.p2p.discovery.enr import Enr
from trinode.p2p.discovery.identity_scheme import NodeId, log_distance
from trinode.p2p.discovery.limits import Admission, Limits
from trinode.p2p.discovery.recent import Recent
from trinode.p2p.discovery.table import BUCKET_SIZE, Table
from trinode.p2p.discovery.votes import EndpointVotes
from trinode.protocol.rlp_codec import encode_bytes, encode_int

US = NodeId(bytes(32))


def node(number: int, ip: str | None = None, seq: int = 1, port: int = 9222) -> tuple[Contact, Enr]:
    address = IPv4Address(ip or bytes([20 + number // 250, number % 250, 0, 1]))
    key = random.Random(number).randbytes(32)
    record = Enr.sign(key, seq, {b"ip": encode_bytes(address.packed), b"udp": encode_int(port)})
    contact = Reach().contact(record)
    assert contact is not None
    return contact, record


def in_one_bucket(count: int, distance: int = 256) -> list[tuple[Contact, Enr]]:
    found: list[tuple[Contact, Enr]] = []
    number = 0
    while len(found) < count:
        made = node(number)
        number += 1
        if log_distance(US, made[1].node_id) == distance:
            found.append(made)
    return found


def table(**limits: int) -> Table:
    return Table(US, Limits(**limits), random.Random(1))


def test_a_full_bucket_keeps_whom_it_has() -> None:
    nodes = in_one_bucket(BUCKET_SIZE + 12)
    ours = table(replacements=5)
    assert [ours.add(*made, 0.0) for made in nodes] == [True] * BUCKET_SIZE + [False] * 12
    first = nodes[0][1].node_id
    for _ in range(3):
        assert ours.get(first) is not None
        ours.failed(first, 1.0)
    assert ours.get(first) is None
    # One of the five that waited last has its place.
    assert len(ours) == BUCKET_SIZE
    newcomer = {entry.record.node_id for entry in ours.entries()} - {record.node_id for _, record in nodes[:BUCKET_SIZE]}
    assert newcomer < {record.node_id for _, record in nodes[-5:]}


def test_only_who_answers_is_told_to_others() -> None:
    ours = table()
    (contact, record), *_ = in_one_bucket(1)
    ours.add(contact, record, 0.0)
    assert ours.live_at([256]) == []
    ours.answered(record.node_id, 1.0)
    assert [entry.record for entry in ours.live_at([255, 256])] == [record]
    assert ours.live_at([255]) == []
    ours.failed(record.node_id, 2.0)
    assert ours.live_at([256]) == []


def test_checks_become_rarer() -> None:
    ours = table()
    contact, record = node(1)
    ours.add(contact, record, 0.0)
    waits, now = [], 0.0
    for _ in range(8):
        ours.answered(record.node_id, now)
        due = ours.next_to_check()
        assert due is not None
        waits.append(due.next_check - now)
        now = due.next_check
    assert 45 <= waits[0] <= 60 and 225 <= waits[-1] <= 300


def test_a_newer_record_at_another_address_has_to_answer_first() -> None:
    ours = table()
    contact, record = node(1)
    ours.add(contact, record, 0.0)
    ours.answered(record.node_id, 1.0)
    moved, newer = node(1, ip="30.0.0.1", seq=2)
    assert ours.add(moved, newer, 5.0)
    entry = ours.get(record.node_id)
    assert entry is not None and entry.contact == moved and not entry.live and entry.next_check == 5.0
    ours.add(contact, record, 6.0)  # the older one again
    assert entry.record == newer


def test_limits_by_network() -> None:
    nodes = [node(number, ip=f"40.0.0.{number + 1}") for number in range(40)]
    ours = table(nodes_per_bucket_subnet=2, nodes_per_table_subnet=4)
    taken = [record.node_id for contact, record in nodes if ours.add(contact, record, 0.0)]
    assert len(taken) == len(ours) == 4
    buckets = [log_distance(US, node_id) for node_id in taken]
    assert max(buckets.count(bucket) for bucket in buckets) == 2
    for _ in range(3):
        ours.failed(taken[0], 1.0)
    assert sum(ours.add(contact, record, 2.0) for contact, record in nodes if record.node_id not in taken) == 1
    # A machine's own network is not counted so.
    local = table()
    assert all(local.add(*node(number, ip="127.0.0.1", port=2000 + number), 0.0) for number in range(12))


def test_closest() -> None:
    ours = table()
    nodes = [node(number) for number in range(60)]
    taken = [record.node_id for contact, record in nodes if ours.add(contact, record, 0.0)]
    target = NodeId(random.Random(9).randbytes(32))
    nearest = sorted(taken, key=lambda node_id: int.from_bytes(node_id, "big") ^ int.from_bytes(target, "big"))[:7]
    assert [entry.record.node_id for entry in ours.closest(target, 7)] == nearest


def test_we_are_not_in_our_own_table() -> None:
    contact, record = node(1)
    ours = Table(record.node_id, Limits(), random.Random(1))
    assert not ours.add(contact, record, 0.0)


def test_votes() -> None:
    votes = EndpointVotes()
    here, elsewhere = Endpoint(IPv4Address("99.0.0.1"), 9000), Endpoint(IPv4Address("99.0.0.2"), 9000)
    for number in range(9):
        votes.add(NodeId(bytes([number] * 32)), Endpoint(IPv4Address(bytes([50, number, 0, 1])), 1), here, 10.0)
    assert votes.elected(4, 10.0) is None
    for number in range(100):  # one network has one vote
        votes.add(NodeId(bytes([number] * 32)), Endpoint(IPv4Address(bytes([60, 0, 0, number])), 1), elsewhere, 10.0)
    assert votes.elected(4, 10.0) == here
    assert votes.elected(6, 10.0) is None
    assert votes.elected(4, 311.0) is None
    for number in range(9):
        votes.add(NodeId(bytes([number] * 32)), Endpoint(IPv4Address(bytes([70, number, 0, 1])), 1), elsewhere, 10.0)
    assert votes.elected(4, 10.0) == elsewhere


@pytest.mark.parametrize(
    ("told", "teller", "allowed"),
    [
        ("8.8.8.8", "9.9.9.9", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "9.9.9.9", False),
        ("10.0.0.1", "10.0.0.2", True),
        ("10.0.0.1", "9.9.9.9", False),
        ("fd00::1", "2001:4860::1", False),
        ("0.0.0.0", "9.9.9.9", False),
        ("224.0.0.1", "9.9.9.9", False),
        ("192.0.2.1", "9.9.9.9", False),
        ("2001:4860::1", "9.9.9.9", True),
    ],
)
def test_who_may_tell_of_what(told: str, teller: str, allowed: bool) -> None:
    assert may_be_told(Endpoint(ip_address(told), 9222), ip_address(teller)) == allowed
    assert not may_be_told(Endpoint(ip_address(told), 53), ip_address(teller))


def test_admission() -> None:
    limits = Limits(packets_per_second=10, unknown_packets_per_second=30, subnets=8)
    admission = Admission(limits)
    one, neighbour, other = (parse_ip(text) for text in ("50.0.0.1", "50.0.0.2", "51.0.0.1"))
    assert sum(admission.admits(one, False, 0.0) for _ in range(50)) == 20
    assert not admission.admits(neighbour, True, 0.0)
    assert admission.admits(other, False, 0.0)
    assert sum(admission.admits(one, True, 1.0) for _ in range(50)) == 10
    unknown = [admission.admits(parse_ip(f"60.{number}.0.1"), False, 1.0) for number in range(100)]
    assert sum(unknown) < 70
    assert admission.admits(parse_ip("61.0.0.1"), True, 1.0)


def test_what_was_not_touched_is_forgotten_first() -> None:
    recent: Recent[int, str] = Recent(2)
    recent.put(1, "a")
    recent.put(2, "b")
    assert recent.get(1) == "a"
    recent.put(3, "c")
    assert (recent.get(2), recent.values(), len(recent)) == (None, ["a", "c"], 2)
    assert (recent.pop(3), recent.pop(3)) == ("c", None)
