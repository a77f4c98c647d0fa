"""A lookup by itself: over nodes that answer from a drawn map, and over liars."""

from __future__ import annotations

import random
from collections.abc import Sequence
from ipaddress import IPv4Address

from trinode.p2p.discovery.contact import Contact
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.identity_scheme import NodeId, log_distance
from trinode.p2p.discovery.lookup import Answer, Lookup

ENTROPY = random.Random(4)
TARGET = NodeId(ENTROPY.randbytes(32))


def contact(node_id: bytes) -> Contact:
    return Contact(bytes(33), NodeId(node_id), Endpoint(IPv4Address("20.0.0.1"), 9222), None)


def distance(node_id: NodeId) -> int:
    return int.from_bytes(node_id, "big") ^ int.from_bytes(TARGET, "big")


class Network:
    """Answers in the order in which it was asked."""

    def __init__(self, nodes: Sequence[Contact]) -> None:
        self.nodes = list(nodes)
        self.asked: list[NodeId] = []
        self.waiting: list[tuple[Contact, tuple[int, ...], Answer]] = []
        self.most_at_once = 0
        self.ended: list[float] = []

    def ask(self, asked: Contact, distances: tuple[int, ...], answer: Answer, _now: float) -> bool:
        self.asked.append(asked.node_id)
        self.waiting.append((asked, distances, answer))
        self.most_at_once = max(self.most_at_once, len(self.waiting))
        return True

    def known_to(self, asked: Contact, distances: tuple[int, ...]) -> list[Contact]:
        return [node for node in self.nodes if log_distance(node.node_id, asked.node_id) in distances][:16]

    def run(self, start: Contact) -> None:
        Lookup(TARGET, [start], self.ask, self.ended.append).advance(0.0)
        while self.waiting:
            asked, distances, answer = self.waiting.pop(0)
            answer(self.known_to(asked, distances), 1.0)


def test_it_asks_the_nearest_of_all() -> None:
    network = Network([contact(ENTROPY.randbytes(32)) for _ in range(400)])
    network.run(network.nodes[0])
    nearest = sorted((node.node_id for node in network.nodes), key=distance)
    assert set(nearest[:6]) <= set(network.asked)
    assert len(set(nearest[:16]) & set(network.asked)) >= 12  # an answer has 16 of the many that fit
    assert len(network.asked) == len(set(network.asked)) <= 64
    assert (network.most_at_once, network.ended) == (3, [1.0])


class Liars(Network):
    """Each invents nodes that are nearer than itself, for ever."""

    def known_to(self, asked: Contact, distances: tuple[int, ...]) -> list[Contact]:
        step = distance(asked.node_id) // 3
        return [contact((int.from_bytes(TARGET, "big") ^ (step + number)).to_bytes(32, "big")) for number in range(16)]


def test_who_invents_nodes_does_not_keep_it_going() -> None:
    network = Liars([])
    network.run(contact(bytes(32)))
    assert len(network.asked) <= 64
    assert network.ended == [1.0]


def test_nobody_answers() -> None:
    network = Network([contact(ENTROPY.randbytes(32)) for _ in range(5)])
    lookup = Lookup(TARGET, network.nodes, network.ask, network.ended.append)
    lookup.advance(0.0)
    while network.waiting:
        network.waiting.pop(0)[2](None, 2.0)
    assert (len(network.asked), network.ended) == (5, [2.0])


def test_nothing_could_be_sent() -> None:
    ended: list[float] = []
    Lookup(TARGET, [contact(bytes(32))], lambda *_: False, ended.append).advance(3.0)
    assert ended == [3.0]
