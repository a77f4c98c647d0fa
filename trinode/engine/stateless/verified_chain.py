"""The chain that was derived here, with all that is not kept of it: blocks, receipts and states from untrusted remotes, each verified against a
header of ours. What the `eth_` methods ask of a store (trinode.rpc.eth.known_chain), without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import trio

from trinode.engine.stateless.deposit_nonces import are_counted, with_deposit_nonces
from trinode.engine.stateless.errors import RemoteBehind, RemoteLies
from trinode.engine.stateless.headers import HeaderChain
from trinode.engine.stateless.preimages import Preimages
from trinode.engine.stateless.questions import Questions
from trinode.engine.stateless.remote import RemoteL2, ToldPlace
from trinode.engine.stateless.verified_state import VerifiedSettings, VerifiedState
from trinode.execution.errors import MissingState
from trinode.execution.state import StateReader
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.block import KnownHeader
from trinode.protocol.header import Header
from trinode.protocol.receipt import Receipt
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.storage.blocks import TransactionPlace

_RECENT = 64
"""Bodies that are kept after they were fetched."""


class VerifiedBlocks:
    """Blocks of the canonical chain, as far back as its headers are kept. On threads other than trio's; raises RpcError that names what is wrong."""

    def __init__(self, config: RollupConfig, chain: HeaderChain, questions: Questions, state_at: Callable[[Hash32], StateReader]) -> None:
        self._config = config
        self._chain = chain
        self._questions = questions
        self._state_at = state_at
        self._fetched = lru_cache(_RECENT)(self._fetch)

    def header(self, block_hash: Hash32) -> Header | None:
        """The header of a canonical block; None: it is not here."""
        return self._chain.header(block_hash)

    def canonical_hash(self, number: int) -> Hash32 | None:
        """The hash of the canonical block of that number; None: it is not here."""
        return self._chain.canonical_hash(number) if 0 <= number < 1 << 64 else None

    def canonical_number(self, block_hash: Hash32) -> int | None:
        """The number of a canonical block; None: it is not here."""
        return self._chain.canonical_number(block_hash)

    def transactions(self, block_hash: Hash32) -> tuple[bytes, ...] | None:
        """The raw transactions of a canonical block; None: no remote has them."""
        block = self._chain.block(block_hash)
        if block is not None:
            return block.transactions
        header = self._chain.header(block_hash)
        if header is None or header.transactions_root == EMPTY_TRIE_ROOT:
            return None if header is None else ()
        return self._fetched(block_hash)

    def receipts(self, block_hash: Hash32) -> tuple[Receipt, ...] | None:
        """The receipts of a canonical block; None: it is not here. Raises MissingState, too."""
        header = self._chain.header(block_hash)
        if header is None or header.receipts_root == EMPTY_TRIE_ROOT:
            return None if header is None else ()
        known = KnownHeader(header, block_hash)
        receipts = self._questions.ask(lambda remote: remote.receipts(known))
        if not are_counted(self._config.fork_at(l2_timestamp=header.timestamp)):
            return receipts
        return with_deposit_nonces(receipts, self.transactions(block_hash) or (), self._state_at(header.parent_hash))

    def find_transaction(self, hash: Hash32) -> TransactionPlace | None:
        """Where a transaction stands in the canonical chain; None: nowhere, as far as the remote says."""
        return self._questions.ask(lambda remote: self._find(remote, hash))

    async def _find(self, remote: RemoteL2, hash: Hash32) -> TransactionPlace | None:
        told = await remote.place_of(hash)
        return None if told is None else await trio.to_thread.run_sync(self._checked_place, remote, hash, told)

    def _checked_place(self, remote: RemoteL2, hash: Hash32, told: ToldPlace) -> TransactionPlace | None:
        """None: its block is not ours, or not ours yet. Raises RemoteLies if it is, and does not hold the transaction there."""
        number = self._chain.canonical_number(told.block_hash)
        transactions = None if number is None else self.transactions(told.block_hash)
        if number is None or transactions is None:
            return None
        if told.position < len(transactions) and transaction_hash(transactions[told.position]) == hash:
            return TransactionPlace(BlockId(number, told.block_hash), told.position)
        block = f"L2 block {number} 0x{told.block_hash.hex()}"
        problem = f"it does not hold transaction 0x{hash.hex()} at position {told.position}"
        raise RemoteLies(remote.name, "eth_getTransactionByHash", "transactionIndex", block, problem)

    def _fetch(self, block_hash: Hash32) -> tuple[bytes, ...]:
        async def block(remote: RemoteL2) -> tuple[bytes, ...]:
            found = await remote.block_by_hash(block_hash)
            if found is None:
                raise RemoteBehind(remote.name, "eth_getBlockByHash", "", f"L2 block 0x{block_hash.hex()}", "the remote does not have it")
            return found.transactions

        return self._questions.ask(block)


class VerifiedChain:
    """A rollup's chain and its states. `remotes`: with connections of their own, so that users do not keep blocks waiting.

    `notice` gets a line for each lie. Methods raise RpcError, which names remote, method, field, block and account.
    """

    def __init__(
        self,
        config: RollupConfig,
        chain: HeaderChain,
        remotes: Sequence[RemoteL2],
        *,
        settings: VerifiedSettings | None = None,
        notice: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._settings = settings or VerifiedSettings()
        self._chain = chain
        self._questions = Questions(remotes, notice, self._settings.seconds)
        self._kept = Preimages(self._settings.kept_bytes)
        self.blocks = VerifiedBlocks(config, chain, self._questions, self.state_at)

    async def run(self) -> None:
        """Until it is cancelled: then no thread waits for a remote any more."""
        try:
            await trio.sleep_forever()
        finally:
            self._questions.close()

    @property
    def head(self) -> BlockId:
        """The unsafe head. Touches no disk."""
        head = self._chain.head
        return BlockId(head.header.number, head.hash)

    @property
    def oldest_state(self) -> int:
        """The number of the first block whose header is here: states are proved to it and those after it."""
        return self._chain.oldest

    def label(self, name: str) -> Hash32 | None:
        """The canonical block with that label; None: there is none."""
        known = self._chain.label(name)
        return None if known is None else known.hash

    def state_at(self, block_hash: Hash32) -> VerifiedState:
        """The state after a canonical block, for one request. Raises MissingState if the block is not canonical."""
        header = self._chain.header(block_hash)
        if header is None:
            raise MissingState(f"block 0x{block_hash.hex()} is not in the canonical chain")
        return VerifiedState(KnownHeader(header, block_hash), self._questions, self._kept, self._chain.header_rlp, self._settings)

    def tries_at(self, block_hash: Hash32) -> StateTries:
        """The same, for proofs."""
        return self.state_at(block_hash).proofs()
