"""Modular exponentiation (EIP-198) at its two prices: EIP-2565 (Berlin), EIP-7883 with the bound of EIP-7823 (Osaka).

The input is three lengths of 32 bytes each (base, exponent, modulus) and then the three numbers, big-endian; what the
input lacks is zeros. The lengths may be as large as they like: the price is made of them, and no number is read before
it is paid.
"""

from __future__ import annotations

from gmpy2 import powmod

from trinode.execution.errors import PrecompileFailure

_HEADER = 96
_OSAKA_LONGEST = 1024
# EIP-2565 prices an exponent at 8/3 gas a byte and more, so that a longer one costs over 2.8 billion gas, and a longer base
# or modulus 10^15: no call has paid for these. Only where base and modulus are empty is any exponent cheap.
_LONGEST_PAYABLE = 2**30


def gas_berlin(data: bytes) -> int:
    base, exponent, modulus = _lengths(data)
    words = (max(base, modulus) + 7) // 8
    return max(200, words * words * _iterations(8, data, base, exponent) // 3)


def gas_osaka(data: bytes) -> int:
    base, exponent, modulus = _lengths(data)
    longest = max(base, modulus)
    words = (longest + 7) // 8
    complexity = 16 if longest <= 32 else 2 * words * words
    return max(500, complexity * _iterations(16, data, base, exponent))


def modexp_berlin(data: bytes) -> bytes:
    """base ** exponent % modulus in as many bytes as the modulus has; 0 where the modulus is 0."""
    base_length, _, modulus_length = _lengths(data)
    if not base_length and not modulus_length:
        return b""
    return _modexp(_LONGEST_PAYABLE, data)


def modexp_osaka(data: bytes) -> bytes:
    """The same; raises PrecompileFailure where a length is above 1024 bytes."""
    return _modexp(_OSAKA_LONGEST, data)


def _lengths(data: bytes) -> tuple[int, int, int]:
    header = data[:_HEADER].ljust(_HEADER, b"\0")
    return int.from_bytes(header[:32], "big"), int.from_bytes(header[32:64], "big"), int.from_bytes(header[64:], "big")


def _iterations(per_byte: int, data: bytes, base: int, exponent: int) -> int:
    """Squarings that the exponent stands for: the bits of its first 32 bytes, and `per_byte` for each byte after them."""
    first = min(exponent, 32)
    start = _HEADER + base
    head = int.from_bytes(data[start : start + first].ljust(first, b"\0"), "big")
    return max(1, per_byte * (exponent - first) + max(0, head.bit_length() - 1))


def _modexp(longest: int, data: bytes) -> bytes:
    base_length, exponent_length, modulus_length = _lengths(data)
    if max(base_length, exponent_length, modulus_length) > longest:
        raise PrecompileFailure(f"a length of modexp is above {longest} bytes")
    if modulus_length == 0:
        return b""
    exponent_start = _HEADER + base_length
    modulus_start = exponent_start + exponent_length
    modulus = _number(data, modulus_start, modulus_length)
    if modulus == 0:
        return bytes(modulus_length)
    power = powmod(_number(data, _HEADER, base_length), _number(data, exponent_start, exponent_length), modulus)
    return int(power).to_bytes(modulus_length, "big")


def _number(data: bytes, start: int, length: int) -> int:
    there = data[start : start + length]
    return int.from_bytes(there, "big") << 8 * (length - len(there))
