"""Packets (discv5-wire: "Packet Encoding"): a masked header, and behind it a message that is encrypted."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from trinode.p2p.discovery.identity_scheme import PUBLIC_KEY_SIZE, SIGNATURE_SIZE, NodeId
from trinode.p2p.errors import ProtocolViolation

MIN_SIZE, MAX_SIZE = 63, 1280
NONCE_SIZE = 12
IV_SIZE = 16
_PROTOCOL = b"discv5"
_VERSION = 1
_STATIC = struct.Struct(">6sHB12sH")
_MESSAGE, _WHOAREYOU, _HANDSHAKE = range(3)
_ID_NONCE = struct.Struct(">16sQ")
_HANDSHAKE_HEAD = struct.Struct(">32sBB")
_SMALLEST_SEALED = 16
"""Bytes of AES-GCM's tag. (A message that carries nothing at all is refused when it is read.)"""


@dataclass(frozen=True, slots=True)
class MessagePacket:
    """An ordinary message. `sealed`: encrypted, over `authenticated` (the IV and the header)."""

    source: NodeId
    nonce: bytes
    authenticated: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class WhoAreYou:
    """A challenge. `nonce`: of the packet that it answers; `enr_seq`: of the record that the challenger has, 0 if none; `challenge_data`: all of
    it as both sides see it.
    """

    nonce: bytes
    id_nonce: bytes
    enr_seq: int
    challenge_data: bytes


@dataclass(frozen=True, slots=True)
class HandshakePacket:
    """The answer to a challenge, with a first message. `record`: RLP, empty where the challenger has it."""

    source: NodeId
    nonce: bytes
    signature: bytes
    ephemeral_key: bytes
    record: bytes
    authenticated: bytes
    sealed: bytes


Packet = MessagePacket | WhoAreYou | HandshakePacket


def decode_packet(data: bytes, recipient: NodeId) -> Packet:
    """Reads a packet that is for `recipient`. Raises ProtocolViolation: for somebody else, or not one."""
    if not MIN_SIZE <= len(data) <= MAX_SIZE:
        raise ProtocolViolation(f"a packet of {len(data)} bytes")
    iv = data[:IV_SIZE]
    unmasked = _mask(recipient, iv, data[IV_SIZE:])
    protocol, version, flag, nonce, size = _STATIC.unpack_from(unmasked)
    if protocol != _PROTOCOL or version != _VERSION:
        raise ProtocolViolation("a packet for somebody else, or of another protocol")
    header_size = _STATIC.size + size
    if IV_SIZE + header_size > len(data):
        raise ProtocolViolation("a packet that ends inside its header")
    authdata, authenticated = unmasked[_STATIC.size : header_size], iv + unmasked[:header_size]
    sealed = data[IV_SIZE + header_size :]
    if flag == _WHOAREYOU:
        if size != _ID_NONCE.size or sealed:
            raise ProtocolViolation("a challenge of another length")
        id_nonce, enr_seq = _ID_NONCE.unpack(authdata)
        return WhoAreYou(nonce, id_nonce, enr_seq, authenticated)
    if len(sealed) < _SMALLEST_SEALED:
        raise ProtocolViolation("a packet without a message")
    if flag == _MESSAGE:
        if size != 32:
            raise ProtocolViolation("a message packet with other authdata than a node id")
        return MessagePacket(NodeId(authdata), nonce, authenticated, sealed)
    if flag == _HANDSHAKE:
        return _decode_handshake(authdata, nonce, authenticated, sealed)
    raise ProtocolViolation(f"a packet of kind {flag}")


def _decode_handshake(authdata: bytes, nonce: bytes, authenticated: bytes, sealed: bytes) -> HandshakePacket:
    if len(authdata) < _HANDSHAKE_HEAD.size:
        raise ProtocolViolation("a handshake packet that ends inside its authdata")
    source, signature_size, key_size = _HANDSHAKE_HEAD.unpack_from(authdata)
    record_at = _HANDSHAKE_HEAD.size + SIGNATURE_SIZE + PUBLIC_KEY_SIZE
    if (signature_size, key_size) != (SIGNATURE_SIZE, PUBLIC_KEY_SIZE) or len(authdata) < record_at:
        raise ProtocolViolation("a handshake of another identity scheme than v4")
    signature, ephemeral_key = authdata[_HANDSHAKE_HEAD.size :][:SIGNATURE_SIZE], authdata[record_at - PUBLIC_KEY_SIZE : record_at]
    return HandshakePacket(NodeId(source), nonce, signature, ephemeral_key, authdata[record_at:], authenticated, sealed)


def message_header(source: NodeId, nonce: bytes) -> bytes:
    """The header of an ordinary message packet."""
    return _STATIC.pack(_PROTOCOL, _VERSION, _MESSAGE, nonce, 32) + source


def whoareyou_header(request_nonce: bytes, id_nonce: bytes, enr_seq: int) -> bytes:
    """The header of a challenge: all that it has."""
    return _STATIC.pack(_PROTOCOL, _VERSION, _WHOAREYOU, request_nonce, _ID_NONCE.size) + _ID_NONCE.pack(id_nonce, enr_seq)


def handshake_header(source: NodeId, nonce: bytes, signature: bytes, ephemeral_key: bytes, record: bytes) -> bytes:
    """The header of the answer to a challenge."""
    authdata = _HANDSHAKE_HEAD.pack(source, len(signature), len(ephemeral_key)) + signature + ephemeral_key + record
    return _STATIC.pack(_PROTOCOL, _VERSION, _HANDSHAKE, nonce, len(authdata)) + authdata


def encode_packet(recipient: NodeId, iv: bytes, header: bytes, sealed: bytes = b"") -> bytes:
    """The packet: the header masked for its recipient, and the message, which was encrypted over `iv + header`."""
    return iv + _mask(recipient, iv, header) + sealed


def _mask(recipient: NodeId, iv: bytes, data: bytes) -> bytes:
    return Cipher(AES(recipient[:16]), CTR(iv)).encryptor().update(data)
