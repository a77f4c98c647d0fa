"""What is traced does what it does untraced: on random programs, and on real blocks, whose gas must add up, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.execution.cases import WitnessCase
from harness.execution.files import read_block_file
from tests.shared import shared
from tests.unit.execution.pyevm.pyevm_state import CONTRACT, OTHER, DictState, deposit, environment
from trinode.execution.block import BlockExecutor, Parent
from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.evm.engine import FastEngine
from trinode.execution.intrinsic import floor_gas, intrinsic_gas
from trinode.execution.rules import EvmFork
from trinode.execution.state import StateChanges
from trinode.execution.tracing.block import TracingEngine, trace_transaction
from trinode.execution.tracing.call_tracer import CallTracer
from trinode.execution.tracing.four_byte import FourByteTracer
from trinode.execution.tracing.prestate import PrestateOptions, PrestateTracer
from trinode.execution.tracing.struct_logs import StructLog, StructLogger, StructLogOptions
from trinode.execution.tracing.tracer import TraceLimitExceeded, TraceLimits, Tracer
from trinode.execution.trie.witness import Witness
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork

ADDRESSES: tuple[Address, ...] = (CONTRACT, OTHER, b"\x0d" * 20, bytes(19) + b"\x04", bytes(19) + b"\x06")
TRACERS: tuple[Callable[[], Tracer], ...] = (
    StructLogger,
    lambda: StructLogger(StructLogOptions(enable_memory=True, enable_return_data=True)),
    lambda: CallTracer(with_log=True),
    PrestateTracer,
    lambda: PrestateTracer(PrestateOptions(diff_mode=True)),
    FourByteTracer,
)
_CALLS = frozenset(("CREATE", "CALL", "CALLCODE", "DELEGATECALL", "CREATE2", "STATICCALL"))


def words() -> st.SearchStrategy[bytes]:
    """A PUSH of a small number, or of an address that there is."""
    small = st.integers(0, 70).map(lambda value: bytes([0x60, value]))
    return small | st.sampled_from(ADDRESSES).map(lambda address: b"\x73" + address)


def pieces() -> st.SearchStrategy[bytes]:
    """Opcodes with operands that let most of them work, calls, creations, jumps back and forth, and any byte at all."""
    opcode = st.integers(0, 255).map(lambda value: bytes([value]))
    with_operands = st.tuples(st.lists(words(), min_size=1, max_size=4), opcode).map(lambda both: b"".join(both[0]) + both[1])
    call = st.tuples(st.integers(0, 2), st.sampled_from(ADDRESSES), st.sampled_from(b"\xf1\xf2\xf4\xfa")).map(
        lambda parts: bytes.fromhex("6020602060206020") + bytes([0x60, parts[0], 0x73]) + parts[1] + b"\x5a" + bytes([parts[2]])
    )
    creation = st.sampled_from((bytes.fromhex("6002601e60005260206000600060f0"), bytes.fromhex("60015f5f5ff5"), bytes.fromhex("5f5f5ff0")))
    return st.one_of(with_operands, with_operands, call, call, creation, opcode, st.just(b"\x5b"))


PROGRAMS = st.lists(pieces(), max_size=25).map(b"".join)


def outcome(state: DictState, fork: Fork, tracer: Tracer | None, *, compiled: bool) -> tuple[list[TransactionResult], StateChanges]:
    """A block of three deposits, all of them traced, or none; untraced by the fast engine itself, or by the one that could trace."""
    engine = FastEngine() if compiled else TracingEngine(lambda index, prepared: tracer)
    session = engine.begin(environment(fork), state)
    results = [session.apply(deposit(to=to, mint=5, value=2, gas=300_000)) for to in (CONTRACT, OTHER, CONTRACT)]
    return results, session.finish()


@given(PROGRAMS, PROGRAMS, st.sampled_from((Fork.REGOLITH, Fork.CANYON, Fork.ECOTONE, Fork.ISTHMUS, Fork.KARST)), st.sampled_from(TRACERS))
def test_random_programs(first: bytes, second: bytes, fork: Fork, make_tracer: Callable[[], Tracer]) -> None:
    state = DictState()
    state.put(CONTRACT, code=first, balance=3, nonce=1, slots={1: 1, 2: 2})
    state.put(OTHER, code=second, balance=3, nonce=1)
    for number in range(900, 1000):
        state.hashes[number] = number.to_bytes(32, "big")
    untraced = outcome(state, fork, None, compiled=True)
    assert outcome(state, fork, make_tracer(), compiled=False) == untraced
    assert outcome(state, fork, None, compiled=False) == untraced


# ---- real blocks ----

BLOCKS = ("op-mainnet-107728767-regolith", "op-mainnet-121057303-ecotone", "op-sepolia-22884230-holocene")


def real_block(name: str) -> tuple[WitnessCase, Parent]:
    case = read_block_file(shared(f"data/exec/{name}.json.gz"))
    assert isinstance(case, WitnessCase)
    witness = Witness(case.preimages, case.parent)
    return case, Parent(case.parent, case.parent_hash, witness, witness.tries)


@pytest.mark.parametrize("name", BLOCKS)
def test_real_blocks(name: str) -> None:
    case, parent = real_block(name)
    untraced = BlockExecutor(case.config, FastEngine()).build(parent, case.block.attributes)
    assert untraced.hash == case.block.hash
    loggers: list[StructLogger] = []

    def log(index: int, prepared: PreparedTransaction) -> Tracer:
        loggers.append(StructLogger(StructLogOptions(disable_stack=True, disable_storage=True)))
        return loggers[-1]

    traced = BlockExecutor(case.config, TracingEngine(log)).check(parent, untraced.header, untraced.transactions)
    assert (traced.results, traced.changes, traced.hash) == (untraced.results, untraced.changes, untraced.hash)
    evm = BlockExecutor(case.config, FastEngine()).rules(untraced.header.timestamp).evm
    assert sum(len(logger.trace.struct_logs) for logger in loggers) > 1000
    for prepared, logger in zip(untraced.prepared, loggers, strict=True):
        check_gas(prepared, logger.trace.struct_logs, logger.trace.gas, evm)


def check_gas(prepared: PreparedTransaction, logs: list[StructLog], used: int, evm: EvmFork) -> None:
    """Each opcode of a frame has the gas that the one before it left; what the transaction used is what is gone, less a fifth at most."""
    if not logs:
        return
    transaction = prepared.transaction
    assert logs[0].gas == transaction.gas_limit - intrinsic_gas(transaction, evm)
    for log, following in same_frame(logs):
        left = log.gas - log.gas_cost
        assert following.gas == left or (log.op in _CALLS and following.gas >= left - log.gas // 64 * 63)
    last = logs[-1]
    if last.depth == 1 and last.error is None and last.op in ("STOP", "RETURN", "REVERT") and transaction.to is not None:
        gone = transaction.gas_limit - last.gas + last.gas_cost
        refund = 0 if last.op == "REVERT" else last.refund
        assert gone - min(gone // 5, refund) == used or used == floor_gas(transaction, evm)


def same_frame(logs: list[StructLog]) -> Iterator[tuple[StructLog, StructLog]]:
    """Opcodes that follow one another in one frame."""
    open_frames: list[StructLog] = []
    for log in logs:
        del open_frames[log.depth :]
        if len(open_frames) == log.depth:
            yield open_frames.pop(), log
        open_frames.append(log)


def test_one_transaction_is_traced_where_it_stands() -> None:
    case, parent = real_block(BLOCKS[1])
    block = BlockExecutor(case.config, FastEngine()).build(parent, case.block.attributes)
    index = max(range(len(block.results)), key=lambda at: len(block.results[at].logs))
    tracer = CallTracer(with_log=True)
    assert trace_transaction(case.config, parent, block.header, block.transactions, index, tracer) == block.results[index]
    indices: list[int] = []
    pending = [tracer.call]
    while pending:
        call = pending.pop()
        indices += [each.index for each in call.logs]
        pending += call.calls
    before = sum(len(result.logs) for result in block.results[:index])
    assert sorted(indices) == list(range(before, before + len(block.results[index].logs))) and indices
    with pytest.raises(IndexError):
        trace_transaction(case.config, parent, block.header, block.transactions, len(block.transactions), tracer)
    with pytest.raises(TraceLimitExceeded):
        trace_transaction(case.config, parent, block.header, block.transactions, index, StructLogger(limits=TraceLimits(entries=10)))
