"""Code as the machine wants it: where it may be jumped to, and what of it has been compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trinode.protocol.types import Hash32

if TYPE_CHECKING:
    from trinode.execution.evm.frame import Frame

JUMPDEST = 0x5B
PUSH1 = 0x60
PUSH32 = 0x7F

Trace = Callable[["Frame"], int]
"""Compiled code from one position on: works on the frame, and gives the next position, or HALT."""


class Program:
    """Code, the positions of its JUMPDESTs, and what of it has been compiled, by position.

    `padded_code` ends with 33 zeros: STOP where execution runs off the end, and the missing bytes of a last PUSH.
    `visits` counts how often a block was entered that is not compiled; `loops` are the traces that jump back to their
    beginning; `compiled_size` counts the opcodes in all traces.
    """

    __slots__ = ("code", "compiled_size", "destinations", "loops", "padded_code", "traces", "visits")

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.padded_code = code + bytes(33)
        self.destinations = _jump_destinations(code)
        self.traces: dict[int, Trace] = {}
        self.visits: dict[int, int] = {}
        self.loops: set[int] = set()
        self.compiled_size = 0


def _jump_destinations(code: bytes) -> frozenset[int]:
    """The JUMPDESTs that are not data of a PUSH."""
    found = []
    position, size = 0, len(code)
    while position < size:
        opcode = code[position]
        if opcode == JUMPDEST:
            found.append(position)
        elif PUSH1 <= opcode <= PUSH32:
            position += opcode - PUSH1 + 1
        position += 1
    return frozenset(found)


EMPTY_PROGRAM = Program(b"")


class Programs:
    """The programs of the codes that were run, so that hot code stays compiled from block to block.

    Bounded by the size of the codes: when they are more than `limit` bytes, the older half is let go.
    """

    def __init__(self, limit: int = 64_000_000) -> None:
        self._limit = limit
        self._size = 0
        self._programs: dict[Hash32, Program] = {}

    def get(self, code_hash: Hash32) -> Program | None:
        return self._programs.get(code_hash)

    def add(self, code_hash: Hash32, code: bytes) -> Program:
        program = self._programs[code_hash] = Program(code)
        self._size += len(code)
        if self._size > self._limit:
            for old in list(self._programs)[: len(self._programs) // 2]:
                self._size -= len(self._programs.pop(old).code)
        return program
