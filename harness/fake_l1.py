"""An L1 in memory: whole blocks, valid but for their state, with reorgs and labels; it keeps a journal that is a
recording.

Headers have the fields of their fork and follow its rules for base fee and excess blob gas (EIP-1559, EIP-4844,
EIP-7691, EIP-7918); transactions and receipts have the roots, receipts the blooms that the header says. Nothing is
executed: what a transaction logged is given with it. Whatever else is in a block follows from a digest of its parent
and a counter, so that the same calls make the same chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from harness.recording import RecordedItem, RecordedL1Block, RecordedLabels
from trinode.protocol.block import L1Block
from trinode.protocol.bloom import bloom_may_contain, logs_bloom
from trinode.protocol.header import EMPTY_OMMERS_HASH, EMPTY_REQUESTS_HASH, Header, encode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_cost import blob_base_fee
from trinode.protocol.receipt import Log, Receipt, encode_receipt
from trinode.protocol.transaction import BlobTransaction, decode_transaction
from trinode.protocol.trie import EMPTY_TRIE_ROOT, ordered_trie_root
from trinode.protocol.types import Address, BlockId, Hash32
from trinode.rollup.l1_chain import L1ChainConfig

GAS_LIMIT = 30_000_000
GAS_PER_BLOB = 131_072
_TRANSFER_GAS = 21_000
_BLOB_BASE_COST = 8192  # EIP-7918

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class L1Transaction:
    """A raw transaction with its outcome and, where derivation may want them, its blobs by versioned hash."""

    raw: bytes
    logs: tuple[Log, ...] = ()
    succeeded: bool = True
    blobs: Mapping[Hash32, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class L1Genesis:
    """The first block. `shanghai_time`: when headers get withdrawals; the later forks are in the L1 chain config."""

    number: int = 100
    timestamp: int = 1_700_000_000
    base_fee: int = 1_000_000_000
    excess_blob_gas: int = 0
    shanghai_time: int = 0


class FakeL1:
    """The chain. `chain` is the canonical one, `events` everything that was ever seen of it, in order.

    `receipts_needed_by`: contracts. A block whose bloom excludes all of them has no receipts in `events`; all have them
    if no contract is given.
    """

    def __init__(
        self,
        chain_config: L1ChainConfig,
        genesis: L1Genesis | None = None,
        *,
        receipts_needed_by: Sequence[Address] = (),
    ) -> None:
        self.chain_config = chain_config
        self.genesis = genesis or L1Genesis()
        self._receipts_needed_by = tuple(receipts_needed_by)
        self.chain: list[L1Block] = []
        self.events: list[RecordedItem] = []
        self.by_hash: dict[Hash32, L1Block] = {}
        self.receipts: dict[Hash32, tuple[Receipt, ...]] = {}
        self.blobs: dict[Hash32, bytes] = {}
        self.finalized = self.genesis.number
        self._built = 0
        self._append((), self.genesis.timestamp)

    # ---- growing ----

    @property
    def head(self) -> L1Block:
        """The canonical block with the highest number."""
        return self.chain[-1]

    def extend(self, transactions: Sequence[L1Transaction] = (), *, seconds: int = 12) -> L1Block:
        """Put a block on the head, `seconds` after it."""
        if seconds <= 0:
            raise ValueError(f"an L1 block {seconds} seconds after its parent")
        return self._append(transactions, self.head.header.timestamp + seconds)

    def rewind(self, depth: int) -> tuple[L1Block, ...]:
        """Begin a reorg: take the last `depth` blocks off and return them. The next block is a sibling of the first."""
        if not 0 < depth < len(self.chain):
            raise ValueError(f"a reorg of {depth} blocks on a chain of {len(self.chain)}")
        if self.head.header.number - depth < self.finalized:
            raise ValueError(f"a reorg of {depth} blocks goes below the finalized block {self.finalized}")
        removed = tuple(self.chain[-depth:])
        del self.chain[-depth:]
        return removed

    def label(self, *, safe_lag: int, finalized_lag: int) -> None:
        """Move L1's labels to so many blocks behind the head; neither ever goes back."""
        number, first = self.head.header.number, self.genesis.number
        self.finalized = max(self.finalized, number - finalized_lag, first)
        self.events.append(RecordedLabels(0, max(number - safe_lag, self.finalized), self.finalized))

    def _append(self, transactions: Sequence[L1Transaction], timestamp: int) -> L1Block:
        parent = self.chain[-1] if self.chain else None
        self._built += 1
        seed = keccak256((parent.hash if parent else b"") + self._built.to_bytes(8, "big"))
        receipts = _receipts(transactions, seed)
        header = self._header(parent, seed, [tx.raw for tx in transactions], receipts, timestamp)
        encoded = tuple(encode_receipt(receipt) for receipt in receipts)
        readers = self._receipts_needed_by
        needed = not readers or any(bloom_may_contain(header.logs_bloom, address) for address in readers)
        block = L1Block(
            hash=keccak256(encode_header(header)),
            header=header,
            transactions=tuple(tx.raw for tx in transactions),
            receipts=encoded if needed else None,
        )
        blobs = {name: blob for tx in transactions for name, blob in tx.blobs.items()}
        self.chain.append(block)
        self.by_hash[block.hash] = block
        self.receipts[block.hash] = receipts
        self.blobs.update(blobs)
        self.events.append(RecordedL1Block(0, block, blobs))
        return block

    def _header(
        self,
        parent: L1Block | None,
        seed: Hash32,
        transactions: list[bytes],
        receipts: tuple[Receipt, ...],
        timestamp: int,
    ) -> Header:
        cancun = self.chain_config.blob_schedule_at(timestamp) is not None
        prague = self.chain_config.prague_time is not None and timestamp >= self.chain_config.prague_time
        blobs = sum(
            len(tx.blob_versioned_hashes)
            for tx in map(decode_transaction, transactions)
            if isinstance(tx, BlobTransaction)
        )
        return Header(
            parent_hash=parent.hash if parent else keccak256(b"parent of" + seed),
            ommers_hash=EMPTY_OMMERS_HASH,
            beneficiary=seed[:20],
            state_root=keccak256(b"state" + seed),
            transactions_root=ordered_trie_root(transactions),
            receipts_root=ordered_trie_root([encode_receipt(receipt) for receipt in receipts]),
            logs_bloom=logs_bloom(log for receipt in receipts for log in receipt.logs),
            difficulty=0,
            number=parent.header.number + 1 if parent else self.genesis.number,
            gas_limit=GAS_LIMIT,
            gas_used=receipts[-1].cumulative_gas_used if receipts else 0,
            timestamp=timestamp,
            extra_data=b"",
            prev_randao=keccak256(b"randao" + seed),
            nonce=bytes(8),
            base_fee_per_gas=_base_fee(parent.header) if parent else self.genesis.base_fee,
            withdrawals_root=EMPTY_TRIE_ROOT if cancun or timestamp >= self.genesis.shanghai_time else None,
            blob_gas_used=blobs * GAS_PER_BLOB if cancun else None,
            excess_blob_gas=self._excess_blob_gas(parent, timestamp) if cancun else None,
            parent_beacon_block_root=keccak256(b"beacon" + seed) if cancun else None,
            requests_hash=EMPTY_REQUESTS_HASH if prague else None,
        )

    def _excess_blob_gas(self, parent: L1Block | None, timestamp: int) -> int:
        if parent is None:
            return self.genesis.excess_blob_gas
        before = parent.header
        schedule = self.chain_config.blob_schedule_at(timestamp)
        if schedule is None or before.excess_blob_gas is None or before.blob_gas_used is None:
            return 0
        total, target_gas = before.excess_blob_gas + before.blob_gas_used, schedule.target * GAS_PER_BLOB
        if total < target_gas:
            return 0
        osaka = self.chain_config.osaka_time is not None and timestamp >= self.chain_config.osaka_time
        price = blob_base_fee(before.excess_blob_gas, schedule.update_fraction)
        if osaka and _BLOB_BASE_COST * (before.base_fee_per_gas or 0) > GAS_PER_BLOB * price:
            return before.excess_blob_gas + before.blob_gas_used * (schedule.max - schedule.target) // schedule.max
        return total - target_gas

    # ---- answering ----

    def by_number(self, number: int) -> L1Block | None:
        """The canonical block of this number, if L1 has come so far."""
        index = number - self.genesis.number
        return self.chain[index] if 0 <= index < len(self.chain) else None

    def block(self, id: BlockId) -> L1Block | None:
        """This block, canonical or not."""
        return self.by_hash.get(id.hash)

    def blobs_of(self, hashes: Sequence[Hash32]) -> tuple[bytes, ...] | None:
        """These blobs; None if one of them was never posted."""
        if any(name not in self.blobs for name in hashes):
            return None
        return tuple(self.blobs[name] for name in hashes)


@dataclass(slots=True)
class Faults:
    """How often each answer is refused before it is given, and how many of the newest blocks are not shown yet.

    A refused answer is what an L1 node says of something that it does not have: None.
    """

    hidden_blocks: int = 0
    numbers: dict[int, int] = field(default_factory=dict)
    blocks: dict[Hash32, int] = field(default_factory=dict)
    blobs: dict[Hash32, int] = field(default_factory=dict)


class FaultyL1:
    """The answers of an L1 that lags and forgets for a while; in the end it answers everything."""

    def __init__(self, l1: FakeL1, faults: Faults) -> None:
        self._l1 = l1
        self._faults = faults

    def by_number(self, number: int) -> L1Block | None:
        """As `FakeL1.by_number`, if it is not refused."""
        hidden = number > self._l1.head.header.number - self._faults.hidden_blocks
        return None if hidden or _refuse(self._faults.numbers, number) else self._l1.by_number(number)

    def block(self, id: BlockId) -> L1Block | None:
        """As `FakeL1.block`, if it is not refused."""
        return None if _refuse(self._faults.blocks, id.hash) else self._l1.block(id)

    def blobs_of(self, hashes: Sequence[Hash32]) -> tuple[bytes, ...] | None:
        """As `FakeL1.blobs_of`, if none of them is refused."""
        refused = [name for name in hashes if _refuse(self._faults.blobs, name)]
        return None if refused else self._l1.blobs_of(hashes)


def _refuse(budget: dict[Key, int], key: Key) -> bool:
    left = budget.get(key, 0)
    if left > 0:
        budget[key] = left - 1
    return left > 0


def _receipts(transactions: Sequence[L1Transaction], seed: Hash32) -> tuple[Receipt, ...]:
    """Receipts in consensus form; the gas of each is made up, so that the base fee moves."""
    receipts = []
    gas = 0
    for index, tx in enumerate(transactions):
        room = max(1, GAS_LIMIT // len(transactions) - _TRANSFER_GAS)
        gas += _TRANSFER_GAS + int.from_bytes(keccak256(seed + index.to_bytes(8, "big"))[:8], "big") % room
        kind = tx.raw[0] if tx.raw[0] < 0x80 else 0
        receipts.append(Receipt(kind, tx.succeeded, gas, logs_bloom(tx.logs), tx.logs))
    return tuple(receipts)


def _base_fee(parent: Header) -> int:
    """EIP-1559 with L1's constants: elasticity 2, change denominator 8."""
    base_fee, target = parent.base_fee_per_gas or 0, parent.gas_limit // 2
    if parent.gas_used > target:
        return base_fee + max(1, base_fee * (parent.gas_used - target) // target // 8)
    return base_fee - base_fee * (target - parent.gas_used) // target // 8
