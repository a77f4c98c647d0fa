"""Requests and responses over encrypted packets (discv5-theory: "Sessions"): handshakes as they are needed, one request of ours to a node at a time.

Without sockets and clock: packets and times come in, packets to be sent stand in `outgoing`. One request at a time keeps handshakes simple: a
challenge is always for the one packet that the node was sent last.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from trinode.p2p.discovery.contact import Contact
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr
from trinode.p2p.discovery.identity_scheme import NodeId, node_id_of
from trinode.p2p.discovery.limits import Admission, Limits
from trinode.p2p.discovery.messages import FindNode, Message, Nodes, Ping, Pong, Request, Response, TalkRequest, TalkResponse, decode_message
from trinode.p2p.discovery.packet import (
    IV_SIZE,
    NONCE_SIZE,
    HandshakePacket,
    MessagePacket,
    WhoAreYou,
    decode_packet,
    encode_packet,
    handshake_header,
    message_header,
    whoareyou_header,
)
from trinode.p2p.discovery.recent import Recent
from trinode.p2p.discovery.session_keys import agree, decrypt, encrypt, new_ephemeral_key, sign_challenge, verifies_challenge
from trinode.p2p.discovery.sessions import Challenge, Route, Session
from trinode.p2p.errors import ProtocolViolation

_MOST_PARTS = 16
"""NODES messages that answer one request."""
_ANSWERS = {Ping: Pong, FindNode: Nodes, TalkRequest: TalkResponse}

Done = Callable[[Response | None, float], None]
"""What a request's answer is given to, and when; NODES in one piece; None: there was none in time."""


@dataclass(slots=True)
class _Call:
    request: Request
    contact: Contact
    done: Done
    deadline: float = 0.0
    nonce: bytes = b""
    handshaken: bool = False
    parts: int = 0
    records: list[bytes] = field(default_factory=list)

    @property
    def route(self) -> Route:
        return Route(self.contact.node_id, self.contact.endpoint)


class Exchange:
    """Our side of all sessions. `requested(route, message)` is called for each request of others, `met(record, endpoint)` for each handshake that
    somebody finished with us, `record_of(node_id)` says what record we have, `local_record()` what ours is.
    """

    def __init__(
        self,
        private_key: bytes,
        local_record: Callable[[], Enr],
        *,
        entropy: random.Random,
        now: float,
        limits: Limits,
        requested: Callable[[Route, Request, float], None],
        met: Callable[[Enr, Endpoint, float], None],
        record_of: Callable[[NodeId], Enr | None],
    ) -> None:
        self._private_key, self._local_record, self._entropy, self._limits = private_key, local_record, entropy, limits
        self._node_id = local_record().node_id
        self._requested, self._met, self._record_of = requested, met, record_of
        self._sessions: Recent[Route, Session] = Recent(limits.sessions)
        self._challenges: Recent[Route, Challenge] = Recent(limits.challenges)
        self._admission = Admission(limits)
        self._calls: dict[Route, _Call] = {}
        self._waiting: dict[Route, deque[_Call]] = {}
        self._by_nonce: dict[bytes, _Call] = {}
        self._asked: Counter[Endpoint] = Counter()
        self._spoken: Recent[Endpoint, bool] = Recent(limits.sessions)
        self.outgoing: deque[tuple[Endpoint, bytes]] = deque()
        self.dropped: Counter[str] = Counter()
        """Packets that were not used, by reason (a few fixed words)."""

    # What we ask

    def call(self, contact: Contact, request: Request, done: Done, now: float) -> bool:
        """Asks a node, now or after what it is asked already. False: too much is under way, and `done` will not be called."""
        call = _Call(request, contact, done)
        if call.route not in self._calls:
            if len(self._calls) >= self._limits.requests:
                return False
            self._start(call, now)
            return True
        waiting = self._waiting.setdefault(call.route, deque())
        if len(waiting) >= self._limits.waiting_per_node:
            return False
        waiting.append(call)
        return True

    def request_id(self) -> bytes:
        """Eight random bytes."""
        return self._entropy.randbytes(8)

    def _start(self, call: _Call, now: float) -> None:
        self._calls[call.route] = call
        self._asked[call.contact.endpoint] += 1
        call.deadline = now + self._limits.request_timeout
        session = self._sessions.get(call.route)
        if session is None:
            # Nothing can be said yet: a packet of noise asks for the challenge.
            call.nonce = self._entropy.randbytes(NONCE_SIZE)
            self._send(call.route, message_header(self._node_id, call.nonce), lambda _authenticated: self._entropy.randbytes(32))
        else:
            call.nonce = self._send_message(call.route, session, call.request)
        self._by_nonce[call.nonce] = call

    def _finish(self, call: _Call, response: Response | None, now: float) -> None:
        del self._calls[call.route]
        self._by_nonce.pop(call.nonce, None)
        self._asked[call.contact.endpoint] -= 1
        if not self._asked[call.contact.endpoint]:
            del self._asked[call.contact.endpoint]
        waiting = self._waiting.get(call.route)
        if waiting:
            self._start(waiting.popleft(), now)
        if not waiting:
            self._waiting.pop(call.route, None)
        call.done(response, now)

    def tick(self, now: float) -> None:
        """Gives up what was not answered in time."""
        for call in [call for call in self._calls.values() if call.deadline <= now]:
            if call.parts:  # what did arrive of an answer in pieces is worth having
                self._finish(call, Nodes(call.request.request_id, call.parts, tuple(call.records)), now)
            else:
                self._finish(call, None, now)

    def next_deadline(self) -> float:
        """When `tick` has something to do."""
        return min((call.deadline for call in self._calls.values()), default=float("inf"))

    # What we answer

    def respond(self, route: Route, response: Response) -> None:
        """Sends a response, if there is still a session."""
        session = self._sessions.get(route)
        if session is not None:
            self._send_message(route, session, response)

    # What comes in

    def receive(self, data: bytes, source: Endpoint, now: float) -> bool:
        """Takes a packet. False: it is no packet, or there were too many; it is dropped and counted."""
        if source not in self._asked and not self._admission.admits(source.ip, self._spoken.get(source) is not None, now):
            self.dropped["too many"] += 1
            return False
        try:
            packet = decode_packet(data, self._node_id)
            if isinstance(packet, MessagePacket):
                self._receive_message(packet, Route(packet.source, source), now)
            elif isinstance(packet, WhoAreYou):
                self._receive_challenge(packet, source, now)
            else:
                self._receive_handshake(packet, Route(packet.source, source), now)
        except ProtocolViolation:
            self.dropped["malformed"] += 1
            return False
        return True

    def _receive_message(self, packet: MessagePacket, route: Route, now: float) -> None:
        session = self._sessions.get(route)
        plain = session.open(packet) if session is not None else None
        if plain is None:
            self._challenge(packet, route, now)
        else:
            self._receive_plain(decode_message(plain), route, now)

    def _receive_plain(self, message: Message, route: Route, now: float) -> None:
        self._spoken.put(route.endpoint, True)
        if isinstance(message, Ping | FindNode | TalkRequest):
            self._requested(route, message, now)
            return
        call = self._calls.get(route)
        if call is None or call.request.request_id != message.request_id or not isinstance(message, _ANSWERS[type(call.request)]):
            self.dropped["unasked"] += 1
        elif isinstance(message, Nodes):
            call.parts += 1
            call.records += message.records
            if call.parts >= min(message.total, _MOST_PARTS):
                self._finish(call, Nodes(message.request_id, call.parts, tuple(call.records)), now)
            else:
                call.deadline = now + self._limits.request_timeout
        else:
            self._finish(call, message, now)

    def _challenge(self, packet: MessagePacket, route: Route, now: float) -> None:
        """Asks who that is. While a challenge is open the same one is sent again: a new one would let anybody who forges a source address undo it."""
        challenge = self._challenges.get(route)
        if challenge is None or challenge.expires <= now:
            record = self._record_of(route.node_id)
            iv, id_nonce = self._entropy.randbytes(IV_SIZE), self._entropy.randbytes(16)
            header = whoareyou_header(packet.nonce, id_nonce, record.seq if record is not None else 0)
            challenge = Challenge(encode_packet(route.node_id, iv, header), iv + header, record, now + self._limits.challenge_lifetime)
            self._challenges.put(route, challenge)
        self.outgoing.append((route.endpoint, challenge.packet))

    def _receive_challenge(self, packet: WhoAreYou, source: Endpoint, now: float) -> None:
        call = self._by_nonce.get(packet.nonce)
        if call is None or call.contact.endpoint != source or call.handshaken:
            self.dropped["challenge for nothing"] += 1
            return
        record = self._local_record()
        secret, ephemeral = new_ephemeral_key(self._entropy.randbytes(32))
        node_id = call.contact.node_id
        keys = agree(call.contact.public_key, secret, self._node_id, node_id, packet.challenge_data)
        signature = sign_challenge(self._private_key, packet.challenge_data, ephemeral, node_id)
        session = Session(keys, self._sessions.get(call.route))
        self._sessions.put(call.route, session)

        self._by_nonce.pop(call.nonce)
        call.nonce, call.handshaken, call.deadline = session.next_nonce(self._entropy), True, now + self._limits.request_timeout
        header = handshake_header(self._node_id, call.nonce, signature, ephemeral, record.encoded if packet.enr_seq < record.seq else b"")
        self._send(call.route, header, lambda authenticated: encrypt(keys.write, call.nonce, call.request.encode(), authenticated))

    def _receive_handshake(self, packet: HandshakePacket, route: Route, now: float) -> None:
        challenge = self._challenges.pop(route)  # whatever comes of it: it can be answered once
        if challenge is None or challenge.expires <= now:
            self.dropped["answer to no challenge"] += 1
            return
        record = self._record_in(packet, challenge)
        if not verifies_challenge(record.public_key, packet.signature, challenge.data, packet.ephemeral_key, self._node_id):
            raise ProtocolViolation("a handshake that its record's key did not sign")
        keys = agree(packet.ephemeral_key, self._private_key, packet.source, self._node_id, challenge.data).swapped()
        plain = decrypt(keys.read, packet.nonce, packet.sealed, packet.authenticated)
        if plain is None:
            raise ProtocolViolation("a handshake with a message of other keys")
        message = decode_message(plain)
        self._sessions.put(route, Session(keys, self._sessions.get(route)))
        self._met(record, route.endpoint, now)
        self._receive_plain(message, route, now)

    def _record_in(self, packet: HandshakePacket, challenge: Challenge) -> Enr:
        """The newest record of who made the handshake. Raises ProtocolViolation: none, or of somebody else."""
        record = Enr.decode(packet.record) if packet.record else challenge.record
        if record is None or node_id_of(record.public_key) != packet.source:
            raise ProtocolViolation("a handshake without its node's record")
        if challenge.record is not None and challenge.record.seq > record.seq:
            return challenge.record
        return record

    # What goes out

    def _send_message(self, route: Route, session: Session, message: Message) -> bytes:
        nonce = session.next_nonce(self._entropy)
        header = message_header(self._node_id, nonce)
        self._send(route, header, lambda authenticated: encrypt(session.write_key, nonce, message.encode(), authenticated))
        return nonce

    def _send(self, route: Route, header: bytes, seal: Callable[[bytes], bytes]) -> None:
        iv = self._entropy.randbytes(IV_SIZE)
        self.outgoing.append((route.endpoint, encode_packet(route.node_id, iv, header, seal(iv + header))))
