"""Stack, memory and control flow opcodes (yellow paper, appendix H; EIP-5656 MCOPY, EIP-3855 PUSH0)."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from trinode.execution.evm.frame import ExceptionalHalt, Frame

put_word = Struct("32s").pack_into
"""`put_word(memory, offset, word)`: three times as fast as to assign to a slice, which makes a bytearray of the word first."""

HALT = -1
"""What an opcode gives instead of the next position where the frame ends."""


def charge_copy(frame: Frame, size: int) -> None:
    """3 gas for each word copied."""
    frame.charge(3 * ((size + 31) >> 5))


def padded(data: bytes, offset: int, size: int) -> bytes:
    """`size` bytes of `data` from `offset` on, with zeros after its end."""
    return data[offset : offset + size].ljust(size, b"\0") if offset < len(data) else bytes(size)


def write_padded(frame: Frame, data: bytes, *, to: int, offset: int, size: int) -> None:
    """Charges for copying and copies."""
    charge_copy(frame, size)
    if size:
        frame.expand(to, size)
        frame.memory[to : to + size] = padded(data, offset, size)


def stop(frame: Frame) -> int:
    return HALT


def pop(frame: Frame) -> None:
    frame.stack.pop()


def mload(frame: Frame) -> None:
    stack = frame.stack
    offset = stack[-1]
    frame.expand(offset, 32)
    stack[-1] = int.from_bytes(frame.memory[offset : offset + 32], "big")


def mstore(frame: Frame) -> None:
    stack = frame.stack
    offset, value = stack.pop(), stack.pop()
    frame.expand(offset, 32)
    put_word(frame.memory, offset, value.to_bytes(32, "big"))


def mstore8(frame: Frame) -> None:
    stack = frame.stack
    offset, value = stack.pop(), stack.pop()
    frame.expand(offset, 1)
    frame.memory[offset] = value & 0xFF


def msize(frame: Frame) -> None:
    frame.stack.append(len(frame.memory))


def mcopy(frame: Frame) -> None:
    stack = frame.stack
    to, offset, size = stack.pop(), stack.pop(), stack.pop()
    charge_copy(frame, size)
    if size:
        frame.expand(max(to, offset), size)
        frame.memory[to : to + size] = frame.memory[offset : offset + size]


def jump(frame: Frame) -> int:
    destination = frame.stack.pop()
    if destination not in frame.program.destinations:
        raise ExceptionalHalt("invalid jump destination")
    return destination


def jumpi(frame: Frame) -> int:
    stack = frame.stack
    destination, condition = stack.pop(), stack.pop()
    if not condition:
        return frame.pc + 1  # not None: both ways are counted as the beginning of a block
    if destination not in frame.program.destinations:
        raise ExceptionalHalt("invalid jump destination")
    return destination


def jumpdest(frame: Frame) -> None:
    """Does nothing."""


def program_counter(frame: Frame) -> None:
    frame.stack.append(frame.pc)


def gas(frame: Frame) -> None:
    frame.stack.append(frame.gas)


def push0(frame: Frame) -> None:
    frame.stack.append(0)


def push(size: int) -> Callable[[Frame], int]:
    """PUSH1 to PUSH32. Bytes after the end of the code are zeros."""

    def opcode(frame: Frame) -> int:
        start = frame.pc + 1
        frame.stack.append(int.from_bytes(frame.program.padded_code[start : start + size], "big"))
        return start + size

    return opcode


def dup(depth: int) -> Callable[[Frame], None]:
    def opcode(frame: Frame) -> None:
        frame.stack.append(frame.stack[-depth])

    return opcode


def swap(depth: int) -> Callable[[Frame], None]:
    def opcode(frame: Frame) -> None:
        stack = frame.stack
        stack[-1], stack[-1 - depth] = stack[-1 - depth], stack[-1]

    return opcode


def give_back(frame: Frame) -> int:
    """RETURN."""
    offset, size = frame.stack.pop(), frame.stack.pop()
    frame.output = frame.read_memory(offset, size)
    return HALT


def revert(frame: Frame) -> int:
    """REVERT (EIP-140): as RETURN, but what the frame did is undone; the gas that is left stays."""
    frame.reverted = True
    return give_back(frame)


def invalid(frame: Frame) -> None:
    raise ExceptionalHalt(f"invalid opcode 0x{frame.program.padded_code[frame.pc]:02x}")
