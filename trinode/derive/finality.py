"""Which L2 block is finalized: the last one derived from L1 blocks that L1 has finalized (specification: rollup-node, "Finalization")."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from trinode.protocol.types import BlockId
from trinode.rollup.l2_block import L2BlockRef

MAX_TRACKED = 100_000
"""L2 blocks remembered, over two days: more than any healthy delay of L1 finality. What is older finalizes with what is newer."""


class Derived(NamedTuple):
    """An L2 block and the L1 block whose data completed it."""

    derived_from: BlockId
    block: L2BlockRef


class FinalityTracker:
    """Remembers from which L1 block each recent L2 block was derived."""

    def __init__(self, finalized: L2BlockRef) -> None:
        self.finalized = finalized
        self._derived: deque[Derived] = deque(maxlen=MAX_TRACKED)

    def restore(self, recorded: Iterable[tuple[BlockId, L2BlockRef]]) -> None:
        """Take over what was derived before a restart: L1 block and the last safe block that came of it, oldest first.

        Only what is older than all that is remembered is taken, and not final yet. The caller has made sure that the blocks are the engine's.
        """
        first = self._derived[0].block.number if self._derived else None
        older = [Derived(*entry) for entry in recorded]
        kept = [entry for entry in older if entry.block.number > self.finalized.number and (first is None or entry.block.number < first)]
        self._derived = deque([*kept, *self._derived], maxlen=MAX_TRACKED)

    def derived(self, block: L2BlockRef, derived_from: BlockId) -> None:
        """Note that the data of L1 block `derived_from` completed `block`; it replaces earlier blocks of its number and above."""
        self.rewind(block.number - 1)
        self._derived.append(Derived(derived_from, block))

    def rewind(self, number: int) -> None:
        """Forget blocks above `number`: a reset or an invalid block took them back."""
        while self._derived and self._derived[-1].block.number > number:
            self._derived.pop()

    def finalizable(self, number: int, safe: L2BlockRef) -> Derived | None:
        """What to finalize now that L1 finalized block `number`, if anything: never above the safe head, never behind what is final.

        `derived_from` is at or below `number`, but whether it is on the chain that L1 finalized is for the caller to see: a node that
        slept through a reorg hears of its end before it reads the new blocks.

        Like op-node it takes the last block that was derived from a finalized L1 block, whatever the blocks before it were derived from: after
        a reset a block can come of an earlier L1 block than its parent did, whose batch was late.
        """
        for entry in reversed(self._derived):
            if entry.derived_from.number <= number and entry.block.number <= safe.number:
                return entry if entry.block.number > self.finalized.number else None
        return None

    def finalize(self, block: L2BlockRef) -> None:
        """That block is final: what is remembered up to it is no longer needed."""
        self.finalized = block
        while self._derived and self._derived[0].block.number <= block.number:
            self._derived.popleft()

    def l1_finalized(self, number: int, safe: L2BlockRef) -> L2BlockRef:
        """The finalized L2 block now that L1 finalized block `number`, on the chain that was derived from."""
        found = self.finalizable(number, safe)
        if found is not None:
            self.finalize(found.block)
        return self.finalized
