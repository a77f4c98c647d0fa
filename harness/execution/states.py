"""The states of a chain of blocks, one for each block, so that a block can be built on any of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from trinode.execution.block import ExecutedBlock, Parent
from trinode.execution.errors import MissingState
from trinode.execution.genesis import GenesisBlock
from trinode.execution.memory import MemoryState
from trinode.execution.state import BLOCK_HASHES, EMPTY_CODE_HASH, Account
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.header import Header
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store


class ChainStates(Protocol):
    """Keeps blocks with their states. Blocks may be added in any order in which a parent comes before its children."""

    def parent(self, block_hash: Hash32) -> Parent:
        """A block that is kept, to build on. Raises MissingState if it is not."""

    def add(self, block: ExecutedBlock) -> None:
        """Keep a block that was built on one of them."""

    def close(self) -> None:
        """The end: nothing is asked any more."""


class TrieState:
    """A state read from its tries (a `StateReader`). `codes` and `hashes` (of ancestors, by number) raise MissingState."""

    def __init__(self, tries: StateTries, codes: Callable[[Hash32], bytes], hashes: Callable[[int], Hash32]) -> None:
        self._tries = tries
        self._codes = codes
        self._hashes = hashes

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        return self._tries.account(address)

    def storage(self, address: Address, slot: int) -> int:
        """The value of a storage slot."""
        return self._tries.storage(address, slot)

    def has_storage(self, address: Address) -> bool:
        """Whether any slot of the account is not 0."""
        return self._tries.storage_root(address) != EMPTY_TRIE_ROOT

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash."""
        return b"" if code_hash == EMPTY_CODE_HASH else self._codes(code_hash)

    def block_hash(self, number: int) -> Hash32:
        """The hash of an ancestor."""
        return self._hashes(number)


def no_ancestor(number: int) -> Hash32:
    """For states that have none."""
    raise MissingState(f"the hash of block {number} is not known")


def genesis_parent(block: GenesisBlock) -> Parent:
    """The genesis block, to build on."""
    codes = block.changes.codes

    def code(code_hash: Hash32) -> bytes:
        if code_hash not in codes:
            raise MissingState(f"no account of the genesis has code 0x{code_hash.hex()}")
        return codes[code_hash]

    def block_hash(number: int) -> Hash32:
        return block.hash if number == block.header.number else no_ancestor(number)

    return Parent(block.header, block.hash, TrieState(block.tries, code, block_hash), block.tries)


class MemoryStates:
    """All blocks after `base` with their states, in memory. Tries share what they can, so that a state costs what its
    block changed; going back is building on an older one.
    """

    def __init__(self, base: Parent) -> None:
        self._base = base
        self._codes: dict[Hash32, bytes] = {}
        self._blocks: dict[Hash32, tuple[Header, StateTries]] = {}

    def parent(self, block_hash: Hash32) -> Parent:
        """A block to build on. Raises MissingState if it is neither the base nor was added."""
        if block_hash == self._base.hash:
            return self._base
        if block_hash not in self._blocks:
            raise MissingState(f"the state of block 0x{block_hash.hex()} is not there")
        header, tries = self._blocks[block_hash]

        def ancestor(number: int) -> Hash32:
            return self._ancestor(header, block_hash, number)

        return Parent(header, block_hash, TrieState(tries, self._code, ancestor), tries)

    def add(self, block: ExecutedBlock) -> None:
        """Keep a block."""
        self._codes.update(block.changes.codes)
        self._blocks[block.hash] = (block.header, block.tries)

    def close(self) -> None:
        """Nothing to do: it is memory."""

    def _code(self, code_hash: Hash32) -> bytes:
        code = self._codes.get(code_hash)
        return self._base.state.code(code_hash) if code is None else code

    def _ancestor(self, header: Header, block_hash: Hash32, number: int) -> Hash32:
        if not header.number - BLOCK_HASHES < number <= header.number:
            raise MissingState(f"the hash of block {number} cannot be known on block {header.number}")
        while header.number > number:
            block_hash = header.parent_hash
            if block_hash == self._base.hash:
                return self._base.state.block_hash(number)
            header = self._blocks[block_hash][0]
        return block_hash


class ForwardStates:
    """The chain from its genesis in dicts: the fastest, but only the last block can be built on."""

    def __init__(self, genesis: GenesisBlock) -> None:
        self._state = MemoryState(genesis)

    def parent(self, block_hash: Hash32) -> Parent:
        """The last block. Raises MissingState for any other."""
        parent = self._state.parent
        if parent.hash != block_hash:
            raise MissingState(f"the state of block 0x{block_hash.hex()} is not there: the last is {parent.header.number}")
        return parent

    def add(self, block: ExecutedBlock) -> None:
        """Go forward to a block."""
        self._state.apply(block)

    def close(self) -> None:
        """Nothing to do: it is memory."""


class StoredStates:
    """The chain in a store on disk. To build on an older block takes the chain back to it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def parent(self, block_hash: Hash32) -> Parent:
        """A block to build on, which is the head then. Raises MissingState if it is not in the chain."""
        if block_hash != self._store.head.hash:
            self._store.rewind(block_hash)
        return self._store.parent_for(block_hash)

    def add(self, block: ExecutedBlock) -> None:
        """Keep a block."""
        self._store.append(block)

    def close(self) -> None:
        """Ends the use of the store."""
        self._store.close()


def new_store(path: Path, config: RollupConfig, genesis: GenesisBlock) -> StoredStates:
    """A new store in a folder that is empty or missing, which keeps all states. Raises StoreError."""
    return StoredStates(Store.create(path, ChainIdentity(config.l2_chain_id, config.genesis.l2.hash), genesis, history=None))
