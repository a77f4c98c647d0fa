"""Why opcodes and precompiles fail, in geth's words: each was seen in a trace of op-geth."""

from __future__ import annotations

import pytest

from harness.engine_differential.assembler import Assembler
from tests.unit.execution.calls.call_cases import CALLED, INNER, calling, run
from tests.unit.execution.pyevm.pyevm_state import DictState
from trinode.execution.tracing.call_tracer import CallTracer
from trinode.execution.tracing.struct_logs import StructLogger
from trinode.protocol.types import Address

OVERFLOW = "gas uint64 overflow"
TWICE = "out of gas: out of gas"


def failing(code: Assembler, gas: int) -> tuple[int, str | None]:
    """What the last opcode is said to cost, and why the call failed; `gas` is what code has."""
    calls, opcodes = CallTracer(), StructLogger()
    run(DictState(), code, tracer=calls, gas_limit=21_000 + gas)
    run(DictState(), code, tracer=opcodes, gas_limit=21_000 + gas)
    return opcodes.trace.struct_logs[-1].gas_cost, calls.call.error


def with_words(name: str, *words: int) -> Assembler:
    code = Assembler()
    for word in words:
        code.push(word)
    return code.op(name)


@pytest.mark.parametrize(
    ("code", "cost", "error"),
    [
        (with_words("MLOAD", 2**31), 8_796_294_610_950, "out of gas"),
        (with_words("MLOAD", 2**40), 3, f"out of gas: {OVERFLOW}"),
        (with_words("MLOAD", 2**64 - 33), 3, OVERFLOW),
        (with_words("KECCAK256", 2**64 - 32, 0), 30, f"out of gas: {OVERFLOW}"),
        (with_words("KECCAK256", 2**64 - 31, 0), 30, OVERFLOW),
        (with_words("LOG0", 2**40, 0), 0, f"out of gas: {OVERFLOW}"),
        (with_words("CREATE", 2**64, 0, 0), 32_000, OVERFLOW),
        (with_words("CALL", 0, 0, 2**64, 0, 0, 5, 100), 100, OVERFLOW),
        (with_words("CREATE", 50_000, 0, 0), 32_000, "out of gas: max initcode size exceeded: code size 50000 limit 49152"),
        (with_words("CALL", 0, 0, 0, 0, 1, 5, 100), 100, TWICE),
        (with_words("RETURNDATACOPY", 5, 10, 0), 6 + 3, "return data out of bounds"),
        (with_words("RETURNDATACOPY", 5, 0, 2**64), 3, OVERFLOW),
        (with_words("SELFDESTRUCT", 2**100), 7_600, None),
    ],
)
def test_a_lack_of_gas(code: Assembler, cost: int, error: str | None) -> None:
    assert failing(code, 39_000 if error != TWICE else 9_000)[1] == error
    if error != "return data out of bounds":
        assert failing(code, 39_000 if error != TWICE else 9_000)[0] == cost


def test_a_self_destruction_that_cannot_pay_its_cold_heir() -> None:
    assert failing(with_words("SELFDESTRUCT", 2**100), 7_000) == (5000, TWICE)
    assert failing(with_words("SELFDESTRUCT", 2**100), 4_000) == (5000, "out of gas")


def test_opcodes_that_have_a_name_in_no_fork() -> None:
    assert failing(Assembler().raw(b"\xfb"), 100)[1] == "invalid opcode: EXTSTATICCALL"
    assert failing(Assembler().raw(b"\xe8"), 100)[1] == "invalid opcode: EXCHANGE"
    assert failing(Assembler().raw(b"\xe9"), 100)[1] == "invalid opcode: opcode 0xe9 not defined"


def precompile(number: int) -> Address:
    return number.to_bytes(20, "big")


@pytest.mark.parametrize(
    ("number", "data", "error"),
    [
        (0x06, b"\xff" * 64, "invalid fp.Element encoding"),
        (0x06, bytes(31) + b"\x01" + bytes(31) + b"\x01", "point is not on curve"),
        (0x07, bytes(31) + b"\x01" + bytes(31) + b"\x01", "point is not on curve"),
        (0x08, bytes(193), "bad elliptic curve pairing size"),
        (0x08, bytes(115_200), "bad elliptic curve pairing input size"),
        (0x09, bytes(212), "invalid input length"),
        (0x09, b"\0\0\0\1" + bytes(208) + b"\x02", "invalid final flag"),
        (0x0A, bytes(191), "invalid input length"),
        (0x0A, bytes(192), "mismatched versioned hash"),
        (0x0B, bytes(255), "invalid input length"),
        (0x0B, b"\xff" * 256, "invalid field element top bytes"),
        (0x0B, bytes(16) + b"\xff" * 48 + bytes(192), "invalid fp.Element encoding"),
        (0x0B, bytes(63) + b"\x01" + bytes(192), "invalid point: not on curve"),
        (0x0C, bytes(304_000), "g1 msm input size exceeds maximum"),
    ],
)
def test_a_precompile_that_refuses(number: int, data: bytes, error: str) -> None:
    tracer = CallTracer()
    run(DictState(), b"", tracer=tracer, to=precompile(number), data=data, gas_limit=2**40)
    assert (tracer.call.error, tracer.call.gas_used) == (error, 2**40)
    tracer = CallTracer()
    run(DictState(), b"", tracer=tracer, to=precompile(number), data=data, gas_limit=21_000 + 40 * len(data) + 5)
    assert tracer.call.error in ("out of gas", error)


def test_the_caller_of_a_precompile_that_refuses_goes_on() -> None:
    tracer = CallTracer()
    state = DictState()
    state.put(INNER, code=bytes(calling("CALL", precompile(0x09)).op("STOP").assemble()))
    run(state, calling("CALL", INNER).op("STOP"), tracer=tracer)
    (inner,) = tracer.call.calls
    assert (tracer.call.to, inner.error, inner.calls[0].error) == (CALLED, None, "invalid input length")
