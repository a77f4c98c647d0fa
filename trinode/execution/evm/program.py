"""Code as the machine wants it: where it may be jumped to, and what of it has been compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trinode.protocol.types import Hash32

if TYPE_CHECKING:
    from trinode.execution.evm.frame import Frame

JUMPDEST = 0x5B
PUSH1, PUSH32 = 0x60, 0x7F
DUP1, DUP16 = 0x80, 0x8F
SWAP1, SWAP16 = 0x90, 0x9F

Trace = Callable[["Frame"], int]
"""Compiled code from one position on: works on the frame, and gives the next position, or HALT."""


_VISITS_PER_OPCODE = 3
"""Blocks that must be interpreted for each opcode that is compiled. Compiling an opcode takes about as long as interpreting
three small blocks, so that no code can make compiling cost more than what it has paid gas for."""

_NEVER = -(2**62)


class Program:
    """Code, the positions of its JUMPDESTs, and what of it has been compiled, by position.

    `padded_code` ends with 33 zeros: STOP where execution runs off the end, and the missing bytes of a last PUSH. `loops`
    are the traces that jump back to their beginning; `compiled_size` counts the opcodes in all traces.
    """

    __slots__ = ("_credit", "code", "compiled_size", "destinations", "loops", "padded_code", "traces", "visits")

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.padded_code = code + bytes(33)
        self.destinations = _jump_destinations(code)
        self.traces: dict[int, Trace] = {}
        self.visits: dict[int, int] = {}
        self.loops: set[int] = set()
        self.compiled_size = 0
        self._credit = 0

    def is_hot(self, position: int, compile_after: int) -> bool:
        """Counts a visit of the block at `position`, which is not compiled; whether it should be now."""
        count = self.visits[position] = self.visits.get(position, 0) + 1
        self._credit += 1
        return count >= compile_after and (self._credit >= 0 or compile_after == 1)

    def add_trace(self, position: int, trace: Trace, opcodes: int, *, is_loop: bool) -> None:
        self.traces[position] = trace
        if is_loop:
            self.loops.add(position)
        self.compiled_size += opcodes
        self._credit -= _VISITS_PER_OPCODE * opcodes

    def never_compile(self, position: int) -> None:
        """The block at `position` is not to be asked for again."""
        self.visits[position] = _NEVER

    def heat(self, position: int) -> int:
        """How often the block there was entered, as far as is known."""
        return 2**62 if position in self.traces else abs(self.visits.get(position, 0))


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


_COMPILED_OPCODE = 250
"""Bytes of memory that a compiled opcode takes, about."""


class Programs:
    """The programs of the codes that were run, so that hot code stays compiled from block to block.

    Bounded: when they take more than `limit` bytes, the older half is let go. A block of code is compiled at its
    `compile_after`th visit; 1 compiles everything at once (for tests).
    """

    def __init__(self, compile_after: int, limit: int = 256_000_000) -> None:
        self.compile_after = compile_after
        self._limit = limit
        self._size = 0
        self._programs: dict[Hash32, Program] = {}

    def get(self, code_hash: Hash32) -> Program | None:
        return self._programs.get(code_hash)

    def add(self, code_hash: Hash32, code: bytes) -> Program:
        program = self._programs[code_hash] = Program(code)
        self._size += 3 * len(code)
        self._make_room()
        return program

    def note_compiled(self, opcodes: int) -> None:
        """Another trace was compiled."""
        self._size += _COMPILED_OPCODE * opcodes
        self._make_room()

    def _make_room(self) -> None:
        if self._size <= self._limit:
            return
        for old in list(self._programs)[: max(len(self._programs) // 2, 1)]:
            del self._programs[old]
        self._size = sum(3 * len(program.code) + _COMPILED_OPCODE * program.compiled_size for program in self._programs.values())
