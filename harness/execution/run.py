"""Executes what a file holds, block by block, and judges each block before the next one is built on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from harness.execution.cases import AllocCase, Case, ChainCase, ExpectedBlock, WitnessCase, fields_of
from harness.execution.differences import BlockDifference, block_difference, first_header_difference, shown
from harness.execution.errors import ExecutionFileError
from harness.execution.states import ChainStates, ForwardStates, MemoryStates, TrieState
from trinode.execution.block import BlockExecutor, ExecutedBlock, Parent
from trinode.execution.engine import Engine
from trinode.execution.errors import InvalidAttributes, InvalidBlock, MissingState
from trinode.execution.genesis import Genesis, GenesisBlock, build_genesis
from trinode.execution.header_fields import base_fee_after
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.state_tries import StateTries
from trinode.execution.trie.witness import Witness
from trinode.protocol.eip1559 import ExtraDataDecodingError, decode_extra_data
from trinode.protocol.header import Header
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Hash32
from trinode.rollup.config import ChainOpConfig, RollupConfig

Watch = Callable[[Iterable[ExpectedBlock]], Iterable[ExpectedBlock]]


@dataclass
class ExecutionReport:
    """What executing a file, or a chain of files, came to. Gas in gas; `seconds` without reading files."""

    name: str
    expected: int
    blocks: int = 0
    transactions: int = 0
    gas: int = 0
    seconds: float = 0.0
    difference: BlockDifference | None = None

    @property
    def equal(self) -> bool:
        """Whether every block came out as expected."""
        return self.difference is None and self.blocks == self.expected

    @property
    def megagas_per_second(self) -> float:
        """Gas of blocks that were equal, by time."""
        return self.gas / self.seconds / 1e6 if self.seconds else 0.0


def execute_case(case: Case, engine: Engine, *, watch: Watch = iter) -> ExecutionReport:
    """Execute what a file holds. Raises ExecutionFileError if the file contradicts itself, UnknownFork."""
    if isinstance(case, WitnessCase):
        return execute_witness_chain([case], engine)
    if isinstance(case, AllocCase):
        return _execute_alloc(case, engine)
    started = time.perf_counter()
    genesis = checked_genesis(case)
    report = _execute_blocks(case.name, case.config, engine, case.blocks, ForwardStates(genesis), genesis.hash, watch)
    report.seconds = time.perf_counter() - started
    return report


def execute_witness_chain(cases: Sequence[WitnessCase], engine: Engine, *, watch: Watch = iter) -> ExecutionReport:
    """Execute blocks of which each is built on the one before: what they need of the state before the first one comes from
    all their witnesses, what one changed is there for the next.

    Raises ExecutionFileError if they do not follow one another.
    """
    first = cases[0]
    for before, case in pairwise(cases):
        if case.base_fee is not None:
            raise ExecutionFileError(case.path, "override_base_fee", "only the first of consecutive blocks can have one")
        if case.parent_hash != before.block.hash:
            raise ExecutionFileError(case.path, "parent_header_rlp", f"is not the header of the block in {before.path}")
    started = time.perf_counter()
    witness = Witness([preimage for case in cases for preimage in case.preimages], first.parent)
    parent = Parent(first.parent, first.parent_hash, witness, witness.tries)
    if first.base_fee is not None:
        parent = replace(parent, header=_with_steady_base_fee(parent.header, first, first.base_fee))
    blocks = [case.block for case in cases]
    name = str(first.path) if len(cases) == 1 else f"{first.path} to {cases[-1].path.name}"
    report = _execute_blocks(name, first.config, engine, blocks, MemoryStates(parent), first.parent_hash, watch)
    report.seconds = time.perf_counter() - started
    return report


def _with_steady_base_fee(parent: Header, case: WitnessCase, base_fee: int) -> Header:
    """The parent as it would have to be for the next base fee to be the one that is given: with that base fee, and with as
    much gas used as leaves it. Its hash, state and all else that is read of it stay the true ones.

    Raises ExecutionFileError if the fork's rules do not let that base fee be.
    """
    config, timestamp = case.config, case.block.attributes.timestamp
    elasticity = (config.chain_op_config or ChainOpConfig()).eip1559_elasticity
    try:
        if config.rules(l2_timestamp=parent.timestamp).eip1559_params:
            elasticity = decode_extra_data(parent.extra_data)[1]
        blob_gas_used = None if parent.blob_gas_used is None else 0  # since Jovian, the DA footprint moves the base fee too
        steady = replace(parent, base_fee_per_gas=base_fee, gas_used=parent.gas_limit // max(elasticity, 1), blob_gas_used=blob_gas_used)
        if base_fee_after(config, steady, timestamp) == base_fee:
            return steady
    except (ExtraDataDecodingError, InvalidAttributes) as error:
        raise ExecutionFileError(case.path, "parent_header_rlp", str(error)) from error
    raise ExecutionFileError(case.path, "override_base_fee", f"{base_fee} is below the chain's minimum")


def _execute_alloc(case: AllocCase, engine: Engine) -> ExecutionReport:
    started = time.perf_counter()
    nodes = MemoryNodes()
    tries, stored = StateTries(nodes, EMPTY_TRIE_ROOT).updated(case.alloc)
    nodes.apply(stored)

    def block_hash(number: int) -> Hash32:
        if number not in case.ancestors:
            raise MissingState(f"env.blockHashes lacks block {number}")
        return case.ancestors[number]

    state = TrieState(tries, case.alloc.codes.__getitem__, block_hash)
    states = MemoryStates(Parent(case.parent, case.parent_hash, state, tries))
    report = _execute_blocks(str(case.path), case.config, engine, [case.block], states, case.parent_hash, iter)
    report.seconds = time.perf_counter() - started
    return report


def checked_genesis(case: ChainCase) -> GenesisBlock:
    """The genesis block, which must be the one of the rollup config, and the parent of the first block.

    Raises ExecutionFileError, UnknownFork.
    """
    block = genesis_of(case.path, case.genesis, case.config)
    if block.hash != case.blocks[0].header["parent_hash"]:
        raise ExecutionFileError(case.path, "l2_genesis", "the first block is not built on it")
    return block


def genesis_of(path: Path, genesis: Genesis, config: RollupConfig, start: Header | None = None) -> GenesisBlock:
    """The genesis block of a rollup, whose hash the config knows; `path`, and the known header `start`, are for the error.

    Raises ExecutionFileError, UnknownFork.
    """
    try:
        block = build_genesis(genesis, config)
    except MissingState as error:
        raise ExecutionFileError(path, "stateHash", str(error)) from error
    if block.hash == config.genesis.l2.hash:
        return block
    differing = None if start is None else first_header_difference(fields_of(block.header), fields_of(start))
    if differing is not None:
        name, computed, expected = differing
        raise ExecutionFileError(path, "", f"its block differs from the recording's start in {name}: {shown(computed)}, not {shown(expected)}")
    raise ExecutionFileError(path, "", f"its block is 0x{block.hash.hex()}, rollup_config has 0x{config.genesis.l2.hash.hex()}")


def _execute_blocks(
    name: str, config: RollupConfig, engine: Engine, blocks: Sequence[ExpectedBlock], states: ChainStates, head: Hash32, watch: Watch
) -> ExecutionReport:
    report = ExecutionReport(name, len(blocks))
    executor = BlockExecutor(config, engine)
    for expected in watch(blocks):
        executed, report.difference = execute_block(executor, states.parent(head), expected)
        if executed is None or report.difference is not None:
            break
        states.add(executed)
        head = executed.hash
        report.blocks += 1
        report.transactions += len(executed.transactions)
        report.gas += executed.header.gas_used
    return report


def execute_block(
    executor: BlockExecutor, parent: Parent, expected: ExpectedBlock
) -> tuple[ExecutedBlock | None, BlockDifference | None]:
    """The block that the expected one's attributes make, and its first difference. Raises UnknownFork."""
    try:
        block = executor.build(parent, expected.attributes)
    except InvalidBlock as error:
        return None, BlockDifference(expected.number, error.field, str(error), "a valid block")
    except InvalidAttributes as error:
        return None, BlockDifference(expected.number, "attributes", str(error), "a valid block")
    except MissingState as error:
        return None, BlockDifference(expected.number, "state", str(error), "a state that is there")
    return block, block_difference(block, expected)
