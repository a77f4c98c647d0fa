"""The fast engine beside stock py-evm, turn by turn in the same run: the five workloads, and code that compiling could be slow at.

Both execute the same signed transactions by Ethereum's rules of Prague, in memory, with decoding, sender recovery, state root and
keeping the state. That gas and state roots come out equal is asserted. Ours starts every run with nothing compiled.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from bench.cliffs import make_cliffs
from bench.stock import StockPyEvm, backends
from bench.workloads import BASE_FEE, CHAIN_ID, GAS_LIMIT, Outcome, Workload, make_workloads
from harness.execution.configs import config_for_execution
from harness.execution.deep_stack import with_deep_stack
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.execution.genesis import Genesis, GenesisBlock, build_genesis
from trinode.execution.memory import MemoryState
from trinode.execution.recovery import recover_signer
from trinode.execution.rules import ExecutionRules
from trinode.execution.state import StateChanges
from trinode.execution.trie.state_tries import account_key, storage_key
from trinode.protocol.eip1559 import encode_eip1559_params, encode_holocene_extra_data
from trinode.protocol.payload import PayloadAttributes
from trinode.rollup.config_parts import ChainOpConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

_ELASTICITY, _DENOMINATOR = 2, 8  # Ethereum's (EIP-1559)
_FEE_RECIPIENT = b"\x42" * 20
_CONFIG = config_for_execution(
    CHAIN_ID,
    {fork: 0 for fork in SCHEDULED_FORKS if fork <= Fork.ISTHMUS},
    ChainOpConfig(eip1559_elasticity=_ELASTICITY, eip1559_denominator=_DENOMINATOR, eip1559_denominator_canyon=_DENOMINATOR),
)


class EthereumExecutor(BlockExecutor):
    """Blocks of Isthmus, whose EVM is Prague's, without what L2 adds to the fees."""

    def rules(self, timestamp: int) -> ExecutionRules:
        """The fork's rules, with Ethereum's fees."""
        return replace(super().rules(timestamp), l1_cost=None, operator_fee=None, base_fee_recipient=None)


def main(rounds: int) -> None:
    """Print the table of the five workloads."""
    _compare("five workloads", make_workloads, rounds)


def cliffs_main(rounds: int) -> None:
    """Print the table of unkind code."""
    _compare("no cliff", make_cliffs, rounds)


def _compare(title: str, make: Callable[[], tuple[StateChanges, list[Workload]]], rounds: int) -> None:
    print(f"{title}: Mgas per CPU second, median of {rounds}; stock py-evm's Prague VM beside it ({backends()}); gas and state roots are equal")
    print(f"{'workload':34} {'txs':>5} {'Mgas':>6} {'ms':>8} {'Mgas/s':>8} {'stock ms':>9} {'stock':>7} {'times':>7}")
    state, workloads = make()
    genesis, stock = workload_genesis(state), StockPyEvm(state)
    for workload in workloads:
        with_deep_stack(lambda: _compare_one(workload, genesis, stock, rounds))  # noqa: B023 - it is waited for


def _compare_one(workload: Workload, genesis: GenesisBlock, stock: StockPyEvm, rounds: int) -> None:
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(run_fast(workload, genesis))
        theirs.append(stock.run(workload))
        assert (ours[-1].gas, ours[-1].state_root) == (theirs[-1].gas, theirs[-1].state_root), f"{workload.name}: {ours[-1]}, {theirs[-1]}"
    gas = ours[0].gas / 1e6
    mine, stocks = (median(outcome.seconds for outcome in outcomes) for outcomes in (ours, theirs))
    figures = f"{mine * 1e3:8.1f} {gas / mine:8.2f} {stocks * 1e3:9.1f} {gas / stocks:7.2f} {stocks / mine:7.1f}"
    print(f"{workload.name:34} {workload.transactions:5} {gas:6.2f} {figures}", flush=True)


def workload_genesis(state: StateChanges) -> GenesisBlock:
    """The genesis block with that state."""
    genesis = Genesis(
        timestamp=1,
        gas_limit=GAS_LIMIT,
        difficulty=0,
        beneficiary=bytes(20),
        extra_data=encode_holocene_extra_data(_DENOMINATOR, _ELASTICITY),
        mix_hash=bytes(32),
        nonce=0,
        number=0,
        gas_used=0,
        parent_hash=bytes(32),
        base_fee_per_gas=BASE_FEE,
        excess_blob_gas=None,
        blob_gas_used=None,
        alloc=state,
    )
    return build_genesis(genesis, _CONFIG)


def workload_attributes(timestamp: int, transactions: tuple[bytes, ...]) -> PayloadAttributes:
    """Attributes of a block of just these transactions."""
    return PayloadAttributes(
        timestamp=timestamp,
        prev_randao=bytes(32),
        suggested_fee_recipient=_FEE_RECIPIENT,
        withdrawals=(),
        parent_beacon_block_root=bytes(32),
        transactions=transactions,
        no_tx_pool=True,
        gas_limit=GAS_LIMIT,
        eip1559_params=encode_eip1559_params(_DENOMINATOR, _ELASTICITY),
    )


def workload_executor() -> BlockExecutor:
    """An executor with a new engine."""
    return EthereumExecutor(_CONFIG, FastEngine())


def run_fast(workload: Workload, genesis: GenesisBlock) -> Outcome:
    """Executes a workload with a new engine, nothing cached. Asserts that all transactions succeed."""
    account_key.cache_clear()
    storage_key.cache_clear()
    recover_signer.cache_clear()
    state, executor = MemoryState(genesis), workload_executor()
    gas = 0
    gc.collect()
    started = time.process_time()
    for transactions in workload.blocks:
        parent = state.parent
        block = executor.build(parent, workload_attributes(parent.header.timestamp + 2, transactions))
        state.apply(block)
        assert all(receipt.succeeded for receipt in block.receipts), workload.name
        gas += block.header.gas_used
    return Outcome(time.process_time() - started, gas, state.parent.header.state_root)
