"""A block as it travels: `signature ++ signed`, where `signed` is the payload in SSZ, since Ecotone after the parent beacon block root
(specification: rollup-node-p2p, "Block encoding" and "Block signatures"). All of it is then compressed.
"""

from __future__ import annotations

from typing import NamedTuple

from coincurve import PrivateKey, PublicKey

from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32

SIGNATURE_SIZE = 65
"""Bytes: r and s, big-endian, and the parity of y."""
_DOMAIN = bytes(32)


class BadSignature(ValueError):
    """A signature by no key at all."""


class SignedBlock(NamedTuple):
    """A block and its signature, before compression."""

    signature: bytes
    signed: bytes

    @classmethod
    def split(cls, message: bytes) -> SignedBlock:
        """The parts of an inflated message, which has more than `SIGNATURE_SIZE` bytes."""
        return cls(message[:SIGNATURE_SIZE], message[SIGNATURE_SIZE:])

    def signer(self, chain_id: int) -> Address:
        """Who signed it for that chain. Raises BadSignature.

        As in op-node, s may be in the upper half of the order: such a signature is another message with the same block, which is seen already.
        """
        signing_hash = block_signing_hash(self.signed, chain_id)
        try:
            key = PublicKey.from_signature_and_message(self.signature, signing_hash, hasher=None)
        except ValueError as error:
            raise BadSignature(str(error)) from error
        return _address(key)


class SequencerKey:
    """The key that signs unsafe blocks (`p2p.sequencer.key`)."""

    def __init__(self, private_key: bytes) -> None:
        """32 bytes. Raises ValueError if that is no private key."""
        if len(private_key) != 32:
            raise ValueError(f"a private key of {len(private_key)} bytes, not 32")
        self._key = PrivateKey(private_key)
        self.address = _address(self._key.public_key)

    def sign(self, signing_hash: Hash32) -> bytes:
        """65 bytes."""
        return self._key.sign_recoverable(signing_hash, hasher=None)


def block_signing_hash(signed: bytes, chain_id: int) -> Hash32:
    """What is signed of a block."""
    return keccak256(_DOMAIN + chain_id.to_bytes(32, "big") + keccak256(signed))


def _address(key: PublicKey) -> Address:
    return keccak256(key.format(compressed=False)[1:])[12:]
