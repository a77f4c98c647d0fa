"""Handshakes between an honest node and one that is not."""

from __future__ import annotations

import random
from ipaddress import IPv4Address

import pytest

from trinode.p2p.discovery.contact import Contact
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr
from trinode.p2p.discovery.exchange import Exchange
from trinode.p2p.discovery.identity_scheme import NodeId
from trinode.p2p.discovery.limits import Limits
from trinode.p2p.discovery.messages import Nodes, Ping, Pong, Request, Response
from trinode.p2p.discovery.sessions import Route

HERE, THERE = Endpoint(IPv4Address("20.0.0.1"), 9222), Endpoint(IPv4Address("21.0.0.1"), 9222)
KEYS = [bytes([number] * 32) for number in range(1, 4)]
RECORDS = [Enr.sign(key, 7, {}) for key in KEYS]


class Side:
    """An exchange that answers pings, and notes what it hears."""

    def __init__(self, key: bytes, record: Enr, known: Enr | None = None, limits: Limits | None = None) -> None:
        self.asked: list[Request] = []
        self.met: list[Enr] = []
        self.answers: list[Response | None] = []
        self.exchange = Exchange(
            key,
            lambda: record,
            entropy=random.Random(key),
            now=0.0,
            limits=limits or Limits(),
            requested=self.answer,
            met=lambda met, _endpoint, _now: self.met.append(met),
            record_of=lambda node_id: known if known is not None and known.node_id == node_id else None,
        )

    def answer(self, route: Route, request: Request, _now: float) -> None:
        self.asked.append(request)
        self.exchange.respond(route, Pong(request.request_id, 7, route.endpoint))

    def ask(self, other: Enr, now: float = 0.0) -> bool:
        contact = Contact(other.public_key, other.node_id, THERE, other)
        return self.exchange.call(contact, Ping(self.exchange.request_id(), 7), lambda response, _now: self.answers.append(response), now)


def passed(one: Side, other: Side, now: float = 0.0) -> list[bytes]:
    """Carries packets to and fro until there are no more; all of them."""
    carried = []
    while one.exchange.outgoing or other.exchange.outgoing:
        for sender, receiver, source in ((one, other, HERE), (other, one, THERE)):
            while sender.exchange.outgoing:
                carried.append(sender.exchange.outgoing.popleft()[1])
                receiver.exchange.receive(carried[-1], source, now)
    return carried


def test_a_handshake() -> None:
    one, other = Side(KEYS[0], RECORDS[0]), Side(KEYS[1], RECORDS[1])
    assert one.ask(RECORDS[1])
    packets = passed(one, other)
    assert [len(packet) for packet in packets][1] == 63
    assert len(packets) == 4  # noise, challenge, handshake with the request, response
    assert other.met == [RECORDS[0]]
    assert isinstance(one.answers[0], Pong) and one.answers[0].recipient == HERE
    one.ask(RECORDS[1])
    assert len(passed(one, other)) == 2
    assert one.exchange.dropped + other.exchange.dropped == {}


def test_the_record_is_left_out_where_it_is_known() -> None:
    one, other = Side(KEYS[0], RECORDS[0]), Side(KEYS[1], RECORDS[1], known=RECORDS[0])
    one.ask(RECORDS[1])
    packets = passed(one, other)
    assert RECORDS[0].encoded not in packets[2] and len(packets[2]) < 250
    assert other.met == [RECORDS[0]]


def test_an_older_record_does_not_replace_a_newer_one() -> None:
    newer = Enr.sign(KEYS[0], 9, {})
    one, other = Side(KEYS[0], Enr.sign(KEYS[0], 7, {}), known=None), Side(KEYS[1], RECORDS[1], known=newer)
    one.ask(RECORDS[1])
    passed(one, other)
    assert other.met == [newer]


@pytest.mark.parametrize("claimed", [RECORDS[2].node_id, RECORDS[0].node_id], ids=["its id", "its record"])
def test_nobody_speaks_for_another(claimed: NodeId) -> None:
    """An attacker with a key of its own hands out another node's record, under that node's id or its own."""
    attacker, honest = Side(KEYS[0], RECORDS[2]), Side(KEYS[1], RECORDS[1])
    attacker.exchange._node_id = claimed
    attacker.ask(RECORDS[1])
    passed(attacker, honest)
    assert (honest.met, honest.asked, honest.exchange.dropped) == ([], [], {"malformed": 1})
    assert len(honest.exchange._sessions) == 0


def test_a_challenge_is_answered_once_and_soon() -> None:
    one, other = Side(KEYS[0], RECORDS[0]), Side(KEYS[1], RECORDS[1])
    one.ask(RECORDS[1])
    other.exchange.receive(one.exchange.outgoing.popleft()[1], HERE, 0.0)
    one.exchange.receive(other.exchange.outgoing.popleft()[1], THERE, 0.0)
    handshake = one.exchange.outgoing.popleft()[1]
    other.exchange.receive(handshake, THERE, 0.1)  # from elsewhere
    other.exchange.receive(handshake, HERE, 1.5)
    assert (other.met, other.exchange.dropped) == ([], {"answer to no challenge": 2})


def test_while_a_challenge_is_open_the_same_one_is_sent() -> None:
    one, other = Side(KEYS[0], RECORDS[0]), Side(KEYS[1], RECORDS[1])
    one.ask(RECORDS[1])
    noise = one.exchange.outgoing.popleft()[1]
    for now in (0.0, 0.5, 1.5):
        other.exchange.receive(noise, HERE, now)
    challenges = [data for _, data in other.exchange.outgoing]
    assert challenges[0] == challenges[1] != challenges[2]
    one.exchange.receive(challenges[0], HERE, 0.6)  # not from where the request went
    one.exchange.receive(challenges[0], THERE, 0.6)
    one.exchange.receive(challenges[1], THERE, 0.6)
    assert one.exchange.dropped == {"challenge for nothing": 2}
    assert len(one.exchange.outgoing) == 1


def test_requests_wait_for_each_other_and_are_bounded() -> None:
    limits = Limits(requests=2, waiting_per_node=3)
    one, other = Side(KEYS[0], RECORDS[0], limits=limits), Side(KEYS[1], RECORDS[1])
    assert [one.ask(RECORDS[1]) for _ in range(6)] == [True] * 4 + [False] * 2
    assert one.ask(RECORDS[2])
    assert not one.ask(RECORDS[0])
    one.exchange.outgoing.pop()  # what was sent to the third
    passed(one, other)
    assert [type(answer) for answer in one.answers] == [Pong] * 4
    one.exchange.tick(one.exchange.next_deadline())
    assert one.answers[4:] == [None]
    assert one.exchange.next_deadline() == float("inf")
    assert (one.exchange._calls, one.exchange._by_nonce, one.exchange._waiting, one.exchange._asked) == ({}, {}, {}, {})


def test_an_answer_that_was_not_asked_for() -> None:
    one, other = Side(KEYS[0], RECORDS[0]), Side(KEYS[1], RECORDS[1])
    one.ask(RECORDS[1])
    passed(one, other)
    back = Route(RECORDS[0].node_id, HERE)
    other.exchange.respond(back, Pong(b"never", 7, HERE))
    other.exchange.respond(back, Nodes(b"", 1, ()))
    passed(one, other)
    assert one.exchange.dropped == {"unasked": 2}
    one.ask(RECORDS[1])
    one.exchange.outgoing.clear()
    asked = one.exchange._calls[Route(RECORDS[1].node_id, THERE)].request.request_id
    other.exchange.respond(back, Nodes(asked, 1, ()))  # of another kind than asked for
    passed(one, other)
    assert one.exchange.dropped == {"unasked": 3}
