"""Which L2 block is finalized: the last one derived from L1 blocks that L1 has finalized (specification: rollup-node, "Finalization")."""

from __future__ import annotations

from collections import deque

from trinode.protocol.types import BlockId
from trinode.rollup.l2_block import L2BlockRef

MAX_TRACKED = 100_000
"""L2 blocks remembered, over two days: more than any healthy delay of L1 finality. What is older finalizes with what is newer."""


class FinalityTracker:
    """Remembers from which L1 block each recent L2 block was derived."""

    def __init__(self, finalized: L2BlockRef) -> None:
        self.finalized = finalized
        self._derived: deque[tuple[int, L2BlockRef]] = deque(maxlen=MAX_TRACKED)  # L1 block number, L2 block

    def derived(self, block: L2BlockRef, derived_from: BlockId) -> None:
        """Note that the data of L1 block `derived_from` completed `block`; it replaces earlier blocks of its number and above."""
        self.rewind(block.number - 1)
        self._derived.append((derived_from.number, block))

    def rewind(self, number: int) -> None:
        """Forget blocks above `number`: a reset or an invalid block took them back."""
        while self._derived and self._derived[-1][1].number > number:
            self._derived.pop()

    def l1_finalized(self, number: int, safe: L2BlockRef) -> L2BlockRef:
        """The finalized L2 block now that L1 finalized block `number`: never above the safe head, never behind what it was.

        Like op-node it takes the last block that was derived from a finalized L1 block, whatever the blocks before it were derived from: after
        a reset a block can come of an earlier L1 block than its parent did, whose batch was late.
        """
        final = [block for derived_from, block in self._derived if derived_from <= number and block.number <= safe.number]
        if final and final[-1].number > self.finalized.number:
            self.finalized = final[-1]
            while self._derived and self._derived[0][1].number <= self.finalized.number:
                self._derived.popleft()
        return self.finalized
