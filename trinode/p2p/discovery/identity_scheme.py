"""The "v4" identity scheme (EIP-778): secp256k1 keys, signatures of 64 bytes, and the node ids that are made of keys."""

from __future__ import annotations

from functools import lru_cache
from typing import NewType

from coincurve import PrivateKey, PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from trinode.p2p.errors import ProtocolViolation
from trinode.protocol.keccak import keccak256

NodeId = NewType("NodeId", bytes)
"""32 bytes: the Keccak-256 of a public key's coordinates. Not a libp2p peer id, which is another name for the same key."""

SIGNATURE_SIZE = 64
PUBLIC_KEY_SIZE = 33
"""Bytes of a compressed public key."""


@lru_cache(maxsize=4096)
def node_id_of(public_key: bytes) -> NodeId:
    """The id of who holds the compressed key. Raises ProtocolViolation: that is no key."""
    try:
        return NodeId(keccak256(PublicKey(public_key).format(compressed=False)[1:]))
    except ValueError as error:
        raise ProtocolViolation("not a secp256k1 public key") from error


def compressed_key(coordinates: bytes) -> bytes:
    """The 33 bytes of a key that is given as 64 (enode URLs do). Raises ProtocolViolation."""
    try:
        return PublicKey(b"\x04" + coordinates).format()
    except ValueError as error:
        raise ProtocolViolation("not a secp256k1 public key") from error


def sign_digest(private_key: bytes, digest: bytes) -> bytes:
    """The signature (r ‖ s) over 32 bytes."""
    return PrivateKey(private_key).sign_recoverable(digest, hasher=None)[:SIGNATURE_SIZE]


def verifies_digest(public_key: bytes, signature: bytes, digest: bytes) -> bool:
    """Whether (r ‖ s) was made over the 32 bytes with that key; a high s is refused, as all implementations do."""
    if len(signature) != SIGNATURE_SIZE or len(public_key) != PUBLIC_KEY_SIZE:
        return False
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        return PublicKey(public_key).verify(der, digest, hasher=None)
    except ValueError:  # no key, or numbers beyond the curve's
        return False


def log_distance(one: NodeId, other: NodeId) -> int:
    """The number of bits from the first that differs on: 0 for the same node, else 1 to 256."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_length()
