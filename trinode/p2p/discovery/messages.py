"""Messages (discv5-wire: "Protocol Messages"): a byte for the kind, and an RLP list that starts with the request's id.

The messages of topics (REGTOPIC and so on) are not part of any network that we join; they are refused like unknown ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address

from trinode.p2p.addresses import plain_ip
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import MAX_SIZE as MAX_RECORD_SIZE
from trinode.p2p.errors import ProtocolViolation
from trinode.protocol.rlp_codec import Item, RlpDecodingError, decode_list, encode_bytes, encode_int, encode_list, split, to_bytes, to_int, to_list

MAX_REQUEST_ID_SIZE = 8
MAX_DISTANCE = 256


class Kind(IntEnum):
    """The first byte of a message."""

    PING = 1
    PONG = 2
    FINDNODE = 3
    NODES = 4
    TALKREQ = 5
    TALKRESP = 6


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? `enr_seq`: of the sender's record."""

    request_id: bytes
    enr_seq: int

    def encode(self) -> bytes:
        """The message."""
        return _encode(Kind.PING, self.request_id, encode_int(self.enr_seq))


@dataclass(frozen=True, slots=True)
class Pong:
    """I am. `recipient`: where the ping came from, as its recipient saw it."""

    request_id: bytes
    enr_seq: int
    recipient: Endpoint

    def encode(self) -> bytes:
        """The message."""
        return _encode(Kind.PONG, self.request_id, encode_int(self.enr_seq), encode_bytes(self.recipient.ip.packed), encode_int(self.recipient.port))


@dataclass(frozen=True, slots=True)
class FindNode:
    """Whom do you know at these logarithmic distances from you? Distance 0: your own record."""

    request_id: bytes
    distances: tuple[int, ...]

    def encode(self) -> bytes:
        """The message."""
        return _encode(Kind.FINDNODE, self.request_id, encode_list([encode_int(distance) for distance in self.distances]))


@dataclass(frozen=True, slots=True)
class Nodes:
    """Records (RLP, not verified yet), in one of `total` such messages."""

    request_id: bytes
    total: int
    records: tuple[bytes, ...]

    def encode(self) -> bytes:
        """The message."""
        return _encode(Kind.NODES, self.request_id, encode_int(self.total), encode_list(self.records))


@dataclass(frozen=True, slots=True)
class TalkRequest:
    """A request of another protocol."""

    request_id: bytes
    protocol: bytes
    request: bytes

    def encode(self) -> bytes:
        """The message."""
        return _encode(Kind.TALKREQ, self.request_id, encode_bytes(self.protocol), encode_bytes(self.request))


@dataclass(frozen=True, slots=True)
class TalkResponse:
    """Its response: empty where the protocol is not spoken."""

    request_id: bytes
    response: bytes

    def encode(self) -> bytes:
        """The message."""
        return _encode(Kind.TALKRESP, self.request_id, encode_bytes(self.response))


Request = Ping | FindNode | TalkRequest
Response = Pong | Nodes | TalkResponse
Message = Request | Response


def decode_message(data: bytes) -> Message:
    """Reads a message. Raises ProtocolViolation: unknown, or not of its kind's form."""
    try:
        fields = decode_list(data[1:])
        request_id = to_bytes(fields[0]) if fields else b""
        if not data or len(request_id) > MAX_REQUEST_ID_SIZE:
            raise ProtocolViolation("a message with a request id of more than 8 bytes")
        if data[0] == Kind.NODES:
            return _decode_nodes(request_id, fields, data)
        return _decode_fields(data[0], request_id, fields)
    except RlpDecodingError as error:
        raise ProtocolViolation(f"a message that is not RLP: {error}") from error


def _decode_fields(kind: int, request_id: bytes, fields: list[Item]) -> Message:
    match kind, fields:
        case Kind.PING, [_, seq]:
            return Ping(request_id, to_int(seq, 8))
        case Kind.PONG, [_, seq, ip, port]:
            return Pong(request_id, to_int(seq, 8), _endpoint(to_bytes(ip), to_int(port, 2)))
        case Kind.FINDNODE, [_, distances]:
            return FindNode(request_id, _distances(to_list(distances)))
        case Kind.TALKREQ, [_, protocol, request]:
            return TalkRequest(request_id, to_bytes(protocol), to_bytes(request))
        case Kind.TALKRESP, [_, response]:
            return TalkResponse(request_id, to_bytes(response))
    raise ProtocolViolation(f"a message of kind {kind} with {len(fields)} fields")


def _endpoint(packed: bytes, port: int) -> Endpoint:
    if len(packed) not in (4, 16):
        raise ProtocolViolation(f"an IP address of {len(packed)} bytes")
    return Endpoint(plain_ip(ip_address(packed)), port)


def _distances(items: Sequence[Item]) -> tuple[int, ...]:
    distances = tuple(dict.fromkeys(to_int(item, 2) for item in items))
    if any(distance > MAX_DISTANCE for distance in distances):
        raise ProtocolViolation("a request for nodes at a distance of more than 256")
    return distances


def _decode_nodes(request_id: bytes, fields: list[Item], data: bytes) -> Nodes:
    if len(fields) != 3:
        raise ProtocolViolation(f"a message of kind {Kind.NODES} with {len(fields)} fields")
    to_list(fields[2])
    # The records stay as they came, since a signature is over their bytes: they are cut out again.
    _, at, end = split(data, 1)
    for _ in range(2):
        _, _, at = split(data, at)
    _, at, _ = split(data, at)
    records = []
    while at < end:
        is_list, _, after = split(data, at)
        if not is_list or after - at > MAX_RECORD_SIZE:
            raise ProtocolViolation("a record that is none, or too long")
        records.append(data[at:after])
        at = after
    return Nodes(request_id, to_int(fields[1], 1), tuple(records))


def _encode(kind: Kind, request_id: bytes, *fields: bytes) -> bytes:
    return bytes([kind]) + encode_list([encode_bytes(request_id), *fields])
