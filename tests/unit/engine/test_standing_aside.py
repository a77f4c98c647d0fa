"""An engine that stands aside makes the same blocks, with a step before each transaction."""

from __future__ import annotations

from tests.unit.engine.block_tree import Blocks, create, give, write
from trinode.engine.standing_aside import StandingAside
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.right_of_way import RightOfWay


class CountedSteps(RightOfWay):
    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def step(self) -> None:
        self.steps += 1


def test_the_same_block_with_a_step_for_each_transaction() -> None:
    blocks, way = Blocks(), CountedSteps()
    executor = BlockExecutor(blocks.config, StandingAside(FastEngine(), way))
    parent = blocks.states.parent(blocks.genesis.hash)
    attributes = blocks.attributes(blocks.genesis.hash, write(1, 7, hash_of=0), create(), give(3))
    made, expected = executor.build(parent, attributes), blocks.executor.build(parent, attributes)
    assert (made.hash, made.changes) == (expected.hash, expected.changes)
    assert way.steps == len(made.transactions) == 4
    assert executor.check(parent, made.header, made.transactions).hash == made.hash
    assert way.steps == 8
