"""Real blocks on their witnesses, and blocks with nothing but their L1 attributes: what a node has to do for every block."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.workloads import SHARED
from harness.execution.cases import ChainCase, WitnessCase
from harness.execution.chain_files import read_chain_file
from harness.execution.configs import engine_named
from harness.execution.deep_stack import with_deep_stack
from harness.execution.files import read_block_file
from harness.execution.run import checked_genesis, execute_case
from harness.execution.states import ChainStates, ForwardStates, new_store
from trinode.execution.block import BlockExecutor
from trinode.execution.engine import Engine
from trinode.execution.evm.engine import FastEngine
from trinode.execution.recovery import recover_signer
from trinode.execution.trie.state_tries import account_key, storage_key
from trinode.execution.trie.witness import Witness

_WITH_REFERENCE = ("op-mainnet-109279678-regolith", "op-mainnet-132798000-holocene", "op-sepolia-26208927-holocene")
_EMPTY_BLOCKS = 200


def main() -> None:
    """Print both tables."""
    with_deep_stack(_real_blocks)
    with_deep_stack(_empty_blocks)


def _real_blocks() -> None:
    paths = sorted(path for path in (SHARED / "data" / "exec").glob("*.json.gz") if "genesis" not in path.name)
    if not paths:
        print(f"real blocks: skipped, {SHARED / 'data' / 'exec'} is absent")
        return
    print("real blocks: CPU ms of one block with its state root, without hashing the witness; cold: nothing compiled; warm: the second time")
    print(f"{'block':40} {'txs':>4} {'Mgas':>6} {'witness':>8} {'cold':>8} {'Mgas/s':>7} {'warm':>8} {'Mgas/s':>7} {'py-evm ms':>10} {'times':>6}")
    gas, cold, warm = 0, 0.0, 0.0
    for path in paths:
        case = read_block_file(path)
        if isinstance(case, WitnessCase):
            figures = _real_block(case, path.name.removesuffix(".json.gz"))
            gas, cold, warm = gas + figures[0], cold + figures[1], warm + figures[2]
    print(f"{'all':40} {'':4} {gas / 1e6:6.1f} {'':8} {cold * 1e3:8.1f} {gas / cold / 1e6:7.2f} {warm * 1e3:8.1f} {gas / warm / 1e6:7.2f}")


def _real_block(case: WitnessCase, name: str) -> tuple[int, float, float]:
    """Prints a line. Gas, cold and warm seconds."""
    engine = FastEngine()
    witness = _witness_seconds(case)
    gas, cold = _execute(case, engine)
    _, warm = _execute(case, engine)
    cold, warm = cold - witness, warm - witness
    beside = ""
    if name in _WITH_REFERENCE:
        reference = _execute(case, engine_named("py-evm"))[1] - witness
        beside = f"{reference * 1e3:10.1f} {reference / cold:6.1f}"
    count = len(case.block.attributes.transactions)
    figures = f"{witness * 1e3:8.1f} {cold * 1e3:8.1f} {gas / cold / 1e6:7.2f} {warm * 1e3:8.1f} {gas / warm / 1e6:7.2f}"
    print(f"{name:40} {count:4} {gas / 1e6:6.2f} {figures} {beside}", flush=True)
    return gas, cold, warm


def _witness_seconds(case: WitnessCase) -> float:
    gc.collect()
    started = time.process_time()
    Witness(case.preimages, case.parent)
    return time.process_time() - started


def _execute(case: WitnessCase, engine: Engine) -> tuple[int, float]:
    """Gas and CPU seconds. Asserts that the block comes out as expected."""
    account_key.cache_clear()
    storage_key.cache_clear()
    recover_signer.cache_clear()
    gc.collect()
    started = time.process_time()
    report = execute_case(case, engine)
    seconds = time.process_time() - started
    assert report.equal, report
    return report.gas, seconds


def _empty_blocks() -> None:
    """Blocks on the steady recording's genesis with nothing but the L1 attributes of one of its blocks."""
    path = SHARED / "recordings" / "steady-karst.jsonl.gz"
    if not path.is_file():
        print(f"empty blocks: skipped, {path} is absent")
        return
    case = read_chain_file(path)
    genesis = checked_genesis(case)
    print(f"empty blocks: CPU ms a block, {_EMPTY_BLOCKS} of them with their L1 attributes only (system calls, state, tries, header)")
    _empty_chain("in memory", case, ForwardStates(genesis))
    with TemporaryDirectory(prefix="trinode-bench-") as folder:
        _empty_chain("into a plyvel store", case, new_store(Path(folder) / "store", case.config, genesis))


def _empty_chain(name: str, case: ChainCase, states: ChainStates) -> None:
    executor = BlockExecutor(case.config, FastEngine())
    head = case.blocks[0].header["parent_hash"]
    assert isinstance(head, bytes)
    attributes = case.blocks[1].attributes
    times = []
    for _ in range(_EMPTY_BLOCKS):
        started = time.process_time()
        parent = states.parent(head)
        empty = replace(attributes, timestamp=parent.header.timestamp + case.config.block_time, transactions=attributes.transactions[:1])
        block = executor.build(parent, empty)
        states.add(block)
        times.append(time.process_time() - started)
        head = block.hash
    states.close()
    print(f"  {name:24} first {times[0] * 1e3:6.2f}   median {median(times) * 1e3:6.2f}   slowest after it {max(times[1:]) * 1e3:6.2f}", flush=True)
