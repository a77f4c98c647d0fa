"""The heads over our own engine: who may move them, and what they are then."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from tests.unit.engine.block_tree import write
from tests.unit.node.heads_rig import rig_in
from trinode.derive.events import PayloadInvalid
from trinode.engine.status import ForkchoiceResult, ForkchoiceState
from trinode.node.heads import HeadMoved, PayloadRefused
from trinode.protocol.payload import PayloadAttributes
from trinode.rollup.l2_block import L2Block


async def test_an_unsafe_block_becomes_the_head(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        (block,) = rig.blocks.chain(rig.genesis.hash, 1)
        ref = await rig.heads.adopt(rig.blocks.envelopes[block.hash])
        assert ref == rig.heads.unsafe and ref.hash == block.hash == (await rig.engine.head()).hash
        assert rig.heads.safe == rig.genesis
        assert (await rig.heads.unsafe_block()).ref == ref


async def test_a_block_on_another_than_the_head_is_not_taken(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        first, second = rig.blocks.chain(rig.genesis.hash, 2)
        with pytest.raises(HeadMoved):
            await rig.heads.adopt(rig.blocks.envelopes[second.hash])
        rig.heads.lose()
        with pytest.raises(HeadMoved, match="the unsafe head is sought"):
            await rig.heads.adopt(rig.blocks.envelopes[first.hash])
        with pytest.raises(HeadMoved):
            await rig.heads.unsafe_block()


async def test_an_invalid_block_is_refused_with_the_engines_reason(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        with pytest.raises(PayloadRefused, match="state_root"):
            await rig.heads.adopt(rig.blocks.make_invalid(rig.genesis.hash))
        assert rig.heads.unsafe == rig.genesis


async def test_a_block_is_built_on_the_head_and_on_no_other(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        attributes = rig.blocks.attributes(rig.genesis.hash, write(1, 2))
        begun = await rig.heads.begin(rig.genesis.hash, attributes)
        ref = await rig.heads.adopt(await rig.heads.seal(begun))
        assert ref.number == 1
        with pytest.raises(HeadMoved):
            await rig.heads.begin(rig.genesis.hash, attributes)


async def test_derivation_keeps_an_unsafe_block_that_is_what_it_derives(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        attributes = rig.blocks.attributes(rig.genesis.hash, write(1, 2))
        mine = rig.blocks.add(rig.blocks.executor.build(rig.blocks.states.parent(rig.genesis.hash), attributes))
        (above,) = rig.blocks.chain(mine.hash, 1)
        for block in (mine, above):
            await rig.heads.adopt(rig.blocks.envelopes[block.hash])
        made = await rig.heads.make(rig.derived(rig.genesis, attributes))
        assert isinstance(made, L2Block) and made.ref.hash == mine.hash
        assert rig.heads.safe == made.ref and rig.heads.unsafe is not None and rig.heads.unsafe.hash == above.hash


async def test_derivation_replaces_an_unsafe_block_that_is_not(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        for block in rig.blocks.chain(rig.genesis.hash, 3):
            await rig.heads.adopt(rig.blocks.envelopes[block.hash])
        moved = rig.heads.moved
        async with trio.open_nursery() as nursery:
            nursery.start_soon(moved)
            await trio.testing.wait_all_tasks_blocked()
            made = await rig.heads.make(rig.derived(rig.genesis, rig.blocks.attributes(rig.genesis.hash), concluding=False))
        assert isinstance(made, L2Block) and rig.heads.unsafe == made.ref and rig.heads.safe == rig.genesis
        assert (await rig.engine.head()).hash == made.ref.hash


async def test_attributes_that_make_no_block_leave_their_parent_as_the_head(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        made = await rig.heads.make(rig.derived(rig.genesis, rig.blocks.attributes(rig.genesis.hash, b"\x02no transaction")))
        assert isinstance(made, PayloadInvalid) and rig.heads.unsafe == rig.genesis


async def test_a_safe_block_becomes_final(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        made = await rig.heads.make(rig.derived(rig.genesis, rig.blocks.attributes(rig.genesis.hash)))
        assert isinstance(made, L2Block)
        await rig.heads.finalize(made.ref)
        finalized = await rig.engine.finalized()
        assert finalized is not None and finalized.hash == made.ref.hash


async def test_nobody_sees_the_safe_head_ahead_of_the_unsafe_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        seen: list[tuple[int, int]] = []
        choose = rig.engine.forkchoice_updated

        async def watched(state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
            result = await choose(state, attributes)
            assert rig.heads.safe is not None and rig.heads.unsafe is not None
            seen.append((rig.heads.safe.number, rig.heads.unsafe.number))
            return result

        monkeypatch.setattr(rig.engine, "forkchoice_updated", watched)
        made = await rig.heads.make(rig.derived(rig.genesis, rig.blocks.attributes(rig.genesis.hash)))
        assert isinstance(made, L2Block) and rig.heads.safe == rig.heads.unsafe == made.ref
        assert seen and all(safe <= unsafe for safe, unsafe in seen)
