"""Headers, transactions and receipts by block hash, and the index of the canonical chain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from trinode.execution.errors import MissingState
from trinode.protocol.errors import DecodingError
from trinode.protocol.header import Header, decode_header, encode_header
from trinode.protocol.receipt import Receipt, decode_receipt, encode_receipt
from trinode.protocol.rlp_codec import decode_list, encode, to_bytes
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.types import BlockId, Hash32
from trinode.storage.database import Batch, View
from trinode.storage.errors import CorruptStore
from trinode.storage.tables import (
    BODIES,
    CANONICAL,
    HEADERS,
    RECEIPTS,
    TAKEN_BACK,
    TRANSACTIONS,
    decode_place,
    encode_place,
    number_bytes,
)

_DECODED_HEADERS = 1024
"""By their RLP: 2 MB."""


class TransactionPlace(NamedTuple):
    """Where a transaction of the canonical chain stands: its block, and its position there."""

    block: BlockId
    position: int


_decoded_header = lru_cache(_DECODED_HEADERS)(decode_header)


class BlockReader:
    """Blocks as `view` shows them, those that were taken back too, as long as their height is retained.

    All methods raise CorruptStore if what stands there is not what was written.
    """

    __slots__ = ("_view",)

    def __init__(self, view: View) -> None:
        self._view = view

    def header(self, block_hash: Hash32) -> Header | None:
        """The header of that block; None: it is not known."""
        value = self._view.get(HEADERS + block_hash)
        try:
            return None if value is None else _decoded_header(value)
        except DecodingError as error:
            raise _corrupt("header", block_hash, error) from error

    def header_rlp(self, block_hash: Hash32) -> bytes:
        """RLP of the header of that block. Raises MissingState."""
        rlp = self._view.get(HEADERS + block_hash)
        if rlp is None:
            raise MissingState(f"there is no header 0x{block_hash.hex()}")
        return rlp

    def transactions(self, block_hash: Hash32) -> tuple[bytes, ...] | None:
        """The raw transactions of that block; None: they are not known."""
        value = self._view.get(BODIES + block_hash)
        try:
            return None if value is None else tuple([to_bytes(item) for item in decode_list(value)])
        except DecodingError as error:
            raise _corrupt("body", block_hash, error) from error

    def receipts(self, block_hash: Hash32) -> tuple[Receipt, ...] | None:
        """The receipts of that block; None: they are not known, as those of blocks from a snapshot."""
        value = self._view.get(RECEIPTS + block_hash)
        try:
            return None if value is None else tuple([decode_receipt(to_bytes(item)) for item in decode_list(value)])
        except DecodingError as error:
            raise _corrupt("list of receipts", block_hash, error) from error

    def canonical_hash(self, number: int) -> Hash32 | None:
        """The hash of the canonical block with that number; None: it is not known."""
        return self._view.get(CANONICAL + number_bytes(number)) if 0 <= number < 1 << 64 else None

    def canonical_number(self, block_hash: Hash32) -> int | None:
        """The number of that block; None: it is not known, or not canonical."""
        header = self.header(block_hash)
        return header.number if header is not None and self.canonical_hash(header.number) == block_hash else None

    def find_transaction(self, hash: Hash32) -> TransactionPlace | None:
        """Where the transaction with that hash stands in the canonical chain; None: nowhere."""
        value = self._view.get(TRANSACTIONS + hash)
        if value is None:
            return None
        number, index = decode_place(value)
        block_hash = self.canonical_hash(number)
        return None if block_hash is None else TransactionPlace(BlockId(number, block_hash), index)


def put_block(batch: Batch, header: Header, block_hash: Hash32, transactions: Sequence[bytes], receipts: Sequence[Receipt] | None) -> None:
    """Makes this block the canonical one at its height."""
    number = header.number
    batch.put(HEADERS + block_hash, encode_header(header))
    batch.put(BODIES + block_hash, encode(list(transactions)))
    if receipts is not None:
        batch.put(RECEIPTS + block_hash, encode([encode_receipt(receipt) for receipt in receipts]))
    batch.put(CANONICAL + number_bytes(number), block_hash)
    for index, raw in enumerate(transactions):
        batch.put(TRANSACTIONS + transaction_hash(raw), encode_place(number, index))
    batch.delete(TAKEN_BACK + number_bytes(number) + block_hash)


def take_back_block(batch: Batch, view: View, number: int) -> None:
    """Takes the block at that height out of the canonical chain. It can still be read by its hash."""
    reader = BlockReader(view)
    block_hash = reader.canonical_hash(number)
    if block_hash is None:
        raise CorruptStore(f"the index has no block {number}. Restore the folder, or remove it and import a snapshot.")
    for raw in reader.transactions(block_hash) or ():
        batch.delete(TRANSACTIONS + transaction_hash(raw))
    batch.delete(CANONICAL + number_bytes(number))
    batch.put(TAKEN_BACK + number_bytes(number) + block_hash, b"")


def remove_taken_back(batch: Batch, view: View, number: int) -> None:
    """Removes the blocks of that height that were taken back."""
    for key, _ in view.entries(TAKEN_BACK + number_bytes(number)):
        block_hash = key[-32:]
        for table in (HEADERS, BODIES, RECEIPTS):
            batch.delete(table + block_hash)
        batch.delete(key)


def _corrupt(what: str, block_hash: Hash32, error: DecodingError) -> CorruptStore:
    return CorruptStore(f"the {what} of block 0x{block_hash.hex()} is damaged: {error}. Restore the folder, or remove it and import a snapshot.")
