"""The trees of calls that callTracer gives, and the selectors of 4byteTracer."""

from __future__ import annotations

import pytest

from harness.engine_differential.assembler import Assembler
from tests.unit.execution.calls.call_cases import ALICE, BOB, CALLED, GAS, INNER, calling, run
from tests.unit.execution.pyevm.pyevm_state import DictState, with_deep_stack
from trinode.execution.evm.calls import create_address
from trinode.execution.tracing.call_failures import revert_reason
from trinode.execution.tracing.call_tracer import CallFrame, CallTracer
from trinode.execution.tracing.four_byte import FourByteTracer
from trinode.execution.tracing.tracer import TraceLimitExceeded, TraceLimits


def traced(state: DictState, code: Assembler, **options: bool) -> CallFrame:
    tracer = CallTracer(**options)  # type: ignore[arg-type]
    result = run(state, code, tracer=tracer)
    assert (tracer.call.gas, tracer.call.gas_used) == (GAS, result.gas_used)
    return tracer.call


def inner(assembler: Assembler) -> DictState:
    """A state with that code at INNER."""
    state = DictState()
    state.put(INNER, nonce=1, code=bytes(assembler.assemble()))
    return state


@pytest.mark.parametrize(
    ("kind", "value"), [("CALL", 0), ("CALLCODE", 0), ("DELEGATECALL", 0), ("STATICCALL", None)]
)
def test_the_four_calls(kind: str, value: int | None) -> None:
    state = inner(Assembler().op("CALLER", "PUSH0", "MSTORE").push(32).op("PUSH0", "RETURN"))
    top = traced(state, calling(kind, INNER, gas=5000).op("STOP"))
    assert (top.kind, top.sender, top.to, top.error, len(top.calls)) == ("CALL", ALICE, CALLED, None, 1)
    call = top.calls[0]
    assert (call.kind, call.sender, call.to, call.value, call.gas) == (kind, CALLED, INNER, value, 5000)
    assert call.gas_used == 2 + 2 + 3 + 3 + 3 + 2
    assert call.output == (ALICE if kind == "DELEGATECALL" else CALLED).rjust(32, b"\0")


def test_a_call_of_a_precompile() -> None:
    top = traced(DictState(), calling("CALL", bytes(19) + b"\x04", gas=100).op("STOP"))
    assert [(call.to, call.gas_used, call.error) for call in top.calls] == [(bytes(19) + b"\x04", 15, None)]
    refused = traced(DictState(), calling("CALL", bytes(19) + b"\x06", gas=100).op("STOP")).calls[0]
    assert (refused.gas_used, refused.error) == (100, "out of gas")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (Assembler().op("PUSH0", "PUSH0", "REVERT"), "execution reverted"),
        (Assembler().op("INVALID"), "invalid opcode: INVALID"),
        (Assembler().raw(b"\x21"), "invalid opcode: opcode 0x21 not defined"),
        (Assembler().op("PUSH0", "JUMP"), "invalid jump destination"),
        (Assembler().op("PUSH0", "ADD"), "stack underflow (1 <=> 2)"),
        (Assembler().op(*["PUSH0"] * 1025), "stack limit reached 1024 (1023)"),
        (Assembler().op("PUSH0").push(1).op("PUSH0", "RETURNDATACOPY"), "return data out of bounds"),
        (Assembler().push(2**31).op("MLOAD"), "out of gas"),
    ],
)
def test_why_a_call_fails(code: Assembler, error: str) -> None:
    call = traced(inner(code), calling("CALL", INNER, gas=9000).op("STOP")).calls[0]
    assert call.error == error
    assert call.gas_used == (4 if error == "execution reverted" else 9000)


@pytest.mark.parametrize(
    "code",
    [
        Assembler().op("PUSH0", "PUSH0", "SSTORE"),
        Assembler().op("PUSH0", "PUSH0", "TSTORE"),
        Assembler().op("PUSH0", "PUSH0", "LOG0"),
        Assembler().op("PUSH0", "PUSH0", "PUSH0", "CREATE"),
        Assembler().op("PUSH0", "SELFDESTRUCT"),
        calling("CALL", BOB, value=1),
    ],
)
def test_writing_in_a_static_call(code: Assembler) -> None:
    call = traced(inner(code), calling("STATICCALL", INNER).op("STOP")).calls[0]
    assert call.error == "write protection"


def test_the_sentry_of_sstore() -> None:
    state = inner(Assembler().push(1).op("PUSH0", "SSTORE"))
    call = traced(state, calling("CALL", INNER, gas=2300).op("STOP")).calls[0]
    assert call.error == "out of gas: not enough gas for reentrancy sentry"


def creating(initcode: bytes, value: int = 0) -> Assembler:
    code = Assembler().push_bytes(initcode.ljust(32, b"\0")).op("PUSH0", "MSTORE")
    return code.push(len(initcode)).op("PUSH0").push(value).op("CREATE")


@pytest.mark.parametrize(
    ("initcode", "error"),
    [
        (bytes.fromhex("60ef5f5360015ff3"), "invalid code: must not begin with 0xef"),
        (bytes.fromhex("6160015ff3"), "max code size exceeded"),  # by one byte
        (bytes.fromhex("fe"), "invalid opcode: INVALID"),
        (bytes.fromhex("5f5ffd"), "execution reverted"),
    ],
)
def test_creations_that_fail(initcode: bytes, error: str) -> None:
    call = traced(DictState(), creating(initcode).op("STOP")).calls[0]
    assert (call.kind, call.to, call.data, call.error) == ("CREATE", None, initcode, error)


def test_a_creation_that_cannot_pay_for_its_code() -> None:
    tracer = CallTracer()
    result = run(DictState(), b"", tracer=tracer, to=None, data=bytes.fromhex("6103e85ff3"), gas_limit=100_000)
    assert (tracer.call.error, tracer.call.gas_used) == ("contract creation code storage out of gas", 100_000) and not result.succeeded


def test_a_creation_where_there_is_a_contract() -> None:
    state = DictState()
    state.put(create_address(CALLED, 0), nonce=1)
    call = traced(state, creating(b"").op("STOP")).calls[0]
    assert (call.kind, call.to, call.error) == ("CREATE", None, "contract address collision")
    state.put(create_address(ALICE, 0), nonce=1)
    tracer = CallTracer()
    assert run(state, b"", tracer=tracer, to=None).failure == tracer.call.error == "contract address collision"


def test_a_creation() -> None:
    call = traced(DictState(), creating(bytes.fromhex("60015ff3")).op("STOP")).calls[0]
    assert (call.to, call.output, call.gas_used) == (create_address(CALLED, 0), b"\0", 3 + 2 + 3 + 200)


def test_messages_that_do_not_begin_keep_their_gas() -> None:
    code = calling("CALL", INNER, value=5, gas=1000).op("POP").raw(bytes(creating(b"\xfe", value=5).op("STOP").assemble()))
    call, creation = traced(DictState(), code).calls
    assert (call.kind, call.gas, call.gas_used, call.error) == ("CALL", 3300, 0, "insufficient balance for transfer")
    assert (creation.kind, creation.data, creation.gas_used, creation.error) == ("CREATE", b"\xfe", 0, "insufficient balance for transfer")


def test_a_call_that_is_too_deep() -> None:
    code = Assembler().op("PUSH0", "PUSH0", "PUSH0", "PUSH0", "PUSH0", "ADDRESS", "GAS", "CALL")
    tracer = CallTracer()
    with_deep_stack(lambda: run(DictState(), code, tracer=tracer, gas_limit=2**62))
    depth, call = 0, tracer.call
    while call.calls:
        depth, call = depth + 1, call.calls[0]
    assert (depth, call.error, call.gas_used) == (1025, "max call depth exceeded", 0)


def test_a_self_destruction() -> None:
    state = inner(Assembler().push(int.from_bytes(BOB, "big"), 20).op("SELFDESTRUCT"))
    state.put(INNER, nonce=1, balance=7, code=state.code(state.accounts[INNER].code_hash))
    call = traced(state, calling("CALL", INNER).op("STOP")).calls[0].calls[0]
    assert (call.kind, call.sender, call.to, call.value, call.gas, call.gas_used) == ("SELFDESTRUCT", INNER, BOB, 7, 0, 0)


def test_logs() -> None:
    """Those of a call that fails, and of what it called, never were."""
    logging = Assembler().push(3).op("PUSH0", "PUSH0", "LOG1")
    state = inner(logging)
    code = Assembler().push(1).op("PUSH0", "PUSH0", "LOG1").raw(bytes(calling("CALL", INNER).assemble()))
    top = traced(state, code.push(2).op("PUSH0", "PUSH0", "LOG1", "STOP"), with_log=True)
    assert [(each.log.topics[0][-1], each.index, each.position) for each in top.logs] == [(1, 0, 0), (2, 2, 1)]
    assert [(each.log.address, each.index) for each in top.calls[0].logs] == [(INNER, 1)]
    state = inner(Assembler().raw(bytes(logging.assemble())).op("PUSH0", "PUSH0", "REVERT"))
    undone = traced(state, calling("CALL", INNER).push(2).op("PUSH0", "PUSH0", "LOG1", "STOP"), with_log=True)
    assert undone.calls[0].logs == [] and [each.index for each in undone.logs] == [0]


def test_only_the_outermost_call() -> None:
    state = inner(Assembler().push(3).op("PUSH0", "PUSH0", "LOG1"))
    top = traced(state, calling("CALL", INNER).push(2).op("PUSH0", "PUSH0", "LOG1", "STOP"), with_log=True, only_top_call=True)
    assert top.calls == [] and [each.index for each in top.logs] == [1]


def test_a_trace_is_bounded() -> None:
    code = calling("CALL", INNER).op("PUSH0", "JUMP")
    looping = Assembler().op("JUMPDEST").raw(bytes(code.assemble()))
    with pytest.raises(TraceLimitExceeded, match="more than 20 entries"):
        run(DictState(), looping, tracer=CallTracer(limits=TraceLimits(entries=20)))
    with pytest.raises(TraceLimitExceeded, match="more than 5000 bytes"):
        run(DictState(), looping, tracer=CallTracer(limits=TraceLimits(size=5000)))


def test_selectors() -> None:
    state = DictState()
    tracer = FourByteTracer()
    code = Assembler()
    for kind, to, size in [("CALL", BOB, 36), ("DELEGATECALL", BOB, 36), ("STATICCALL", BOB, 4), ("CALL", BOB, 3), ("CALL", bytes(19) + b"\x04", 4)]:
        code.op("PUSH0", "PUSH0").push(size).op("PUSH0", *["PUSH0"] * (kind == "CALL")).push(int.from_bytes(to, "big"), 20).op("GAS", kind, "POP")
    run(state, code.op("STOP"), tracer=tracer, data=b"\x27\xdc\x29\x7e" + bytes(128))
    assert tracer.counts == {(b"\x27\xdc\x29\x7e", 128): 1, (bytes(4), 32): 2, (bytes(4), 0): 1}
    with pytest.raises(TraceLimitExceeded):
        run(state, code, tracer=FourByteTracer(TraceLimits(entries=1)), data=bytes(8))


def test_what_a_contract_says() -> None:
    text = b"no".ljust(32, b"\0")
    said = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2).to_bytes(32, "big") + text
    assert revert_reason(said) == "no"
    assert revert_reason(bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big")) == "arithmetic underflow or overflow"
    assert revert_reason(bytes.fromhex("4e487b71") + (0x99).to_bytes(32, "big")) == "unknown panic code: 0x99"
    for other in (b"", said[:-31], said[:40], said[:20], b"\x01" * 100, bytes.fromhex("4e487b71")):
        assert revert_reason(other) is None
