"""A node of the discovery network, without sockets, files and clock: it answers others, keeps its table alive, and searches.

Packets and times come in through `receive` and `tick`; packets to be sent stand in `outgoing`. The same packets at the same times, with the same
entropy, give the same node.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from trinode.p2p.discovery.contact import Contact, Reach
from trinode.p2p.discovery.endpoint import Endpoint, may_be_told, means_the_same
from trinode.p2p.discovery.enr import Enr
from trinode.p2p.discovery.exchange import Exchange
from trinode.p2p.discovery.find_node import found_in, nodes_messages
from trinode.p2p.discovery.identity_scheme import NodeId
from trinode.p2p.discovery.limits import Limits
from trinode.p2p.discovery.local_record import LocalRecord
from trinode.p2p.discovery.lookup import Answer, Lookup
from trinode.p2p.discovery.messages import FindNode, Nodes, Ping, Pong, Request, Response, TalkRequest, TalkResponse
from trinode.p2p.discovery.recent import Recent
from trinode.p2p.discovery.sessions import Route
from trinode.p2p.discovery.table import BUCKET_SIZE, Entry, Table
from trinode.p2p.discovery.votes import EndpointVotes
from trinode.p2p.errors import ProtocolViolation

_LOOKUPS_FOR_ONE_OF_US = 10


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often we search. Times are in seconds."""

    wanted: float = 5.0
    """From the end of a lookup to the next while peers are wanted (op-node's fast interval)."""
    not_wanted: float = 20.0
    """Otherwise (op-node's slow one)."""
    told_again: float = 600.0
    """After which a node that is found again is told of again."""


class DiscoveryNode:
    """Us. `found(record)`: is called with nodes of our network (an `opstack` entry equal to ours) that have a TCP endpoint, and none in a network
    that is not theirs to speak of; `wanted()`: whether more of them are.
    """

    def __init__(
        self,
        private_key: bytes,
        local: LocalRecord,
        *,
        reach: Reach,
        bootnodes: Sequence[Contact | Enr],
        found: Callable[[Enr], None],
        wanted: Callable[[], bool],
        entropy: random.Random,
        now: float,
        limits: Limits | None = None,
        cadence: Cadence | None = None,
    ) -> None:
        self.local, self._reach, self._entropy = local, reach, entropy
        self._limits, self._cadence = limits or Limits(), cadence or Cadence()
        self._bootnodes, self._found, self._wanted = tuple(bootnodes), found, wanted
        self.table = Table(local.record.node_id, self._limits, entropy)
        self._records: Recent[NodeId, Enr] = Recent(self._limits.records)
        self._told: Recent[NodeId, tuple[int, float]] = Recent(self._limits.records)
        self._votes = EndpointVotes()
        self._checks = 0
        self._lookup: Lookup | None = None
        self._next_lookup = now
        self.lookups = 0
        """Lookups that came to their end."""
        self._exchange = Exchange(
            private_key,
            lambda: self.local.record,
            entropy=entropy,
            now=now,
            limits=self._limits,
            requested=self._answer,
            met=self._met,
            record_of=self._record_of,
        )

    @property
    def outgoing(self) -> deque[tuple[Endpoint, bytes]]:
        """Packets to be sent, the first first. Whoever sends takes them out."""
        return self._exchange.outgoing

    @property
    def dropped(self) -> Counter[str]:
        """Packets that were not used, by reason."""
        return self._exchange.dropped

    def add(self, record: Enr, now: float) -> bool:
        """Takes a node into the table. False: it is not in (see Table.add), or has no address that we reach."""
        contact = self._reach.contact(record)
        return contact is not None and self.table.add(contact, record, now)

    def receive(self, data: bytes, source: Endpoint, now: float) -> bool:
        """Takes a packet. False: nothing came of it."""
        return self._reach.permits(source.ip) and self._exchange.receive(data, source, now)

    def next_deadline(self) -> float:
        """When `tick` has something to do."""
        deadlines = [self._exchange.next_deadline()]
        if self._lookup is None:
            deadlines.append(self._next_lookup)
        due = self.table.next_to_check()
        if due is not None and self._checks < self._limits.checks:
            deadlines.append(due.next_check)
        return min(deadlines)

    def tick(self, now: float) -> None:
        """Does what is due: gives up requests, checks nodes, searches."""
        self._exchange.tick(now)
        while self._checks < self._limits.checks:
            entry = self.table.next_to_check()
            if entry is None or entry.next_check > now:
                break
            self._check(entry, now)
        if self._lookup is None and self._next_lookup <= now:
            self._search(now)

    # What others ask

    def _answer(self, route: Route, message: Request, now: float) -> None:
        match message:
            case Ping():
                self._exchange.respond(route, Pong(message.request_id, self.local.record.seq, route.endpoint))
                known = self._record_of(route.node_id)
                if known is not None and message.enr_seq > known.seq:
                    self._ask_for_record(Contact(known.public_key, route.node_id, route.endpoint, known), now)
            case FindNode():
                for part in nodes_messages(message, self._records_for(message.distances, route.endpoint)):
                    self._exchange.respond(route, part)
            case TalkRequest():
                self._exchange.respond(route, TalkResponse(message.request_id, b""))

    def _records_for(self, distances: Iterable[int], asker: Endpoint) -> list[bytes]:
        """What we tell of ourselves (distance 0) and of others, whom we know to be there."""
        ours = [self.local.record.encoded] if 0 in distances else []
        entries = [entry for entry in self.table.live_at(distances) if may_be_told(entry.contact.endpoint, asker.ip)]
        most = self._limits.nodes_per_answer - len(ours)
        if len(entries) > most:
            entries = self._entropy.sample(entries, most)
        return ours + [entry.record.encoded for entry in entries]

    def _met(self, record: Enr, endpoint: Endpoint, now: float) -> None:
        """Somebody made a session with us. Who is where its record says may come into the table."""
        self._records.put(record.node_id, record)
        contact = self._reach.contact(record)
        if contact is not None and (contact.endpoint == endpoint or self.table.get(record.node_id) is not None):
            self.table.add(contact, record, now)

    def _record_of(self, node_id: NodeId) -> Enr | None:
        entry = self.table.get(node_id)
        return entry.record if entry is not None else self._records.get(node_id)

    # Whether others are there

    def _check(self, entry: Entry, now: float) -> None:
        contact = entry.contact
        request = Ping(self._exchange.request_id(), self.local.record.seq)
        entry.being_checked = self._exchange.call(contact, request, lambda response, then: self._checked(entry, contact, response, then), now)
        if entry.being_checked:
            self._checks += 1
        else:
            entry.next_check = now + self._limits.request_timeout  # too much is under way

    def _checked(self, entry: Entry, contact: Contact, response: Response | None, now: float) -> None:
        self._checks -= 1
        entry.being_checked = False
        if entry.contact.endpoint != contact.endpoint:
            return  # it moved meanwhile, and is asked there
        if not isinstance(response, Pong):
            self.table.failed(contact.node_id, now)
            return
        self.table.answered(contact.node_id, now)
        self._votes.add(contact.node_id, contact.endpoint, response.recipient, now)
        elected = self._votes.elected(response.recipient.ip.version, now)
        if elected is not None:
            self.local.seen_at(elected)
        if response.enr_seq > entry.record.seq:
            self._ask_for_record(contact, now)
        self._tell(entry.record, contact, now)

    def _ask_for_record(self, contact: Contact, now: float) -> None:
        """Asks a node for its own record. Where it is not to be had, the next check asks again."""
        request = FindNode(self._exchange.request_id(), (0,))
        self._exchange.call(contact, request, lambda response, then: self._told_record(contact, response, then), now)

    def _told_record(self, contact: Contact, response: Response | None, now: float) -> None:
        for record in self._found_in(response, (0,), contact):
            self._records.put(record.node_id, record)
            reached = self._reach.contact(record)
            if reached is None and contact.record is None:  # an enode URL knows the address that the record does not say
                reached = contact
            first = not len(self.table)
            if reached is not None and self.table.add(reached, record, now) and first and self._lookup is None:
                self._next_lookup = now

    # Searching

    def _search(self, now: float) -> None:
        """Begins a lookup: of ourselves now and then, which fills the table around us and shows us to our neighbours; else of somewhere."""
        of_us = self.lookups % _LOOKUPS_FOR_ONE_OF_US == 0
        if of_us or not len(self.table):
            self._bootstrap(now)
        target = self.local.record.node_id if of_us else NodeId(self._entropy.randbytes(32))
        start = [entry.contact for entry in self.table.closest(target, BUCKET_SIZE)]
        if not start:
            self._next_lookup = now + self._cadence.wanted
            return
        self._lookup = Lookup(target, start, self._find_node, self._looked_up)
        self._lookup.advance(now)

    def _looked_up(self, now: float) -> None:
        self._lookup = None
        self.lookups += 1
        searching = self._wanted() or len(self.table) < BUCKET_SIZE
        self._next_lookup = now + (self._cadence.wanted if searching else self._cadence.not_wanted)

    def _bootstrap(self, now: float) -> None:
        for node in self._bootnodes:
            if isinstance(node, Enr):
                self.add(node, now)
            elif self._reach.reaches(node.endpoint) and self.table.get(node.node_id) is None and node.node_id != self.local.record.node_id:
                self._ask_for_record(node, now)

    def _find_node(self, contact: Contact, distances: tuple[int, ...], answer: Answer, now: float) -> bool:
        request = FindNode(self._exchange.request_id(), distances)
        return self._exchange.call(contact, request, lambda response, then: self._found_nodes(contact, distances, response, answer, then), now)

    def _found_nodes(self, contact: Contact, distances: tuple[int, ...], response: Response | None, answer: Answer, now: float) -> None:
        if not isinstance(response, Nodes):
            self.table.failed(contact.node_id, now)
            answer(None, now)
            return
        contacts = []
        for record in self._found_in(response, distances, contact):
            other = self._reach.contact(record)
            if record.node_id == self.local.record.node_id or other is None or not may_be_told(other.endpoint, contact.endpoint.ip):
                continue
            self.table.add(other, record, now)
            self._tell(record, other, now)
            contacts.append(other)
        answer(contacts, now)

    def _found_in(self, response: Response | None, distances: tuple[int, ...], teller: Contact) -> list[Enr]:
        """The records of an answer that fit its question; none, where it has one that is no record."""
        if not isinstance(response, Nodes):
            return []
        try:
            return found_in(response.records, distances, teller.node_id)
        except ProtocolViolation:
            self.dropped["bad record"] += 1
            return []

    def _tell(self, record: Enr, contact: Contact, now: float) -> None:
        """Tells of a node of our network, once in a while and for each new record of it."""
        if record.opstack != self.local.record.opstack:
            return
        addresses = [endpoint.ip for endpoint in (record.tcp(4), record.tcp(6)) if endpoint is not None]
        if not any(map(self._reach.permits, addresses)) or not all(means_the_same(ip, contact.endpoint.ip) for ip in addresses):
            return
        told = self._told.get(record.node_id)
        if told is None or record.seq > told[0] or now >= told[1] + self._cadence.told_again:
            self._told.put(record.node_id, (record.seq, now))
            self._found(record)
