"""Addresses that TCP peers are reached at (multiformats: multiaddr), as text and in the binary form that messages have.

Only one shape is taken: an IP address or a DNS name, a TCP port, and perhaps who must be there:
`/ip4/1.2.3.4/tcp/9222/p2p/16Uiu2...`. Addresses of other transports (QUIC, WebSocket) that peers name among theirs are of no use to us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import PeerId, parse_peer_id, show_peer_id
from trinode.p2p.protobuf import decode_varint, encode_varint

IP4, IP6, DNS, DNS4, DNS6 = "ip4", "ip6", "dns", "dns4", "dns6"
_CODES = {4: IP4, 41: IP6, 53: DNS, 54: DNS4, 55: DNS6}
_NUMBERS = {kind: code for code, kind in _CODES.items()}
_IP_SIZES = {IP4: 4, IP6: 16}
_TCP, _P2P = 6, 421
_PEER_NAMES = {"p2p", "ipfs"}  # the second is what the first was called before

LONGEST = 400
"""Bytes of an address: a DNS name has 253 at most."""
_DNS_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?")


@dataclass(frozen=True, slots=True)
class Multiaddr:
    """`kind`: ip4, ip6, dns, dns4 or dns6. `host`: the IP address in its usual short form, or the name. `peer_id`: None for any peer."""

    kind: str
    host: str
    port: int
    peer_id: PeerId | None = None

    @classmethod
    def parse(cls, text: str) -> Multiaddr:
        """Reads what `str` writes. Raises ValueError, which says what is wrong."""
        parts = text.split("/")
        if len(text) > LONGEST or len(parts) not in (5, 7) or parts[0] or parts[3] != "tcp" or (len(parts) == 7 and parts[5] not in _PEER_NAMES):
            raise ValueError(f"{text[:100]!r} is not of the form /ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/p2p/PEER]")
        peer_id = parse_peer_id(parts[6]) if len(parts) == 7 else None
        if not (parts[4].isascii() and parts[4].isdecimal() and int(parts[4]) <= 0xFFFF):
            raise ValueError(f"{parts[4]!r} is not a TCP port")
        return cls(parts[1], _checked_host(parts[1], parts[2]), int(parts[4]), peer_id)

    @classmethod
    def of_ip(cls, ip: str, port: int, peer_id: PeerId | None = None) -> Multiaddr:
        """The address of an IP address. Raises ValueError if that is none."""
        kind = IP6 if ":" in ip else IP4
        return cls(kind, _checked_host(kind, ip), port, peer_id)

    @classmethod
    def decode(cls, data: bytes) -> Multiaddr:
        """Reads the binary form. Raises ProtocolViolation: it is broken, or of another shape."""
        if len(data) > LONGEST:
            raise ProtocolViolation(f"an address of {len(data)} bytes")
        code, at = decode_varint(data)
        kind = _CODES.get(code)
        if kind is None:
            raise ProtocolViolation(f"an address that begins with protocol {code}")
        size = _IP_SIZES.get(kind)
        if size is None:
            size, at = decode_varint(data, at)
        host, at = _taken(data, at, size)
        code, at = decode_varint(data, at)
        if code != _TCP:
            raise ProtocolViolation(f"an address of protocol {code} instead of TCP")
        port, at = _taken(data, at, 2)
        peer_id, at = _decode_peer(data, at) if at < len(data) else (None, at)
        if at != len(data):
            raise ProtocolViolation("an address with more after its peer")
        return cls(kind, _decoded_host(kind, host), int.from_bytes(port, "big"), peer_id)

    def encode(self) -> bytes:
        """The binary form."""
        if self.kind == IP4:
            host = IPv4Address(self.host).packed
        elif self.kind == IP6:
            host = IPv6Address(self.host).packed
        else:
            host = encode_varint(len(self.host)) + self.host.encode()
        encoded = encode_varint(_NUMBERS[self.kind]) + host + encode_varint(_TCP) + self.port.to_bytes(2, "big")
        return encoded if self.peer_id is None else encoded + encode_varint(_P2P) + encode_varint(len(self.peer_id)) + self.peer_id

    def __str__(self) -> str:
        text = f"/{self.kind}/{self.host}/tcp/{self.port}"
        return text if self.peer_id is None else f"{text}/p2p/{show_peer_id(self.peer_id)}"

    @property
    def is_ip(self) -> bool:
        """Whether it needs no name server."""
        return self.kind in _IP_SIZES

    def of(self, peer_id: PeerId | None) -> Multiaddr:
        """The same address for this peer, or for any."""
        return replace(self, peer_id=peer_id)


def _taken(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise ProtocolViolation("an address that ends early")
    return data[at : at + size], at + size


def _decode_peer(data: bytes, at: int) -> tuple[PeerId, int]:
    code, at = decode_varint(data, at)
    if code != _P2P:
        raise ProtocolViolation(f"an address with protocol {code} over TCP")
    size, at = decode_varint(data, at)
    peer_id, at = _taken(data, at, size)
    if not ((peer_id[:1] == b"\x00" and 2 < size == 2 + peer_id[1] <= 64) or (peer_id[:2] == b"\x12\x20" and size == 34)):
        raise ProtocolViolation("an address with a peer id that is none")
    return PeerId(peer_id), at


def _decoded_host(kind: str, host: bytes) -> str:
    try:
        if kind == IP4:
            return str(IPv4Address(host))
        return str(IPv6Address(host)) if kind == IP6 else _checked_host(kind, host.decode())
    except ValueError as error:
        raise ProtocolViolation("an address with a DNS name that is none") from error


def _checked_host(kind: str, host: str) -> str:
    if kind == IP4:
        return str(IPv4Address(host))
    if kind == IP6:
        address = IPv6Address(host)
        if address.scope_id is not None:
            raise ValueError(f"{host!r} has a zone")
        return str(address)
    if kind not in (DNS, DNS4, DNS6):
        raise ValueError(f"/{kind}/ is not an address of a kind that is dialed")
    if not _DNS_NAME.fullmatch(host):
        raise ValueError(f"{host[:100]!r} is not a DNS name")
    return host
