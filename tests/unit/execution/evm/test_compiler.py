"""Compiled code does what interpreted code does: results, gas, storage and logs are equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine_differential.assembler import Assembler
from tests.unit.execution.evm import running
from tests.unit.execution.evm.running import COMPILED, INTERPRETED, run_code
from trinode.execution.evm.compiler import compile_trace
from trinode.execution.evm.program import Program
from trinode.execution.evm.table import table_of
from trinode.execution.rules import EvmFork


def assemble(text: str) -> bytes:
    """Words are instructions, or numbers that are pushed in as few bytes as will do."""
    assembler = Assembler()
    for word in text.split():
        if word[0].isdigit():
            assembler.push(int(word, 0))
        else:
            assembler.op(word)
    return bytes(assembler.assemble())


RETURN_TOP = "0 MSTORE 32 0 RETURN"
OTHER_ADDRESS = f"0x{running.OTHER.hex()}"

CASES = {
    "a loop that keeps its words in place": f"10 JUMPDEST 1 SWAP1 SUB DUP1 2 JUMPI {RETURN_TOP}",
    # The loop's way out is met before it is known that a word below those in use changes from round to round.
    "a loop that changes words below those its way out uses": (
        "1 2 3 10 JUMPDEST DUP1 ISZERO 27 JUMPI 1 SWAP1 SUB SWAP3 7 ADD SWAP3 8 JUMP JUMPDEST POP ADD ADD " + RETURN_TOP
    ),
    "memory that one stretch reaches in two steps": f"0 MLOAD 200 MLOAD MSIZE ADD ADD {RETURN_TOP}",
    "memory size is seen before later growth": f"0 MLOAD MSIZE 500 MLOAD ADD ADD {RETURN_TOP}",
    "a hash that only moves on in memory": f"64 0 KECCAK256 32 MSTORE 64 0 KECCAK256 32 MLOAD ADD {RETURN_TOP}",
    "a word from memory, written after the memory changed": f"7 0 MSTORE 0 MLOAD 9 0 MSTORE {RETURN_TOP}",
    "conditions are numbers where they are used as such": f"1 2 LT DUP1 3 4 GT ADD ADD {RETURN_TOP}",
    "a condition that is stored": "1 2 LT 5 SSTORE 2 1 EQ 6 SSTORE",
    "gas is exact where it is looked at": f"1 2 ADD POP GAS 3 4 ADD POP GAS SUB {RETURN_TOP}",
    "storage, cold and warm": f"5 SLOAD 7 5 SSTORE 5 SLOAD ADD 0 5 SSTORE 5 SLOAD ADD {RETURN_TOP}",
    "storage that needs the stipend and more": "1 1 SSTORE 2 1 SSTORE 0 1 SSTORE",
    "transient storage": f"9 1 TSTORE 1 TLOAD 2 TLOAD ADD {RETURN_TOP}",
    "division by zero, known and not": f"0 CALLDATASIZE DIV 0 5 MOD ADD CALLDATASIZE 7 DIV ADD CALLDATASIZE 7 MOD ADD {RETURN_TOP}",
    "shifts by more than a word": f"7 256 SHL 7 CALLDATASIZE 300 ADD SHR ADD 5 CALLDATASIZE SHL ADD {RETURN_TOP}",
    "modular arithmetic": f"0 5 7 ADDMOD 8 5 7 MULMOD ADD CALLDATASIZE 5 7 ADDMOD ADD {RETURN_TOP}",
    "exponents": f"3 CALLDATASIZE EXP 1000 3 EXP ADD {RETURN_TOP}",
    "a jump to nowhere": "1 3 JUMP",
    "a jump into the data of a push": "4 JUMP 91",
    "a conditional jump to nowhere that is not taken": f"0 3 JUMPI 5 {RETURN_TOP}",
    "a computed jump": f"CALLDATASIZE 6 ADD JUMP 1 JUMPDEST 5 {RETURN_TOP}",
    "too few words for a later block": "CALLDATASIZE 5 JUMPI POP POP JUMPDEST STOP",
    "logs": "1 2 3 32 0 LOG3 0 0 LOG0",
    "running off the end": "1 2 ADD",
    "a revert with data": "42 0 MSTORE 32 0 REVERT",
    "an invalid opcode": "1 2 ADD INVALID",
    "code and its size": f"CODESIZE PC ADD 10 0 0 CODECOPY 0 MLOAD ADD {RETURN_TOP}",
    "calls": f"32 0 0 0 0 {OTHER_ADDRESS} 50000 CALL 0 MLOAD ADD RETURNDATASIZE ADD GAS ADD {RETURN_TOP}",
    "the message": f"CALLER ADDRESS ORIGIN CALLVALUE GASPRICE ADD ADD ADD ADD 3 CALLDATALOAD ADD {RETURN_TOP}",
    "leading zeros": f"0 CLZ CALLDATASIZE CLZ ADD 5 CLZ ADD {RETURN_TOP}",
}

OTHER = assemble("GAS 0 MSTORE 5 SLOAD 1 ADD 5 SSTORE 32 0 RETURN")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("gas", [10**6, 22_200, 5_000, 2_400, 120, 40])
def test_the_case(name: str, gas: int) -> None:
    code = assemble(CASES[name])
    (interpreted, before), (compiled, after) = (
        run_code(code, gas=gas, data=b"\x01\x02\x03", other=OTHER, compile_after=compile_after)
        for compile_after in (INTERPRETED, COMPILED)
    )
    assert compiled._replace(failure=None) == interpreted._replace(failure=None)
    assert (compiled.failure is None) == (interpreted.failure is None)
    assert after == before


def test_the_cases_are_compiled() -> None:
    """The loop of the first case becomes one function that jumps back to its beginning."""
    program = Program(assemble(CASES["a loop that keeps its words in place"]))
    assert compile_trace(program, 2, EvmFork.OSAKA) is not None
    assert program.loops == {2}


OPCODES = [byte for byte, opcode in enumerate(table_of(EvmFork.OSAKA)) if opcode.name != "INVALID"]
JUMPS = st.sampled_from([b"\x5b", b"\x5b\x5b", b"\x60\x00\x56", b"\x60\x04\x57", b"\x60\x0a\x57", b"\x60\x14\x56", b"\x80\x60\x00\x57"])
SMALL = st.integers(0, 64).map(lambda number: bytes([0x60, number]))
WORDS = st.integers(0, 2**256 - 1).map(lambda number: b"\x7f" + number.to_bytes(32, "big"))
DEEP = st.sampled_from([bytes([byte]) for byte in range(0x80, 0xA0)])
PIECES = st.one_of(SMALL, SMALL, SMALL, WORDS, JUMPS, JUMPS, DEEP, st.sampled_from(OPCODES).map(lambda byte: bytes([byte])))


@given(
    pieces=st.lists(PIECES, min_size=1, max_size=60),
    words=st.lists(st.integers(0, 40), max_size=24),
    gas=st.sampled_from([100, 1_000, 5_000, 30_000, 200_000]),
)
def test_any_code(pieces: list[bytes], words: list[int], gas: int) -> None:
    code = b"\x5b" + b"".join(bytes([0x60, word]) for word in words) + b"".join(pieces)
    (interpreted, before), (compiled, after) = (
        run_code(code, gas=gas, data=b"\x05" * 40, other=OTHER, compile_after=compile_after)
        for compile_after in (INTERPRETED, COMPILED)
    )
    assert compiled._replace(failure=None) == interpreted._replace(failure=None)
    assert (compiled.failure is None) == (interpreted.failure is None)
    assert after == before
