"""The handshake's cryptography (discv5-theory: "Handshake Steps"; the "v4" identity scheme)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from coincurve import PrivateKey, PublicKey
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trinode.p2p.discovery.identity_scheme import NodeId, sign_digest, verifies_digest
from trinode.p2p.errors import ProtocolViolation

_AGREEMENT = b"discovery v5 key agreement"
_PROOF = b"discovery v5 identity proof"
_KEY_SIZE = 16


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """16 bytes each: what we encrypt with, and what the other side does."""

    write: bytes
    read: bytes

    def swapped(self) -> SessionKeys:
        """The same keys as the other side sees them."""
        return SessionKeys(self.read, self.write)


def shared_secret(public_key: bytes, private_key: bytes) -> bytes:
    """The 33 bytes of the compressed point (ECDH). Raises ProtocolViolation: no public key."""
    try:
        return PublicKey(public_key).multiply(private_key).format()
    except ValueError as error:
        raise ProtocolViolation("not a secp256k1 public key") from error


def agree(public_key: bytes, private_key: bytes, initiator: NodeId, recipient: NodeId, challenge_data: bytes) -> SessionKeys:
    """The keys as the initiator (who answers the challenge) has them. Raises ProtocolViolation."""
    secret = shared_secret(public_key, private_key)
    derived = HKDF(algorithm=SHA256(), length=2 * _KEY_SIZE, salt=challenge_data, info=_AGREEMENT + initiator + recipient).derive(secret)
    return SessionKeys(write=derived[:_KEY_SIZE], read=derived[_KEY_SIZE:])


def new_ephemeral_key(entropy: bytes) -> tuple[bytes, bytes]:
    """A private key and its public key, from 32 random bytes."""
    key = PrivateKey(entropy)
    return key.secret, key.public_key.format()


def sign_challenge(private_key: bytes, challenge_data: bytes, ephemeral_key: bytes, recipient: NodeId) -> bytes:
    """The 64 bytes that show who answers a challenge."""
    return sign_digest(private_key, _proof(challenge_data, ephemeral_key, recipient))


def verifies_challenge(public_key: bytes, signature: bytes, challenge_data: bytes, ephemeral_key: bytes, recipient: NodeId) -> bool:
    """Whether the holder of the key answered the challenge."""
    return verifies_digest(public_key, signature, _proof(challenge_data, ephemeral_key, recipient))


def _proof(challenge_data: bytes, ephemeral_key: bytes, recipient: NodeId) -> bytes:
    return hashlib.sha256(_PROOF + challenge_data + ephemeral_key + recipient).digest()


def encrypt(key: bytes, nonce: bytes, plain: bytes, authenticated: bytes) -> bytes:
    """AES-GCM; the result is 16 bytes longer."""
    return AESGCM(key).encrypt(nonce, plain, authenticated)


def decrypt(key: bytes, nonce: bytes, sealed: bytes, authenticated: bytes) -> bytes | None:
    """What was encrypted; None: not with this key, or changed on the way."""
    try:
        return AESGCM(key).decrypt(nonce, sealed, authenticated)
    except InvalidTag:
        return None
