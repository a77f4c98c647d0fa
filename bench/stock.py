"""py-evm as pip installs it: its Prague VM, its databases in memory, coincurve for signatures."""

from __future__ import annotations

import gc
import time

from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.typing import AccountDetails, HeaderParams
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_hash.auto import keccak as keccak256
from eth_keys.backends import get_backend
from eth_typing import Address, BlockNumber

from bench.workloads import BASE_FEE, CHAIN_ID, GAS_LIMIT, Outcome, Workload
from trinode.execution.state import EMPTY_CODE_HASH, StateChanges

_FEE_RECIPIENT = b"\x42" * 20


def backends() -> str:
    """What py-evm found for its hashes and signatures."""
    keccak256(b"")  # it chooses when it is first used
    return f"{keccak256.hasher.__module__}, {type(get_backend()).__name__}"


class StockPyEvm:
    """A genesis state, and runs on top of it; none sees what another one did."""

    def __init__(self, state: StateChanges) -> None:
        self._chain = MiningChain.configure(__name__="Stock", vm_configuration=((0, PragueVM),), chain_id=CHAIN_ID)
        stored = MemoryDB()
        accounts: dict[Address, AccountDetails] = {
            Address(address): {
                "balance": account.balance,
                "nonce": account.nonce,
                "code": b"" if account.code_hash == EMPTY_CODE_HASH else state.codes[account.code_hash],
                "storage": state.storage.get(address, {}),
            }
            for address, account in state.accounts.items()
            if account is not None
        }
        parameters: dict[str, HeaderParams] = {"difficulty": 0, "gas_limit": GAS_LIMIT, "timestamp": 1, "base_fee_per_gas": BASE_FEE}
        self._chain.from_genesis(AtomicDB(stored), parameters, accounts)
        self._stored = stored.kv_store

    def run(self, workload: Workload) -> Outcome:
        """Executes and keeps every block, as py-evm imports one. Asserts that all transactions succeed."""
        chain = self._chain(AtomicDB(MemoryDB(dict(self._stored))))
        parent = chain.get_canonical_head()
        gas = 0
        gc.collect()
        started = time.process_time()
        for raw in workload.blocks:
            transactions = [PragueTransactionBuilder.decode(one) for one in raw]
            header = chain.get_vm_class_for_block_number(BlockNumber(parent.block_number + 1)).create_header_from_parent(
                parent, gas_limit=GAS_LIMIT, timestamp=parent.timestamp + 2, coinbase=_FEE_RECIPIENT
            )
            vm = chain.get_vm(header)
            header, receipts, computations = vm.apply_all_transactions(transactions, header)
            assert not any(computation.is_error for computation in computations), workload.name
            block = vm.set_block_transactions_and_withdrawals(vm.get_block(), header, transactions, receipts, withdrawals=[])
            block = vm.finalize_block(block).block
            chain.chaindb.persist_block(block)
            parent = block.header
            gas += parent.gas_used
        return Outcome(time.process_time() - started, gas, parent.state_root)
