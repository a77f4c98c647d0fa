"""Random EVM programs: mostly valid, with all instructions, calls and creations within each other, and every kind of end.

A program is a row of statements, each of which leaves the stack as it found it. What ends a program early stands in a
branch, so that what follows it is reached too.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from harness.engine_differential.assembler import OPCODES, Assembler, Place
from harness.engine_differential.calls import CallMaker
from harness.engine_differential.expressions import ExpressionMaker
from harness.engine_differential.init_code import MAX_INIT_CODE_SIZE, random_init_code
from harness.engine_differential.values import Accounts
from trinode.execution.rules import EvmFork

Statement = Callable[[Assembler], None]


class ProgramMaker:
    """A source of programs that know of `accounts`; `evm` is the newest EVM that they will run in."""

    def __init__(self, random: Random, accounts: Accounts, evm: EvmFork) -> None:
        self.random = random
        self.expressions = ExpressionMaker(random, accounts, evm)
        self.calls = CallMaker(self.expressions)
        self._depth = 0
        weights: dict[Statement, int] = {
            self._store: 12,
            self._store_transient: 4,
            self._write_memory: 8,
            self._copy: 7,
            self._log: 4,
            self._branch: 7,
            self._loop: 3,
            self._gas_branch: 2,
            self.calls.call: 18,
            self.calls.precompile: 5,
            self.calls.bls: 1,
            self.calls.system: 2,
            self._create: 5,
            self._juggle: 4,
            self._end_in_branch: 4,
            self._odd_in_branch: 2,
        }
        self._statements, self._weights = list(weights), list(weights.values())

    def program(self) -> bytes:
        """A program, 2 to some thousand bytes long."""
        if self.random.random() < 0.01:
            return self.random.randbytes(self.random.randrange(1, 60))
        code = Assembler()
        for _ in range(self.random.randint(2, 4 if self._depth else 10)):
            self.statement(code)
        self._end(code)
        return code.assemble()

    def init_code(self) -> bytes:
        """Code that makes a contract with a program, mostly."""
        self._depth += 1
        try:
            return random_init_code(self.random, self.program(), self.statement)
        finally:
            self._depth -= 1

    def statement(self, code: Assembler) -> None:
        """Any statement."""
        (make,) = self.random.choices(self._statements, self._weights)
        make(code)

    # -- state and memory

    def _store(self, code: Assembler) -> None:
        """One slot, or the same one several times, as refunds depend on what it was before (EIP-3529)."""
        if self.random.random() < 0.6:
            self.expressions.expression(code, 3)
            self.expressions.slot(code)
            code.op("SSTORE")
            return
        slot = self.random.randrange(4)
        for _ in range(self.random.randint(2, 4)):
            code.push(self.random.choice((0, 0, 1, 2))).push(slot).op("SSTORE")

    def _store_transient(self, code: Assembler) -> None:
        self.expressions.expression(code, 1)
        self.expressions.slot(code)
        code.op("TSTORE" if self.expressions.has("TSTORE") else "SSTORE")

    def _write_memory(self, code: Assembler) -> None:
        self.expressions.expression(code)
        self.expressions.offset(code)
        code.op(self.random.choice(("MSTORE", "MSTORE", "MSTORE8")))

    def _copy(self, code: Assembler) -> None:
        kind = self.random.choice(("CALLDATACOPY", "CODECOPY", "EXTCODECOPY", "RETURNDATACOPY", "MCOPY"))
        if kind == "MCOPY" and not self.expressions.has(kind):
            kind = "CODECOPY"
        if kind == "RETURNDATACOPY" and self.random.random() < 0.8:
            code.op("RETURNDATASIZE").push(self.random.choice((0, 0, 0, 0, 1))).push(self.random.choice((0, 32))).op(kind)
            return
        self.expressions.size(code)
        self.expressions.offset(code)
        self.expressions.offset(code)
        if kind == "EXTCODECOPY":
            self.expressions.address(code)
        code.op(kind)

    def _log(self, code: Assembler) -> None:
        topics = self.random.randrange(5)
        for _ in range(topics):
            self.expressions.expression(code, 0)
        self.expressions.size(code)
        self.expressions.offset(code)
        code.op(f"LOG{topics}")

    def _juggle(self, code: Assembler) -> None:
        """Some words, moved around, summed up and stored."""
        count = self.random.randint(2, 17)
        for _ in range(count):
            self.expressions.expression(code, 0)
        for _ in range(self.random.randint(1, 4)):
            code.op(f"SWAP{self.random.randint(1, min(16, count - 1))}")
        code.op(f"DUP{self.random.randint(1, min(16, count))}")
        code.op(*[self.random.choice(("ADD", "XOR", "SUB", "POP")) for _ in range(count)])
        code.push(self.random.randrange(4)).op("SSTORE")

    # -- control flow

    def _guarded(self, code: Assembler, inner: Statement) -> None:
        after = Place()
        code.push_place(after).op("JUMPI")
        inner(code)
        code.put(after)

    def _branch(self, code: Assembler) -> None:
        self.expressions.expression(code)
        self._guarded(code, self.statement)

    def _gas_branch(self, code: Assembler) -> None:
        code.push(self.random.choice((2_300, 10_000, 30_000, 60_000, 100_000))).op("GAS", self.random.choice(("GT", "LT")))
        self._guarded(code, self.statement)

    def _loop(self, code: Assembler) -> None:
        """A few rounds, or as many as the gas is enough for; the counter is on the stack."""
        again = Place()
        endless = self.random.random() < 0.1
        code.push(self.random.randint(1, 6)).put(again)
        for _ in range(self.random.randint(1, 2)):
            self.statement(code)
        if endless:
            code.push(self.random.choice((500, 5_000, 20_000))).op("GAS", "GT")
        else:
            code.push(1).op("SWAP1", "SUB", "DUP1")
        code.push_place(again).op("JUMPI", "POP")

    def _end_in_branch(self, code: Assembler) -> None:
        self.expressions.expression(code)
        self._guarded(code, self._end)

    def _end(self, code: Assembler) -> None:
        kind = self.random.random()
        if kind < 0.2:
            code.op("STOP")
        elif kind < 0.6:
            self.expressions.size(code)
            self.expressions.offset(code)
            code.op("RETURN")
        elif kind < 0.75:
            self.expressions.size(code)
            self.expressions.offset(code)
            code.op("REVERT")
        elif kind < 0.84:
            self.expressions.address(code)
            code.op("SELFDESTRUCT")
        elif kind < 0.87:
            code.op("INVALID")

    def _odd_in_branch(self, code: Assembler) -> None:
        self.expressions.expression(code)
        self._guarded(code, self._odd)

    def _odd(self, code: Assembler) -> None:
        """What only broken or malicious code does."""
        kind = self.random.randrange(8)
        if kind == 0:  # into the operand of a push
            code.push(len(code) + 5, 2).op("JUMP").raw(bytes([OPCODES["PUSH1"], OPCODES["JUMPDEST"]]))
        elif kind == 1:
            self.expressions.expression(code)
            code.op("JUMP")
        elif kind == 2:
            code.op(*["POP"] * 20)
        elif kind == 3:  # until the stack is full
            again = Place()
            code.put(again).op("PC", "PC", "PC", "PC").push_place(again).op("JUMP")
        elif kind == 4:
            code.raw(bytes([self.random.choice((0x0C, 0x0F, 0x1F, 0x21, 0x4B, 0xA5, 0xB0, 0xEF, 0xF6, 0xF7, 0xFB, 0xFC))]))
        elif kind == 5:
            code.push(self.random.choice((2**20, 2**25, 2**32, 2**64, 2**256 - 32))).op("MLOAD", "POP")
        elif kind == 6:
            code.op(f"SWAP{self.random.randint(1, 16)}", f"DUP{self.random.randint(1, 16)}")
        else:  # back to the start, as long as there is gas
            code.push(0).op("JUMP")

    # -- creation

    def _create(self, code: Assembler) -> None:
        if self._depth > 1:
            self._store(code)
            return
        if self.random.random() < 0.05:  # init code of zeros around the limit
            size = self.random.choice((MAX_INIT_CODE_SIZE, MAX_INIT_CODE_SIZE + 1))
            code.push(size).push(0)
        else:
            init_code = self.init_code()
            code.copy_data(init_code, 0).push(len(init_code)).push(0)
        salted = self.random.random() < 0.5
        if salted:  # few salts, so that the same address is made twice
            code.push(self.random.randrange(2)).op("SWAP2", "SWAP1")
        code.push(self.random.choice((0, 0, 0, 1, 2**200)))
        code.op("CREATE2" if salted else "CREATE")
        kind = self.random.random()
        if kind < 0.2:
            code.op("DUP1")
            self.calls.call_created(code)
            self.calls.call_created(code)
        elif kind < 0.5:
            self.calls.call_created(code)
        else:
            code.push(self.random.randrange(4)).op("SSTORE")
