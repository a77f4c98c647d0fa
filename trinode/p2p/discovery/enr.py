"""Ethereum Node Records (EIP-778): what a node says of itself, signed; with the `opstack` entry of the rollup-node P2P specification.

The values of a record stay encoded (RLP), so that entries which mean nothing to us are passed on as they came.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

from coincurve import PrivateKey

from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.identity_scheme import PUBLIC_KEY_SIZE, NodeId, node_id_of, sign_digest, verifies_digest
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import SECP256K1, PeerId, PublicKey
from trinode.p2p.protobuf import decode_varint, encode_varint
from trinode.protocol.errors import DecodingError
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import RlpDecodingError, decode, encode_bytes, encode_int, encode_list, split, to_bytes, to_fixed_bytes, to_int

MAX_SIZE = 300
"""Bytes of a record's RLP."""
_PREFIX = "enr:"
_LONGEST_TEXT = len(_PREFIX) + (MAX_SIZE + 2) // 3 * 4


@dataclass(frozen=True, slots=True)
class OpStackEntry:
    """Which OP Stack network a node is of. `version`: 0 today."""

    chain_id: int
    version: int

    def encode(self) -> bytes:
        """The RLP: one string, of two varints."""
        return encode_bytes(encode_varint(self.chain_id) + encode_varint(self.version))


@dataclass(frozen=True)
class Enr:
    """A record whose signature is right. `pairs`: keys and their values' RLP, sorted by key."""

    seq: int
    pairs: tuple[tuple[bytes, bytes], ...]
    signature: bytes

    @classmethod
    def decode(cls, encoded: bytes) -> Enr:
        """Reads RLP and verifies it. Raises ProtocolViolation: too long, not RLP, keys out of order, another scheme than v4, not its signature."""
        if len(encoded) > MAX_SIZE:
            raise ProtocolViolation(f"a record of {len(encoded)} bytes")
        try:
            items = _items(encoded)
            if len(items) < 2 or len(items) % 2:
                raise ProtocolViolation(f"a record of {len(items)} items")
            signature, seq = to_bytes(decode(items[0])), to_int(decode(items[1]), 8)
            pairs = tuple((to_bytes(decode(items[at])), items[at + 1]) for at in range(2, len(items), 2))
        except RlpDecodingError as error:
            raise ProtocolViolation(f"a record that is not RLP: {error}") from error
        if any(one[0] >= other[0] for one, other in pairwise(pairs)):
            raise ProtocolViolation("a record whose keys are not in order")
        record = cls(seq, pairs, signature)
        if record._string(b"id", 2) != b"v4":
            raise ProtocolViolation("a record of another identity scheme than v4")
        if not verifies_digest(record.public_key, signature, keccak256(_content(seq, pairs))):
            raise ProtocolViolation("a record with a signature that is not its own")
        return record

    @classmethod
    def sign(cls, private_key: bytes, seq: int, entries: Mapping[bytes, bytes]) -> Enr:
        """A record of our own; `entries` has all but `id` and `secp256k1`, values as RLP. Raises ValueError if it is too long."""
        public_key = encode_bytes(PrivateKey(private_key).public_key.format())
        pairs = tuple(sorted({**entries, b"id": encode_bytes(b"v4"), b"secp256k1": public_key}.items()))
        record = cls(seq, pairs, sign_digest(private_key, keccak256(_content(seq, pairs))))
        if len(record.encoded) > MAX_SIZE:
            raise ValueError(f"a record of {len(record.encoded)} bytes, where {MAX_SIZE} are allowed")
        return record

    @cached_property
    def encoded(self) -> bytes:
        """The RLP."""
        parts = [encode_bytes(self.signature), encode_int(self.seq)]
        for key, value in self.pairs:
            parts += [encode_bytes(key), value]
        return encode_list(parts)

    @cached_property
    def public_key(self) -> bytes:
        """33 bytes. Raises ProtocolViolation if the record has none (never once it is decoded)."""
        key = self._string(b"secp256k1", PUBLIC_KEY_SIZE)
        if key is None:
            raise ProtocolViolation("a record without its key")
        return key

    @cached_property
    def node_id(self) -> NodeId:
        """Who it is, in discovery."""
        return node_id_of(self.public_key)

    @cached_property
    def peer_id(self) -> PeerId:
        """Who it is, in libp2p."""
        return PublicKey(SECP256K1, self.public_key).peer_id

    def udp(self, version: int = 4) -> Endpoint | None:
        """Where discovery packets go, by IPv4 or IPv6."""
        return self._endpoint(version, b"udp")

    def tcp(self, version: int = 4) -> Endpoint | None:
        """Where libp2p listens, by IPv4 or IPv6."""
        return self._endpoint(version, b"tcp")

    @cached_property
    def opstack(self) -> OpStackEntry | None:
        """The OP Stack network, if the record names one that can be read. What later versions add behind it does not matter."""
        value = self._value(b"opstack")
        if value is None:
            return None
        try:
            content = to_bytes(decode(value))
            chain_id, at = decode_varint(content)
            return OpStackEntry(chain_id, decode_varint(content, at)[0])
        except (DecodingError, ProtocolViolation):
            return None

    def __str__(self) -> str:
        return _PREFIX + base64.urlsafe_b64encode(self.encoded).rstrip(b"=").decode()

    def _endpoint(self, version: int, port_key: bytes) -> Endpoint | None:
        ip: IPv4Address | IPv6Address
        if version == 4:
            packed = self._string(b"ip", 4)
            port = self._port(port_key)
        else:
            packed = self._string(b"ip6", 16)
            port = self._port(port_key + b"6") or self._port(port_key)
        if packed is None or not port:
            return None
        ip = IPv4Address(packed) if version == 4 else IPv6Address(packed)
        return Endpoint(ip, port)

    def _value(self, key: bytes) -> bytes | None:
        return next((value for name, value in self.pairs if name == key), None)

    def _string(self, key: bytes, size: int) -> bytes | None:
        """An entry of that many bytes; one of another form is as good as none."""
        value = self._value(key)
        try:
            return to_fixed_bytes(decode(value), size) if value is not None else None
        except RlpDecodingError:
            return None

    def _port(self, key: bytes) -> int | None:
        value = self._value(key)
        try:
            return to_int(decode(value), 2) if value is not None else None
        except RlpDecodingError:
            return None


@lru_cache(maxsize=4096)
def known_record(encoded: bytes) -> Enr:
    """As `Enr.decode`, for records that come again and again: lookups meet the same nodes all the time, and a signature costs."""
    return Enr.decode(encoded)


def parse_enr(text: str) -> Enr:
    """Reads what `str` writes; padding is allowed. Raises ProtocolViolation."""
    text = text.strip()
    if not text.startswith(_PREFIX) or len(text) > _LONGEST_TEXT:
        raise ProtocolViolation("not the text of a node record (enr:…)")
    body = text[len(_PREFIX) :].rstrip("=")
    try:
        encoded = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolViolation(f"not base64: {error}") from error
    return Enr.decode(encoded)


def _content(seq: int, pairs: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return encode_list([encode_int(seq), *(part for key, value in pairs for part in (encode_bytes(key), value))])


def _items(encoded: bytes) -> list[bytes]:
    """The RLP of each item of the list that is all of `encoded`. Raises RlpDecodingError."""
    is_list, at, end = split(encoded, 0)
    if not is_list or end != len(encoded):
        raise RlpDecodingError("not one list")
    items = []
    while at < end:
        _, _, after = split(encoded, at)
        decode(encoded[at:after])  # what is passed on must be readable inside too
        items.append(encoded[at:after])
        at = after
    return items
