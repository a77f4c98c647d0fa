"""Noise XX with libp2p's payloads: against what another implementation computed, and against liars."""

from __future__ import annotations

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import memory_stream_pair

from tests.unit.p2p.transport.both_sides import both
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import ED25519, Identity, PublicKey
from trinode.p2p.protobuf import bytes_field, int_field
from trinode.p2p.transport.noise import HandshakeState, decode_payload, encode_payload, handshake
from trinode.p2p.transport.receiving import receive_exactly
from trinode.p2p.transport.secure_channel import nonce

ALICE, BOB = Identity(b"\x01" * 32), Identity(b"\x02" * 32)
# noiseprotocol 0.3.1 (PyPI): static keys 01.. and 03.., ephemeral keys 02.. and 04.., payloads "", "who answers", "who asks"; then "first" and
# "second" by the initiator, "third" by the responder.
MESSAGES = [
    bytes.fromhex(text)
    for text in (
        "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59",
        "ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10bb719b14d19eaf5ca91c89748c5ce8668e6864f05ee2367682b3e0c2fd086f0b4"
        "f64162733f3fe548251c518fe8c03ccedd61c442ed17ee6249ff87dc49bc7e453e6cc6f407e3b172c21d7b",
        "539a5cf3ae8a0a9134b32bfa775a1522db3558a1351ed4101989b8b88aa6a6f0bf1189e7c80026ec94071e899448dac3300adb0bc0e4b6fbc32f60f4964c4d5a"
        "4369c7c9b0628be9",
    )
]
SEALED = [bytes.fromhex(text) for text in ("fbc4e3d3b58453f209a8b043f4d952fbed95175449", "d3c05451ea4d55b1adfd4b088d934320a83337d8e503")]
SEALED_BY_RESPONDER = bytes.fromhex("ec9310c15a8a430bfe3b34408684006fbf4e1bf971")


def state_of(number: int) -> HandshakeState:
    return HandshakeState(*(X25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (number, number + 1)))


def test_both_sides_as_another_implementation_has_them() -> None:
    alice, bob = state_of(1), state_of(3)
    assert alice.write_ephemeral() + alice.encrypt(b"") == MESSAGES[0]
    bob.read_ephemeral(MESSAGES[0])
    assert bob.decrypt(b"") == b""

    second = bob.write_ephemeral()
    bob.mix_ephemerals()
    second += bob.write_static()
    bob.mix_our_static()
    assert second + bob.encrypt(b"who answers") == MESSAGES[1]
    alice.read_ephemeral(MESSAGES[1][:32])
    alice.mix_ephemerals()
    alice.read_static(MESSAGES[1][32:80])
    alice.mix_their_static()
    assert alice.decrypt(MESSAGES[1][80:]) == b"who answers"
    assert alice.their_static == bob.static_key

    third = alice.write_static()
    alice.mix_our_static()
    assert third + alice.encrypt(b"who asks") == MESSAGES[2]
    bob.read_static(MESSAGES[2][:48])
    bob.mix_their_static()
    assert bob.decrypt(MESSAGES[2][48:]) == b"who asks"

    for state in (alice, bob):
        initiator, responder = state.split()
        assert [initiator.encrypt(nonce(n), text, None) for n, text in enumerate((b"first", b"second"))] == SEALED
        assert responder.encrypt(nonce(0), b"third", None) == SEALED_BY_RESPONDER


async def test_who_is_there_and_what_they_speak() -> None:
    ours, theirs = memory_stream_pair()
    (channel, proven), (their_channel, their_proven) = await both(
        handshake(ours, ALICE, initiator=True, muxers=["/yamux/1.0.0"]), handshake(theirs, BOB, initiator=False, muxers=[])
    )
    assert (proven.public_key, proven.muxers) == (BOB.public_key, ())
    assert (their_proven.public_key, their_proven.muxers) == (ALICE.public_key, ("/yamux/1.0.0",))
    await channel.send_all(b"hello")
    assert await their_channel.receive_some() == b"hello"
    await their_channel.send_all(b"hello too")
    assert await channel.receive_some() == b"hello too"


def test_a_key_of_another_type() -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
    public = PublicKey(ED25519, key.public_key().public_bytes_raw())
    payload = bytes_field(1, public.encode()) + bytes_field(2, key.sign(b"noise-libp2p-static-key:" + b"\x07" * 32))
    assert decode_payload(payload, b"\x07" * 32).public_key == public


def test_a_signature_of_another_handshake() -> None:
    with pytest.raises(ProtocolViolation, match="did not sign"):
        decode_payload(encode_payload(ALICE, b"\x07" * 32, []), b"\x08" * 32)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes_field(1, ALICE.public_key.encode()),
        bytes_field(2, b"\x30"),
        int_field(1, 1) + bytes_field(2, b""),
        bytes_field(1, b"\x08\x02\x12\x02\x03\x04") + bytes_field(2, b""),  # a point that is none
        bytes_field(1, ALICE.public_key.encode()) + bytes_field(2, b"\x30\x00"),
        encode_payload(ALICE, b"\x07" * 32, []) + int_field(4, 1),
        encode_payload(ALICE, b"\x07" * 32, []) + bytes_field(4, b"\x12"),
        encode_payload(ALICE, b"\x07" * 32, []) * 17,
    ],
)
def test_payloads_that_prove_nothing(payload: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode_payload(payload, b"\x07" * 32)


def test_more_muxers_than_anybody_has() -> None:
    assert len(decode_payload(encode_payload(ALICE, b"\x07" * 32, ["/m"] * 30), b"\x07" * 32).muxers) == 8


@given(st.binary(max_size=300))
def test_any_payload(payload: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode_payload(payload, b"\x07" * 32)


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x00",
        b"\x00\x1f" + b"a" * 31,
        b"\xff\xff" + b"a" * 65535,
        b"\x00\x20" + b"\x00" * 32,  # a point of small order: everybody would know the secret
        b"\x00\x20" + b"\x01" + b"\x00" * 31,
    ],
)
async def test_first_messages_that_are_none(said: bytes) -> None:
    ours, theirs = memory_stream_pair()
    await ours.send_all(said)
    with pytest.raises(ProtocolViolation):
        await handshake(theirs, BOB, initiator=False, muxers=[])


async def test_answers_that_do_not_decrypt() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(b"\x00\x80" + b"\x09" + b"\x00" * 127)
    with pytest.raises(ProtocolViolation, match="does not decrypt"):
        await handshake(ours, ALICE, initiator=True, muxers=[])


async def test_the_peer_leaves_in_the_midst() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_eof()
    with pytest.raises(trio.BrokenResourceError):
        await handshake(ours, ALICE, initiator=True, muxers=[])
    assert len(await receive_exactly(theirs, 34)) == 34


async def test_the_last_message_is_changed_on_its_way() -> None:
    ours, relay_one = memory_stream_pair()
    relay_two, theirs = memory_stream_pair()

    async def relay() -> None:
        await relay_two.send_all(await receive_exactly(relay_one, 34))
        size = await receive_exactly(relay_two, 2)
        await relay_one.send_all(size + await receive_exactly(relay_two, int.from_bytes(size, "big")))
        size = await receive_exactly(relay_one, 2)
        last = bytearray(await receive_exactly(relay_one, int.from_bytes(size, "big")))
        last[-1] ^= 1
        await relay_two.send_all(size + last)

    async def fail() -> None:
        with pytest.raises(ProtocolViolation, match="does not decrypt"):
            await handshake(theirs, BOB, initiator=False, muxers=[])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(relay)
        await both(handshake(ours, ALICE, initiator=True, muxers=[]), fail())
