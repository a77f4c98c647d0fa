"""Arithmetic, comparison and bitwise opcodes (yellow paper, appendix H; EIP-145 shifts, EIP-7939 CLZ).

The functions on integers are the opcodes' semantics; the compiler uses them, too, where Python has no operator.
"""

from __future__ import annotations

from collections.abc import Callable

from trinode.execution.evm.frame import UINT256, Frame
from trinode.protocol.keccak import keccak256

SIGN = 1 << 255
_MODULUS = 1 << 256


def signed_divide(a: int, b: int) -> int:
    if not b:
        return 0
    a = a - _MODULUS if a & SIGN else a
    b = b - _MODULUS if b & SIGN else b
    quotient = abs(a) // abs(b)
    return (quotient if (a < 0) == (b < 0) else -quotient) & UINT256


def signed_modulo(a: int, b: int) -> int:
    if not b:
        return 0
    a = a - _MODULUS if a & SIGN else a
    b = b - _MODULUS if b & SIGN else b
    remainder = abs(a) % abs(b)
    return (-remainder if a < 0 else remainder) & UINT256


def sign_extend(position: int, value: int) -> int:
    """`value` as a signed number whose sign bit is in byte `position`, counted from the lowest."""
    if position > 30:
        return value
    bit = position * 8 + 7
    mask = (1 << bit) - 1
    return value | (UINT256 - mask) if value >> bit & 1 else value & mask


def shift_right_signed(shift: int, value: int) -> int:
    if value & SIGN:
        return ((value - _MODULUS) >> min(shift, 256)) & UINT256
    return value >> shift if shift < 256 else 0


def byte_at(index: int, value: int) -> int:
    return (value >> (248 - 8 * index)) & 0xFF if index < 32 else 0


def exponent_gas(exponent: int) -> int:
    """50 for each byte of the exponent (EIP-160)."""
    return 50 * ((exponent.bit_length() + 7) >> 3)


def _unary(function: Callable[[int], int]) -> Callable[[Frame], None]:
    def opcode(frame: Frame) -> None:
        stack = frame.stack
        stack[-1] = function(stack[-1])

    return opcode


def _binary(function: Callable[[int, int], int]) -> Callable[[Frame], None]:
    def opcode(frame: Frame) -> None:
        stack = frame.stack
        a = stack.pop()
        stack[-1] = function(a, stack[-1])

    return opcode


add = _binary(lambda a, b: (a + b) & UINT256)
mul = _binary(lambda a, b: (a * b) & UINT256)
sub = _binary(lambda a, b: (a - b) & UINT256)
div = _binary(lambda a, b: a // b if b else 0)
sdiv = _binary(signed_divide)
mod = _binary(lambda a, b: a % b if b else 0)
smod = _binary(signed_modulo)
signextend = _binary(sign_extend)
lt = _binary(lambda a, b: int(a < b))
gt = _binary(lambda a, b: int(a > b))
slt = _binary(lambda a, b: int(a ^ SIGN < b ^ SIGN))
sgt = _binary(lambda a, b: int(a ^ SIGN > b ^ SIGN))
eq = _binary(lambda a, b: int(a == b))
iszero = _unary(lambda a: int(not a))
bit_and = _binary(lambda a, b: a & b)
bit_or = _binary(lambda a, b: a | b)
bit_xor = _binary(lambda a, b: a ^ b)
bit_not = _unary(lambda a: a ^ UINT256)
byte = _binary(byte_at)
shl = _binary(lambda shift, value: (value << shift) & UINT256 if shift < 256 else 0)
shr = _binary(lambda shift, value: value >> shift if shift < 256 else 0)
sar = _binary(shift_right_signed)
clz = _unary(lambda a: 256 - a.bit_length())


def addmod(frame: Frame) -> None:
    stack = frame.stack
    a, b = stack.pop(), stack.pop()
    stack[-1] = (a + b) % stack[-1] if stack[-1] else 0


def mulmod(frame: Frame) -> None:
    stack = frame.stack
    a, b = stack.pop(), stack.pop()
    stack[-1] = a * b % stack[-1] if stack[-1] else 0


def exp(frame: Frame) -> None:
    stack = frame.stack
    base, exponent = stack.pop(), stack[-1]
    frame.charge(exponent_gas(exponent))
    stack[-1] = pow(base, exponent, _MODULUS)


def keccak(frame: Frame) -> None:
    stack = frame.stack
    offset, size = stack.pop(), stack[-1]
    frame.charge(6 * ((size + 31) >> 5))
    stack[-1] = int.from_bytes(keccak256(frame.read_memory(offset, size)), "big")
