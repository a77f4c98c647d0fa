"""What is known of the block that a request means. For worker threads, but for `head`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from trinode.execution.calls.message import Message
from trinode.execution.errors import MissingState
from trinode.execution.state import StateReader
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.receipt import Receipt
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rpc.eth.block_names import EARLIEST, FINALIZED, LATEST, PENDING, SAFE, BlockName, ByHash
from trinode.rpc.eth.errors import pruned, server_error, without_receipts
from trinode.rpc.eth.known_chain import KnownChain

_RECENT = 16
"""Blocks whose decoded receipts are kept: a block's are asked for one by one when it is new."""


class Chain:
    """The blocks and states of a store, or of what stands for one. All methods raise RpcError with op-geth's words."""

    def __init__(self, config: RollupConfig, store: KnownChain) -> None:
        self.config = config
        self.store = store
        self.blocks = store.blocks
        self._last_head: KnownHeader | None = None
        self._receipts = lru_cache(_RECENT)(store.blocks.receipts)

    @property
    def head(self) -> BlockId:
        """The unsafe head. Touches no disk."""
        return self.store.head

    # ---- which block ----

    def find(self, name: BlockName) -> KnownHeader | None:
        """The block of that name; None: there is none yet, or nobody knows that hash. Raises RpcError for a label that is not set, and
        for blocks from before the store's beginning.
        """
        if isinstance(name, ByHash):
            return self._by_hash(name)
        if isinstance(name, int):
            return self.by_number(name)
        if name in (LATEST, PENDING):
            return self._newest()
        if name == EARLIEST:
            genesis = self._canonical(self.config.genesis.l2.number)
            return self.by_number(self.store.oldest_state) if genesis is None else genesis
        return self._labelled(name)

    def header(self, name: BlockName) -> KnownHeader:
        """As `find`, for methods that cannot do without it. Raises RpcError."""
        found = self.find(name)
        if found is None:
            raise server_error("header not found")
        return found

    def by_number(self, number: int) -> KnownHeader | None:
        """The canonical block of that number; None: the head is below it. Raises RpcError if it is no longer there."""
        found = self._canonical(number)
        if found is None and number < self.store.head.number:
            raise pruned(f"block {number} is from before the snapshot that this node began with")
        return found

    def _newest(self) -> KnownHeader | None:
        """The head, which is read once."""
        head, found = self.store.head, self._last_head
        if found is None or found.hash != head.hash:
            found = self._last_head = self._known(head.hash)
        return found

    def _canonical(self, number: int) -> KnownHeader | None:
        block_hash = self.blocks.canonical_hash(number)
        return None if block_hash is None else self._known(block_hash)

    def _known(self, block_hash: Hash32) -> KnownHeader | None:
        header = self.blocks.header(block_hash)
        return None if header is None else KnownHeader(header, block_hash)

    def _by_hash(self, name: ByHash) -> KnownHeader | None:
        found = self._known(name.hash)
        if found is not None and name.requires_canonical and self.blocks.canonical_hash(found.header.number) != name.hash:
            raise server_error("hash is not currently canonical")
        return found

    def _labelled(self, name: str) -> KnownHeader:
        """Their names in the store are those of the tags."""
        assert name in (SAFE, FINALIZED)
        block_hash = self.store.label(name)
        found = None if block_hash is None else self._known(block_hash)
        if found is None:
            raise server_error(f"{name} block not found")
        return found

    # ---- what is in it ----

    def block(self, known: KnownHeader) -> KnownBlock:
        """The whole block."""
        transactions = self.blocks.transactions(known.hash)
        if transactions is None:
            raise pruned(f"the transactions of block {known.header.number} are not here")
        return KnownBlock(known.header, known.hash, transactions)

    def receipts(self, known: KnownHeader) -> Sequence[Receipt]:
        """The block's receipts."""
        receipts = self._receipts(known.hash)
        if receipts is None:
            raise without_receipts(known.header.number)
        return receipts

    def find_receipts(self, known: KnownHeader) -> Sequence[Receipt] | None:
        """The block's receipts; None: it came with a snapshot."""
        return self._receipts(known.hash)

    def state_for(self, name: BlockName, message: Message) -> tuple[KnownHeader, StateReader]:
        """As `state`, for the execution of a message."""
        known, state = self.state(name)
        foresee = getattr(state, "foresee", None)  # asking for a protocol would cost a tenth of a call
        if foresee is not None:
            foresee(message)
        return known, state

    def state(self, name: BlockName) -> tuple[KnownHeader, StateReader]:
        """A block with the state after it. Raises RpcError, MissingState."""
        known = self.header(name)
        try:
            return known, self.store.state_at(known.hash)
        except MissingState:
            moved = self.header(name)
            if moved.hash == known.hash:
                raise
            return moved, self.store.state_at(moved.hash)  # a reorg came between
