"""The state in dicts, against plain models."""

from __future__ import annotations

from random import Random

import pytest

from tests.unit.storage.fake_chain import Model, assert_state, make_block, make_genesis, random_changes
from trinode.execution.errors import MissingState
from trinode.execution.memory import MemoryState
from trinode.execution.trie.state_tries import StateTries


@pytest.mark.parametrize("seed", range(5))
def test_it_follows_the_chain(seed: int) -> None:
    random = Random(seed)
    genesis = make_genesis(random_changes(random, Model()))
    model = Model().after(genesis.changes)
    state = MemoryState(genesis)
    hashes = [genesis.hash]
    for salt in range(300):
        assert_state(state, model)
        changes = random_changes(random, model)
        model = model.after(changes)
        block = make_block(state.parent, changes, salt)
        state.apply(block)
        hashes.append(block.hash)
        assert StateTries(state, block.header.state_root).updated(changes)[0].root == block.header.state_root
    assert state.block_hash(300) == hashes[300]
    assert state.block_hash(45) == hashes[45]
    for number in (44, 301):
        with pytest.raises(MissingState, match="the hash of block"):
            state.block_hash(number)
    with pytest.raises(MissingState, match="no code"):
        state.code(bytes(32))


def test_a_block_on_another_one_is_refused() -> None:
    genesis = make_genesis(random_changes(Random(1), Model()))
    state = MemoryState(genesis)
    block = make_block(state.parent, random_changes(Random(2), Model().after(genesis.changes)), 0)
    state.apply(block)
    with pytest.raises(ValueError, match="block 1 does not follow block 1"):
        state.apply(block)
