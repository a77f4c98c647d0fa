"""Random calls: of contracts, accounts and precompiled contracts, with value, with little gas, and of oneself."""

from __future__ import annotations

from harness.engine_differential.assembler import Assembler
from harness.engine_differential.expressions import ExpressionMaker
from harness.engine_differential.precompile_calls import BLS_FROM, BLS_LAST, precompile_input
from harness.engine_differential.predeploys import BEACON_ROOTS, BLOCK_HISTORY, MESSAGE_PASSER

_CALLS = ("CALL", "CALL", "CALL", "CALL", "CALL", "CALLCODE", "DELEGATECALL", "DELEGATECALL", "STATICCALL")
_WITH_VALUE = ("CALL", "CALLCODE")
_INPUT = 0x200
"""Where the input of precompiled contracts stands in memory."""


class CallMaker:
    """Writes calls into an assembler."""

    def __init__(self, expressions: ExpressionMaker) -> None:
        self.random = expressions.random
        self._expressions = expressions

    def call(self, code: Assembler) -> None:
        """Any call of any account."""
        kind = self.random.choice(_CALLS)
        self._expressions.size(code)
        self._expressions.offset(code)
        self._expressions.size(code)
        self._expressions.offset(code)
        if kind in _WITH_VALUE:
            self._value(code)
        if self.random.random() < 0.75:
            code.push_bytes(self._expressions.accounts.contract(self.random))
        else:
            self._expressions.address(code)
        self._gas(code)
        code.op(kind)
        self._result(code)

    def call_created(self, code: Assembler) -> None:
        """The contract whose address is on the stack (0: it could not be made)."""
        kind = self.random.choice(_CALLS)
        code.push(32).push(0).push(32).push(0)
        if kind in _WITH_VALUE:
            code.push(self.random.choice((0, 0, 1))).op("DUP6")
        else:
            code.op("DUP5")
        self._gas(code)
        code.op(kind, "ADD").push(self.random.randrange(4)).op("SSTORE")

    def precompile(self, code: Assembler) -> None:
        """One of the precompiled contracts, with input made for it."""
        address = self.random.choice(self._expressions.accounts.precompiles)
        data = precompile_input(self.random, address)
        kind = self.random.choice(_CALLS)
        if data:
            code.copy_data(data, _INPUT)
        code.push(self.random.choice((0, 20, 32, 64, 200))).push(self.random.choice((0, 32)))
        code.push(len(data)).push(_INPUT)
        if kind in _WITH_VALUE:
            code.push(self.random.choice((0, 0, 0, 1)))
        code.push_bytes(address)
        if self.random.random() < 0.8:
            code.op("GAS")
        else:
            code.push(self.random.choice((0, 10, 100, 149, 150, 3_000, 3_450, 6_000, 45_000, 50_000)))
        code.op(kind)
        self._result(code)

    def system(self, code: Assembler) -> None:
        """The contracts that keep block hashes (EIP-2935) and beacon roots (EIP-4788), asked for old ones, and the one of withdrawals."""
        kind = self.random.randrange(3)
        if kind == 0:
            code.push(self.random.choice((0, 1, 2, 255, 256, 257, 8191, 8192))).op("NUMBER", "SUB")
        elif kind == 1:
            code.push(2 * self.random.choice((0, 0, 1, 2, 100, 8191))).op("TIMESTAMP", "SUB")
        else:
            self._expressions.expression(code, 1)
        code.push(0).op("MSTORE").push(32).push(0).push(self.random.choice((32, 32, 32, 64))).push(0).push(0)
        code.push_bytes((BLOCK_HISTORY, BEACON_ROOTS, MESSAGE_PASSER)[kind]).op("GAS", "CALL")
        code.push(0).op("MLOAD", "ADD").push(self.random.randrange(4)).op("SSTORE")

    def bls(self, code: Assembler) -> None:
        """Two points of BLS12-381 from field elements, then their sum, product or pairing; the last input is made with what is there."""
        second = self.random.random() < 0.5
        mapping, size = (BLS_LAST, 256) if second else (BLS_LAST - 1, 128)
        for place in range(2):
            data = precompile_input(self.random, bytes(19) + bytes([mapping]))
            code.copy_data(data, _INPUT)
            self._static(code, mapping, (_INPUT, len(data)), (place * size, size))
        operation = self.random.choice((BLS_FROM + 2, BLS_FROM + 3, BLS_FROM + 4) if second else (BLS_FROM, BLS_FROM + 1, BLS_FROM + 4))
        length = {0: 256, 1: 160, 2: 512, 3: 288, 4: 384}[operation - BLS_FROM]
        self._static(code, operation, (0, length), (0x400, size))
        code.push(0x400).op("MLOAD").push(1).op("SSTORE").push(0x420).op("MLOAD").push(2).op("SSTORE")

    def _static(self, code: Assembler, number: int, source: tuple[int, int], to: tuple[int, int]) -> None:
        code.push(to[1]).push(to[0]).push(source[1]).push(source[0]).push(number).op("GAS", "STATICCALL", "POP")

    def _value(self, code: Assembler) -> None:
        kind = self.random.random()
        if kind < 0.6:
            code.push(0)
        elif kind < 0.9:
            code.push(self.random.choice((1, 2, 1000)))
        elif kind < 0.95:
            code.op("SELFBALANCE")
        else:
            self._expressions.expression(code, 1)

    def _gas(self, code: Assembler) -> None:
        kind = self.random.random()
        if kind < 0.7:
            code.op("GAS")
        elif kind < 0.85:
            code.push(2).op("GAS", "DIV")
        elif kind < 0.95:
            code.push(self.random.choice((0, 1, 100, 700, 2_300, 2_600, 5_000, 22_100, 50_000, 2**64, 2**256 - 1)))
        else:
            self._expressions.expression(code, 1)

    def _result(self, code: Assembler) -> None:
        """What became of the call: forgotten, stored, or looked at."""
        kind = self.random.random()
        if kind < 0.4:
            code.op("POP")
        elif kind < 0.8:
            code.push(self.random.randrange(4)).op("SSTORE")
        else:
            code.op("RETURNDATASIZE", "ADD").push(self.random.randrange(4)).op("SSTORE")
