"""The chain of the cases with all its states, as our methods ask for a chain (a `KnownChain`)."""

from __future__ import annotations

from harness.execution.states import TrieState
from harness.execution_apis.after_merge import execute_after_merge
from harness.execution_apis.before_merge import execute_before_merge
from harness.execution_apis.ethereum import rollup_config
from harness.execution_apis.files import TestChain
from trinode.execution.errors import InvalidBlock, MissingState
from trinode.execution.evm.engine import FastEngine
from trinode.execution.state import BLOCK_HASHES
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.bloom import BLOOM_SIZE
from trinode.protocol.header import EMPTY_OMMERS_HASH, Header, header_hash
from trinode.protocol.receipt import Receipt
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.storage.blocks import TransactionPlace


class ExecutedChain:
    """The blocks (a `KnownBlocks`) and their states. The head is safe and finalized, as in headfcu.json."""

    oldest_state = 0

    def __init__(self, chain: TestChain) -> None:
        """Executes all blocks. Raises eth_utils.ValidationError and ExecutionError where one is not what its header says."""
        self.blocks = self
        self._headers: dict[Hash32, Header] = {}
        self._transactions: dict[Hash32, tuple[bytes, ...]] = {}
        self._receipts: dict[Hash32, tuple[Receipt, ...]] = {}
        self._tries: dict[Hash32, StateTries] = {}
        self._canonical: list[Hash32] = []
        self._places: dict[Hash32, TransactionPlace] = {}
        merge = next(index for index, block in enumerate(chain.blocks) if not block.header.difficulty)
        before = execute_before_merge(chain, chain.blocks[:merge])
        self._codes: dict[Hash32, bytes] = {}
        self._nodes = before.nodes
        genesis = self._add_genesis(chain)
        self.config: RollupConfig = rollup_config(chain.config, header_hash(genesis), genesis.timestamp)
        for block in chain.blocks[:merge]:
            tries = StateTries(before.nodes, block.header.state_root, lists_deleted_tries=False)
            self._add(block.header, block.hash, block.transactions, before.receipts[block.hash], tries)
        engine = FastEngine()
        for block in chain.blocks[merge:]:
            parent = block.header.parent_hash
            executed = execute_after_merge(chain.config, block, self.state_at(parent), self.tries_at(parent), engine)
            self._codes.update(executed.codes)
            self._add(block.header, block.hash, block.transactions, executed.receipts, executed.tries)

    def _add_genesis(self, chain: TestChain) -> Header:
        """Before London it has no base fee."""
        tries, _ = StateTries(self._nodes, EMPTY_TRIE_ROOT).updated(chain.genesis.alloc)
        self._codes.update(chain.genesis.alloc.codes)
        header = Header(
            parent_hash=bytes(32),
            ommers_hash=EMPTY_OMMERS_HASH,
            beneficiary=chain.genesis.beneficiary,
            state_root=tries.root,
            transactions_root=EMPTY_TRIE_ROOT,
            receipts_root=EMPTY_TRIE_ROOT,
            logs_bloom=bytes(BLOOM_SIZE),
            difficulty=chain.genesis.difficulty,
            number=0,
            gas_limit=chain.genesis.gas_limit,
            gas_used=0,
            timestamp=chain.genesis.timestamp,
            extra_data=chain.genesis.extra_data,
            prev_randao=chain.genesis.mix_hash,
            nonce=chain.genesis.nonce.to_bytes(8, "big"),
        )
        if header_hash(header) != chain.blocks[0].header.parent_hash:
            raise InvalidBlock("parent_hash", "the first block does not follow the genesis block")
        self._add(header, header_hash(header), (), (), tries)
        return header

    def _add(
        self, header: Header, hash: Hash32, transactions: tuple[bytes, ...], receipts: tuple[Receipt, ...], tries: StateTries
    ) -> None:
        self._headers[hash], self._transactions[hash], self._receipts[hash], self._tries[hash] = header, transactions, receipts, tries
        self._canonical.append(hash)
        for index, raw in enumerate(transactions):
            self._places[transaction_hash(raw)] = TransactionPlace(BlockId(header.number, hash), index)

    # ---- KnownBlocks ----

    def header(self, block_hash: Hash32) -> Header | None:
        """The header of that block."""
        return self._headers.get(block_hash)

    def transactions(self, block_hash: Hash32) -> tuple[bytes, ...] | None:
        """The raw transactions of that block."""
        return self._transactions.get(block_hash)

    def receipts(self, block_hash: Hash32) -> tuple[Receipt, ...] | None:
        """The receipts of that block."""
        return self._receipts.get(block_hash)

    def canonical_hash(self, number: int) -> Hash32 | None:
        """The hash of the block with that number."""
        return self._canonical[number] if 0 <= number < len(self._canonical) else None

    def canonical_number(self, block_hash: Hash32) -> int | None:
        """The number of that block."""
        header = self._headers.get(block_hash)
        return None if header is None else header.number

    def find_transaction(self, hash: Hash32) -> TransactionPlace | None:
        """Where that transaction stands."""
        return self._places.get(hash)

    # ---- KnownChain ----

    @property
    def head(self) -> BlockId:
        """The last block."""
        return BlockId(len(self._canonical) - 1, self._canonical[-1])

    @property
    def head_header(self) -> Header:
        """The header of the last block."""
        return self._headers[self._canonical[-1]]

    def label(self, name: str) -> Hash32 | None:
        """The head: it is safe and finalized."""
        return self.head.hash

    def state_at(self, block_hash: Hash32) -> TrieState:
        """The state after that block. Raises MissingState."""
        number = self._headers[block_hash].number if block_hash in self._headers else -1

        def ancestor(wanted: int) -> Hash32:
            if not max(0, number - BLOCK_HASHES + 1) <= wanted <= number:
                raise MissingState(f"block {wanted} is no ancestor of block {number}")
            return self._canonical[wanted]

        return TrieState(self.tries_at(block_hash), self._code, ancestor)

    def tries_at(self, block_hash: Hash32) -> StateTries:
        """The tries after that block. Raises MissingState."""
        if block_hash not in self._tries:
            raise MissingState(f"there is no block 0x{block_hash.hex()}")
        return self._tries[block_hash]

    def _code(self, code_hash: Hash32) -> bytes:
        return self._codes[code_hash] if code_hash in self._codes else self._nodes.code(code_hash)
