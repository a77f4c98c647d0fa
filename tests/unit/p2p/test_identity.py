"""Keys and peer ids: the vectors of libp2p's specification (peer-ids, "Test vectors"), and what peers may send in their place."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import ECDSA, ED25519, RSA, SECP256K1, Identity, PublicKey, parse_peer_id, show_peer_id
from trinode.p2p.protobuf import bytes_field, int_field

PRIVATE = bytes.fromhex("53DADF1D5A164D6B4ACDB15E24AA4C5B1D3461BDBD42ABEDB0A4404D56CED8FB")
PUBLIC = bytes.fromhex("08021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99")
ED25519_PUBLIC = bytes.fromhex("080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e")
DER = serialization.Encoding.DER
INFO = serialization.PublicFormat.SubjectPublicKeyInfo


def test_the_specifications_secp256k1_key() -> None:
    assert Identity(PRIVATE).public_key.encode() == PUBLIC
    assert PublicKey.decode(PUBLIC) == Identity(PRIVATE).public_key


def test_short_keys_stand_in_their_ids() -> None:
    for encoded, begin in ((PUBLIC, "16Uiu2HA"), (ED25519_PUBLIC, "12D3Koo")):
        peer_id = PublicKey.decode(encoded).peer_id
        assert peer_id == bytes([0, len(encoded)]) + encoded
        assert show_peer_id(peer_id).startswith(begin)
        assert parse_peer_id(show_peer_id(peer_id)) == peer_id


def test_long_keys_are_hashed() -> None:
    peer_id = PublicKey(RSA, bytes(300)).peer_id
    assert len(peer_id) == 34 and show_peer_id(peer_id).startswith("Qm")
    assert parse_peer_id(show_peer_id(peer_id)) == peer_id


def test_signatures_of_every_kind_of_key() -> None:
    message = b"noise-libp2p-static-key:" + bytes(32)
    identity, ed25519 = Identity(PRIVATE), Ed25519PrivateKey.generate()
    rsa_key, ec_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    signed = [
        (identity.public_key, identity.sign(message)),
        (PublicKey(ED25519, ed25519.public_key().public_bytes_raw()), ed25519.sign(message)),
        (PublicKey(RSA, rsa_key.public_key().public_bytes(DER, INFO)), rsa_key.sign(message, padding.PKCS1v15(), hashes.SHA256())),
        (PublicKey(ECDSA, ec_key.public_key().public_bytes(DER, INFO)), ec_key.sign(message, ec.ECDSA(hashes.SHA256()))),
    ]
    for key, signature in signed:
        assert PublicKey.decode(key.encode()) == key
        assert key.verifies(signature, message)
        assert not key.verifies(signature, message + b"!")
        assert not key.verifies(bytes(70), message)


@pytest.mark.parametrize(
    "key",
    [
        PublicKey(SECP256K1, bytes(33)),
        PublicKey(ED25519, bytes(31)),
        PublicKey(RSA, bytes(300)),
        PublicKey(ECDSA, b"\x30\x00"),
        PublicKey(ECDSA, rsa.generate_private_key(65537, 2048).public_key().public_bytes(DER, INFO)),
        PublicKey(RSA, rsa.generate_private_key(65537, 1024).public_key().public_bytes(DER, INFO)),
    ],
    ids=["no point", "short", "no DER", "empty DER", "RSA as ECDSA", "RSA of 1,024 bits"],
)
def test_what_is_no_key(key: PublicKey) -> None:
    with pytest.raises(ProtocolViolation):
        key.verifies(bytes(64), b"message")


@pytest.mark.parametrize("encoded", [b"", int_field(1, 2), bytes_field(2, bytes(33)), int_field(1, 7) + bytes_field(2, b"x"), bytes(3000)])
def test_what_is_no_encoded_key(encoded: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        PublicKey.decode(encoded)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_key_or_a_violation(data: bytes) -> None:
    try:
        key = PublicKey.decode(data)
    except ProtocolViolation:
        return
    assert parse_peer_id(show_peer_id(key.peer_id)) == key.peer_id


@pytest.mark.parametrize("key", [b"", bytes(32), PRIVATE[1:], PRIVATE + b"\x00", b"\xff" * 32], ids=len)
def test_what_is_no_private_key(key: bytes) -> None:
    with pytest.raises(ValueError, match=r"bytes, not 32|scalar"):
        Identity(key)


@pytest.mark.parametrize("text", ["", "0OIl", "16Uiu2HA", "Qm", "1" * 500])
def test_what_is_no_peer_id(text: str) -> None:
    with pytest.raises(ValueError, match=r"peer id|character"):
        parse_peer_id(text)
