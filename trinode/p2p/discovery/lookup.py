"""A lookup: the nodes nearest to an id, asked for from ever nearer nodes (discv5-theory: "Lookup")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from trinode.p2p.discovery.contact import Contact
from trinode.p2p.discovery.find_node import distances_to
from trinode.p2p.discovery.identity_scheme import NodeId

_PARALLEL = 3
_NEAREST = 16
_MOST_ASKED = 64
"""Nodes asked in one lookup: who invents ever nearer ones cannot keep it going."""
_MOST_CANDIDATES = 128

Answer = Callable[[Sequence[Contact] | None, float], None]
Ask = Callable[[Contact, tuple[int, ...], Answer, float], bool]
"""Sends a FINDNODE and hands what it found, and when, to the answer (None: nothing came). False: it was not sent."""


class Lookup:
    """One lookup. What it finds goes into the table as it is found; `ended` is called once."""

    def __init__(self, target: NodeId, start: Iterable[Contact], ask: Ask, ended: Callable[[float], None]) -> None:
        self.target = target
        self._wanted = int.from_bytes(target, "big")
        self._candidates: dict[NodeId, Contact] = {contact.node_id: contact for contact in start}
        self._asked: set[NodeId] = set()
        self._gone: set[NodeId] = set()
        self._ask, self._ended = ask, ended
        self._under_way = 0

    def advance(self, now: float) -> None:
        """Asks as many as may be asked at once; ends where nobody nearer is left."""
        for contact in self._nearest():
            if self._under_way >= _PARALLEL or len(self._asked) >= _MOST_ASKED:
                break
            if contact.node_id not in self._asked:
                self._send(contact, now)
        if not self._under_way:
            self._ended(now)

    def _nearest(self) -> list[Contact]:
        ordered = sorted(self._candidates.values(), key=lambda contact: int.from_bytes(contact.node_id, "big") ^ self._wanted)
        return ordered[:_NEAREST]

    def _send(self, contact: Contact, now: float) -> None:
        self._asked.add(contact.node_id)
        if self._ask(contact, distances_to(self.target, contact.node_id), lambda found, then: self._answer(contact, found, then), now):
            self._under_way += 1
        else:
            self._forget(contact)

    def _answer(self, contact: Contact, found: Sequence[Contact] | None, now: float) -> None:
        self._under_way -= 1
        if found is None:
            self._forget(contact)
        else:
            for other in found:
                if other.node_id not in self._gone:
                    self._candidates.setdefault(other.node_id, other)
            self._bound()
        self.advance(now)

    def _forget(self, contact: Contact) -> None:
        self._candidates.pop(contact.node_id, None)
        self._gone.add(contact.node_id)

    def _bound(self) -> None:
        if len(self._candidates) > _MOST_CANDIDATES:
            ordered = sorted(self._candidates, key=lambda node_id: int.from_bytes(node_id, "big") ^ self._wanted)
            self._candidates = {node_id: self._candidates[node_id] for node_id in ordered[:_MOST_CANDIDATES]}
