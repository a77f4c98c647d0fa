"""Encryption and proof of identity (Noise Protocol Framework revision 34, pattern XX; libp2p specification: noise).

The Noise key of each handshake is made for it. What proves who is there is the payload of each side's last message: its libp2p key, and a
signature by it over the Noise key. Payloads also name the muxers that a side speaks, which saves negotiating them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from trio.abc import Stream

from trinode.p2p.errors import DialFailed, ProtocolViolation
from trinode.p2p.identity import Identity, PeerId, PublicKey, show_peer_id
from trinode.p2p.protobuf import bytes_field, fields_of
from trinode.p2p.transport.receiving import receive_exactly
from trinode.p2p.transport.secure_channel import SecureChannel, nonce

NOISE = "/noise"
_PATTERN = b"Noise_XX_25519_ChaChaPoly_SHA256"  # as long as its hash: it is its own
_KEY_SIZE, _TAG_SIZE = 32, 16
_SIGNED_PREFIX = b"noise-libp2p-static-key:"
_IDENTITY_KEY, _IDENTITY_SIGNATURE, _EXTENSIONS = 1, 2, 4
_STREAM_MUXERS = 2
_MOST_FIELDS = 32
_LONGEST_HANDSHAKE_MESSAGE = 8192
"""Bytes. Keys and signatures take 100 to 250; an RSA peer's about 900; certificates' hashes of other transports may be among them."""
_MOST_MUXERS = 8


@dataclass(frozen=True, slots=True)
class Proven:
    """Who holds the other end. `muxers`: those that the peer speaks, the best first; empty if it did not say."""

    public_key: PublicKey
    muxers: tuple[str, ...]


class HandshakeState:
    """Noise's symmetric state with the keys of pattern XX. `static`, `ephemeral`: our keys, new for each handshake."""

    def __init__(self, static: X25519PrivateKey, ephemeral: X25519PrivateKey) -> None:
        self._hash = self._chaining_key = _PATTERN
        self._cipher: ChaCha20Poly1305 | None = None
        self._nonce = 0
        self._static, self._ephemeral = static, ephemeral
        self.static_key = self._static.public_key().public_bytes_raw()
        self._their_ephemeral = self.their_static = b""
        self._mix_hash(b"")  # no prologue

    def write_ephemeral(self) -> bytes:
        """Token "e", ours."""
        key = self._ephemeral.public_key().public_bytes_raw()
        self._mix_hash(key)
        return key

    def read_ephemeral(self, key: bytes) -> None:
        """Token "e", theirs."""
        self._their_ephemeral = key
        self._mix_hash(key)

    def write_static(self) -> bytes:
        """Token "s", ours, encrypted."""
        return self.encrypt(self.static_key)

    def read_static(self, encrypted: bytes) -> None:
        """Token "s", theirs. Raises ProtocolViolation."""
        self.their_static = self.decrypt(encrypted)

    def mix_ephemerals(self) -> None:
        """Token "ee". Raises ProtocolViolation, as the two below: their key is none."""
        self._mix_key(self._ephemeral, self._their_ephemeral)

    def mix_their_static(self) -> None:
        """Our ephemeral key with their static one: "es" for the initiator, "se" for the responder."""
        self._mix_key(self._ephemeral, self.their_static)

    def mix_our_static(self) -> None:
        """Our static key with their ephemeral one: "se" for the initiator, "es" for the responder."""
        self._mix_key(self._static, self._their_ephemeral)

    def encrypt(self, plaintext: bytes) -> bytes:
        """EncryptAndHash; as it is while there is no key yet."""
        ciphertext = plaintext if self._cipher is None else self._cipher.encrypt(self._next_nonce(), plaintext, self._hash)
        self._mix_hash(ciphertext)
        return ciphertext

    def decrypt(self, ciphertext: bytes) -> bytes:
        """DecryptAndHash. Raises ProtocolViolation."""
        plaintext = ciphertext
        if self._cipher is not None:
            try:
                plaintext = self._cipher.decrypt(self._next_nonce(), ciphertext, self._hash)
            except InvalidTag as error:
                raise ProtocolViolation("noise: a handshake message that does not decrypt") from error
        self._mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[ChaCha20Poly1305, ChaCha20Poly1305]:
        """The two ciphers of what follows: the initiator's and the responder's."""
        first, second = _hkdf(self._chaining_key, b"")
        return ChaCha20Poly1305(first), ChaCha20Poly1305(second)

    def _mix_hash(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _mix_key(self, ours: X25519PrivateKey, theirs: bytes) -> None:
        try:
            shared = ours.exchange(X25519PublicKey.from_public_bytes(theirs))
        except ValueError as error:  # a point of small order
            raise ProtocolViolation("noise: a key that is none") from error
        self._chaining_key, key = _hkdf(self._chaining_key, shared)
        self._cipher, self._nonce = ChaCha20Poly1305(key), 0

    def _next_nonce(self) -> bytes:
        self._nonce += 1
        return nonce(self._nonce - 1)


def _hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Noise's HKDF with two outputs."""
    secret = hmac.digest(chaining_key, material, "sha256")
    first = hmac.digest(secret, b"\x01", "sha256")
    return first, hmac.digest(secret, first + b"\x02", "sha256")


def encode_payload(identity: Identity, static_key: bytes, muxers: Sequence[str]) -> bytes:
    """What proves our identity for a handshake."""
    named = b"".join(bytes_field(_STREAM_MUXERS, muxer.encode()) for muxer in muxers)
    signature = identity.sign(_SIGNED_PREFIX + static_key)
    return (
        bytes_field(_IDENTITY_KEY, identity.public_key.encode())
        + bytes_field(_IDENTITY_SIGNATURE, signature)
        + (bytes_field(_EXTENSIONS, named) if named else b"")
    )


def decode_payload(payload: bytes, static_key: bytes) -> Proven:
    """Who the payload proves to be the holder of that Noise key. Raises ProtocolViolation."""
    fields = dict(fields_of(payload, most=_MOST_FIELDS))
    key, signature, extensions = fields.get(_IDENTITY_KEY), fields.get(_IDENTITY_SIGNATURE), fields.get(_EXTENSIONS, b"")
    if not isinstance(key, bytes) or not isinstance(signature, bytes) or not isinstance(extensions, bytes):
        raise ProtocolViolation("noise: a payload without an identity or its signature")
    public_key = PublicKey.decode(key)
    if not public_key.verifies(signature, _SIGNED_PREFIX + static_key):
        raise ProtocolViolation("noise: an identity that did not sign the Noise key")
    muxers = [value for number, value in fields_of(extensions, most=_MOST_FIELDS) if number == _STREAM_MUXERS and isinstance(value, bytes)]
    return Proven(public_key, tuple(muxer.decode(errors="replace") for muxer in muxers[:_MOST_MUXERS]))


async def handshake(
    raw: Stream, identity: Identity, *, initiator: bool, muxers: Sequence[str], expected: PeerId | None = None
) -> tuple[SecureChannel, Proven]:
    """Both sides' three messages. `expected`: who must be there; an initiator does not even say who it is to somebody else.

    Raises DialFailed (somebody else is there), ProtocolViolation, and what streams raise; `raw` is then not closed.
    """
    state = HandshakeState(X25519PrivateKey.generate(), X25519PrivateKey.generate())
    if initiator:
        proven = await _initiate(raw, state, identity, muxers, expected)
    else:
        proven = await _respond(raw, state, identity, muxers)
        _expect(expected, proven)
    first, second = state.split()
    sending, receiving = (first, second) if initiator else (second, first)
    return SecureChannel(raw, sending, receiving), proven


def _expect(expected: PeerId | None, proven: Proven) -> None:
    there = proven.public_key.peer_id
    if expected is not None and there != expected:
        raise DialFailed(f"{show_peer_id(there)} is there instead of {show_peer_id(expected)}")


async def _initiate(raw: Stream, state: HandshakeState, identity: Identity, muxers: Sequence[str], expected: PeerId | None) -> Proven:
    await _send(raw, state.write_ephemeral() + state.encrypt(b""))

    message = await _receive(raw, _KEY_SIZE + _KEY_SIZE + _TAG_SIZE)
    state.read_ephemeral(message[:_KEY_SIZE])
    state.mix_ephemerals()
    state.read_static(message[_KEY_SIZE : 2 * _KEY_SIZE + _TAG_SIZE])
    state.mix_their_static()
    proven = decode_payload(state.decrypt(message[2 * _KEY_SIZE + _TAG_SIZE :]), state.their_static)
    _expect(expected, proven)

    encrypted_static = state.write_static()
    state.mix_our_static()
    await _send(raw, encrypted_static + state.encrypt(encode_payload(identity, state.static_key, muxers)))
    return proven


async def _respond(raw: Stream, state: HandshakeState, identity: Identity, muxers: Sequence[str]) -> Proven:
    message = await _receive(raw, _KEY_SIZE)
    state.read_ephemeral(message[:_KEY_SIZE])
    state.decrypt(message[_KEY_SIZE:])  # what an initiator may say here proves nothing

    ephemeral = state.write_ephemeral()
    state.mix_ephemerals()
    encrypted_static = state.write_static()
    state.mix_our_static()
    await _send(raw, ephemeral + encrypted_static + state.encrypt(encode_payload(identity, state.static_key, muxers)))

    message = await _receive(raw, _KEY_SIZE + _TAG_SIZE)
    state.read_static(message[: _KEY_SIZE + _TAG_SIZE])
    state.mix_their_static()
    return decode_payload(state.decrypt(message[_KEY_SIZE + _TAG_SIZE :]), state.their_static)


async def _send(raw: Stream, message: bytes) -> None:
    await raw.send_all(len(message).to_bytes(2, "big") + message)


async def _receive(raw: Stream, least: int) -> bytes:
    size = int.from_bytes(await receive_exactly(raw, 2), "big")
    if not least <= size <= _LONGEST_HANDSHAKE_MESSAGE:
        raise ProtocolViolation(f"noise: a handshake message of {size} bytes")
    return await receive_exactly(raw, size)
