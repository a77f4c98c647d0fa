"""Hot code as Python functions.

A trace is the straight way through code that begins at one position: over JUMPDESTs, constant jumps and the likelier side
of JUMPIs, up to a dynamic jump, an end, or a limit. It becomes one Python function: stack words are local variables or
expressions, the gas of a stretch is charged at once, a jump back to the trace's beginning is a loop. Where the trace is
left, the function writes the stack back and gives the position to go on at.

The results are those of the interpreter, opcode for opcode, but for two things that nobody sees: a frame that must run
out of gas may do so some opcodes earlier (all it did is undone anyway), and then says so instead of naming another
exceptional halt. Gas is exact wherever it can be observed: before GAS, SSTORE, calls and creations.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from trinode.execution.evm import expressions
from trinode.execution.evm.expressions import Value, from_bytes, literal, variable
from trinode.execution.evm.frame import STACK_LIMIT, ExceptionalHalt, Frame, OutOfGas
from trinode.execution.evm.memory import HALT
from trinode.execution.evm.program import JUMPDEST, PUSH1, PUSH32, Program, Trace
from trinode.execution.evm.storage import load, store
from trinode.execution.evm.table import Opcode, table_of
from trinode.execution.rules import EvmFork

_MAX_OPCODES = 300
"""Of a trace."""
_MAX_GROWTH = 6
"""Times its own size that a code may be compiled (traces overlap), and some for small ones."""
_SPARE_SIZE = 4_000

_PUSH0, _POP, _MLOAD, _MSTORE, _MSTORE8, _SLOAD, _SSTORE = 0x5F, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55
_JUMP, _JUMPI, _PC, _MSIZE, _GAS = 0x56, 0x57, 0x58, 0x59, 0x5A
_DUP1, _DUP16, _SWAP1, _SWAP16 = 0x80, 0x8F, 0x90, 0x9F
_KECCAK, _EXP, _CALLDATALOAD, _TLOAD = 0x20, 0x0A, 0x35, 0x5C
_WRITE_BACK = "write back "
_OBSERVES_GAS = frozenset({_GAS, _MSIZE, _SSTORE, 0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFA})
_ENDS = frozenset({0x00, 0xF3, 0xFD, 0xFF})


def compile_trace(program: Program, position: int, fork: EvmFork) -> Trace | None:
    """Compiles the trace from `position` on, and notes it in the program. None: there is nothing to compile, or enough of
    this code has been; it will not be asked for again soon.
    """
    recorder = _Recorder(program, position, fork)
    if program.compiled_size < _MAX_GROWTH * len(program.code) + _SPARE_SIZE and recorder.record():
        namespace = dict(_namespace(fork))
        exec(compile(recorder.source(), f"<trace at {position}>", "exec"), namespace)
        trace: Trace = namespace["trace"]
        program.add_trace(position, trace, recorder.opcodes)
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
    """Follows the code and writes the function's lines."""

    def __init__(self, program: Program, head: int, fork: EvmFork) -> None:
        self.program = program
        self.head = head
        self.table = table_of(fork)
        self.opcodes = 0
        self._lines: list[str] = []
        self._stack: list[Value] = []
        self._needs = 0
        """Words of the stack below the trace that it reads."""
        self._growth = 0
        self._variables = 0
        self._charged_at: int | None = None
        self._reached_at: int | None = None
        self._gas = 0
        self._memory = 0
        """Bytes of memory that are known to be there."""
        self._uses_slots = False
        self._loops = False
        self._moved: set[str] = set()
        """Variables of the stack that a round of the loop changes."""
        self._written_back: list[tuple[int, tuple[Value, ...]]] = []
        self._seen: set[int] = set()

    # -- the stack of values

    def _pop(self) -> Value:
        if self._stack:
            return self._stack.pop()
        self._needs += 1
        return variable(f"s{self._needs}")

    def _deepen(self, depth: int) -> None:
        """At least `depth` values."""
        while len(self._stack) < depth:
            self._needs += 1
            self._stack.insert(0, variable(f"s{self._needs}"))

    def _push(self, value: Value) -> None:
        self._stack.append(self._named(value) if value.is_long else value)
        self._growth = max(self._growth, len(self._stack) - self._needs)

    def _named(self, value: Value) -> Value:
        """The value as a literal or variable, so that it can be used more than once."""
        if value.is_atom:
            return value
        self._variables += 1
        name = f"x{self._variables}"
        self._emit(f"{name} = {value.number}")
        return Value(name, in_bytes=value.in_bytes)

    def _define_bytes(self, expression: str) -> None:
        """Computes 32 bytes now, and pushes their number: what is only moved on in memory never becomes one."""
        self._variables += 1
        name = f"w{self._variables}"
        self._emit(f"{name} = {expression}")
        self._push(from_bytes(name))

    def _define(self, expression: str) -> None:
        """Computes now, and pushes the result."""
        self._variables += 1
        name = f"x{self._variables}"
        self._emit(f"{name} = {expression}")
        self._push(variable(name))

    # -- lines

    def _emit(self, line: str) -> None:
        self._lines.append(line)

    def _charge(self, gas: int) -> None:
        """Gas of the stretch that the next line is in."""
        if self._charged_at is None:
            self._charged_at = len(self._lines)
            self._lines.append("")
        self._gas += gas

    def _end_stretch(self) -> None:
        """Up to here the gas is exact."""
        if self._charged_at is not None and self._gas:
            self._lines[self._charged_at] = f"g -= {self._gas}\nif g < 0: raise OutOfGas"
        self._charged_at = None
        self._reached_at = None
        self._gas = 0

    def _write_back(self) -> str:
        """Stands for the lines that make the real stack what the values are now: `source` writes them, when it is known which
        variables change from one round of a loop to the next.
        """
        self._written_back.append((self._needs, tuple(self._stack)))
        return f"{_WRITE_BACK}{len(self._written_back) - 1}"

    def _write_back_lines(self, needs: int, stack: tuple[Value, ...]) -> list[str]:
        # A loop may have changed words below those that were in use when this way out was met.
        stack = (*[variable(f"s{index}") for index in range(self._needs, needs, -1)], *stack)
        needs = self._needs
        kept = 0
        while kept < min(needs, len(stack)):
            name = f"s{needs - kept}"
            if stack[kept].code != name or name in self._moved:
                break
            kept += 1
        replaced = needs - kept
        values = [value.number for value in stack[kept:]]
        if replaced:
            return [f"st[-{replaced}:] = ({''.join(f'{value}, ' for value in values)})"]
        if len(values) == 1:
            return [f"st.append({values[0]})"]
        return [f"st += ({', '.join(values)})"] if values else []

    def _leave(self, position: str) -> list[str]:
        return [self._write_back(), "f.gas = g", f"return {position}"]

    def _block(self, condition: str, lines: list[str]) -> None:
        self._emit(f"if {condition}:\n" + "\n".join(f"    {line}" for line in lines))

    # -- following the code

    def record(self) -> bool:
        """Whether there is a trace."""
        code = self.program.padded_code
        position: int | None = self.head
        while position is not None:
            byte = code[position]
            if self._is_at_end(position, byte):
                self._end_stretch()
                for line in self._leave(str(position)):
                    self._emit(line)
                break
            self._seen.add(position)
            self.opcodes += 1
            position = self._follow(position, byte)
        return self.opcodes > 1

    def _is_at_end(self, position: int, byte: int) -> bool:
        if position == self.head:
            return bool(self._seen) or self.table[byte].name == "INVALID"
        if position in self._seen or self.opcodes >= _MAX_OPCODES or position > len(self.program.code):
            return True
        return self.table[byte].name == "INVALID" or (byte == JUMPDEST and position in self.program.loops)

    def _follow(self, position: int, byte: int) -> int | None:
        """Writes one opcode; gives the next position, None where the trace ends."""
        opcode = self.table[byte]
        if byte in _OBSERVES_GAS:
            # Up to here, and the opcode's own part, are charged before it looks.
            self._charge(opcode.gas)
            self._end_stretch()
        else:
            self._charge(opcode.gas)
        if PUSH1 <= byte <= PUSH32:
            size = byte - PUSH1 + 1
            self._push(literal(int.from_bytes(self.program.padded_code[position + 1 : position + 1 + size], "big")))
            return position + 1 + size
        if byte == _JUMP:
            return self._jump()
        if byte == _JUMPI:
            return self._jump_if(position)
        if byte in _ENDS:
            self._end_stretch()
            self._call_handler(byte, opcode)
            self._emit(f"return {HALT}")
            return None
        self._straight(position, byte, opcode)
        return position + 1

    def _straight(self, position: int, byte: int, opcode: Opcode) -> None:
        """An opcode that goes on with the next."""
        if _DUP1 <= byte <= _DUP16:
            depth = byte - _DUP1 + 1
            self._deepen(depth)
            value = self._stack[-depth] = self._named(self._stack[-depth])
            self._push(value)
        elif _SWAP1 <= byte <= _SWAP16:
            depth = byte - _SWAP1 + 2
            self._deepen(depth)
            self._stack[-1], self._stack[-depth] = self._stack[-depth], self._stack[-1]
        elif byte == _POP:
            self._pop()
        elif byte == JUMPDEST:
            pass
        elif byte == _PUSH0:
            self._push(literal(0))
        elif byte == _PC:
            self._push(literal(position))
        elif byte == _GAS:
            self._define("g")
        elif byte == 0x38:
            self._push(literal(len(self.program.code)))
        elif byte in expressions.UNARY:
            self._push(expressions.UNARY[byte](self._pop()))
        elif byte in expressions.BINARY:
            a, b = self._pop(), self._pop()
            self._push(expressions.BINARY[byte](a, b))
        elif byte in expressions.TERNARY:
            a, b, c = self._pop(), self._pop(), self._named(self._pop())
            self._push(expressions.TERNARY[byte](a, b, c))
        elif byte in expressions.CONTEXT:
            self._define(expressions.CONTEXT[byte])
        elif byte in _WRITERS:
            _WRITERS[byte](self)
        else:
            self._call_handler(byte, opcode)

    def _call_handler(self, byte: int, opcode: Opcode) -> None:
        """Lets the interpreter's function do it, on its operands alone."""
        operands = [self._pop().number for _ in range(opcode.needs)]
        if len(operands) == 1:
            self._emit(f"st.append({operands[0]})")
        elif operands:
            self._emit(f"st += ({', '.join(reversed(operands))})")
        self._emit(f"f.gas = g\nop_{byte:02x}(f)\ng = f.gas")
        if opcode.pushes:
            self._define("st.pop()")

    # -- memory and storage

    def _reach(self, offset: Value, size: int) -> Value:
        """Makes sure that the memory is there; gives the offset, to be used more than once."""
        offset = self._named(offset)
        if offset.constant is None:
            self._emit(f"if {offset.code} + {size} > len(mb): g = grow(f, g, {offset.code}, {size})")
        elif offset.constant + size > self._memory:
            self._memory = end = offset.constant + size
            if self._reached_at is None:
                self._reached_at = len(self._lines)
                self._lines.append("")
            # One check for the whole stretch: that memory grows some opcodes early is nothing that anybody sees.
            self._lines[self._reached_at] = f"if {end} > len(mb): g = grow(f, g, 0, {end})"
        return offset

    def mload(self) -> None:
        offset = self._reach(self._pop(), 32)
        self._define_bytes(f"mb[{offset.code}:{offset.plus(32)}]")

    def mstore(self) -> None:
        offset, value = self._pop(), self._pop()
        offset = self._reach(offset, 32)
        self._emit(f"mb[{offset.code}:{offset.plus(32)}] = {value.word}")

    def mstore8(self) -> None:
        offset, value = self._pop(), self._pop()
        offset = self._reach(offset, 1)
        self._emit(f"mb[{offset.code}] = {value.number} & 255")

    def keccak(self) -> None:
        offset, size = self._named(self._pop()), self._named(self._pop())
        if size.constant is not None and 0 < size.constant < 2**20:
            self._charge(6 * ((size.constant + 31) >> 5))
            offset = self._reach(offset, size.constant)
            self._define_bytes(f"keccak(mb[{offset.code}:{offset.plus(size.constant)}]).digest()")
            return
        self._emit(f"g -= 6 * (({size.code} + 31) >> 5)\nif g < 0: raise OutOfGas")
        self._emit(f"if {size.code} and {offset.code} + {size.code} > len(mb): g = grow(f, g, {offset.code}, {size.code})")
        self._define_bytes(f"keccak(mb[{offset.code}:{offset.code} + {size.code}]).digest()")

    def calldataload(self) -> None:
        offset = self._named(self._pop())
        self._define_bytes(f"data[{offset.code}:{offset.plus(32)}].ljust(32, ZERO)")

    def sload(self) -> None:
        self._uses_slots = True
        slot = self._named(self._pop())
        self._variables += 1
        name = f"x{self._variables}"
        self._emit(
            f"{name} = values.get({slot.code}) if {slot.code} in warm else None\n"
            f"if {name} is None:\n    f.gas = g; {name} = load(f, slots, {slot.code}); g = f.gas\n"
            "else:\n    g -= 100\n    if g < 0: raise OutOfGas"
        )
        self._push(variable(name))

    def sstore(self) -> None:
        self._uses_slots = True
        slot, value = self._pop(), self._pop()
        self._emit(f"f.gas = g; store(f, slots, {slot.number}, {value.number}); g = f.gas")

    def tload(self) -> None:
        slot = self._pop()
        self._define(f"f.machine.journal.transient.get((f.address, {slot.number}), 0)")

    def exp(self) -> None:
        base, exponent = self._pop(), self._named(self._pop())
        if exponent.constant is not None:
            self._charge(50 * ((exponent.constant.bit_length() + 7) >> 3))
        else:
            self._emit(f"g -= 50 * (({exponent.code}.bit_length() + 7) >> 3)\nif g < 0: raise OutOfGas")
        self._define(f"pow({base.number}, {exponent.code}, M + 1)")

    # -- jumps

    def _jump(self) -> int | None:
        destination = self._pop()
        self._end_stretch()
        if destination.constant is None:
            for line in self._leave(f"jump_to(f, {destination.number})"):
                self._emit(line)
            return None
        return self._go_to(destination.constant)

    def _go_to(self, position: int) -> int | None:
        """A jump to a constant, or the next JUMPDEST."""
        if position not in self.program.destinations:
            self._emit(f"jump_to(f, {position})")
            return None
        if position == self.head and self._is_balanced():
            for line in self._loop():
                self._emit(line)
            return None
        return position

    def _is_balanced(self) -> bool:
        """Whether the stack is as high as at the trace's beginning."""
        return len(self._stack) == self._needs

    def _loop(self) -> list[str]:
        """The lines that go back to the beginning."""
        self._loops = True
        pairs = [(f"s{self._needs - index}", value.number) for index, value in enumerate(self._stack)]
        moved = [(name, value) for name, value in pairs if name != value]
        if not moved:
            return ["continue"]
        self._moved.update(name for name, _ in moved)
        names, values = ", ".join(name for name, _ in moved), ", ".join(value for _, value in moved)
        return [f"{names} = {values}", "continue"]

    def _jump_if(self, position: int) -> int | None:
        destination, condition = self._pop(), self._pop()
        self._end_stretch()
        if destination.constant is None:
            self._block(condition.truth, self._leave(f"jump_to(f, {destination.number})"))
            return position + 1
        target = destination.constant
        if target not in self.program.destinations:
            self._block(condition.truth, [f"jump_to(f, {target})"])
            return position + 1
        if target == self.head and self._is_balanced():
            self._block(condition.truth, self._loop())
            return position + 1
        if self.program.heat(target) > self.program.heat(position + 1):
            self._block(condition.falsity, self._leave(str(position + 1)))
            return target
        self._block(condition.truth, self._leave(str(target)))
        return position + 1

    # -- the function

    def _rendered(self, line: str) -> list[str]:
        indent, marker, index = line.partition(_WRITE_BACK)
        return [indent + each for each in self._write_back_lines(*self._written_back[int(index)])] if marker else [line]

    def source(self) -> str:
        needs, room = self._needs, STACK_LIMIT - self._growth
        lines = ["st = f.stack", f"if not {needs} <= len(st) <= {room}: return f.machine.interpret(f, {self.head})"]
        lines += ["g = f.gas", "mb = f.memory", "data = f.data"]
        if self._uses_slots:
            lines += ["slots = f.slots or f.storage()", "values = slots.values", "warm = slots.warm"]
        lines += [f"s{index} = st[-{index}]" for index in range(1, needs + 1)]
        body = [line for text in self._lines for line in text.split("\n") if line]
        body = [rendered for line in body for rendered in self._rendered(line)]
        if self._loops:
            self.program.loops.add(self.head)
            body = ["while True:", *(f"    {line}" for line in body)]
        return "def trace(f):\n" + "\n".join(f"    {line}" for line in (*lines, *body)) + "\n"


_WRITERS = {
    _MLOAD: _Recorder.mload,
    _MSTORE: _Recorder.mstore,
    _MSTORE8: _Recorder.mstore8,
    _KECCAK: _Recorder.keccak,
    _CALLDATALOAD: _Recorder.calldataload,
    _SLOAD: _Recorder.sload,
    _SSTORE: _Recorder.sstore,
    _TLOAD: _Recorder.tload,
    _EXP: _Recorder.exp,
}
