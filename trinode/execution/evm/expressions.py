"""Stack words as Python expressions, for the compiler: what an opcode's result is, given its operands' expressions.

Expressions are pure: they read local variables and literals only, so that they may be computed later than the opcode, or
not at all. What reads memory, storage or gas is not in here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sha3 import keccak_256

from trinode.execution.evm.arithmetic import SIGN, byte_at, shift_right_signed, sign_extend, signed_divide, signed_modulo
from trinode.execution.evm.frame import UINT256

_LONG = 100
"""Characters of an expression from which on it gets a variable of its own."""


class Value(NamedTuple):
    """A stack word. `code`: an expression; `constant`: its value, where that is known; `is_condition`: it is a Python bool,
    and stands for 1 or 0; `in_bytes`: a variable that holds its 32 bytes, where there is one.
    """

    code: str
    constant: int | None = None
    is_condition: bool = False
    in_bytes: str | None = None

    @property
    def is_atom(self) -> bool:
        """Whether it costs nothing to use it again."""
        return self.constant is not None or self.code.isidentifier()

    @property
    def is_long(self) -> bool:
        return len(self.code) > _LONG

    @property
    def number(self) -> str:
        """As an expression for an int."""
        return f"(1 if {self.code} else 0)" if self.is_condition else self.code

    @property
    def truth(self) -> str:
        """As an expression for "is not 0"."""
        return self.code

    @property
    def falsity(self) -> str:
        return f"not {self.code}"

    @property
    def word(self) -> str:
        """As an expression for its 32 bytes."""
        if self.in_bytes is not None:
            return self.in_bytes
        if self.constant is not None:
            return repr(self.constant.to_bytes(32, "big"))
        return f"{self.number}.to_bytes(32, 'big')"

    def plus(self, size: int) -> str:
        """As an expression for the sum with a literal."""
        return str(self.constant + size) if self.constant is not None else f"{self.code} + {size}"


def literal(number: int) -> Value:
    return Value(str(number), number)


def variable(name: str) -> Value:
    return Value(name)


def from_bytes(name: str) -> Value:
    """The word whose bytes are in a variable; it becomes a number where it is used as one."""
    return Value(f"from_bytes({name}, 'big')", in_bytes=name)


def _folded(function: Callable[..., int], template: str, *, is_condition: bool = False) -> Callable[..., Value]:
    """The result of `function` where all operands are known, else of the template."""

    def build(*operands: Value) -> Value:
        constants = [operand.constant for operand in operands]
        known = [constant for constant in constants if constant is not None]
        if len(known) == len(constants):
            return literal(int(function(*known)))
        return Value(template.format(*[operand.number for operand in operands]), is_condition=is_condition)

    return build


def _iszero(a: Value) -> Value:
    if a.constant is not None:
        return literal(int(not a.constant))
    return Value(f"(not {a.code})", is_condition=True)


def _quotient(a: Value, b: Value) -> Value:
    return _guarded("//", a, b)


def _remainder(a: Value, b: Value) -> Value:
    return _guarded("%", a, b)


def _guarded(operator: str, a: Value, b: Value) -> Value:
    """Division is 0 where the divisor is."""
    if b.constant is not None:
        if not b.constant:
            return literal(0)
        if a.constant is not None:
            return literal(a.constant // b.constant if operator == "//" else a.constant % b.constant)
        return Value(f"({a.number} {operator} {b.code})")
    if b.code.isidentifier():
        return Value(f"({a.number} {operator} {b.code} if {b.code} else 0)")
    return Value(f"{'quotient' if operator == '//' else 'remainder'}({a.number}, {b.number})")


def _shift_left(shift: Value, value: Value) -> Value:
    if shift.constant is not None and value.constant is None:
        return Value(f"({value.number} << {shift.constant} & M)") if shift.constant < 256 else literal(0)
    return _SHIFT_LEFT(shift, value)


def _shift_right(shift: Value, value: Value) -> Value:
    if shift.constant is not None and value.constant is None:
        return Value(f"({value.number} >> {shift.constant})") if shift.constant < 256 else literal(0)
    return _SHIFT_RIGHT(shift, value)


def _quotient_of(a: int, b: int) -> int:
    return a // b if b else 0


def _remainder_of(a: int, b: int) -> int:
    return a % b if b else 0


def _shifted_left(shift: int, value: int) -> int:
    return (value << shift) & UINT256 if shift < 256 else 0


def _shifted_right(shift: int, value: int) -> int:
    return value >> shift if shift < 256 else 0


_SHIFT_LEFT = _folded(_shifted_left, "shifted_left({0}, {1})")
_SHIFT_RIGHT = _folded(_shifted_right, "shifted_right({0}, {1})")

UNARY: dict[int, Callable[[Value], Value]] = {
    0x15: _iszero,
    0x19: _folded(lambda a: a ^ UINT256, "({0} ^ M)"),
    0x1E: _folded(lambda a: 256 - a.bit_length(), "(256 - {0}.bit_length())"),
}

BINARY: dict[int, Callable[[Value, Value], Value]] = {
    0x01: _folded(lambda a, b: (a + b) & UINT256, "({0} + {1} & M)"),
    0x02: _folded(lambda a, b: (a * b) & UINT256, "({0} * {1} & M)"),
    0x03: _folded(lambda a, b: (a - b) & UINT256, "({0} - {1} & M)"),
    0x04: _quotient,
    0x05: _folded(signed_divide, "signed_divide({0}, {1})"),
    0x06: _remainder,
    0x07: _folded(signed_modulo, "signed_modulo({0}, {1})"),
    0x0B: _folded(sign_extend, "sign_extend({0}, {1})"),
    0x10: _folded(lambda a, b: a < b, "({0} < {1})", is_condition=True),
    0x11: _folded(lambda a, b: a > b, "({0} > {1})", is_condition=True),
    0x12: _folded(lambda a, b: a ^ SIGN < b ^ SIGN, "({0} ^ SIGN < {1} ^ SIGN)", is_condition=True),
    0x13: _folded(lambda a, b: a ^ SIGN > b ^ SIGN, "({0} ^ SIGN > {1} ^ SIGN)", is_condition=True),
    0x14: _folded(lambda a, b: a == b, "({0} == {1})", is_condition=True),
    0x16: _folded(lambda a, b: a & b, "({0} & {1})"),
    0x17: _folded(lambda a, b: a | b, "({0} | {1})"),
    0x18: _folded(lambda a, b: a ^ b, "({0} ^ {1})"),
    0x1A: _folded(byte_at, "byte_at({0}, {1})"),
    0x1B: _shift_left,
    0x1C: _shift_right,
    0x1D: _folded(shift_right_signed, "shift_right_signed({0}, {1})"),
}

TERNARY: dict[int, Callable[[Value, Value, Value], Value]] = {
    0x08: lambda a, b, c: Value(f"(({a.number} + {b.number}) % {c.code} if {c.code} else 0)"),
    0x09: lambda a, b, c: Value(f"({a.number} * {b.number} % {c.code} if {c.code} else 0)"),
}

CONTEXT: dict[int, str] = {
    0x30: "from_bytes(f.address, 'big')",
    0x32: "from_bytes(f.machine.origin, 'big')",
    0x33: "from_bytes(f.caller, 'big')",
    0x34: "f.value",
    0x36: "len(data)",
    0x3A: "f.machine.gas_price",
    0x3D: "len(f.return_data)",
    0x42: "f.machine.environment.timestamp",
    0x43: "f.machine.environment.number",
    0x45: "f.machine.environment.gas_limit",
    0x46: "f.machine.environment.chain_id",
    0x48: "f.machine.environment.base_fee",
    0x59: "len(mb)",
}
"""Opcodes without operands that are one expression of the frame `f`, its calldata `data` and its memory `mb`."""

NAMES: dict[str, Any] = {
    "M": UINT256,
    "SIGN": SIGN,
    "ZERO": b"\0",
    "byte_at": byte_at,
    "from_bytes": int.from_bytes,
    "keccak": keccak_256,
    "quotient": _quotient_of,
    "remainder": _remainder_of,
    "shift_right_signed": shift_right_signed,
    "shifted_left": _shifted_left,
    "shifted_right": _shifted_right,
    "sign_extend": sign_extend,
    "signed_divide": signed_divide,
    "signed_modulo": signed_modulo,
}
"""What the expressions name."""
