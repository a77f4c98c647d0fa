"""The curve alt_bn128, also called bn254: addition and multiplication (EIP-196), pairing (EIP-197), at EIP-1108's prices.

Multiplication and pairing are revm's own precompiles, called through pyrevm: it is the native bn254 that there is for
Python (py-ecc takes 350 ms a pair). Addition is done here, in fewer microseconds than such a call takes.
"""

from __future__ import annotations

from gmpy2 import invert
from pyrevm import EVM

from trinode.execution.errors import PrecompileFailure

FIELD_MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583
_PAIR = 192
_CALLER = "0x" + "ff" * 20
_MULTIPLY = "0x0000000000000000000000000000000000000007"
_PAIRING = "0x0000000000000000000000000000000000000008"
_ENOUGH_GAS = 2**63


def add(data: bytes) -> bytes:
    """Two points of 64 bytes (x, y; zeros are infinity), padded with zeros on the right: their sum."""
    data = data[:128].ljust(128, b"\0")
    x1, y1 = _point(data[:64])
    x2, y2 = _point(data[64:])
    if x1 == y1 == 0:
        return data[64:]
    if x2 == y2 == 0:
        return data[:64]
    if x1 != x2:
        slope = (y2 - y1) * int(invert(x2 - x1, FIELD_MODULUS)) % FIELD_MODULUS
    elif y1 == y2:
        # The group's order is odd, so that y is not 0.
        slope = 3 * x1 * x1 * int(invert(2 * y1, FIELD_MODULUS)) % FIELD_MODULUS
    else:
        return bytes(64)
    x = (slope * slope - x1 - x2) % FIELD_MODULUS
    y = (slope * (x1 - x) - y1) % FIELD_MODULUS
    return x.to_bytes(32, "big") + y.to_bytes(32, "big")


def multiply(data: bytes) -> bytes:
    """A point (64 bytes) and a scalar (32 bytes, any value), padded with zeros on the right: their product."""
    return _revm(_MULTIPLY, data[:96].ljust(96, b"\0"))


def pairing_gas(data: bytes) -> int:
    return 45_000 + 34_000 * (len(data) // _PAIR)


def pairing(max_input_size: int | None, data: bytes) -> bytes:
    """Pairs of a point on G1 (64 bytes) and one on G2 (128 bytes): 1 in 32 bytes if the product of pairings is 1, or 0."""
    if max_input_size is not None and len(data) > max_input_size:
        raise PrecompileFailure(f"{len(data)} bytes, and the limit is {max_input_size}")
    if len(data) % _PAIR:
        raise PrecompileFailure(f"{len(data)} bytes are not whole pairs")
    return _revm(_PAIRING, data)


def _point(data: bytes) -> tuple[int, int]:
    x, y = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
    if x >= FIELD_MODULUS or y >= FIELD_MODULUS:
        raise PrecompileFailure("a coordinate is not below the field's modulus")
    if (y * y - x * x * x - 3) % FIELD_MODULUS and (x or y):
        raise PrecompileFailure("the point is not on the curve")
    return x, y


def _revm(precompile: str, data: bytes) -> bytes:
    try:
        # An EVM takes 12 µs to make. A kept one grows by a journal entry a call, and is not for two threads at a time.
        return EVM(spec_id="CANCUN").message_call(_CALLER, precompile, calldata=data, gas=_ENOUGH_GAS)
    except RuntimeError as error:
        if "PrecompileError" not in str(error):
            raise
        raise PrecompileFailure("a point is not on its curve, or not in its group") from error
