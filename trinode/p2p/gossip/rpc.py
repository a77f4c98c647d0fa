"""What gossiping peers send each other (libp2p specifications: pubsub "The RPC", gossipsub v1.0 "Control Messages", v1.1 "Protobuf", v1.2).

One RPC holds changes of subscriptions, messages and control messages, in any mixture. Fields that are not known here are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.protobuf import BYTES, bytes_field, encode_varint, fields_of, int_field

MAX_RPC_SIZE = 10 * 1024 * 1024
"""Bytes of an encoded RPC (the specification's bound of a message, which op-node applies to the RPC around it)."""
MOST_ENTRIES = 1024
"""Subscriptions and messages of one RPC, or control messages of one."""
MOST_IDS = 10_000
"""Message ids of one RPC, in all of its control messages: twice what one IHAVE may tell."""
LONGEST_ID = 64
LONGEST_TOPIC = 256
"""Bytes. A topic of the OP Stack has about 30."""
_MOST_FIELDS = 16
"""Of a message or a control message that repeats nothing: more than any version has."""

_SUBSCRIPTION, _PUBLISH, _CONTROL = 1, 2, 3
_SUBSCRIBE, _SUBSCRIPTION_TOPIC = 1, 2
_FROM, _DATA, _SEQUENCE_NUMBER, _TOPIC, _SIGNATURE, _KEY = range(1, 7)
_AUTHOR_FIELDS = frozenset((_FROM, _SEQUENCE_NUMBER, _SIGNATURE, _KEY))
_IHAVE, _IWANT, _GRAFT, _PRUNE, _IDONTWANT = range(1, 6)
_CONTROL_TOPIC, _IHAVE_IDS, _IDS, _PRUNE_BACKOFF = 1, 2, 1, 3


@dataclass(frozen=True, slots=True)
class Subscription:
    """A peer joins a topic, or leaves it."""

    topic: str
    subscribe: bool


@dataclass(frozen=True, slots=True)
class Message:
    """What is gossiped. `authored`: it tells of an author or a signature, which StrictNoSign forbids (pubsub: "Message Signing")."""

    topic: str
    data: bytes
    authored: bool = False


@dataclass(frozen=True, slots=True)
class IHave:
    """Ids of messages that the sender has lately seen."""

    topic: str
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Prune:
    """The receiver is out of the sender's mesh. `backoff`: seconds in which it must not come back (None: a peer of v1.0)."""

    topic: str
    backoff: int | None = None


@dataclass(frozen=True, slots=True)
class Rpc:
    """One frame of the protocol. `graft`: topics; `iwant`, `idontwant`: message ids."""

    subscriptions: Sequence[Subscription] = ()
    messages: Sequence[Message] = ()
    ihave: Sequence[IHave] = ()
    iwant: Sequence[bytes] = ()
    graft: Sequence[str] = ()
    prune: Sequence[Prune] = ()
    idontwant: Sequence[bytes] = ()


@dataclass(slots=True)
class _Control:
    """Control messages while they are read; `ids_left` is the bound on all of them."""

    ihave: list[IHave] = field(default_factory=list)
    iwant: list[bytes] = field(default_factory=list)
    graft: list[str] = field(default_factory=list)
    prune: list[Prune] = field(default_factory=list)
    idontwant: list[bytes] = field(default_factory=list)
    ids_left: int = MOST_IDS

    def read(self, encoded: bytes) -> None:
        for number, value in fields_of(encoded, most=MOST_ENTRIES):
            if number == _IHAVE:
                self.ihave.append(self._ihave(_bytes(value)))
            elif number == _IWANT:
                self.iwant += self._ids(_bytes(value), _IDS)
            elif number == _GRAFT:
                self.graft.append(_only_topic(_bytes(value)))
            elif number == _PRUNE:
                self.prune.append(_prune(_bytes(value)))
            elif number == _IDONTWANT:
                self.idontwant += self._ids(_bytes(value), _IDS)

    def _ihave(self, encoded: bytes) -> IHave:
        topic = ""
        for number, value in fields_of(encoded, most=self.ids_left + _MOST_FIELDS):
            if number == _CONTROL_TOPIC:
                topic = _topic(value)
        return IHave(topic, tuple(self._ids(encoded, _IHAVE_IDS)))

    def _ids(self, encoded: bytes, of: int) -> Iterator[bytes]:
        for number, value in fields_of(encoded, most=self.ids_left + _MOST_FIELDS):
            if number != of:
                continue
            if not self.ids_left:
                raise ProtocolViolation(f"an RPC of more than {MOST_IDS} message ids")
            identifier = _bytes(value)
            if len(identifier) > LONGEST_ID:
                raise ProtocolViolation(f"a message id of {len(identifier)} bytes")
            self.ids_left -= 1
            yield identifier


def decode_rpc(encoded: bytes) -> Rpc:
    """Reads an RPC (without its length). Raises ProtocolViolation: it is none, or goes beyond the bounds above."""
    if len(encoded) > MAX_RPC_SIZE:
        raise ProtocolViolation(f"an RPC of {len(encoded)} bytes")
    subscriptions: list[Subscription] = []
    messages: list[Message] = []
    control = _Control()
    for number, value in fields_of(encoded, most=MOST_ENTRIES):
        if number == _SUBSCRIPTION:
            subscriptions.append(_subscription(_bytes(value)))
        elif number == _PUBLISH:
            messages.append(_message(_bytes(value)))
        elif number == _CONTROL:
            control.read(_bytes(value))
    return Rpc(subscriptions, messages, control.ihave, control.iwant, control.graft, control.prune, control.idontwant)


def encode_rpc(rpc: Rpc) -> bytes:
    """What `decode_rpc` reads, with the length in front of it left to the stream."""
    parts = [bytes_field(_SUBSCRIPTION, _encode_subscription(each)) for each in rpc.subscriptions]
    parts += [bytes_field(_PUBLISH, _encode_message(each)) for each in rpc.messages]
    control = [bytes_field(_IHAVE, _topic_field(each.topic) + _encode_ids(_IHAVE_IDS, each.ids)) for each in rpc.ihave]
    if rpc.iwant:
        control.append(bytes_field(_IWANT, _encode_ids(_IDS, rpc.iwant)))
    control += [bytes_field(_GRAFT, _topic_field(topic)) for topic in rpc.graft]
    control += [bytes_field(_PRUNE, _encode_prune(each)) for each in rpc.prune]
    if rpc.idontwant:
        control.append(bytes_field(_IDONTWANT, _encode_ids(_IDS, rpc.idontwant)))
    if control:
        parts.append(bytes_field(_CONTROL, b"".join(control)))
    return b"".join(parts)


def encode_in_parts(rpc: Rpc) -> tuple[bytes, ...]:
    """What `encode_rpc` gives, with the data of a lone message as a part of its own: it is not copied, however many peers it goes to."""
    if len(rpc.messages) != 1 or rpc != Rpc(messages=rpc.messages):
        return (encode_rpc(rpc),)
    (message,) = rpc.messages
    topic = bytes_field(_TOPIC, message.topic.encode())
    before_data = encode_varint(_DATA << 3 | BYTES) + encode_varint(len(message.data))
    size = len(before_data) + len(message.data) + len(topic)
    return encode_varint(_PUBLISH << 3 | BYTES) + encode_varint(size) + before_data, message.data, topic


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ProtocolViolation("a number where bytes belong")
    return value


def _int(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ProtocolViolation("bytes where a number belongs")
    return value


def _topic(value: int | bytes) -> str:
    encoded = _bytes(value)
    if len(encoded) > LONGEST_TOPIC:
        raise ProtocolViolation(f"a topic of {len(encoded)} bytes")
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        raise ProtocolViolation("a topic that is no text") from error


def _only_topic(encoded: bytes) -> str:
    topic = ""
    for number, value in fields_of(encoded, most=_MOST_FIELDS):
        if number == _CONTROL_TOPIC:
            topic = _topic(value)
    return topic


def _subscription(encoded: bytes) -> Subscription:
    topic, subscribe = "", False
    for number, value in fields_of(encoded, most=_MOST_FIELDS):
        if number == _SUBSCRIBE:
            subscribe = bool(_int(value))
        elif number == _SUBSCRIPTION_TOPIC:
            topic = _topic(value)
    return Subscription(topic, subscribe)


def _message(encoded: bytes) -> Message:
    topic, data, authored = "", b"", False
    for number, value in fields_of(encoded, most=_MOST_FIELDS):
        if number == _DATA:
            data = _bytes(value)
        elif number == _TOPIC:
            topic = _topic(value)
        elif number in _AUTHOR_FIELDS:
            authored = True
    return Message(topic, data, authored)


def _prune(encoded: bytes) -> Prune:
    topic, backoff = "", None
    for number, value in fields_of(encoded, most=MOST_ENTRIES):  # peers that are exchanged may be many; they are not used
        if number == _CONTROL_TOPIC:
            topic = _topic(value)
        elif number == _PRUNE_BACKOFF:
            backoff = _int(value)
    return Prune(topic, backoff)


def _topic_field(topic: str) -> bytes:
    return bytes_field(_CONTROL_TOPIC, topic.encode())


def _encode_ids(number: int, ids: Sequence[bytes]) -> bytes:
    return b"".join(bytes_field(number, each) for each in ids)


def _encode_subscription(subscription: Subscription) -> bytes:
    return int_field(_SUBSCRIBE, subscription.subscribe) + bytes_field(_SUBSCRIPTION_TOPIC, subscription.topic.encode())


def _encode_message(message: Message) -> bytes:
    return bytes_field(_DATA, message.data) + bytes_field(_TOPIC, message.topic.encode())


def _encode_prune(prune: Prune) -> bytes:
    backoff = b"" if prune.backoff is None else int_field(_PRUNE_BACKOFF, prune.backoff)
    return _topic_field(prune.topic) + backoff
