"""Blocks that a test makes: their hashes are right, and who signs them is known."""

from __future__ import annotations

from typing import Any

from harness.bare_blocks import bare_block
from trinode.p2p.blocks.envelope import SequencerKey, block_signing_hash
from trinode.p2p.blocks.rules import Circumstances
from trinode.p2p.blocks.signers import ExpectedSigners
from trinode.p2p.blocks.snappy import compress
from trinode.protocol.payload import PayloadEnvelope, encode_envelope
from trinode.rollup.chains import chain_by_name
from trinode.rollup.fork import Fork

SEQUENCER, OTHER, THIRD = (SequencerKey(bytes([number]) * 32) for number in (1, 2, 3))
OP_MAINNET = chain_by_name("op-mainnet")
CHAIN_ID = OP_MAINNET.l2_chain_id
_SINCE = {2: Fork.CANYON, 3: Fork.ECOTONE, 4: Fork.ISTHMUS}
FIRST_OF_VERSION = {1: 1_700_000_000} | {version: OP_MAINNET.fork_times[fork] for version, fork in _SINCE.items()}
"""A time at which blocks have that layout."""
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""Of secp256k1."""


def made_block(version: int, number: int = 1, salt: int = 0, **fields: Any) -> PayloadEnvelope:
    """A block in that layout; `salt` makes another one of the same number, `fields` are put in before it is hashed."""
    usual = {"parent_hash": salt.to_bytes(32, "big"), "block_number": number, "timestamp": FIRST_OF_VERSION[version]}
    return bare_block(version, **{**usual, "transactions": (b"\x02one", b"\x02two"), **fields})


def signed_bytes(signed: bytes, key: SequencerKey = SEQUENCER, chain_id: int = CHAIN_ID) -> bytes:
    """A message before compression."""
    return key.sign(block_signing_hash(signed, chain_id)) + signed


def message_of(envelope: PayloadEnvelope, version: int, key: SequencerKey = SEQUENCER) -> bytes:
    """A message as it travels."""
    return compress(signed_bytes(encode_envelope(envelope, version), key))


def other_signature(message: bytes) -> bytes:
    """The same block with the other signature that the same key could have made, whose s is in the other half of the order."""
    s = ORDER - int.from_bytes(message[32:64], "big")
    return message[:32] + s.to_bytes(32, "big") + bytes([message[64] ^ 1]) + message[65:]


def at(timestamp: int, signers: ExpectedSigners | None = None, oldest: int = 60) -> Circumstances:
    """The circumstances at a time; the sequencer signs."""
    return Circumstances(timestamp, oldest, ExpectedSigners(SEQUENCER.address) if signers is None else signers)
