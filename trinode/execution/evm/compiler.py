"""Hot code as Python functions.

A trace is the straight way through code that begins at one position: over JUMPDESTs, constant jumps and the likelier side
of JUMPIs, up to a dynamic jump, an end, or a limit. It becomes one Python function: stack words are local variables or
expressions, the gas of a stretch is charged at once, a jump back to the trace's beginning is a loop. Where the trace is
left, the function writes the stack back and gives the position to go on at.

The results are those of the interpreter, opcode for opcode, but for two things that nobody sees: a frame that must run
out of gas may do so some opcodes earlier (all it did is undone anyway), and then says so instead of naming another
exceptional halt. Gas is exact wherever it can be observed: before GAS, MSIZE, SSTORE, calls and creations.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from trinode.execution.evm import expressions
from trinode.execution.evm.expressions import literal, variable
from trinode.execution.evm.frame import ExceptionalHalt, Frame, OutOfGas
from trinode.execution.evm.memory import HALT, put_word
from trinode.execution.evm.program import DUP1, DUP16, JUMPDEST, PUSH1, PUSH32, SWAP1, SWAP16, Program, Trace
from trinode.execution.evm.storage import load, store
from trinode.execution.evm.table import Opcode, table_of
from trinode.execution.evm.trace_writer import TraceWriter
from trinode.execution.rules import EvmFork

_MAX_OPCODES = 300
"""Of a trace."""
_MAX_GROWTH = 6
"""Times its own size that a code may be compiled (traces overlap), and some for small ones."""
_SPARE_SIZE = 4_000

_PUSH0, _POP, _MLOAD, _MSTORE, _MSTORE8, _SLOAD, _SSTORE = 0x5F, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55
_JUMP, _JUMPI, _PC, _MSIZE, _GAS, _CODESIZE = 0x56, 0x57, 0x58, 0x59, 0x5A, 0x38
_KECCAK, _EXP, _CALLDATALOAD, _TLOAD = 0x20, 0x0A, 0x35, 0x5C
_OBSERVES_GAS = frozenset({_GAS, _MSIZE, _SSTORE, 0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFA})
_ENDS = frozenset({0x00, 0xF3, 0xFD, 0xFF})


def compile_trace(program: Program, position: int, fork: EvmFork) -> Trace | None:
    """Compiles the trace from `position` on, and notes it in the program. None: there is nothing to compile, or enough of
    this code has been; it will not be asked for again.
    """
    recorder = _Recorder(program, position, fork)
    if program.compiled_size < _MAX_GROWTH * len(program.code) + _SPARE_SIZE and recorder.record():
        namespace = dict(_namespace(fork))
        exec(compile(recorder.writer.source(), f"<trace at {position}>", "exec"), namespace)
        trace: Trace = namespace["trace"]
        program.add_trace(position, trace, recorder.opcodes, is_loop=recorder.writer.is_loop)
        return trace
    program.never_compile(position)
    return None


@cache
def _namespace(fork: EvmFork) -> dict[str, Any]:
    """What the functions find as globals."""
    names: dict[str, Any] = {f"op_{byte:02x}": opcode.run for byte, opcode in enumerate(table_of(fork))}
    return names | {
        **expressions.NAMES,
        "OutOfGas": OutOfGas,
        "grow": _grow,
        "jump_to": _jump_to,
        "load": load,
        "put_word": put_word,
        "store": store,
    }


def _grow(frame: Frame, gas: int, offset: int, size: int) -> int:
    """Memory up to the end of an access; the gas that is left."""
    frame.gas = gas
    frame.expand(offset, size)
    return frame.gas


def _jump_to(frame: Frame, destination: int) -> int:
    if destination not in frame.program.destinations:
        raise ExceptionalHalt("invalid jump destination")
    return destination


class _Recorder:
    """Follows the code, and has the function written."""

    def __init__(self, program: Program, head: int, fork: EvmFork) -> None:
        self.writer = TraceWriter(head)
        self.opcodes = 0
        self._program = program
        self._head = head
        self._table = table_of(fork)
        self._seen: set[int] = set()

    def record(self) -> bool:
        """Whether there is a trace."""
        writer, code = self.writer, self._program.padded_code
        position: int | None = self._head
        while position is not None:
            byte = code[position]
            if self._is_at_end(position, byte):
                writer.end_stretch()
                for line in writer.leave(str(position)):
                    writer.emit(line)
                break
            self._seen.add(position)
            self.opcodes += 1
            position = self._follow(position, byte)
        return self.opcodes > 1

    def _is_at_end(self, position: int, byte: int) -> bool:
        if position == self._head:
            return bool(self._seen) or self._table[byte].name == "INVALID"
        if position in self._seen or self.opcodes >= _MAX_OPCODES or position > len(self._program.code):
            return True
        return self._table[byte].name == "INVALID" or (byte == JUMPDEST and position in self._program.loops)

    def _follow(self, position: int, byte: int) -> int | None:
        """Writes one opcode; gives the next position, None where the trace ends."""
        writer, opcode = self.writer, self._table[byte]
        writer.charge(opcode.gas)
        if byte in _OBSERVES_GAS:
            writer.end_stretch()
        if PUSH1 <= byte <= PUSH32:
            size = byte - PUSH1 + 1
            writer.push(literal(int.from_bytes(self._program.padded_code[position + 1 : position + 1 + size], "big")))
            return position + 1 + size
        if byte == _JUMP:
            return self._jump()
        if byte == _JUMPI:
            return self._jump_if(position)
        if byte in _ENDS:
            writer.end_stretch()
            _run_handler(writer, byte, opcode)
            writer.emit(f"return {HALT}")
            return None
        self._straight(position, byte, opcode)
        return position + 1

    def _straight(self, position: int, byte: int, opcode: Opcode) -> None:
        """An opcode that goes on with the next."""
        writer = self.writer
        if DUP1 <= byte <= DUP16:
            depth = byte - DUP1 + 1
            writer.deepen(depth)
            value = writer.stack[-depth] = writer.named(writer.stack[-depth])
            writer.push(value)
        elif SWAP1 <= byte <= SWAP16:
            depth = byte - SWAP1 + 2
            writer.deepen(depth)
            writer.stack[-1], writer.stack[-depth] = writer.stack[-depth], writer.stack[-1]
        elif byte == _POP:
            writer.pop()
        elif byte == JUMPDEST:
            pass
        elif byte == _PUSH0:
            writer.push(literal(0))
        elif byte == _PC:
            writer.push(literal(position))
        elif byte == _CODESIZE:
            writer.push(literal(len(self._program.code)))
        elif byte == _GAS:
            writer.define("g")
        elif byte in expressions.UNARY:
            writer.push(expressions.UNARY[byte](writer.pop()))
        elif byte in expressions.BINARY:
            a, b = writer.pop(), writer.pop()
            writer.push(expressions.BINARY[byte](a, b))
        elif byte in expressions.TERNARY:
            a, b, c = writer.pop(), writer.pop(), writer.named(writer.pop())
            writer.push(expressions.TERNARY[byte](a, b, c))
        elif byte in expressions.CONTEXT:
            writer.define(expressions.CONTEXT[byte])
        elif byte in _WRITERS:
            _WRITERS[byte](writer)
        else:
            _run_handler(writer, byte, opcode)

    # -- jumps

    def _jump(self) -> int | None:
        writer = self.writer
        destination = writer.pop()
        writer.end_stretch()
        target = destination.constant
        if target is None:
            lines = writer.leave(f"jump_to(f, {destination.number})")
        elif target not in self._program.destinations:
            lines = [f"jump_to(f, {target})"]
        elif target == self._head and writer.is_balanced():
            lines = writer.loop()
        else:
            return target
        for line in lines:
            writer.emit(line)
        return None

    def _jump_if(self, position: int) -> int | None:
        writer = self.writer
        destination, condition = writer.pop(), writer.pop()
        writer.end_stretch()
        target, following = destination.constant, position + 1
        if target is None:
            taken = writer.leave(f"jump_to(f, {destination.number})")
        elif target not in self._program.destinations:
            taken = [f"jump_to(f, {target})"]
        elif target == self._head and writer.is_balanced():
            taken = writer.loop()
        elif self._program.heat(target) > self._program.heat(following):
            writer.emit_if(condition.falsity, writer.leave(str(following)))
            return target
        else:
            taken = writer.leave(str(target))
        writer.emit_if(condition.truth, taken)
        return following


# -- opcodes that read or write more than the stack


def _run_handler(writer: TraceWriter, byte: int, opcode: Opcode) -> None:
    """Lets the interpreter's function do it, on its operands alone."""
    operands = [writer.pop().number for _ in range(opcode.needs)]
    if len(operands) == 1:
        writer.emit(f"st.append({operands[0]})")
    elif operands:
        writer.emit(f"st += ({', '.join(reversed(operands))})")
    writer.emit(f"f.gas = g\nop_{byte:02x}(f)\ng = f.gas")
    if opcode.pushes:
        writer.define("st.pop()")


def _mload(writer: TraceWriter) -> None:
    offset = writer.reach(writer.pop(), 32)
    writer.define_bytes(f"mb[{offset.code}:{offset.plus(32)}]")


def _mstore(writer: TraceWriter) -> None:
    offset, value = writer.pop(), writer.pop()
    offset = writer.reach(offset, 32)
    writer.emit(f"put_word(mb, {offset.code}, {value.word})")


def _mstore8(writer: TraceWriter) -> None:
    offset, value = writer.pop(), writer.pop()
    offset = writer.reach(offset, 1)
    writer.emit(f"mb[{offset.code}] = {value.number} & 255")


def _keccak(writer: TraceWriter) -> None:
    offset, size = writer.named(writer.pop()), writer.named(writer.pop())
    if size.constant is not None and 0 < size.constant < 2**20:
        writer.charge(6 * ((size.constant + 31) >> 5))
        offset = writer.reach(offset, size.constant)
        writer.define_bytes(f"keccak(mb[{offset.code}:{offset.plus(size.constant)}]).digest()")
        return
    writer.emit(f"g -= 6 * (({size.code} + 31) >> 5)\nif g < 0: raise OutOfGas")
    writer.emit(f"if {size.code} and {offset.code} + {size.code} > len(mb): g = grow(f, g, {offset.code}, {size.code})")
    writer.define_bytes(f"keccak(mb[{offset.code}:{offset.code} + {size.code}]).digest()")


def _calldataload(writer: TraceWriter) -> None:
    offset = writer.named(writer.pop())
    writer.define_bytes(f"data[{offset.code}:{offset.plus(32)}].ljust(32, ZERO)")


def _sload(writer: TraceWriter) -> None:
    writer.uses_slots = True
    slot, name = writer.named(writer.pop()), writer.new_name("x")
    writer.emit(
        f"{name} = values.get({slot.code}) if {slot.code} in warm else None\n"
        f"if {name} is None:\n    f.gas = g; {name} = load(f, slots, {slot.code}); g = f.gas\n"
        "else:\n    g -= 100\n    if g < 0: raise OutOfGas"
    )
    writer.push(variable(name))


def _sstore(writer: TraceWriter) -> None:
    writer.uses_slots = True
    slot, value = writer.pop(), writer.pop()
    writer.emit(f"f.gas = g; store(f, slots, {slot.number}, {value.number}); g = f.gas")


def _tload(writer: TraceWriter) -> None:
    writer.define(f"f.machine.journal.transient.get((f.address, {writer.pop().number}), 0)")


def _exp(writer: TraceWriter) -> None:
    base, exponent = writer.pop(), writer.named(writer.pop())
    if exponent.constant is not None:
        writer.charge(50 * ((exponent.constant.bit_length() + 7) >> 3))
    else:
        writer.emit(f"g -= 50 * (({exponent.code}.bit_length() + 7) >> 3)\nif g < 0: raise OutOfGas")
    writer.define(f"pow({base.number}, {exponent.code}, M + 1)")


_WRITERS = {
    _MLOAD: _mload,
    _MSTORE: _mstore,
    _MSTORE8: _mstore8,
    _KECCAK: _keccak,
    _CALLDATALOAD: _calldataload,
    _SLOAD: _sload,
    _SSTORE: _sstore,
    _TLOAD: _tload,
    _EXP: _exp,
}
