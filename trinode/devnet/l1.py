"""The devnet's L1: a chain of blocks that one process mines, without forks and reorgs.

Blocks, fees, blobs, receipts and state roots follow Ethereum's rules (Osaka, with the blob parameters of BPO2), so that a rollup's L1
client can hold them to what they commit to. There is no consensus and no EVM: see `l1_ledger` and `l1_contracts` for what a transaction
can do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

import trio

from trinode.devnet.accounts import FEE_RECIPIENT
from trinode.devnet.l1_contracts import NativeCall
from trinode.devnet.l1_ledger import CannotInclude, Fees, Ledger, LedgerBlock, genesis_state, most_cost
from trinode.devnet.l1_pool import WaitingPool
from trinode.devnet.l1_rules import (
    GAS_LIMIT,
    GAS_PER_BLOB,
    INITIAL_BASE_FEE,
    base_fee_after,
    blob_price,
    excess_blob_gas_after,
)
from trinode.devnet.l1_store import L1Store, StoredBlock
from trinode.devnet.l1_transactions import TransactionNotTaken, WaitingTransaction, read_transaction
from trinode.execution.state import Account
from trinode.execution.trie.state_tries import AccountProof
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.header import EMPTY_OMMERS_HASH, EMPTY_REQUESTS_HASH, Header
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Receipt, encode_receipt
from trinode.protocol.transaction import SignedTransaction
from trinode.protocol.trie import EMPTY_TRIE_ROOT, ordered_trie_root
from trinode.protocol.types import Address, Hash32
from trinode.rollup.l1_chain import L1ChainConfig

SAFE_LAG, FINALIZED_LAG = 1, 2
"""Blocks that the labels are behind the head."""


class DevnetClock:
    """The devnet's time in seconds. It stands still while the node is stopped, and is never behind L1's head."""

    def __init__(self, start: float, now: Callable[[], float]) -> None:
        self._now = now
        self._offset = start - now()

    def __call__(self) -> float:
        """The time now."""
        return self._now() + self._offset

    def advance_to(self, time: float) -> None:
        """It is that time now, unless it is later already."""
        self._offset = max(self._offset, time - self._now())


def genesis_block(config: L1ChainConfig, timestamp: int) -> StoredBlock:
    """Block 0, at that time (seconds)."""
    root = Ledger(genesis_state()).root
    return StoredBlock(_header(None, timestamp, root, (), (), INITIAL_BASE_FEE, 0, 0))


class DevnetL1:
    """The chain. All methods but `run` may be called from any thread; they read and write a database.

    `interval`: seconds between blocks. `now`: seconds of any clock that goes on while this process runs.
    """

    def __init__(self, store: L1Store, config: L1ChainConfig, interval: float, now: Callable[[], float]) -> None:
        self.config = config
        self.interval = interval
        self._store = store
        self._lock = Lock()
        self._head = store.head()
        genesis = store.block(0)
        assert genesis is not None, "the genesis block is never removed"
        self.genesis_time = genesis.header.timestamp
        self._ledger = Ledger(store.state())
        self._pool = WaitingPool()
        for sequence, wire in store.waiting():
            self._pool.add(read_transaction(wire, is_checked=True), sequence)
        # Whoever was here before may have seen the clock go on until just before the next block.
        resumed = self._head.header.timestamp + interval if self._head.header.number else self._head.header.timestamp
        self.clock = DevnetClock(resumed, now)

    # ---- reading ----

    @property
    def head(self) -> StoredBlock:
        """The newest block."""
        return self._head

    @property
    def safe_number(self) -> int:
        """The block labelled safe."""
        return max(self._head.header.number - SAFE_LAG, 0)

    @property
    def finalized_number(self) -> int:
        """The finalized block."""
        return max(self._head.header.number - FINALIZED_LAG, 0)

    def block(self, number: int) -> StoredBlock | None:
        """The block of that number; None if there is none yet, or none any more."""
        head = self._head
        return head if head.header.number == number else self._store.block(number)

    def block_by_hash(self, block_hash: Hash32) -> StoredBlock | None:
        """The block of that hash."""
        number = self._store.number_of(block_hash)
        return None if number is None else self.block(number)

    def transaction(self, hash: Hash32) -> tuple[StoredBlock, int] | None:
        """The block of a transaction, and its index there."""
        place = self._store.place_of(hash)
        block = None if place is None else self.block(place[0])
        return None if place is None or block is None else (block, place[1])

    def waiting(self, hash: Hash32) -> WaitingTransaction | None:
        """A transaction that waits for a block."""
        return self._pool.get(hash)

    def blobs_at(self, timestamp: int) -> list[tuple[Hash32, bytes]] | None:
        """Versioned hashes and blobs of the block of that time; None where there is no such block, or its blobs are gone."""
        number = self._store.number_at(timestamp)
        block = None if number is None else self.block(number)
        if number is None or block is None:
            return None
        blobs = self._store.blobs(number)
        return list(zip(block.blob_hashes, blobs, strict=True)) if len(blobs) == len(block.blob_hashes) else None

    def account(self, address: Address) -> Account:
        """The account after the newest block."""
        return self._ledger.account(address)

    def storage(self, address: Address, slot: int) -> int:
        """A slot after the newest block."""
        return self._ledger.storage(address, slot)

    def proof(self, address: Address, slots: Sequence[int]) -> AccountProof:
        """An account and some slots after the newest block, proved against its state root."""
        with self._lock:
            return self._ledger.proof(address, slots)

    def pending_nonce(self, address: Address) -> int:
        """The nonce behind the transactions that wait."""
        with self._lock:
            return self._pool.next_nonce(address, self._ledger.account(address).nonce)

    def call(self, to: Address, call: NativeCall) -> bytes:
        """What a call returns on the newest block. Raises Reverted."""
        return self._ledger.call(to, call)

    def gas_needed(self, sender: Address, tx: SignedTransaction) -> int:
        """The gas that a transaction would use. Raises Reverted."""
        return self._ledger.gas_needed(sender, tx)

    def next_fees(self) -> Fees:
        """The prices of a next block."""
        parent = self._head.header
        timestamp = parent.timestamp + 1
        excess = excess_blob_gas_after(self.config, parent, timestamp)
        return Fees(base_fee_after(parent), blob_price(self.config, excess, timestamp))

    # ---- transactions ----

    def add_transaction(self, wire: bytes) -> Hash32:
        """Takes a transaction, with its blobs if it has any, and keeps it until a block has it. Its hash. Raises TransactionNotTaken."""
        waiting = read_transaction(wire)
        with self._lock:
            account = self._ledger.account(waiting.sender)
            self._pool.check(waiting, account.nonce)
            if account.balance < (cost := most_cost(waiting.transaction)):
                raise TransactionNotTaken(f"insufficient funds for gas * price + value: balance {account.balance}, tx cost {cost}")
            sequence, replaced = self._pool.add(waiting)
            self._store.put_waiting(sequence, wire, replaced)
        return waiting.hash

    # ---- mining ----

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Mines a block each interval until it is cancelled."""
        task_status.started()
        while True:
            await trio.sleep(max(0.0, self._head.header.timestamp + self.interval - self.clock()))
            await trio.to_thread.run_sync(self.mine)

    def mine(self) -> StoredBlock:
        """Puts a block on the head now, with the transactions that wait; at least a second later than its parent."""
        with self._lock:
            parent = self._head
            timestamp = max(parent.header.timestamp + 1, int(self.clock()))
            excess = excess_blob_gas_after(self.config, parent.header, timestamp)
            fees = Fees(base_fee_after(parent.header), blob_price(self.config, excess, timestamp))
            making = LedgerBlock(self._ledger, fees)
            taken = self._fill(making, timestamp)
            blobs = [blob for waiting in taken for blob in waiting.blobs]
            root = self._ledger.root_after(making.changes)
            raw = tuple(waiting.raw for waiting in taken)
            header = _header(parent, timestamp, root, raw, making.receipts, fees.base_fee, len(blobs), excess)
            receipts = tuple(map(encode_receipt, making.receipts))
            block = StoredBlock(header, raw, receipts, tuple(waiting.sender for waiting in taken))
            nonces = {waiting.sender: making.account(waiting.sender).nonce for waiting in taken}
            done = [sequence for sender, nonce in nonces.items() for sequence in self._pool.remove_below(sender, nonce)]
            self._store.append(block, making.changes, blobs, done)
            self._ledger.apply(making.changes)
            self._head = block
            self.clock.advance_to(timestamp)
            return block

    def _fill(self, making: LedgerBlock, timestamp: int) -> list[WaitingTransaction]:
        """Puts in what is valid and fits."""
        schedule = self.config.blob_schedule_at(timestamp)
        assert schedule is not None
        blobs_left = schedule.max
        taken = []
        for waiting in self._pool.in_order():
            if waiting.transaction.gas_limit > GAS_LIMIT - making.gas_used or len(waiting.blobs) > blobs_left:
                continue
            try:
                making.add(waiting)
            except CannotInclude:
                continue  # it waits on: for the transactions before it, for lower fees, or for ether
            blobs_left -= len(waiting.blobs)
            taken.append(waiting)
        return taken

    def close(self) -> None:
        """Ends the use of the database, once no thread is at work here."""
        self._store.close()


def _header(
    parent: StoredBlock | None,
    timestamp: int,
    state_root: Hash32,
    transactions: Sequence[bytes],
    receipts: Sequence[Receipt],
    base_fee: int,
    blobs: int,
    excess_blob_gas: int,
) -> Header:
    """A header; what consensus would bring into it follows from the parent's hash."""
    before = bytes(32) if parent is None else parent.hash
    return Header(
        parent_hash=before,
        ommers_hash=EMPTY_OMMERS_HASH,
        beneficiary=FEE_RECIPIENT,
        state_root=state_root,
        transactions_root=ordered_trie_root(transactions),
        receipts_root=ordered_trie_root([encode_receipt(receipt) for receipt in receipts]),
        logs_bloom=logs_bloom(log for receipt in receipts for log in receipt.logs),
        difficulty=0,
        number=0 if parent is None else parent.header.number + 1,
        gas_limit=GAS_LIMIT,
        gas_used=receipts[-1].cumulative_gas_used if receipts else 0,
        timestamp=timestamp,
        extra_data=b"trinode devnet",
        prev_randao=keccak256(b"randao" + before),
        nonce=bytes(8),
        base_fee_per_gas=base_fee,
        withdrawals_root=EMPTY_TRIE_ROOT,
        blob_gas_used=blobs * GAS_PER_BLOB,
        excess_blob_gas=excess_blob_gas,
        parent_beacon_block_root=keccak256(b"beacon" + before),
        requests_hash=EMPTY_REQUESTS_HASH,
    )
