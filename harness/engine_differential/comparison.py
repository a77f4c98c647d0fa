"""One chain of random blocks on both sides: the same blocks refused, the others equal to the last byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.engine_differential.blocks import BlockMaker
from harness.engine_differential.coverage import Coverage
from harness.engine_differential.difference import describe_difference
from harness.engine_differential.op_geth import OpGeth
from harness.engine_differential.op_geth_chain import BuiltBlock, OpGethChain, Refused
from harness.engine_differential.ours import OurChain, Rejection, created_contracts
from trinode.execution.block import ExecutedBlock
from trinode.execution.engine import Engine
from trinode.execution.errors import InvalidTransaction
from trinode.protocol.payload import PayloadAttributes

_TRACE_EVERY = 25
"""Of how many blocks one is traced for the coverage."""


class Difference(Exception):
    """The two sides differ. The message says where, and how to see it again."""


@dataclass(slots=True)
class Comparison:
    """Random blocks of one seed, made by `engine` here and by op-geth there."""

    program: Path
    engine: Engine
    schedule: str
    seed: int
    blocks: int
    counts: Counter[str] = field(default_factory=Counter)
    coverage: Coverage = field(default_factory=Coverage)

    def run(self) -> Iterator[int]:
        """The number of each block that is equal. Raises Difference at the first that is not."""
        maker = BlockMaker(self.schedule, self.seed, self.blocks)
        ours = OurChain(maker.chain, self.engine)
        with OpGeth(self.program, maker.chain.genesis) as geth:
            theirs = OpGethChain(geth, maker.chain.config)
            if theirs.head != ours.head:
                raise Difference(f"{self.schedule} seed {self.seed}: genesis 0x{ours.head.hex()} here, 0x{theirs.head.hex()} there")
            for number in range(1, self.blocks + 1):
                block = self._block(number, maker, ours, theirs)
                ours.adopt(block)
                maker.created(created_contracts(block))
                if number % _TRACE_EVERY == 0:
                    self.coverage.trace(geth, number)
                yield number

    def _block(self, number: int, maker: BlockMaker, ours: OurChain, theirs: OpGethChain) -> ExecutedBlock:
        """The block of that number, on both sides the same; without those transactions that both sides refused."""
        attributes = maker.attributes(ours.header, ours.state)
        while True:
            here = ours.attempt(attributes)
            try:
                there: BuiltBlock | Refused = theirs.adopt(theirs.build(attributes))
            except Refused as error:
                there = error
            if isinstance(here, Rejection) and isinstance(there, Refused):
                self.counts["refused blocks"] += 1
                self.counts[f"refused: {_rule(here)}"] += 1
                attributes = maker.smaller(attributes, here)
                continue
            if isinstance(here, Rejection) or isinstance(there, Refused):
                raise self._difference(number, f"here {_outcome(here)}, there {_outcome(there)}", attributes)
            if here.hash != there.hash:
                raise self._difference(number, describe_difference(here, there, theirs.geth), attributes)
            self._count(here)
            return here

    def _difference(self, number: int, what: str, attributes: PayloadAttributes) -> Difference:
        again = f"--seeds {self.seed} --fork {self.schedule} --blocks {self.blocks}"
        return Difference(f"{type(self.engine).__name__} {again}, block {number} (time {attributes.timestamp}):\n{what}")

    def _count(self, block: ExecutedBlock) -> None:
        self.counts["blocks"] += 1
        self.counts["gas"] += block.header.gas_used
        for prepared, result in zip(block.prepared, block.results, strict=True):
            self.counts[f"{type(prepared.transaction).__name__} {'succeeded' if result.succeeded else 'failed'}"] += 1


def _outcome(outcome: object) -> str:
    return f"refused ({outcome})" if isinstance(outcome, Rejection | Refused) else "a block"


def _rule(rejection: Rejection) -> str:
    """Which rule was broken, in a word or two."""
    cause = rejection.__cause__
    return cause.rule if isinstance(cause, InvalidTransaction) else type(cause or rejection).__name__
