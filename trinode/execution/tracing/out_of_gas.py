"""Why an opcode ran out of gas, in geth's words, and what such an opcode is said to cost.

geth counts in 64 bits: memory that it cannot count is told apart from memory that cannot be paid. And it adds up an opcode's cost before it
takes any of it, but for the cold account, which a call or a self-destruction pays first; since Prague a call pays each part for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trinode.execution.evm.environment import COLD_ACCOUNT_ACCESS, WARM_ACCESS, to_address
from trinode.execution.rules import EvmFork
from trinode.execution.tracing.tracer import Step
from trinode.execution.validity import MAX_INITCODE_SIZE

OUT_OF_GAS = "out of gas"
_OVERFLOW = "gas uint64 overflow"
_COUNTABLE = 2**64 - 32
"""Bytes of memory whose words can be counted."""
_PAYABLE = 0x1FFFFFFFE0
"""Bytes of memory whose gas can be counted."""

_CALLS = frozenset((0xF1, 0xF2, 0xF4, 0xFA))
_CREATIONS = frozenset((0xF0, 0xF5))
_SELFDESTRUCT = 0xFF
_COPY = ((0, 2),)
_FIRST_TWO = ((0, 1),)

_MEMORY: Mapping[int, Sequence[tuple[int, int]]] = {
    0x20: _FIRST_TWO,
    0x37: _COPY,
    0x39: _COPY,
    0x3C: ((1, 3),),
    0x3E: _COPY,
    0x51: ((0, -32),),
    0x52: ((0, -32),),
    0x53: ((0, -1),),
    0x5E: ((0, 2), (1, 2)),
    **dict.fromkeys(range(0xA0, 0xA5), _FIRST_TWO),
    0xF0: ((1, 2),),
    0xF1: ((3, 4), (5, 6)),
    0xF2: ((3, 4), (5, 6)),
    0xF3: _FIRST_TWO,
    0xF4: ((2, 3), (4, 5)),
    0xF5: ((1, 2),),
    0xFA: ((2, 3), (4, 5)),
    0xFD: _FIRST_TWO,
}
"""Which operands are offset and size of memory, counted from the top of the stack; a size below 0 is fixed."""

_NOTED = frozenset((*_MEMORY, _SELFDESTRUCT))

_CONSTANTS: Mapping[int, int] = {
    0x20: 30,
    **dict.fromkeys((0x37, 0x39, 0x3E, 0x51, 0x52, 0x53, 0x5E), 3),
    **dict.fromkeys((0x3C, *_CALLS), 100),
    **dict.fromkeys(_CREATIONS, 32_000),
    _SELFDESTRUCT: 5000,
}
"""What of an opcode's cost is always the same."""

_MOST_OPERANDS = 7


def noted_operands(byte: int, stack: Sequence[int]) -> Sequence[int] | None:
    """The upper words of the stack before an opcode of which `out_of_gas` wants to know them; None before any other."""
    return stack[-_MOST_OPERANDS:] if byte in _NOTED else None


def out_of_gas(step: Step, operands: Sequence[int] | None) -> tuple[str, int | None]:
    """The words, and the cost; None: what has been taken."""
    constant = _CONSTANTS.get(step.byte, 0)
    left, machine = step.gas - constant, step.frame.machine
    if operands is None or left < 0:
        return OUT_OF_GAS, None
    if step.byte == _SELFDESTRUCT:
        is_cold = to_address(operands[-1]) not in machine.journal.warm_addresses
        return (f"{OUT_OF_GAS}: {OUT_OF_GAS}", constant) if is_cold else (OUT_OF_GAS, None)
    evm = machine.rules.evm
    end = _end_of_memory(step.byte, operands)
    if end > _COUNTABLE:
        return _OVERFLOW, constant
    if end > _PAYABLE:
        return f"{OUT_OF_GAS}: {_OVERFLOW}", constant
    if step.byte in _CALLS and (evm >= EvmFork.PRAGUE or left < COLD_ACCOUNT_ACCESS - WARM_ACCESS):
        return f"{OUT_OF_GAS}: {OUT_OF_GAS}", constant
    if step.byte in _CREATIONS and operands[-3] > MAX_INITCODE_SIZE and evm >= EvmFork.SHANGHAI:
        return f"{OUT_OF_GAS}: max initcode size exceeded: code size {operands[-3]} limit {MAX_INITCODE_SIZE}", constant
    return OUT_OF_GAS, None


def too_little_for_copy(step: Step, operands: Sequence[int]) -> bool:
    """Whether a RETURNDATACOPY that reads beyond the return data could not even have been paid: geth looks at that first."""
    end, size = _end_of_memory(step.byte, operands), operands[-3]
    words, present = (end + 31) >> 5, len(step.frame.memory) >> 5
    memory = max(3 * words + (words * words >> 9) - 3 * present - (present * present >> 9), 0)
    return step.gas < _CONSTANTS[step.byte] + 3 * ((size + 31) >> 5) + memory


def _end_of_memory(byte: int, operands: Sequence[int]) -> int:
    end = 0
    for offset, size in _MEMORY[byte]:
        length = -size if size < 0 else operands[-1 - size]
        if length:
            end = max(end, operands[-1 - offset] + length)
    return end
