"""What the `eth_` methods ask of whoever keeps the chain: a store (trinode.storage.store.Store), or headers with what others prove of the rest."""

from __future__ import annotations

from typing import Protocol

from trinode.execution.state import StateReader
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.header import Header
from trinode.protocol.receipt import Receipt
from trinode.protocol.types import BlockId, Hash32
from trinode.storage.blocks import TransactionPlace


class KnownBlocks(Protocol):
    """Blocks by hash, and which of them are canonical. None: that is not known."""

    def header(self, block_hash: Hash32) -> Header | None:
        """The header of that block."""

    def transactions(self, block_hash: Hash32) -> tuple[bytes, ...] | None:
        """The raw transactions of that block."""

    def receipts(self, block_hash: Hash32) -> tuple[Receipt, ...] | None:
        """The receipts of that block."""

    def canonical_hash(self, number: int) -> Hash32 | None:
        """The hash of the canonical block with that number."""

    def canonical_number(self, block_hash: Hash32) -> int | None:
        """The number of that block, if it is canonical."""

    def find_transaction(self, hash: Hash32) -> TransactionPlace | None:
        """Where the transaction with that hash stands in the canonical chain."""


class KnownChain(Protocol):
    """A chain and its states, for worker threads, but for `head`. All methods may raise StoreError and RpcError."""

    @property
    def blocks(self) -> KnownBlocks:
        """Its blocks."""

    @property
    def head(self) -> BlockId:
        """The last block. Touches no disk."""

    @property
    def oldest_state(self) -> int:
        """The number of the first block whose state can be read."""

    def label(self, name: str) -> Hash32 | None:
        """The canonical block with the name `safe` or `finalized`; None: there is none."""

    def state_at(self, block_hash: Hash32) -> StateReader:
        """The state after that block, which stays readable whatever happens to the chain; for one thread at a time, or for all.

        If it is far away, and can be read in fewer steps if it is told what for, it has a method `foresee` that takes the Message that will be
        executed on it. Raises MissingState if the block is not canonical, or its state is not here.
        """

    def tries_at(self, block_hash: Hash32) -> StateTries:
        """The tries after that block, for proofs. Raises MissingState."""
