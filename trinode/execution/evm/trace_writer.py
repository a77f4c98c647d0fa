"""Writes the Python function of one trace: its lines, and what is known of the stack and the gas while they are written."""

from __future__ import annotations

from trinode.execution.evm.expressions import Value, from_bytes, variable
from trinode.execution.evm.frame import STACK_LIMIT

_WRITE_BACK = "write back "


class TraceWriter:
    """The function in the making, and the stack as its lines leave it.

    The function's names: `f` the frame, `st` its stack, `mb` its memory, `data` its calldata, `g` the gas that is left,
    `s1`, `s2`, … the words that the stack held at the beginning, from its top; `x…` words and `w…` bytes that were computed.
    """

    def __init__(self, head: int) -> None:
        self.head = head
        self.stack: list[Value] = []
        self.is_loop = False
        self.uses_slots = False
        self._lines: list[str] = []
        self._needs = 0
        """Words of the stack below the trace that it reads."""
        self._growth = 0
        self._variables = 0
        self._charged_at: int | None = None
        self._reached_at: int | None = None
        self._gas = 0
        self._memory = 0
        """Bytes of memory that are known to be there."""
        self._moved: set[str] = set()
        """Variables of the stack that a round of the loop changes."""
        self._written_back: list[tuple[int, tuple[Value, ...]]] = []

    # -- the stack

    def pop(self) -> Value:
        if self.stack:
            return self.stack.pop()
        self._needs += 1
        return variable(f"s{self._needs}")

    def deepen(self, depth: int) -> None:
        """At least `depth` values are on the stack then."""
        while len(self.stack) < depth:
            self._needs += 1
            self.stack.insert(0, variable(f"s{self._needs}"))

    def push(self, value: Value) -> None:
        self.stack.append(self.named(value) if value.is_long else value)
        self._growth = max(self._growth, len(self.stack) - self._needs)

    def named(self, value: Value) -> Value:
        """The value as a literal or variable, so that it can be used more than once."""
        if value.is_atom:
            return value
        name = self.new_name("x")
        self.emit(f"{name} = {value.number}")
        return Value(name, in_bytes=value.in_bytes)

    def define(self, expression: str) -> None:
        """Computes a word now, and pushes it."""
        name = self.new_name("x")
        self.emit(f"{name} = {expression}")
        self.push(variable(name))

    def define_bytes(self, expression: str) -> None:
        """Computes 32 bytes now, and pushes their number: what is only moved on in memory never becomes one."""
        name = self.new_name("w")
        self.emit(f"{name} = {expression}")
        self.push(from_bytes(name))

    def new_name(self, kind: str) -> str:
        self._variables += 1
        return f"{kind}{self._variables}"

    # -- lines

    def emit(self, line: str) -> None:
        self._lines.append(line)

    def emit_if(self, condition: str, lines: list[str]) -> None:
        self.emit(f"if {condition}:\n" + "\n".join(f"    {line}" for line in lines))

    def leave(self, position: str) -> list[str]:
        """The lines that go on at another position."""
        self._written_back.append((self._needs, tuple(self.stack)))
        # What has to be written is known at the end only: which variables change from one round of a loop to the next.
        return [f"{_WRITE_BACK}{len(self._written_back) - 1}", "f.gas = g", f"return {position}"]

    def is_balanced(self) -> bool:
        """Whether the stack is as high as at the trace's beginning."""
        return len(self.stack) == self._needs

    def loop(self) -> list[str]:
        """The lines that go back to the beginning; the stack must be balanced."""
        self.is_loop = True
        pairs = [(f"s{self._needs - index}", value.number) for index, value in enumerate(self.stack)]
        moved = [(name, value) for name, value in pairs if name != value]
        if not moved:
            return ["continue"]
        self._moved.update(name for name, _ in moved)
        return [f"{', '.join(name for name, _ in moved)} = {', '.join(value for _, value in moved)}", "continue"]

    # -- gas and memory

    def charge(self, gas: int) -> None:
        """Gas of the stretch that the next line is in."""
        if self._charged_at is None:
            self._charged_at = len(self._lines)
            self._lines.append("")
        self._gas += gas

    def end_stretch(self) -> None:
        """Up to here the gas is exact, and so is the size of memory."""
        if self._charged_at is not None and self._gas:
            self._lines[self._charged_at] = f"g -= {self._gas}\nif g < 0: raise OutOfGas"
        self._charged_at = None
        self._reached_at = None
        self._gas = 0

    def reach(self, offset: Value, size: int) -> Value:
        """Makes sure that the memory is there; gives the offset, to be used more than once."""
        offset = self.named(offset)
        if offset.constant is None:
            self.emit(f"if {offset.code} + {size} > len(mb): g = grow(f, g, {offset.code}, {size})")
        elif offset.constant + size > self._memory:
            self._memory = end = offset.constant + size
            if self._reached_at is None:
                self._reached_at = len(self._lines)
                self._lines.append("")
            # One check for the whole stretch: that memory grows some opcodes early is nothing that anybody sees.
            self._lines[self._reached_at] = f"if {end} > len(mb): g = grow(f, g, 0, {end})"
        return offset

    # -- the function

    def source(self) -> str:
        """The function `trace(f)`."""
        needs, room = self._needs, STACK_LIMIT - self._growth
        lines = ["st = f.stack", f"if not {needs} <= len(st) <= {room}: return f.machine.interpret(f, {self.head})"]
        lines += ["g = f.gas", "mb = f.memory", "data = f.data"]
        if self.uses_slots:
            lines += ["slots = f.slots or f.storage()", "values = slots.values", "warm = slots.warm"]
        lines += [f"s{index} = st[-{index}]" for index in range(1, needs + 1)]
        body = [rendered for text in self._lines for line in text.split("\n") if line for rendered in self._rendered(line)]
        if self.is_loop:
            body = ["while True:", *(f"    {line}" for line in body)]
        return "def trace(f):\n" + "\n".join(f"    {line}" for line in (*lines, *body)) + "\n"

    def _rendered(self, line: str) -> list[str]:
        indent, marker, index = line.partition(_WRITE_BACK)
        return [indent + each for each in self._write_back(*self._written_back[int(index)])] if marker else [line]

    def _write_back(self, needs: int, stack: tuple[Value, ...]) -> list[str]:
        """The lines that make the real stack what the values were, where so many words below the trace had been read."""
        # A loop may have changed words below those that were in use when this way out was met.
        stack = (*[variable(f"s{index}") for index in range(self._needs, needs, -1)], *stack)
        kept = 0
        while kept < min(self._needs, len(stack)):
            name = f"s{self._needs - kept}"
            if stack[kept].code != name or name in self._moved:
                break
            kept += 1
        replaced = self._needs - kept
        values = [value.number for value in stack[kept:]]
        if replaced:
            return [f"st[-{replaced}:] = ({''.join(f'{value}, ' for value in values)})"]
        if len(values) == 1:
            return [f"st.append({values[0]})"]
        return [f"st += ({', '.join(values)})"] if values else []
