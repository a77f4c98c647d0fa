"""Unsafe blocks from others: they become the head in order, however they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
import trio.testing

from tests.unit.node.heads_rig import Rig, rig_in
from trinode.node.unsafe_blocks import UnsafeBlocks
from trinode.node.unsafe_payloads import PayloadLimits, UnsafePayloads
from trinode.p2p.sync.gap_fill import Gap
from trinode.protocol.types import BlockId


@asynccontextmanager
async def unsafe_blocks(rig: Rig) -> AsyncIterator[UnsafeBlocks]:
    came: list[None] = []
    blocks = UnsafeBlocks(rig.heads, UnsafePayloads(), lambda: came.append(None))
    async with trio.open_nursery() as nursery:
        await nursery.start(blocks.run)
        yield blocks
        nursery.cancel_scope.cancel()
    assert came


async def head_at(rig: Rig, number: int) -> None:
    with trio.fail_after(30):
        while rig.heads.unsafe is None or rig.heads.unsafe.number < number:
            await rig.heads.moved()


async def test_blocks_that_come_in_any_order_become_the_head_in_theirs(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig, unsafe_blocks(rig) as blocks:
        chain = rig.blocks.chain(rig.genesis.hash, 5)
        for block in (chain[3], chain[1], chain[4], chain[2]):
            assert blocks.post(rig.blocks.envelopes[block.hash]) is None
        assert blocks.buffered[0] == 4 and rig.heads.unsafe == rig.genesis
        assert blocks.post(rig.blocks.envelopes[chain[0].hash]) is None
        await head_at(rig, 5)
        assert rig.heads.unsafe is not None and rig.heads.unsafe.hash == chain[4].hash
        assert (await rig.engine.head()).hash == chain[4].hash


async def test_what_is_not_above_the_head_is_of_no_use(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig, unsafe_blocks(rig) as blocks:
        first, other = rig.blocks.chain(rig.genesis.hash, 1) + rig.blocks.chain(rig.genesis.hash, 1)
        blocks.post(rig.blocks.envelopes[first.hash])
        await head_at(rig, 1)
        assert blocks.post(rig.blocks.envelopes[other.hash]) == "block 1 is not above the unsafe head 1"


async def test_an_invalid_block_is_forgotten_and_a_right_one_taken(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig, unsafe_blocks(rig) as blocks:
        blocks.post(rig.blocks.make_invalid(rig.genesis.hash))
        (block,) = rig.blocks.chain(rig.genesis.hash, 1)
        blocks.post(rig.blocks.envelopes[block.hash])
        await head_at(rig, 1)
        assert rig.heads.unsafe is not None and rig.heads.unsafe.hash == block.hash


async def test_blocks_wait_while_the_heads_are_sought(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig, unsafe_blocks(rig) as blocks:
        (block,) = rig.blocks.chain(rig.genesis.hash, 1)
        rig.heads.lose()
        assert blocks.post(rig.blocks.envelopes[block.hash]) is None
        await rig.heads.find(rig.genesis, rig.genesis, rig.genesis)
        await head_at(rig, 1)


async def test_what_is_missing_is_known_from_above(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig, unsafe_blocks(rig) as blocks:
        chain = rig.blocks.chain(rig.genesis.hash, 5)
        assert blocks.gap() is None
        for block in chain[3:]:
            blocks.post(rig.blocks.envelopes[block.hash])
        assert blocks.gap() == Gap(BlockId(0, rig.genesis.hash), BlockId(3, chain[2].hash))
        for number, block in enumerate(chain[:3], 1):
            blocks.take(rig.blocks.envelopes[block.hash])
            await head_at(rig, number)
        await head_at(rig, 5)
        assert blocks.gap() is None


async def test_each_change_is_told_once(tmp_path: Path) -> None:
    """Also while a block is being executed: who waits for changes must not spin."""
    async with rig_in(tmp_path / "chain") as rig:
        blocks, told = UnsafeBlocks(rig.heads, UnsafePayloads(), lambda: None), 0

        async def count() -> None:
            nonlocal told
            while True:
                await blocks.changed()
                told += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            for block in rig.blocks.chain(rig.genesis.hash, 3):
                await trio.testing.wait_all_tasks_blocked()
                blocks.post(rig.blocks.envelopes[block.hash])
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert told == 3


async def test_what_was_asked_for_has_its_place_where_there_is_none_left(tmp_path: Path) -> None:
    async with rig_in(tmp_path / "chain") as rig:
        chain = rig.blocks.chain(rig.genesis.hash, 4)
        blocks = UnsafeBlocks(rig.heads, UnsafePayloads(PayloadLimits(max_payloads=2)), lambda: None)
        for block in chain[2:]:
            assert blocks.post(rig.blocks.envelopes[block.hash]) is None
        refusal = blocks.post(rig.blocks.envelopes[chain[0].hash])
        assert refusal is not None and "full" in refusal
        async with trio.open_nursery() as nursery:
            await nursery.start(blocks.run)
            for number, block in enumerate(chain[:2], 1):
                blocks.take(rig.blocks.envelopes[block.hash])
                await head_at(rig, number)
            await head_at(rig, 4)
            nursery.cancel_scope.cancel()
