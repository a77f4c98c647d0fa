"""Heads over our own engine, and blocks that are made beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.unit.engine.block_tree import Blocks
from trinode.derive.events import DerivedAttributes
from trinode.engine.core import EngineCore
from trinode.engine.service import EngineService
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.node.heads import Heads
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import BlockId
from trinode.rollup.l2_block import L2BlockRef, l2_block_of


class Rig:
    """Heads at genesis, and blocks that were made beside them."""

    def __init__(self, blocks: Blocks, engine: EngineService, heads: Heads, genesis: L2BlockRef) -> None:
        self.blocks = blocks
        self.engine = engine
        self.heads = heads
        self.genesis = genesis

    def derived(self, parent: L2BlockRef, attributes: PayloadAttributes, *, concluding: bool = True) -> DerivedAttributes:
        """What derivation makes of one L1 block."""
        l1 = BlockId(1, b"\x01" * 32)
        return DerivedAttributes(attributes, parent, parent.l1_origin, 1, l1, 0, concluding)


@asynccontextmanager
async def rig_in(folder: Path) -> AsyncIterator[Rig]:
    blocks = Blocks()
    with blocks.new_store(folder) as store:
        engine = EngineService(EngineCore(store, BlockExecutor(blocks.config, FastEngine())))
        start = replace(blocks.config.genesis, l2=BlockId(0, blocks.genesis.hash))
        config = replace(blocks.config, genesis=start)
        heads = Heads(config, engine)
        genesis = l2_block_of(config, blocks.genesis.header, blocks.genesis.hash, ()).ref
        await heads.find(genesis, genesis, genesis)
        yield Rig(blocks, engine, heads, genesis)
        await engine.close()
