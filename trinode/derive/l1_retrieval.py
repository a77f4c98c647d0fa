"""L1 Retrieval: the batcher's data in an L1 block (specification: derivation, "L1 Retrieval"; ecotone/derivation, "Blob Retrieval")."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from trinode.derive.drops import DropReason
from trinode.derive.events import Signal, Steps, Subject, blobs
from trinode.derive.journal import Journal
from trinode.derive.l1_traversal import L1Traversal
from trinode.protocol.blob import BlobDecodingError, decode_blob
from trinode.protocol.block import L1Block
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.transaction import (
    BlobTransaction,
    SetCodeTransaction,
    SignatureError,
    Transaction,
    TransactionDecodingError,
    decode_transaction,
    recover_sender,
    transaction_hash,
)
from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig


class Piece(NamedTuple):
    """Batcher data: calldata, or a blob (until it is fetched: its versioned hash). `name`: transaction hash, or blob of it."""

    name: str
    data: bytes
    is_blob: bool = False


class L1Retrieval:
    """Gives the data of batcher transactions, calldata and blobs, in the order of the L1 block."""

    def __init__(self, config: RollupConfig, traversal: L1Traversal, journal: Journal) -> None:
        self._config = config
        self._traversal = traversal
        self._journal = journal
        self._pieces: deque[Piece] | None = None
        self._reset_block: tuple[L1Block, Address] | None = None

    def reset(self, base: L1Block, batcher: Address) -> None:
        """Open `base` for reading.

        The traversal holds `base` unread too: where no next L1 block is there when its data is used up, it is read a second time.
        op-node does the same, and what is read twice drops by the ordinary rules.
        """
        self._pieces = None
        self._reset_block = (base, batcher)

    def next_data(self) -> Steps[tuple[str, bytes] | Signal]:
        """The next piece of data with a name for it (transaction hash, or blob of it), or EXHAUSTED."""
        if self._pieces is None:
            opened = yield from self._open()
            if not opened:
                return Signal.EXHAUSTED
        assert self._pieces is not None
        while self._pieces:
            piece = self._pieces.popleft()
            if not piece.is_blob:
                return piece.name, piece.data
            try:
                return piece.name, decode_blob(piece.data)
            except BlobDecodingError as error:
                self._journal.dropped(DropReason.BAD_BLOB, Subject.BLOB, piece.name, str(error))
        self._pieces = None
        return Signal.EXHAUSTED

    def _open(self) -> Steps[bool]:
        if self._reset_block is not None:
            (block, batcher), self._reset_block = self._reset_block, None
        else:
            unread = self._traversal.take_block()
            if unread is None:
                return False
            block, batcher = unread, self._traversal.system_config.batcher_address
        found = self._data_or_hashes(block, batcher)
        hashes = tuple(piece.data for piece in found if piece.is_blob)
        if hashes:
            contents = iter((yield from blobs(block.id, block.header.timestamp, hashes)))
            found = [piece._replace(data=next(contents)) if piece.is_blob else piece for piece in found]
        self._pieces = deque(found)
        return True

    def _data_or_hashes(self, block: L1Block, batcher: Address) -> list[Piece]:
        """Calldata, or versioned hashes, of the block's valid batcher transactions."""
        blob_data = self._config.rules(l1_inclusion_timestamp=block.header.timestamp).blob_data
        found: list[Piece] = []
        for raw in block.transactions:
            if self._config.batch_inbox_address not in raw:  # spares decoding the other transactions of the block
                continue
            name = transaction_hash(raw).hex()
            tx = self._batcher_transaction(raw, name, batcher)
            if tx is None:
                continue
            if self._journal.observing:
                self._journal.progressed("read", Subject.TRANSACTION, name, f"{len(raw)} bytes, type {raw[0] if raw[0] < 0x80 else 0}")
            if not (blob_data and isinstance(tx, BlobTransaction)):
                found.append(Piece(name, tx.data))
                continue
            if tx.data:
                self._journal.dropped(DropReason.BLOB_TRANSACTION_CALLDATA, Subject.TRANSACTION, name, f"{len(tx.data)} bytes")
            found += [Piece(f"blob {index} of {name}", blob_hash, True) for index, blob_hash in enumerate(tx.blob_versioned_hashes)]
        return found

    def _batcher_transaction(self, raw: bytes, name: str, batcher: Address) -> Transaction | None:
        """The transaction if it goes to the inbox, is of a type that may carry data, and is signed by the batcher."""
        try:
            tx = decode_transaction(raw)
        except TransactionDecodingError:
            return None  # a transaction type that this node does not know cannot be the batcher's
        if tx.to != self._config.batch_inbox_address:
            return None
        if isinstance(tx, SetCodeTransaction | DepositTransaction):
            self._journal.dropped(DropReason.UNSUPPORTED_TYPE, Subject.TRANSACTION, name, f"type {raw[0]}")
            return None
        if tx.chain_id not in (None, self._config.l1_chain_id):
            self._journal.dropped(DropReason.BAD_SIGNATURE, Subject.TRANSACTION, name, f"signed for chain {tx.chain_id}")
            return None
        try:
            sender = recover_sender(tx)
        except SignatureError as error:
            self._journal.dropped(DropReason.BAD_SIGNATURE, Subject.TRANSACTION, name, str(error))
            return None
        if sender != batcher:
            self._journal.dropped(DropReason.UNAUTHORIZED_SENDER, Subject.TRANSACTION, name, f"sender 0x{sender.hex()}")
            return None
        return tx
