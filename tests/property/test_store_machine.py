"""The store against plain dicts that hold every state: blocks come, go and are pruned, and the store is closed and opened."""

from __future__ import annotations

from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import mkdtemp
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.storage.fake_chain import ADDRESSES, Model, assert_state, identity_of, make_block, make_genesis, random_changes
from trinode.execution.block import ExecutedBlock, Parent
from trinode.execution.errors import MissingState
from trinode.execution.state import StateChanges, StateReader
from trinode.execution.trie.nodes import TrieNodes
from trinode.protocol.header import Header
from trinode.protocol.types import Hash32
from trinode.storage.store import Store
from trinode.storage.tables import ACCOUNT_NODES, CHANGED_KEYS, REPLACED, STORAGE_NODES, TAKEN_BACK

seeds = st.integers(0, 1 << 30)


def stored_nodes(store: Store) -> TrieNodes:
    """All nodes that the store holds."""
    database = store._database
    nodes: TrieNodes = {(b"", key[1:].decode()): rlp for key, rlp in database.entries(ACCOUNT_NODES)}
    nodes.update({(key[1:33], key[33:].decode()): rlp for key, rlp in database.entries(STORAGE_NODES)})
    return nodes


class Entry(NamedTuple):
    """A block that must be in the store, the state after it, and what it was made of."""

    hash: Hash32
    header: Header
    model: Model
    changes: StateChanges
    salt: int


class Storing(RuleBasedStateMachine):
    """One store. `chain` is what must be in it: blocks from genesis on, each with its state."""

    @initialize(seed=seeds, history=st.sampled_from((None, 1, 2, 5)))
    def begin(self, seed: int, history: int | None) -> None:
        self.path = Path(mkdtemp(prefix="store"))
        changes = random_changes(Random(seed), Model())
        genesis = make_genesis(changes)
        self.identity = identity_of(genesis)
        self.store = Store.create(self.path, self.identity, genesis, history=history)
        self.chain = [Entry(genesis.hash, genesis.header, Model().after(changes), changes, 0)]
        self.taken_back: list[Hash32] = []
        self.held: list[tuple[StateReader, Model]] = []
        self.oldest, self.salt = 0, 0

    def _block(self, parent: Parent, seed: int, model: Model) -> tuple[ExecutedBlock, Model]:
        self.salt += 1
        changes = random_changes(Random(seed), model)
        return make_block(parent, changes, self.salt), model.after(changes)

    def _append(self, block: ExecutedBlock, model: Model) -> None:
        self.store.append(block)
        self.chain.append(Entry(block.hash, block.header, model, block.changes, int.from_bytes(block.header.extra_data, "big")))
        if self.store.history is not None:
            self.oldest = max(self.oldest, min(len(self.chain) - 1 - self.store.history, self.oldest + 4))

    @rule(seed=seeds, count=st.integers(1, 4))
    def blocks_come(self, seed: int, count: int) -> None:
        for index in range(count):
            self._append(*self._block(self.store.parent_for(self.chain[-1].hash), seed + index, self.chain[-1].model))

    def _rewind(self, depth: int) -> None:
        height = len(self.chain) - 1 - depth % (len(self.chain) - self.oldest)
        self.taken_back = [entry.hash for entry in self.chain[height + 1 :]]
        self.store.rewind(self.chain[height].hash)
        del self.chain[height + 1 :]

    @rule(depth=st.integers(0, 8))
    def blocks_go(self, depth: int) -> None:
        self._rewind(depth)
        for block_hash in self.taken_back:
            assert self.store.blocks.header(block_hash) is not None
            assert self.store.blocks.canonical_number(block_hash) is None
            with pytest.raises(MissingState):
                self.store.state_at(block_hash)

    @rule(seed=seeds, depth=st.integers(0, 6), count=st.integers(1, 3))
    def a_side_chain_wins(self, seed: int, depth: int, count: int) -> None:
        height = len(self.chain) - 1 - depth % (len(self.chain) - self.oldest)
        parent, model = self.store.parent_for(self.chain[height].hash), self.chain[height].model
        assert_state(parent.state, model)
        blocks = []
        for index in range(count):
            block, model = self._block(parent, seed + index, model)
            blocks.append((block, model))
            parent = Parent(block.header, block.hash, parent.state, block.tries)
        self._rewind(depth)
        for block, model in blocks:
            self._append(block, model)

    @rule(depth=st.integers(1, 4))
    def the_same_blocks_come_back(self, depth: int) -> None:
        before = list(self.chain)
        self._rewind(depth)
        for entry in before[len(self.chain) :]:
            block = make_block(self.store.parent_for(self.chain[-1].hash), entry.changes, entry.salt)
            assert block.hash == entry.hash
            self._append(block, entry.model)

    @rule()
    def the_store_is_opened_again(self) -> None:
        self.store.close()
        for state, _ in self.held:
            with pytest.raises(MissingState):
                state.account(ADDRESSES[0])
        self.held.clear()
        self.store = Store.open(self.path, self.identity)

    @rule(history=st.sampled_from((None, 1, 3, 9)))
    def history_is_changed(self, history: int | None) -> None:
        self.store.set_history(history)

    @precondition(lambda self: len(self.held) < 6)
    @rule(depth=st.integers(0, 8))
    def a_reader_stays(self, depth: int) -> None:
        entry = self.chain[-1 - depth % (len(self.chain) - self.oldest)]
        self.held.append((self.store.state_at(entry.hash), entry.model))

    @invariant()
    def every_retained_state_is_right(self) -> None:
        assert self.store.head == (len(self.chain) - 1, self.chain[-1].hash)
        assert self.store.oldest_state == self.oldest
        for number, (block_hash, header, model, _, _) in enumerate(self.chain):
            assert self.store.blocks.canonical_hash(number) == block_hash
            assert self.store.blocks.header(block_hash) == header
            if number < self.oldest:
                for ask in (self.store.state_at, self.store.tries_at, self.store.parent_for, self.store.rewind):
                    with pytest.raises(MissingState):
                        ask(block_hash)
                continue
            state = self.store.state_at(block_hash)
            assert_state(state, model)
            assert state.block_hash(number // 2) == self.chain[number // 2].hash
            assert self.store.tries_at(block_hash).root == header.state_root
        for held, model in self.held:
            assert_state(held, model)

    @invariant()
    def nothing_is_left_behind(self) -> None:
        tries, nodes = self.chain[-1].model.rebuilt()
        assert tries.root == self.chain[-1].header.state_root
        assert stored_nodes(self.store) == nodes
        database = self.store._database
        heights = {int.from_bytes(key[-8:], "big") for table in (REPLACED, CHANGED_KEYS) for key, _ in database.entries(table)}
        assert all(self.oldest < height < len(self.chain) for height in heights)
        assert all(int.from_bytes(key[1:9], "big") > self.oldest for key, _ in database.entries(TAKEN_BACK))
        assert not {key[9:] for key, _ in database.entries(TAKEN_BACK)} & {entry.hash for entry in self.chain}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
        if hasattr(self, "path"):
            rmtree(self.path)


Storing.TestCase.settings = settings(stateful_step_count=15)
TestStoring = Storing.TestCase
