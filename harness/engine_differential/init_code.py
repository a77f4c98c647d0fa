"""Random code that makes a contract, or fails to, in all the ways that there are."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from harness.engine_differential.assembler import Assembler

MAX_CODE_SIZE = 24_576
MAX_INIT_CODE_SIZE = 49_152


def deploying(runtime: bytes) -> bytes:
    """Init code that returns `runtime`."""
    return Assembler().copy_data(runtime, 0).push(len(runtime)).push(0).op("RETURN").assemble()


def random_init_code(random: Random, runtime: bytes, statements: Callable[[Assembler], None]) -> bytes:
    """Init code that mostly deploys `runtime`; `statements` writes some more into it, to be executed before."""
    kind = random.random()
    code = Assembler()
    if kind < 0.4:
        return deploying(runtime)
    if kind < 0.65:
        code.push(random.randrange(3)).push(random.randrange(4)).op("SSTORE")
        statements(code)
        return code.copy_data(runtime, 0).push(len(runtime)).push(0).op("RETURN").assemble()
    if kind < 0.7:  # gone as soon as it is called (EIP-6780 if in the same transaction)
        mortal = Assembler().push(2).push(0).op("SSTORE", random.choice(("ADDRESS", "CALLER", "ORIGIN")), "SELFDESTRUCT")
        return deploying(mortal.assemble())
    if kind < 0.75:
        beneficiary = random.choice(("ADDRESS", "CALLER", "ORIGIN"))
        return code.push(1).push(0).op("SSTORE", beneficiary, "SELFDESTRUCT").assemble()
    if kind < 0.79:
        return code.push(random.randrange(100)).push(0).op("REVERT").assemble()
    if kind < 0.84:
        code.push(random.choice((0xEF, 0xEF, 0xFE))).push(0).op("MSTORE8")
        return code.push(random.choice((1, 2, 23))).push(0).op("RETURN").assemble()
    if kind < 0.88:
        return code.push(random.choice((MAX_CODE_SIZE, MAX_CODE_SIZE + 1, 1000, 100))).push(0).op("RETURN").assemble()
    if kind < 0.93:
        return b""
    statements(code)
    return code.assemble()
