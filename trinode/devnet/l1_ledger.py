"""The state of the devnet's L1: balances, nonces and the storage of its native contracts, with Ethereum's own state root.

There is no EVM here. Ether moves, the native contracts are called, and whatever else a transaction's data says means nothing, as is so for
a batch in the inbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trinode.devnet.accounts import (
    ACCOUNTS,
    BATCHER,
    BATCHER_BALANCE,
    FEE_RECIPIENT,
    FUNDED_BALANCE,
    OPTIMISM_PORTAL,
    OWNER,
    SYSTEM_CONFIG,
)
from trinode.devnet.genesis import system_config
from trinode.devnet.l1_contracts import NativeCall, NativeResult, Reverted, call_native, system_config_storage
from trinode.devnet.l1_rules import GAS_PER_BLOB, effective_gas_price, max_fees
from trinode.devnet.l1_transactions import WaitingTransaction
from trinode.execution.intrinsic import floor_gas, intrinsic_gas
from trinode.execution.rules import EvmFork
from trinode.execution.state import EMPTY_ACCOUNT, EMPTY_CODE_HASH, Account, StateChanges
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.state_tries import AccountProof, StateTries
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Log, Receipt
from trinode.protocol.transaction import BlobTransaction, SignedTransaction
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, Hash32

NATIVE_CODE = b"\xfe"
"""What eth_getCode shows for a native contract: INVALID."""
_LOG, _LOG_TOPIC, _LOG_BYTE = 375, 375, 8
_WRITE = 22_100


class CannotInclude(Exception):
    """The transaction is not valid in this block; it may be in a later one."""


def genesis_state() -> StateChanges:
    """What L1 begins with."""
    state = StateChanges(codes={keccak256(NATIVE_CODE): NATIVE_CODE})
    for account in ACCOUNTS:
        state.accounts[account.address] = Account(0, FUNDED_BALANCE, EMPTY_CODE_HASH)
    state.accounts[BATCHER.address] = Account(0, BATCHER_BALANCE, EMPTY_CODE_HASH)
    for contract in (OPTIMISM_PORTAL, SYSTEM_CONFIG):
        state.accounts[contract] = Account(1, 0, keccak256(NATIVE_CODE))
    state.storage[SYSTEM_CONFIG] = system_config_storage(system_config(), OWNER.address)
    return state


class Ledger:
    """The state after the newest block."""

    def __init__(self, state: StateChanges) -> None:
        self._nodes = MemoryNodes()
        self._tries = StateTries(self._nodes, EMPTY_TRIE_ROOT)
        self._accounts: dict[Address, Account] = {}
        self._storage: dict[Address, dict[int, int]] = {}
        self.apply(state)

    @property
    def root(self) -> Hash32:
        """The state root."""
        return self._tries.root

    def account(self, address: Address) -> Account:
        """The account at `address`, an empty one where there is none."""
        return self._accounts.get(address, EMPTY_ACCOUNT)

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot."""
        return self._storage.get(address, {}).get(slot, 0)

    def proof(self, address: Address, slots: Sequence[int]) -> AccountProof:
        """The account and those slots, proved against the state root."""
        return self._tries.account_proof(address, slots)

    def root_after(self, changes: StateChanges) -> Hash32:
        """The state root that `changes` lead to."""
        return self._tries.updated(changes)[0].root

    def apply(self, changes: StateChanges) -> None:
        """Goes forward."""
        self._tries, nodes = self._tries.updated(changes)
        self._nodes.apply(nodes)
        self._accounts.update({address: account for address, account in changes.accounts.items() if account is not None})
        for address, slots in changes.storage.items():
            self._storage.setdefault(address, {}).update(slots)

    def call(self, to: Address, call: NativeCall) -> bytes:
        """What a call returns that changes nothing. Raises Reverted."""
        result = call_native(to, call, lambda slot: self.storage(to, slot))
        return b"" if result is None else result.output

    def gas_needed(self, sender: Address, tx: SignedTransaction) -> int:
        """The gas that the transaction would use now, which is the least limit that it can have. Raises Reverted."""
        assert tx.to is not None
        to = tx.to
        result = call_native(to, NativeCall(sender, tx.value, tx.data), lambda slot: self.storage(to, slot))
        return _gas_of(tx, result)


@dataclass(slots=True)
class Fees:
    """The prices of a block in wei."""

    base_fee: int
    blob_base_fee: int


class LedgerBlock:
    """A block in the making, on top of a ledger that it does not change. `changes`: what it does to the state."""

    def __init__(self, ledger: Ledger, fees: Fees) -> None:
        self._ledger = ledger
        self._fees = fees
        self.changes = StateChanges()
        self.gas_used = 0
        self.receipts: list[Receipt] = []

    def account(self, address: Address) -> Account:
        """The account as it is now."""
        return self.changes.accounts.get(address) or self._ledger.account(address)

    def add(self, waiting: WaitingTransaction) -> None:
        """Executes the transaction, and adds its receipt. Raises CannotInclude."""
        tx, sender = waiting.transaction, waiting.sender
        price = self._check(tx, sender)
        account = self.account(sender)
        blob_fee = len(waiting.blobs) * GAS_PER_BLOB * self._fees.blob_base_fee
        self._put(sender, account._replace(nonce=account.nonce + 1, balance=account.balance - tx.gas_limit * price - blob_fee))
        gas_used, logs = self._call(tx, sender)
        self._give(sender, (tx.gas_limit - gas_used) * price)
        self._give(FEE_RECIPIENT, gas_used * (price - self._fees.base_fee))
        self.gas_used += gas_used
        kind = 0 if waiting.raw[0] >= 0xC0 else waiting.raw[0]
        self.receipts.append(Receipt(kind, logs is not None, self.gas_used, logs_bloom(logs or ()), logs or ()))

    def _check(self, tx: SignedTransaction, sender: Address) -> int:
        """What a unit of gas costs. Raises CannotInclude."""
        account = self.account(sender)
        if tx.nonce != account.nonce:
            raise CannotInclude(f"nonce {tx.nonce}, the account's is {account.nonce}")
        if max_fees(tx)[0] < self._fees.base_fee:
            raise CannotInclude("the base fee is higher than its fee")
        if isinstance(tx, BlobTransaction) and tx.max_fee_per_blob_gas < self._fees.blob_base_fee:
            raise CannotInclude("the blob base fee is higher than its fee")
        if account.balance < most_cost(tx):
            raise CannotInclude("the balance is lower than its cost")
        return effective_gas_price(tx, self._fees.base_fee)

    def _call(self, tx: SignedTransaction, sender: Address) -> tuple[int, tuple[Log, ...] | None]:
        """The gas used, and the logs; None where it fails, and no ether moved."""
        assert tx.to is not None
        to = tx.to
        try:
            result = call_native(to, NativeCall(sender, tx.value, tx.data), lambda slot: self._load(to, slot))
        except Reverted:
            return _gas_of(tx, None), None
        gas = _gas_of(tx, result)
        if gas > tx.gas_limit:
            return tx.gas_limit, None
        self._give(sender, -tx.value)
        self._give(to, tx.value)
        if result is None:
            return gas, ()
        if result.writes:
            self.changes.storage.setdefault(to, {}).update(result.writes)
        return gas, result.logs

    def _load(self, address: Address, slot: int) -> int:
        return self.changes.storage.get(address, {}).get(slot, self._ledger.storage(address, slot))

    def _give(self, address: Address, amount: int) -> None:
        """Adds to a balance, and makes no account of nothing (EIP-161)."""
        if amount:
            account = self.account(address)
            self._put(address, account._replace(balance=account.balance + amount))

    def _put(self, address: Address, account: Account) -> None:
        self.changes.accounts[address] = account


def most_cost(tx: SignedTransaction) -> int:
    """The wei that a sender must have."""
    blobs = len(tx.blob_versioned_hashes) * GAS_PER_BLOB * tx.max_fee_per_blob_gas if isinstance(tx, BlobTransaction) else 0
    return tx.gas_limit * max_fees(tx)[0] + tx.value + blobs


def _gas_of(tx: SignedTransaction, result: NativeResult | None) -> int:
    """Gas for the transaction itself, and for what a native contract logged and wrote."""
    gas = intrinsic_gas(tx, EvmFork.OSAKA)
    if result is not None:
        gas += sum(_LOG + _LOG_TOPIC * len(log.topics) + _LOG_BYTE * len(log.data) for log in result.logs)
        gas += _WRITE * len(result.writes or {})
    return max(gas, floor_gas(tx, EvmFork.OSAKA))
