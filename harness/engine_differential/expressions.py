"""Random expressions: code that leaves one word on the stack."""

from __future__ import annotations

from random import Random

from harness.engine_differential.assembler import Assembler
from harness.engine_differential.values import Accounts, random_word
from trinode.execution.rules import EvmFork

NEW_OPCODES: dict[str, EvmFork] = {
    "PUSH0": EvmFork.SHANGHAI,
    "TLOAD": EvmFork.CANCUN,
    "TSTORE": EvmFork.CANCUN,
    "MCOPY": EvmFork.CANCUN,
    "BLOBHASH": EvmFork.CANCUN,
    "BLOBBASEFEE": EvmFork.CANCUN,
    "CLZ": EvmFork.OSAKA,
}
_TOO_NEW = 0.01
"""How likely an instruction is used that the EVM does not have yet."""

_ENVIRONMENT = (
    "ADDRESS ORIGIN CALLER CALLVALUE CALLDATASIZE CODESIZE GASPRICE RETURNDATASIZE COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT "
    "CHAINID SELFBALANCE BASEFEE BLOBBASEFEE PC MSIZE GAS PUSH0"
)
_UNARY = "ISZERO NOT CALLDATALOAD BLOBHASH CLZ"
_BINARY = "ADD MUL SUB DIV SDIV MOD SMOD EXP SIGNEXTEND LT GT SLT SGT EQ AND OR XOR BYTE SHL SHR SAR"


class ExpressionMaker:
    """Writes expressions into an assembler. `evm` is the newest EVM that the code will run in."""

    def __init__(self, random: Random, accounts: Accounts, evm: EvmFork) -> None:
        self.random = random
        self.accounts = accounts
        self.evm = evm

    def has(self, opcode: str) -> bool:
        """Whether to use an instruction: not, or hardly ever, before its fork."""
        return NEW_OPCODES.get(opcode, EvmFork.PARIS) <= self.evm or self.random.random() < _TOO_NEW

    def choose(self, opcodes: str) -> str:
        """One of the instructions that there are."""
        while True:
            opcode = self.random.choice(opcodes.split())
            if self.has(opcode):
                return opcode

    def expression(self, code: Assembler, depth: int = 2) -> None:
        """Any expression; sub-expressions go `depth` deep."""
        kind = self.random.random()
        if depth <= 0 or kind < 0.3:
            self.constant(code)
        elif kind < 0.45:
            code.op(self.choose(_ENVIRONMENT))
        elif kind < 0.55:
            self.expression(code, depth - 1)
            code.op(self.choose(_UNARY))
        elif kind < 0.75:
            self.expression(code, depth - 1)
            self.expression(code, depth - 1)
            code.op(self.choose(_BINARY))
        elif kind < 0.79:
            for _ in range(3):
                self.expression(code, depth - 1)
            code.op(self.random.choice(("ADDMOD", "MULMOD")))
        else:
            self._reading(code, depth)

    def constant(self, code: Assembler) -> None:
        """A number, now and then in more bytes than it needs."""
        value = random_word(self.random)
        size = max(1, (value.bit_length() + 7) // 8)
        code.push(value, self.random.randint(size, 32) if self.random.random() < 0.1 else size)

    def _reading(self, code: Assembler, depth: int) -> None:
        """Of state, memory, or the chain."""
        kind = self.random.randrange(12)
        if kind < 3:
            self.slot(code)
            code.op("TLOAD" if kind == 0 and self.has("TLOAD") else "SLOAD")
        elif kind < 6:
            self.address(code)
            code.op(("BALANCE", "EXTCODESIZE", "EXTCODEHASH")[kind - 3])
        elif kind < 8:
            self.offset(code)
            code.op("MLOAD")
        elif kind < 9:
            self.size(code)
            self.offset(code)
            code.op("KECCAK256")
        elif kind < 10:
            self._block_number(code)
            code.op("BLOCKHASH")
        else:
            self.address(code) if depth > 1 else self.constant(code)

    def _block_number(self, code: Assembler) -> None:
        """Around the edges of what BLOCKHASH knows."""
        if self.random.random() < 0.2:
            self.constant(code)
        else:
            code.push(self.random.choice((0, 1, 2, 255, 256, 257, 2**256 - 1))).op("NUMBER", "SUB")

    def slot(self, code: Assembler) -> None:
        """A storage slot: one of a few, mostly."""
        if self.random.random() < 0.85:
            code.push(self.random.randrange(4))
        elif self.random.random() < 0.5:
            code.op("CALLER")
        else:
            self.expression(code, 1)

    def address(self, code: Assembler) -> None:
        """An account; a few with dirty upper bits, which do not count."""
        kind = self.random.random()
        if kind < 0.75:
            code.push_bytes(self.accounts.any(self.random))
        elif kind < 0.8:
            code.push_bytes(b"\xff" * 12 + self.accounts.any(self.random))
        else:
            code.op(self.random.choice(("ADDRESS", "CALLER", "ORIGIN", "COINBASE")))

    def offset(self, code: Assembler) -> None:
        """A place in memory: near, now and then far, seldom out of reach."""
        kind = self.random.random()
        if kind < 0.96:
            code.push(self.random.choice((0, 0, 0, 1, 31, 32, 33, 64, 96, 100, 128, 255, 256)))
        elif kind < 0.996:
            code.push(self.random.choice((1000, 4096, 20_000, 65_536)))
        else:
            self.constant(code)

    def size(self, code: Assembler) -> None:
        """A size in memory: small, now and then large, seldom too large."""
        kind = self.random.random()
        if kind < 0.96:
            code.push(self.random.choice((0, 0, 1, 4, 20, 31, 32, 32, 33, 64, 100, 128, 200)))
        elif kind < 0.996:
            code.push(self.random.choice((1000, 3000, 10_000)))
        else:
            self.constant(code)
