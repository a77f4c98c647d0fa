"""The blocks since the merge, by our engine: what an L1 block has beyond an L2 block is added here (EIP-4844, EIP-4895, EIP-7002, EIP-7251)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from harness.execution.states import TrieState
from harness.execution_apis.ethereum import blob_update_fraction, evm_at
from harness.execution_apis.files import EthereumBlock, Withdrawal
from harness.state_tests.rules import ethereum_rules
from trinode.execution.block import BEACON_ROOTS, HISTORY_STORAGE
from trinode.execution.engine import PreparedTransaction
from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import InvalidBlock
from trinode.execution.evm.engine import FastEngine
from trinode.execution.receipts import make_receipt, receipts_root
from trinode.execution.recovery import recover_sender
from trinode.execution.rules import EvmFork, ExecutionRules
from trinode.execution.state import EMPTY_ACCOUNT, StateChanges
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.l1_cost import blob_base_fee
from trinode.protocol.receipt import Receipt
from trinode.protocol.transaction import SignatureError, Transaction, decode_transaction
from trinode.protocol.transaction_types import BlobTransaction, DynamicFeeTransaction
from trinode.protocol.types import Address, Hash32

_WITHDRAWAL_REQUESTS: Address = bytes.fromhex("00000961ef480eb55e80d19ad83579a64c007002")
_CONSOLIDATION_REQUESTS: Address = bytes.fromhex("0000bbddc7ce488642fb579f8b00f3a590007251")
_GAS_PER_BLOB = 2**17
_WEI_PER_GWEI = 10**9


@dataclass(frozen=True, slots=True)
class Executed:
    """What comes of a block."""

    tries: StateTries
    receipts: tuple[Receipt, ...]
    codes: dict[Hash32, bytes]


def execute_after_merge(config: dict[str, Any], block: EthereumBlock, state: TrieState, tries: StateTries, engine: FastEngine) -> Executed:
    """Executes a block on the state of its parent. Raises InvalidTransaction, and InvalidBlock where it is not what its header says."""
    environment = _environment(config, block)
    session = engine.begin(environment, state)
    rules = environment.rules
    if rules.evm >= EvmFork.CANCUN:
        session.system_call(BEACON_ROOTS, block.header.parent_beacon_block_root or bytes(32))
    if rules.evm >= EvmFork.PRAGUE:
        session.system_call(HISTORY_STORAGE, block.header.parent_hash)
    receipts: list[Receipt] = []
    gas_used, blob_fees = 0, []
    for raw in block.transactions:
        transaction, sender = _decoded(raw)
        if isinstance(transaction, BlobTransaction):
            blob_fees.append((sender, len(transaction.blob_versioned_hashes) * _GAS_PER_BLOB * environment.blob_base_fee))
            transaction = _without_blobs(transaction)
        result = session.apply(PreparedTransaction(raw, transaction, sender))
        gas_used += result.gas_used
        receipts.append(make_receipt(raw, result, gas_used, rules, is_deposit=False))
    if rules.evm >= EvmFork.PRAGUE:
        session.system_call(_WITHDRAWAL_REQUESTS, b"")
        session.system_call(_CONSOLIDATION_REQUESTS, b"")
    changes = session.finish()
    _pay(changes, state, ((sender, -fee) for sender, fee in blob_fees))
    _pay(changes, state, _payments(block.withdrawals))
    after, _ = tries.updated(changes)
    _check(block, rules, after, receipts)
    return Executed(after, tuple(receipts), changes.codes)


def _environment(config: dict[str, Any], block: EthereumBlock) -> BlockEnvironment:
    header = block.header
    evm = evm_at(config, header.timestamp)
    excess = header.excess_blob_gas
    return BlockEnvironment(
        rules=ethereum_rules(evm),
        chain_id=config["chainId"],
        number=header.number,
        timestamp=header.timestamp,
        fee_recipient=header.beneficiary,
        gas_limit=header.gas_limit,
        base_fee=header.base_fee_per_gas or 0,
        prev_randao=header.prev_randao,
        parent_hash=header.parent_hash,
        parent_beacon_block_root=header.parent_beacon_block_root,
        blob_base_fee=1 if excess is None else blob_base_fee(excess, blob_update_fraction(config, header.timestamp)),
    )


def _decoded(raw: bytes) -> tuple[Transaction, Address]:
    transaction = decode_transaction(raw)
    sender = recover_sender(transaction)
    if isinstance(sender, SignatureError):
        raise sender
    return transaction, sender


def _without_blobs(transaction: BlobTransaction) -> DynamicFeeTransaction:
    """The same, but for its blobs: it executes as that, unless it looks at them."""
    return DynamicFeeTransaction(
        chain_id=transaction.chain_id,
        nonce=transaction.nonce,
        max_priority_fee_per_gas=transaction.max_priority_fee_per_gas,
        max_fee_per_gas=transaction.max_fee_per_gas,
        gas_limit=transaction.gas_limit,
        to=transaction.to,
        value=transaction.value,
        data=transaction.data,
        access_list=transaction.access_list,
        y_parity=transaction.y_parity,
        r=transaction.r,
        s=transaction.s,
    )


def _payments(withdrawals: Iterable[Withdrawal]) -> Iterable[tuple[Address, int]]:
    return ((each.address, each.amount * _WEI_PER_GWEI) for each in withdrawals)


def _pay(changes: StateChanges, state: TrieState, payments: Iterable[tuple[Address, int]]) -> None:
    """Adds wei to accounts, or takes it from them, at the end of the block."""
    for address, amount in payments:
        account = changes.accounts[address] if address in changes.accounts else state.account(address)
        account = account or EMPTY_ACCOUNT
        paid = account._replace(balance=account.balance + amount)
        if paid != EMPTY_ACCOUNT:
            changes.accounts[address] = paid


def _check(block: EthereumBlock, rules: ExecutionRules, tries: StateTries, receipts: list[Receipt]) -> None:
    header = block.header
    checks: tuple[tuple[str, bytes, Callable[[], bytes]], ...] = (
        ("receipts_root", header.receipts_root, lambda: receipts_root(receipts, rules)),
        ("state_root", header.state_root, lambda: tries.root),
    )
    for field, expected, found in checks:
        if found() != expected:
            raise InvalidBlock(field, f"block {header.number}: 0x{found().hex()}, the header says 0x{expected.hex()}")
