"""The store: a chain from genesis or from a snapshot up to its head, the head's state, and the states of blocks before it.

One thread writes (`append`, `rewind`, `set_label`, `set_history`); any may read. Each write is one batch: whenever the
process is killed, the store is as it was before it or as it was after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from weakref import WeakSet

from trinode.execution.block import ExecutedBlock, Parent
from trinode.execution.errors import MissingState
from trinode.execution.genesis import GenesisBlock
from trinode.execution.trie.nodes import TrieNodes
from trinode.execution.trie.state_tries import StateTries
from trinode.execution.trie.witness import WitnessRecorder
from trinode.protocol.header import Header
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, BlockId, Hash32
from trinode.storage import history, identity
from trinode.storage.blocks import BlockReader, put_block, remove_taken_back, take_back_block
from trinode.storage.database import BLOCK_CACHE_BYTES, Batch, Database, View, is_database_file
from trinode.storage.errors import CorruptStore, NotOnHead, StoreError, StoreExists
from trinode.storage.history import put_state
from trinode.storage.identity import ChainIdentity
from trinode.storage.readers import ChangedNodes, HeadState, PastState, RememberedState, StoredNodes

MOST_CHANGED_KEYS = 200_000
"""How many accounts and slots may differ between the head and a block whose tries are made in memory."""

_MOST_TRIE_NODES = 200_000  # decoded and held by the head's tries: about 100 MB
_PRUNED_AT_ONCE = 4  # blocks, with each block: enough to catch up after the depth was reduced


@dataclass(frozen=True, slots=True)
class _Head:
    header: Header
    hash: Hash32
    tries: StateTries


@dataclass(frozen=True, slots=True)
class _ReadState:
    """The state that is read by all who want the head's, and the head that it was made for."""

    block: Hash32
    state: RememberedState


class Store:
    """An open store. Close it when its readers are done, or use it in a `with` statement."""

    def __init__(self, database: Database, header: Header, block_hash: Hash32) -> None:
        """For `create` and `open`."""
        self._database = database
        self._nodes = StoredNodes(database)
        self._head = _Head(header, block_hash, self._tries_of(header))
        self._oldest = identity.read_oldest(database)
        self._depth = identity.read_depth(database)
        self._read_state: _ReadState | None = None
        self._remembered: WeakSet[RememberedState] = WeakSet()
        self.blocks = BlockReader(database)

    @classmethod
    def create(cls, path: Path, chain: ChainIdentity, genesis: GenesisBlock, *, history: int | None, cache_bytes: int = BLOCK_CACHE_BYTES) -> Store:
        """A new store in the folder `path` (missing, or empty but for what a killed `create` left) with the genesis block and its state.

        `history`: how many blocks before the head keep their states, and can be taken back; at least 1, None: all.
        Raises StoreExists, StoreError.
        """
        identity.check_depth(history)
        if path.exists() and not all(is_database_file(file) for file in path.iterdir()):
            raise StoreExists(f"{path}: this folder holds something that is no store. Use another folder.")
        path.mkdir(parents=True, exist_ok=True)
        database = Database(path, create=True, cache_bytes=cache_bytes)
        try:
            if next(iter(database.entries(b"")), None) is not None:
                raise StoreExists(f"{path}: there is a store here already. Open it, or use another folder.")
            with database.batch(sync=True) as batch:
                identity.put_beginning(batch, chain, BlockId(genesis.header.number, genesis.hash), history)
                put_block(batch, genesis.header, genesis.hash, (), ())
                put_state(batch, database, genesis.changes, genesis.nodes)
            return cls(database, genesis.header, genesis.hash)
        except BaseException:
            database.close()
            raise

    @classmethod
    def open(cls, path: Path, chain: ChainIdentity, *, cache_bytes: int = BLOCK_CACHE_BYTES) -> Store:
        """The store in the folder `path`.

        Raises StoreMissing, StoreLocked, UnknownFormat, WrongChain, CorruptStore.
        """
        database = Database(path, create=False, cache_bytes=cache_bytes)
        try:
            identity.check_identity(path, database, chain)
            header = identity.check_head(path, database)
            return cls(database, header, identity.read_head(database).hash)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Ends the use of the store and of everything read from it. No other thread may be reading."""
        self._read_state = None
        self._database.close()
        for state in self._remembered:
            state.forget()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # ---- what there is ----

    @property
    def head(self) -> BlockId:
        """The last block."""
        head = self._head
        return BlockId(head.header.number, head.hash)

    @property
    def head_header(self) -> Header:
        """The last block's header."""
        return self._head.header

    @property
    def oldest_state(self) -> int:
        """The number of the first block whose state is retained, and that `rewind` can go back to."""
        return self._oldest

    @property
    def history(self) -> int | None:
        """How many blocks before the head keep their states; None: all."""
        return self._depth

    def label(self, name: str) -> Hash32 | None:
        """The canonical block that was given this name, such as `safe`; None: it was not given, or its block was taken back."""
        block_hash = identity.read_label(self._database, name)
        return None if block_hash is None or self.blocks.canonical_number(block_hash) is None else block_hash

    # ---- states ----

    def state_at(self, block_hash: Hash32) -> HeadState:
        """The state after that block, which stays readable whatever happens to the chain; for one thread at a time, but for the head's.

        Raises MissingState if the block is not canonical, or its state is not retained.
        """
        read = self._read_state
        if read is not None and read.block == block_hash == self._head.hash:
            return read.state
        view = self._database.snapshot()
        number = _retained(view, block_hash)
        head = identity.read_head(view)
        if number != head.number:
            return PastState(view, number)
        state = RememberedState(view, number)
        self._remembered.add(state)
        self._read_state = _ReadState(block_hash, state)
        return state

    def tries_at(self, block_hash: Hash32) -> StateTries:
        """The tries after that block, for proofs, readable whatever happens to the chain.

        For an older block they are made from the head's, in memory: raises MissingState also where too much changed since.
        """
        return self._tries_in(self._database.snapshot(), block_hash)[0]

    def recorder_at(self, block_hash: Hash32) -> WitnessRecorder:
        """The state after that block, which notes what is read of it: for the witness of a block on it. Raises as `tries_at` does."""
        view = self._database.snapshot()
        nodes = ChangedNodes(StoredNodes(view), self._tries_in(view, block_hash)[1])
        blocks = BlockReader(view)
        header = blocks.header(block_hash)
        assert header is not None
        return WitnessRecorder(nodes, HeadState(view, header.number).code, blocks.header_rlp, header)

    def _tries_in(self, view: View, block_hash: Hash32) -> tuple[StateTries, TrieNodes]:
        number = _retained(view, block_hash)
        head = identity.read_head(view)
        header = BlockReader(view).header(head.hash)
        assert header is not None
        tries = StateTries(StoredNodes(view), header.state_root, lists_deleted_tries=False)
        return self._older_tries(view, tries, BlockId(number, block_hash), head.number)

    def parent_for(self, block_hash: Hash32) -> Parent:
        """The block with all that is needed to execute blocks on it, for the thread that writes.

        Its tries share nodes with the head's: they can be used until a block is appended that is not built on them.
        Raises MissingState.
        """
        head = self._head
        view = self._database.snapshot()
        number = _retained(view, block_hash)
        if block_hash == head.hash:
            return Parent(head.header, head.hash, _state(view, number), head.tries)
        header = BlockReader(view).header(block_hash)
        assert header is not None
        tries, _ = self._older_tries(view, head.tries, BlockId(number, block_hash), head.header.number)
        return Parent(header, block_hash, _state(view, number), tries)

    def _older_tries(self, view: View, tries: StateTries, block: BlockId, head: int) -> tuple[StateTries, TrieNodes]:
        """The tries after an ancestor of the head, from those of the head."""
        if block.number == head:
            return tries, {}
        values = history.values_before(view, block.number + 1, head, MOST_CHANGED_KEYS)
        older, nodes = tries.updated(history.as_changes(values))
        header = BlockReader(view).header(block.hash)
        assert header is not None
        if older.root != header.state_root:
            raise CorruptStore(_bad_root(block.number, older.root, header.state_root))
        return older, nodes

    def _tries_of(self, header: Header) -> StateTries:
        return StateTries(self._nodes, header.state_root, lists_deleted_tries=False)

    def changed_between(self, before: Hash32, after: Hash32, most: int) -> list[Address]:
        """The accounts of the state after block `after` that are others than in that after `before`, an ancestor; in order of their hashes.

        Raises MissingState, as `tries_at` does, and where more than `most` accounts and slots changed.
        """
        view = self._database.snapshot()
        first, last = _retained(view, before), _retained(view, after)
        old, new = self._tries_in(view, before)[0], self._tries_in(view, after)[0]
        touched = sorted(history.changed_addresses(view, first + 1, last, most), key=keccak256)
        return [address for address in touched if new.account(address) is not None and _differs(old, new, address)]

    # ---- writing ----

    def append(self, block: ExecutedBlock, *, sync: bool = False) -> None:
        """Makes `block`, executed on a `parent_for` of this store, the head; states that are too old now are removed.

        Once this returns, kill -9 loses nothing; without `sync`, a power loss can lose the last blocks, but never leave
        anything inconsistent. Raises NotOnHead, StoreError; ValueError if the block's tries are not those of its header.
        """
        head, header = self._head, block.header
        if header.parent_hash != head.hash or header.number != head.header.number + 1:
            raise NotOnHead(f"block {header.number} with parent 0x{header.parent_hash.hex()} does not follow the head, {self.head}")
        if block.tries.root != header.state_root:
            raise ValueError(_bad_root(header.number, block.tries.root, header.state_root))
        with self._database.batch(sync=sync) as batch:
            values = history.flat_values(self._database, block.changes)
            history.put_replaced(batch, self._database, header.number, block.hash, values)
            put_state(batch, self._database, block.changes, block.nodes, values)
            put_block(batch, header, block.hash, block.transactions, block.receipts)
            identity.put_head(batch, BlockId(header.number, block.hash))
            oldest = self._prune(batch, header.number)
        self._head, self._read_state = _Head(header, block.hash, _trimmed(block.tries)), None
        self._oldest = oldest

    def _prune(self, batch: Batch, head: int) -> int:
        """Forgets some of what is older than `history` allows. What is the oldest state then."""
        oldest = self._oldest
        if self._depth is None:
            return oldest
        end = min(head - self._depth, oldest + _PRUNED_AT_ONCE)
        for number in range(oldest + 1, end + 1):
            history.forget(batch, self._database, number)
            remove_taken_back(batch, self._database, number)
        if end > oldest:
            identity.put_oldest(batch, end)
            return end
        return oldest

    def rewind(self, block_hash: Hash32, *, sync: bool = False) -> None:
        """Makes an ancestor of the head the head. What is taken back can still be read by its hash for a while.

        Far back, it goes in steps that are one batch each: killed between them, the head is a block in between. Raises
        MissingState if the state of that block is not retained, CorruptStore if it cannot be made again.
        """
        target = _retained(self._database, block_hash)
        while target < self._head.header.number:
            self._rewind_to(max(target, self._step_back(target)), sync)

    def _step_back(self, target: int) -> int:
        """How far back the next step of a rewind to `target` goes: as many blocks as fit in memory, and at least one."""
        number = self._head.header.number
        keys = 0
        while number > target:
            keys += len(history.changed_keys(self._database, number))
            if keys > MOST_CHANGED_KEYS and number < self._head.header.number:
                break
            number -= 1
        return number

    def _rewind_to(self, target: int, sync: bool) -> None:
        view, head = self._database, self._head.header.number
        block_hash = self.blocks.canonical_hash(target)
        header = None if block_hash is None else self.blocks.header(block_hash)
        if header is None or block_hash is None:
            raise CorruptStore(f"block {target} is missing. Restore the folder, or remove it and import a snapshot.")
        values = history.values_before(view, target + 1, head, most=1 << 62)
        changes = history.as_changes(values)
        tries, nodes = self._head.tries.updated(changes)
        if tries.root != header.state_root:
            raise CorruptStore(_bad_root(target, tries.root, header.state_root))
        with view.batch(sync=sync) as batch:
            for number in range(target + 1, head + 1):
                take_back_block(batch, view, number)
                history.forget(batch, view, number)
            put_state(batch, view, changes, nodes, values)
            identity.put_head(batch, BlockId(target, block_hash))
        self._head, self._read_state = _Head(header, block_hash, _trimmed(tries)), None

    def set_label(self, name: str, block_hash: Hash32) -> None:
        """Gives a canonical block a name, such as `safe`. Raises StoreError if the block is not canonical."""
        if self.blocks.canonical_number(block_hash) is None:
            raise StoreError(f"block 0x{block_hash.hex()} is not in the canonical chain, and cannot be named {name!r}")
        with self._database.batch() as batch:
            identity.put_label(batch, name, block_hash)

    def set_history(self, history: int | None) -> None:
        """Changes how many blocks before the head keep their states (None: all), from the next block on."""
        identity.check_depth(history)
        with self._database.batch() as batch:
            identity.put_depth(batch, history)
        self._depth = history


def _retained(view: View, block_hash: Hash32) -> int:
    """The number of a canonical block whose state is retained. Raises MissingState."""
    number = BlockReader(view).canonical_number(block_hash)
    if number is None:
        raise MissingState(f"block 0x{block_hash.hex()} is not in the canonical chain")
    oldest = identity.read_oldest(view)
    if number < oldest:
        raise MissingState(f"the state of block {number} is not retained: the oldest is that of block {oldest}")
    return number


def _state(view: View, number: int) -> HeadState:
    return HeadState(view, number) if number == identity.read_head(view).number else PastState(view, number)


def _differs(old: StateTries, new: StateTries, address: Address) -> bool:
    return old.account(address) != new.account(address) or old.storage_root(address) != new.storage_root(address)


def _trimmed(tries: StateTries) -> StateTries:
    return tries.trimmed() if tries.loaded_nodes() > _MOST_TRIE_NODES else tries


def _bad_root(number: int, found: Hash32, expected: Hash32) -> str:
    return f"the state root of block {number} comes out as 0x{found.hex()}, and its header has 0x{expected.hex()}"
