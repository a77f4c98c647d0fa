"""What the devnet's L1 keeps in its database: blocks, the accounts after the newest one, blobs, and transactions that wait.

A block is written as a whole or not at all, with everything that it changes, so that a process that is killed goes on where it was.
After a power loss the last blocks may be missing: to the rollup that is a reorg.
Blocks older than BLOCKS_KEPT and blobs older than BLOBS_KEPT are removed; the genesis block stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from trinode.execution.state import Account, StateChanges
from trinode.protocol.block import KnownBlock
from trinode.protocol.header import Header, decode_header, encode_header, header_hash
from trinode.protocol.receipt import Receipt, decode_receipt
from trinode.protocol.rlp_codec import (
    decode_list,
    encode_bytes,
    encode_int,
    encode_list,
    to_bytes,
    to_int,
    to_list,
)
from trinode.protocol.transaction import BlobTransaction, decode_transaction, transaction_hash
from trinode.protocol.types import Address, BlockId, Hash32
from trinode.storage.database import Batch, Database

BLOCKS_KEPT = 8_192
BLOBS_KEPT = 4_096
_CHAIN, _HEAD = b"chain", b"head"
_BLOCK, _HASH, _TIME, _PLACE, _BLOB = b"n", b"h", b"t", b"x", b"b"
_ACCOUNT, _SLOT, _CODE, _WAITING = b"a", b"s", b"c", b"w"


@dataclass(frozen=True)
class StoredBlock:
    """A block of the devnet's L1. `transactions` and `receipts` are raw; `senders` are the transactions'."""

    header: Header
    transactions: tuple[bytes, ...] = ()
    receipts: tuple[bytes, ...] = ()
    senders: tuple[Address, ...] = ()

    @cached_property
    def hash(self) -> Hash32:
        """The block's hash."""
        return header_hash(self.header)

    @property
    def id(self) -> BlockId:
        """Number and hash."""
        return BlockId(self.header.number, self.hash)

    @property
    def known(self) -> KnownBlock:
        """Header, hash and transactions."""
        return KnownBlock(self.header, self.hash, self.transactions)

    @cached_property
    def decoded_receipts(self) -> tuple[Receipt, ...]:
        """The receipts."""
        return tuple(map(decode_receipt, self.receipts))

    @cached_property
    def blob_hashes(self) -> tuple[Hash32, ...]:
        """The versioned hashes of its blobs, in order."""
        decoded = map(decode_transaction, self.transactions)
        return tuple(name for tx in decoded if isinstance(tx, BlobTransaction) for name in tx.blob_versioned_hashes)


def _number(number: int) -> bytes:
    return number.to_bytes(8, "big")


class L1Store:
    """Reads and writes a database. Any thread may read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- what chain this is ----

    def chain(self) -> tuple[int, ...] | None:
        """What `create` was told; None before."""
        value = self._database.get(_CHAIN)
        return None if value is None else tuple(to_int(item, 8) for item in decode_list(value))

    def create(self, chain: Sequence[int], genesis: StoredBlock, state: StateChanges) -> None:
        """Begins the chain: a genesis block over a state, and numbers to know the chain by. Lasting at once."""
        with self._database.batch(sync=True) as batch:
            batch.put(_CHAIN, encode_list(map(encode_int, chain)))
            self._put_block(batch, genesis)
            self._put_state(batch, state)

    # ---- writing ----

    def append(
        self, block: StoredBlock, changes: StateChanges, blobs: Sequence[bytes], done: Iterable[int]
    ) -> None:
        """Puts a block on the head. `blobs` in the order of `blob_hashes`; `done`: waiting transactions that are no more."""
        number = block.header.number
        with self._database.batch() as batch:
            self._put_block(batch, block)
            self._put_state(batch, changes)
            for index, blob in enumerate(blobs):
                batch.put(_BLOB + _number(number) + index.to_bytes(2, "big"), blob)
            for sequence in done:
                batch.delete(_WAITING + _number(sequence))
            self._prune(batch, number)

    def put_waiting(self, sequence: int, wire: bytes, replaced: int | None) -> None:
        """Keeps a waiting transaction, in the place of another."""
        with self._database.batch() as batch:
            batch.put(_WAITING + _number(sequence), wire)
            if replaced is not None:
                batch.delete(_WAITING + _number(replaced))

    def _put_block(self, batch: Batch, block: StoredBlock) -> None:
        place = _number(block.header.number)
        lists = [encode_list(map(encode_bytes, items)) for items in (block.transactions, block.receipts, block.senders)]
        batch.put(_BLOCK + place, encode_list([encode_bytes(encode_header(block.header)), *lists]))
        batch.put(_HASH + block.hash, place)
        batch.put(_TIME + _number(block.header.timestamp), place)
        for index, raw in enumerate(block.transactions):
            batch.put(_PLACE + transaction_hash(raw), place + _number(index))
        batch.put(_HEAD, place)

    def _put_state(self, batch: Batch, changes: StateChanges) -> None:
        for address, account in changes.accounts.items():
            assert account is not None, "no account of this L1 is ever removed"
            batch.put(_ACCOUNT + address, encode_list([encode_int(account.nonce), encode_int(account.balance), encode_bytes(account.code_hash)]))
        for address, slots in changes.storage.items():
            for slot, value in slots.items():
                batch.put(_SLOT + address + slot.to_bytes(32, "big"), value.to_bytes(32, "big"))
        for code_hash, code in changes.codes.items():
            batch.put(_CODE + code_hash, code)

    def _prune(self, batch: Batch, head: int) -> None:
        if head >= BLOBS_KEPT:
            for key, _ in self._database.entries(_BLOB + _number(head - BLOBS_KEPT)):
                batch.delete(key)
        old = self.block(head - BLOCKS_KEPT) if head > BLOCKS_KEPT else None
        if old is None:
            return
        for raw in old.transactions:
            batch.delete(_PLACE + transaction_hash(raw))
        batch.delete(_TIME + _number(old.header.timestamp))
        batch.delete(_HASH + old.hash)
        batch.delete(_BLOCK + _number(old.header.number))

    # ---- reading ----

    def head(self) -> StoredBlock:
        """The newest block."""
        place = self._database.get(_HEAD)
        block = None if place is None else self.block(int.from_bytes(place, "big"))
        assert block is not None, "a chain that was begun has a head"
        return block

    def block(self, number: int) -> StoredBlock | None:
        """The block of that number; None if there is none, or none any more."""
        value = self._database.get(_BLOCK + _number(number)) if 0 <= number < 2**64 else None
        if value is None:
            return None
        header, *lists = decode_list(value)
        transactions, receipts, senders = [tuple([to_bytes(item) for item in to_list(each)]) for each in lists]
        return StoredBlock(decode_header(to_bytes(header)), transactions, receipts, senders)

    def number_of(self, block_hash: Hash32) -> int | None:
        """The number of the block of that hash."""
        return self._read_number(_HASH + block_hash)

    def number_at(self, timestamp: int) -> int | None:
        """The number of the block of that time."""
        return self._read_number(_TIME + _number(timestamp)) if 0 <= timestamp < 2**64 else None

    def _read_number(self, key: bytes) -> int | None:
        value = self._database.get(key)
        return None if value is None else int.from_bytes(value, "big")

    def place_of(self, hash: Hash32) -> tuple[int, int] | None:
        """Block number and index of the transaction of that hash."""
        value = self._database.get(_PLACE + hash)
        return None if value is None else (int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big"))

    def blobs(self, number: int) -> list[bytes]:
        """The blobs of a block in the order of its `blob_hashes`; none where they are gone."""
        return [blob for _, blob in self._database.entries(_BLOB + _number(number), fill_cache=False)]

    def state(self) -> StateChanges:
        """The state after the head, as what changes in the empty state."""
        state = StateChanges()
        for key, value in self._database.entries(_ACCOUNT):
            nonce, balance, code_hash = decode_list(value)
            state.accounts[key[1:]] = Account(to_int(nonce, 8), to_int(balance, 32), to_bytes(code_hash))
        for key, value in self._database.entries(_SLOT):
            if number := int.from_bytes(value, "big"):
                state.storage.setdefault(key[1:21], {})[int.from_bytes(key[21:], "big")] = number
        for key, code in self._database.entries(_CODE):
            state.codes[key[1:]] = code
        return state

    def waiting(self) -> list[tuple[int, bytes]]:
        """The transactions that wait, each with its sequence number, in order."""
        return [(int.from_bytes(key[1:], "big"), wire) for key, wire in self._database.entries(_WAITING)]

    def close(self) -> None:
        """Ends the use of the database."""
        self._database.close()
