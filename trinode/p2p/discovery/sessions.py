"""Sessions and challenges (discv5-theory: "Sessions"). Both belong to a node at an endpoint, so that a forged source address gains nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr
from trinode.p2p.discovery.identity_scheme import NodeId
from trinode.p2p.discovery.packet import MessagePacket
from trinode.p2p.discovery.session_keys import SessionKeys, decrypt


class Route(NamedTuple):
    """A node, where it was seen."""

    node_id: NodeId
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Challenge:
    """A WHOAREYOU that was sent. `packet`: as it went out; `data`: what the answer signs; `record`: what we knew of the node."""

    packet: bytes
    data: bytes
    record: Enr | None
    expires: float


class Session:
    """Keys with a node. The keys before these are still read with: when both sides begin a handshake at once, each ends with the other's keys."""

    __slots__ = ("_keys", "_older_read", "_sent")

    def __init__(self, keys: SessionKeys, older: Session | None) -> None:
        self._keys = keys
        self._older_read = older._keys.read if older is not None else None
        self._sent = 0

    @property
    def write_key(self) -> bytes:
        """What we encrypt with."""
        return self._keys.write

    def next_nonce(self, entropy: random.Random) -> bytes:
        """Twelve bytes that this key has not seen: a count and randomness."""
        self._sent += 1
        return (self._sent & 0xFFFFFFFF).to_bytes(4, "big") + entropy.randbytes(8)

    def open(self, packet: MessagePacket) -> bytes | None:
        """The message; None: it was encrypted with other keys."""
        plain = decrypt(self._keys.read, packet.nonce, packet.sealed, packet.authenticated)
        if plain is None and self._older_read is not None:
            plain = decrypt(self._older_read, packet.nonce, packet.sealed, packet.authenticated)
        return plain
