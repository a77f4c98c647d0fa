"""Blocks that are taken back by hand, and those that were found invalid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.engine.block_tree import Blocks, choose, forkchoice, valid
from tests.unit.execution.small_chain import transfer
from trinode.engine.core import EngineCore
from trinode.engine.held import MOST_BAD_BLOCKS
from trinode.engine.payloads import built_payload
from trinode.engine.service import EngineService
from trinode.engine.status import HeadRefused, Status
from trinode.execution.block import ExecutedBlock
from trinode.protocol.block import KnownBlock
from trinode.protocol.head_move import HeadMove
from trinode.protocol.header import header_hash
from trinode.storage.store import Store


class Rig:
    """An engine over a few blocks, which tells of the moves of its head."""

    def __init__(self, path: Path, history: int | None = None) -> None:
        self.blocks = Blocks()
        self.store: Store = self.blocks.new_store(path, history=history)
        self.moves: list[HeadMove] = []
        self.core = EngineCore(self.store, self.blocks.executor, on_head_moved=self.moves.append)

    def extend(self, count: int) -> list[ExecutedBlock]:
        """So many blocks more."""
        made = self.blocks.chain(self.store.head.hash, count)
        for block in made:
            assert self.core.new_payload(self.blocks.envelopes[block.hash]) == valid(block.hash)
            assert choose(self.core, block) == valid(block.hash)
        return made


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "store")
    yield made
    made.store.close()


async def test_blocks_are_taken_back_and_can_come_again(rig: Rig) -> None:
    made = rig.extend(6)
    rig.moves.clear()
    await EngineService(rig.core).set_head(2)
    assert rig.core.head() == (made[1].header, made[1].hash)
    rig.blocks.assert_state(rig.store)
    (move,) = rig.moves
    assert [each.block.hash for each in move.removed or ()] == [block.hash for block in made[2:]] and move.added == ()
    assert rig.core.block_by_number(3) is None
    other = rig.extend(2)[-1]
    assert rig.core.head().hash == other.hash
    assert choose(rig.core, made[-1]) == valid(made[-1].hash)
    rig.blocks.assert_state(rig.store)


def test_the_head_that_is_the_head_stays(rig: Rig) -> None:
    rig.extend(2)
    rig.moves.clear()
    rig.core.set_head(2)
    assert (rig.core.head().header.number, rig.moves) == (2, [])


def test_labels_of_what_is_taken_back_are_gone(rig: Rig) -> None:
    made = rig.extend(5)
    rig.core.forkchoice_updated(forkchoice(made[-1].hash, safe=made[3].hash, finalized=made[0].hash), None)
    rig.core.set_head(2)
    finalized = rig.core.finalized()
    assert rig.core.safe() is None and finalized is not None and finalized.hash == made[0].hash


def test_what_is_final_stays(rig: Rig) -> None:
    made = rig.extend(5)
    rig.core.forkchoice_updated(forkchoice(made[-1].hash, safe=made[3].hash, finalized=made[2].hash), None)
    with pytest.raises(HeadRefused, match="below the finalized block, 3"):
        rig.core.set_head(2)
    with pytest.raises(HeadRefused, match="future block"):
        rig.core.set_head(6)
    assert rig.core.head().hash == made[-1].hash
    rig.core.set_head(3)
    assert rig.core.head().hash == made[2].hash


def test_not_before_the_oldest_state(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "store", history=2)
    with rig.store:
        rig.extend(6)
        with pytest.raises(HeadRefused, match="state of block 3 is not here any more: the oldest is that of block 4"):
            rig.core.set_head(3)
        rig.core.set_head(4)
        assert rig.core.head().header.number == 4


def test_bad_blocks_are_kept_whole(rig: Rig) -> None:
    good = rig.blocks.make(rig.extend(1)[-1].hash, transfer(0, 0))
    bad = []
    for gas in range(MOST_BAD_BLOCKS + 2):
        header = replace(good.header, gas_used=gas)
        bad.append(KnownBlock(header, header_hash(header), good.transactions))
        envelope = built_payload(replace(good, header=header, hash=bad[-1].hash)).envelope
        for _ in range(2):
            assert rig.core.new_payload(envelope).status is Status.INVALID
    assert rig.core.bad_blocks() == tuple(reversed(bad[2:]))
    assert EngineService(rig.core).bad_blocks() == rig.core.bad_blocks()
