"""Keccak-256 as Ethereum uses it (the original padding, not SHA-3's)."""

from __future__ import annotations

from sha3 import keccak_256

from trinode.protocol.types import Hash32


def keccak256(data: bytes) -> Hash32:
    """The 32-byte Keccak-256 digest of `data`."""
    digest: bytes = keccak_256(data).digest()
    return digest
