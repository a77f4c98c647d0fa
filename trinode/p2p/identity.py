"""Who peers are (libp2p specification: peer-ids): public keys, the ids that are made of them, and our own secp256k1 key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType

import base58
from coincurve import PrivateKey
from coincurve import PublicKey as Secp256k1PublicKey
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.protobuf import bytes_field, fields_of, int_field

PeerId = NewType("PeerId", bytes)
"""A multihash of a peer's public key: of the key itself where it takes 42 bytes at most, else of its SHA-256."""

RSA, ED25519, SECP256K1, ECDSA = range(4)
_KEY_TYPE, _KEY_DATA = 1, 2
_IDENTITY, _SHA256 = b"\x00", b"\x12\x20"
_LONGEST_INLINE = 42
_LONGEST_ID = 64
_LONGEST_KEY = 2048
"""Bytes of a public key: an RSA key of 8,192 bits has about half as many."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A peer's key. `data`: as its type has it (secp256k1: 33 bytes compressed; Ed25519: 32; the others: DER)."""

    key_type: int
    data: bytes

    @classmethod
    def decode(cls, encoded: bytes) -> PublicKey:
        """Reads the protobuf. Raises ProtocolViolation."""
        if len(encoded) > _LONGEST_KEY:
            raise ProtocolViolation(f"a public key of {len(encoded)} bytes")
        fields = dict(fields_of(encoded, most=4))
        key_type, data = fields.get(_KEY_TYPE), fields.get(_KEY_DATA)
        if not isinstance(key_type, int) or not isinstance(data, bytes):
            raise ProtocolViolation("a public key without its type or its data")
        if not RSA <= key_type <= ECDSA:
            raise ProtocolViolation(f"a public key of type {key_type}")
        return cls(key_type, data)

    def encode(self) -> bytes:
        """The protobuf that ids are made of."""
        return int_field(_KEY_TYPE, self.key_type) + bytes_field(_KEY_DATA, self.data)

    @property
    def peer_id(self) -> PeerId:
        """The id of whoever holds the key."""
        encoded = self.encode()
        if len(encoded) <= _LONGEST_INLINE:
            return PeerId(_IDENTITY + bytes([len(encoded)]) + encoded)
        return PeerId(_SHA256 + hashlib.sha256(encoded).digest())

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the holder of the key signed the message. Raises ProtocolViolation for what is no key."""
        try:
            if self.key_type == SECP256K1:
                return _verifies_secp256k1(self.data, signature, message)
            _verify_with_library(self, signature, message)
        except InvalidSignature:
            return False
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ProtocolViolation(f"a public key of type {self.key_type} that is none: {error}") from error
        return True


def _verifies_secp256k1(key: bytes, signature: bytes, message: bytes) -> bool:
    public_key = Secp256k1PublicKey(key)
    try:
        return public_key.verify(signature, message)  # DER, over the message's SHA-256
    except ValueError:
        return False


def _verify_with_library(key: PublicKey, signature: bytes, message: bytes) -> None:
    if key.key_type == ED25519:
        Ed25519PublicKey.from_public_bytes(key.data).verify(signature, message)
        return
    loaded = load_der_public_key(key.data)
    if key.key_type == RSA and isinstance(loaded, rsa.RSAPublicKey) and 2048 <= loaded.key_size <= 8192:
        loaded.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    elif key.key_type == ECDSA and isinstance(loaded, ec.EllipticCurvePublicKey):
        loaded.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    else:
        raise ValueError("another kind of key than its type says, or of another size than is taken")


class Identity:
    """Our own key: 32 bytes of secp256k1."""

    def __init__(self, private_key: bytes) -> None:
        """Raises ValueError if that is no private key."""
        if len(private_key) != 32:
            raise ValueError(f"a private key of {len(private_key)} bytes, not 32")
        self._key = PrivateKey(private_key)
        self.public_key = PublicKey(SECP256K1, self._key.public_key.format())
        self.peer_id = self.public_key.peer_id

    @property
    def private_key(self) -> bytes:
        """The 32 bytes themselves, for what signs otherwise (discovery)."""
        return self._key.secret

    def sign(self, message: bytes) -> bytes:
        """A DER signature over the message's SHA-256."""
        return self._key.sign(message)


@lru_cache(maxsize=4096)
def show_peer_id(peer_id: PeerId) -> str:
    """As op-node and all others write it (base58)."""
    return base58.b58encode(peer_id).decode()


def parse_peer_id(text: str) -> PeerId:
    """Reads what `show_peer_id` writes. Raises ValueError."""
    if len(text) > 2 * _LONGEST_ID:
        raise ValueError("longer than a peer id is")
    decoded = base58.b58decode(text)
    if decoded[:1] == _IDENTITY and len(decoded) == 2 + decoded[1] <= _LONGEST_ID:
        return PeerId(decoded)
    if decoded[:2] == _SHA256 and len(decoded) == 34:
        return PeerId(decoded)
    raise ValueError("not a peer id")
