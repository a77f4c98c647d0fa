"""SHA2-256, RIPEMD-160, identity (Yellow Paper, appendix E) and the compression function of BLAKE2b (EIP-152)."""

from __future__ import annotations

import hashlib

from blake2b import decode_and_compress

from trinode.execution.errors import PrecompileFailure

_BLAKE2F_INPUT = 213


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def ripemd160(data: bytes) -> bytes:
    """The 20 bytes of the hash, padded on the left to 32."""
    from Crypto.Hash import RIPEMD160  # noqa: PLC0415 - 65 ms, and few chains ever call it; OpenSSL 3 may lack it

    return bytes(12) + RIPEMD160.new(data).digest()


def identity(data: bytes) -> bytes:
    return data


def blake2f_gas(data: bytes) -> int:
    """One gas a round. An input of another length fails whatever it costs."""
    return int.from_bytes(data[:4], "big") if len(data) == _BLAKE2F_INPUT else 0


def blake2f(data: bytes) -> bytes:
    """213 bytes: rounds (4), state (64), block (128), counters (16), final flag (1). Gives the new state, 64 bytes."""
    if len(data) != _BLAKE2F_INPUT:
        raise PrecompileFailure(f"BLAKE2F takes {_BLAKE2F_INPUT} bytes, not {len(data)}")
    if data[-1] > 1:
        raise PrecompileFailure(f"the final flag is 0 or 1, not {data[-1]}")
    state: bytes = decode_and_compress(data)
    return state
