"""What struct logs and the prestate tracer hold, where no recorded reply shows it."""

from __future__ import annotations

import pytest

from harness.engine_differential.assembler import Assembler
from tests.unit.execution.calls.call_cases import ALICE, BOB, CALLED, INNER, calling, run
from tests.unit.execution.pyevm.pyevm_state import VAULT, DictState
from trinode.execution.evm.calls import create2_address, create_address
from trinode.execution.tracing.prestate import AccountState, PrestateOptions, PrestateTracer
from trinode.execution.tracing.struct_logs import StructLog, StructLogger, StructLogOptions
from trinode.execution.tracing.tracer import TraceLimitExceeded, TraceLimits


def logs(code: Assembler, state: DictState | None = None, **options: object) -> list[StructLog]:
    logger = StructLogger(StructLogOptions(**options))  # type: ignore[arg-type]
    run(DictState() if state is None else state, code, tracer=logger, gas_limit=100_000)
    return logger.trace.struct_logs


def test_memory_and_return_data_if_asked_for() -> None:
    code = Assembler().push(0xAB).op("PUSH0", "MSTORE")
    state = DictState()
    state.put(INNER, code=bytes(Assembler().push(2).push(30).op("RETURN").assemble()))
    code.raw(bytes(calling("CALL", INNER).op("STOP").assemble()))
    found = logs(code, state, enable_memory=True, enable_return_data=True, disable_stack=True, disable_storage=True)
    assert [log.memory for log in found[:4]] == [b"", b"", b"", bytes(31) + b"\xab"]
    assert (found[-1].op, found[-1].return_data, found[-1].stack) == ("STOP", b"\0\0", None)
    assert all(log.memory is None and log.return_data is None and log.stack is not None for log in logs(code, state))


def test_storage_holds_what_the_account_has_named_so_far() -> None:
    state = DictState()
    state.slots[CALLED] = {5: 50}
    code = Assembler().push(5).op("SLOAD").push(6).op("SSTORE").push(7).op("SLOAD", "STOP")
    found = {log.op: log.storage for log in logs(code, state) if log.op in ("SSTORE", "STOP")}
    assert found == {"SSTORE": {5: 50, 6: 50}, "STOP": None}
    assert [log.storage for log in logs(code, state) if log.op == "SLOAD"] == [{5: 50}, {5: 50, 6: 50, 7: 0}]
    assert all(log.storage is None for log in logs(code, state, disable_storage=True))


def test_what_calls_and_creations_cost() -> None:
    """A call's gas is part of its cost, a creation's is not; the stipend is of neither."""
    state = DictState()
    state.put(CALLED, balance=10)
    state.put(BOB, nonce=1)
    code = calling("CALL", BOB, value=1, gas=1234).op("POP", "PUSH0", "PUSH0", "PUSH0", "CREATE", "STOP")
    found = {log.op: log for log in logs(code, state) if log.op in ("CALL", "CREATE")}
    assert found["CALL"].gas_cost == 2600 + 9000 + 1234
    assert found["CREATE"].gas_cost == 32_000


def test_an_opcode_that_does_not_begin_has_an_error() -> None:
    def last(code: Assembler) -> tuple[str, int, str | None]:
        log = logs(code)[-1]
        return log.op, log.gas_cost, log.error

    assert last(Assembler().op("PUSH0", "ADD")) == ("ADD", 3, "stack underflow (1 <=> 2)")
    assert last(Assembler().push(2**31).op("MLOAD"))[2] == "out of gas"
    assert last(Assembler().op("PUSH0", "JUMP")) == ("JUMP", 8, None)
    assert last(Assembler().raw(b"\x21")) == ("opcode 0x21 not defined", 0, None)
    assert last(Assembler().op("PREVRANDAO")) == ("STOP", 0, None)


def test_the_refund_counter_after_an_sstore_is_the_sstores() -> None:
    state = DictState()
    state.slots[CALLED] = {5: 50}
    found = logs(Assembler().op("PUSH0").push(5).op("SSTORE", "STOP"), state)
    assert [log.refund for log in found] == [0, 0, 4800, 4800]


def test_bounds_end_the_trace() -> None:
    looping = Assembler().op("JUMPDEST", "PUSH0", "JUMP")
    with pytest.raises(TraceLimitExceeded):
        run(DictState(), looping, tracer=StructLogger(limits=TraceLimits(entries=100)))
    growing = Assembler().op("JUMPDEST", "MSIZE", "MLOAD", "POP", "PUSH0", "JUMP")
    with pytest.raises(TraceLimitExceeded, match="bytes"):
        run(DictState(), growing, tracer=StructLogger(StructLogOptions(enable_memory=True), TraceLimits(size=100_000)))


def prestate(state: DictState, code: Assembler, options: PrestateOptions | None = None, **message: object) -> PrestateTracer:
    tracer = PrestateTracer(options)
    run(state, code, tracer=tracer, **message)
    return tracer


def test_accounts_are_as_they_were_before() -> None:
    state = DictState()
    state.put(ALICE, balance=100, nonce=3)
    state.put(BOB, balance=1)
    state.slots[CALLED] = {5: 50}
    code = Assembler().op("PUSH0").push(5).op("SSTORE").push(6).op("SLOAD", "POP").raw(bytes(calling("CALL", BOB, value=7).assemble()))
    tracer = prestate(state, code, value=7)
    assert tracer.pre[ALICE] == AccountState(100, 3)
    assert tracer.pre[BOB] == AccountState(1, 0)
    assert (tracer.pre[CALLED].balance, tracer.pre[CALLED].storage) == (0, {5: 50, 6: 0})
    assert VAULT not in tracer.pre
    assert VAULT in prestate(state, code, PrestateOptions(include_empty=True), value=7).pre
    plain = prestate(state, code, PrestateOptions(disable_code=True, disable_storage=True), value=7).pre[CALLED]
    assert (plain.code, plain.storage) == (None, {})


def test_only_what_changed() -> None:
    state = DictState()
    state.put(ALICE, balance=100, nonce=3)
    state.put(BOB, balance=1)
    state.slots[CALLED] = {5: 50, 6: 60}
    code = Assembler().op("PUSH0").push(5).op("SSTORE").push(6).op("SLOAD", "POP").push(8).push(9).op("SSTORE")
    code.push(int.from_bytes(BOB, "big"), 20).op("BALANCE")
    tracer = prestate(state, code, PrestateOptions(diff_mode=True))
    assert set(tracer.pre) == set(tracer.post) == {ALICE, CALLED}
    assert tracer.post[ALICE] == AccountState(nonce=4)
    assert (tracer.pre[CALLED].storage, tracer.post[CALLED]) == ({5: 50}, AccountState(storage={9: 8}))


def test_contracts_that_are_made_and_destroyed() -> None:
    state = DictState()
    state.put(BOB, balance=1)
    initcode = bytes.fromhex("5ffe")
    code = Assembler().op("PUSH0", "PUSH0", "PUSH0", "CREATE", "POP").push_bytes(initcode.ljust(32, b"\0")).op("PUSH0", "MSTORE")
    code.push(5).push(len(initcode)).op("PUSH0", "PUSH0", "CREATE2", "POP").push(int.from_bytes(BOB, "big"), 20).op("SELFDESTRUCT")
    tracer = prestate(state, code, PrestateOptions(include_empty=True))
    assert {create_address(CALLED, 0), create2_address(CALLED, 5, initcode), BOB, CALLED} <= set(tracer.pre)
    diff = prestate(state, code, PrestateOptions(diff_mode=True))
    assert CALLED in diff.pre and diff.post[CALLED].nonce == 2  # it is not new, so that it lost its balance only
    assert diff.post[create_address(CALLED, 0)] == AccountState(nonce=1)


def test_an_opcode_that_does_not_begin_has_read_nothing() -> None:
    tracer = prestate(DictState(), Assembler().push(7).op("SLOAD"), PrestateOptions(include_empty=True), gas_limit=21_050)
    assert tracer.pre[CALLED].storage == {}
    state = DictState()
    state.put(BOB, balance=1)
    touching = Assembler().push(int.from_bytes(BOB, "big"), 20).op("BALANCE")
    assert BOB not in prestate(state, touching, gas_limit=21_050).pre
    assert BOB in prestate(state, touching).pre


def test_a_delegate_is_read_with_its_account() -> None:
    state = DictState()
    state.put(BOB, code=b"\xef\x01\x00" + INNER)
    state.put(INNER, nonce=1, code=b"\x00")
    assert INNER in prestate(state, calling("CALL", BOB).op("STOP")).pre
    assert INNER in prestate(state, Assembler(), to=BOB).pre


def test_the_bounds_of_a_prestate() -> None:
    reading = Assembler().op("PUSH0", "JUMPDEST").push(1).op("ADD", "DUP1", "SLOAD", "POP").push(1).op("JUMP")
    with pytest.raises(TraceLimitExceeded):
        run(DictState(), reading, tracer=PrestateTracer(limits=TraceLimits(entries=50)))
