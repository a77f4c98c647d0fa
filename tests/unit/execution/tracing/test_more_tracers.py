"""Flat calls, opcodes counted, preimages, several tracers at once, and states in the middle of a block."""

from __future__ import annotations

import pytest

from harness.engine_differential.assembler import Assembler
from tests.unit.engine.block_tree import WRITER, Blocks, create, write
from tests.unit.execution.calls.call_cases import BOB, CALLED, INNER, calling, run
from tests.unit.execution.pyevm.pyevm_state import DictState
from trinode.execution.tracing.block import state_before, trace_transactions, traceable
from trinode.execution.tracing.call_tracer import CallTracer
from trinode.execution.tracing.flat_calls import FlatCallTracer
from trinode.execution.tracing.machine import new_programs
from trinode.execution.tracing.midway import intermediate_roots
from trinode.execution.tracing.mux import MuxTracer
from trinode.execution.tracing.opcodes import OpcodeCounter, PreimageTracer, SequenceCounter
from trinode.execution.tracing.tracer import TraceLimitExceeded, TraceLimits
from trinode.protocol.keccak import keccak256

IDENTITY = bytes(19) + b"\x04"


def nested() -> tuple[DictState, Assembler]:
    """CALLED calls INNER, which calls BOB and a precompile; then BOB."""
    state = DictState()
    state.put(INNER, code=bytes(calling("CALL", BOB).raw(bytes(calling("STATICCALL", IDENTITY).op("STOP").assemble())).assemble()))
    return state, calling("CALL", INNER).raw(bytes(calling("CALL", BOB).op("STOP").assemble()))


def test_flat_calls_have_their_places() -> None:
    for include, expected in (
        (True, [((), 2, CALLED), ((0,), 2, INNER), ((0, 0), 0, BOB), ((0, 1), 0, IDENTITY), ((1,), 0, BOB)]),
        (False, [((), 2, CALLED), ((0,), 1, INNER), ((0, 0), 0, BOB), ((1,), 0, BOB)]),
    ):
        state, code = nested()
        tracer = FlatCallTracer(include_precompiles=include)
        run(state, code, tracer=tracer)
        assert [(each.place, each.calls, each.call.to) for each in tracer.flat_calls] == expected


def test_sequences_of_opcodes() -> None:
    """A triple is counted from the second opcode of a stay in a frame on, as geth's script does it."""
    code = Assembler().op("PUSH0", "PUSH0", "ADD", "PUSH0", "STOP")
    found = []
    for length in (1, 2, 3):
        tracer = SequenceCounter(length)
        run(DictState(), code, tracer=tracer)
        found.append(dict(tracer.counts))
    assert found == [
        {"PUSH0": 3, "ADD": 1, "STOP": 1},
        {"PUSH0-PUSH0": 1, "PUSH0-ADD": 1, "ADD-PUSH0": 1, "PUSH0-STOP": 1},
        {"--PUSH0": 1, "-PUSH0-ADD": 1, "PUSH0-ADD-PUSH0": 1, "ADD-PUSH0-STOP": 1},
    ]
    with pytest.raises(TraceLimitExceeded):
        run(DictState(), code, tracer=SequenceCounter(1, TraceLimits(entries=2)))


def test_sequences_end_where_another_frame_begins() -> None:
    state = DictState()
    state.put(INNER, code=bytes(Assembler().op("PUSH0", "STOP").assemble()))
    tracer = SequenceCounter(2)
    run(state, calling("CALL", INNER).op("POP", "STOP"), tracer=tracer)
    assert {name for name in tracer.counts if "CALL" in name} == {"PUSH3-CALL"}
    assert tracer.counts["PUSH0-STOP"] == tracer.counts["POP-STOP"] == 1


def test_preimages_also_beyond_memory() -> None:
    code = Assembler().push(5).op("PUSH0", "MSTORE").push(64).op("PUSH0", "KECCAK256").push(2**40).op("PUSH0", "KECCAK256")
    tracer = PreimageTracer()
    run(DictState(), code, tracer=tracer)
    preimage = bytes(31) + b"\x05" + bytes(32)
    assert tracer.preimages == {keccak256(preimage): preimage}


def test_several_tracers_are_told_the_same() -> None:
    state, code = nested()
    alone = CallTracer(with_log=True), OpcodeCounter()
    for tracer in alone:
        run(state, code, tracer=tracer)
    together = CallTracer(with_log=True), OpcodeCounter()
    run(state, code, tracer=MuxTracer(together))
    assert (together[0].call, together[1].count) == (alone[0].call, alone[1].count)


# ---- states in the middle of a block ----


def test_a_block_step_by_step() -> None:
    blocks = Blocks()
    first = blocks.make(blocks.genesis.hash, write(1, 5))
    block = blocks.make(first.hash, write(1, 6), write(2, 7), create(), write(1, 0))
    parent = blocks.states.parent(first.hash)
    bare = traceable(parent.header, parent.hash, parent.state)
    seen = []
    for index in range(len(block.transactions)):
        state = state_before(blocks.config, bare, block.header, block.transactions, index)
        seen.append((state.storage(WRITER, 1), state.storage(WRITER, 2), state.has_storage(WRITER)))
    assert seen == [(5, 0, True), (5, 0, True), (6, 0, True), (6, 7, True), (6, 7, True)]
    account = state_before(blocks.config, bare, block.header, block.transactions, 4).account(b"\x0e" * 20)
    assert account is not None and account.nonce == 1
    with pytest.raises(IndexError):
        state_before(blocks.config, bare, block.header, block.transactions, 5)
    roots = intermediate_roots(blocks.config, parent, block.header, block.transactions, programs=new_programs())
    assert len(roots) == 5 and roots[-1] == block.header.state_root
    assert roots == [blocks.make(first.hash, *block.transactions[1 : count + 1]).header.state_root for count in range(5)]


def test_no_transaction_is_no_trace() -> None:
    blocks = Blocks()
    block = blocks.make(blocks.genesis.hash)
    parent = blocks.states.parent(blocks.genesis.hash)
    assert trace_transactions(blocks.config, parent, block.header, (), lambda _, __: None) == []
    results = trace_transactions(blocks.config, parent, block.header, block.transactions, lambda _, __: None)
    assert tuple(results) == block.results
