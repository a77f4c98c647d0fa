"""The state after blocks that are not in the store: against plain dicts, and against the store once they are in it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.unit.storage.fake_chain import FakeChain, assert_state, make_block, random_changes
from trinode.engine.overlay import OverlayState
from trinode.execution.block import ExecutedBlock, Parent
from trinode.execution.errors import MissingState


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("behind", [0, 3])
def test_blocks_on_a_stored_state(tmp_path: Path, seed: int, behind: int) -> None:
    """Random accounts that come, go, and lose their storage, in five blocks on the head or on a block before it."""
    chain = FakeChain(tmp_path / "store", seed).extend(5)
    fork = len(chain.hashes) - 1 - behind
    random, model, parent = Random(seed), chain.models[fork], chain.store.parent_for(chain.hashes[fork])
    base, blocks = parent.state, list[ExecutedBlock]()
    for salt in range(5):
        changes = random_changes(random, model)
        block = make_block(parent, changes, salt)
        model = model.after(changes)
        blocks.append(block)
        state = OverlayState(base, blocks, block.tries)
        assert_state(state, model)
        parent = Parent(block.header, block.hash, state, block.tries)
    chain.store.close()


def test_ancestors_are_found_in_both(tmp_path: Path) -> None:
    chain = FakeChain(tmp_path / "store").extend(257)
    parent = chain.store.parent_for(chain.hashes[257])
    first = make_block(parent, random_changes(Random(0), chain.models[257]), 1)
    second = make_block(Parent(first.header, first.hash, parent.state, first.tries), random_changes(Random(0), chain.models[257]), 2)
    state = OverlayState(parent.state, [first, second], second.tries)
    assert state.block_hash(259) == second.hash
    assert state.block_hash(258) == first.hash
    assert [state.block_hash(number) for number in (257, 3)] == [chain.hashes[257], chain.hashes[3]]
    for number in (2, 260):
        with pytest.raises(MissingState, match=f"the hash of block {number} "):
            state.block_hash(number)
    chain.store.close()
