"""L1 origins that the next L2 blocks may have, and the empty blocks of an expired sequencing window.

Common to the batch queue and to Holocene's batch stage (specification: derivation, "Batch Queue").
"""

from __future__ import annotations

from collections.abc import Iterable

from trinode.derive.l1_traversal import L1Traversal
from trinode.protocol.batch import SingularBatch
from trinode.protocol.block import L1BlockRef
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2BlockRef


class Epochs:
    """`l1_blocks`: consecutive, from the safe head's L1 origin (or the one after it) to the L1 block being read, `origin`."""

    def __init__(self, config: RollupConfig, traversal: L1Traversal) -> None:
        self._config = config
        self._traversal = traversal
        self.origin: L1BlockRef
        self.l1_blocks: list[L1BlockRef] = []

    def reset(self, base: L1BlockRef) -> None:
        """Start again at `base`."""
        self.origin = base
        self.l1_blocks = [base]

    def resume(self, origin: L1BlockRef, l1_blocks: Iterable[L1BlockRef]) -> None:
        """Go on with these `l1_blocks` after `origin` was taken over."""
        self.origin = origin
        self.l1_blocks = list(l1_blocks)

    def behind(self, parent: L2BlockRef) -> bool:
        """Whether the L1 block being read is older than the parent's L1 origin."""
        return self._traversal.origin.number < parent.l1_origin.number

    def update(self, parent: L2BlockRef) -> None:
        """Take over the traversal's L1 block, and forget those before the parent's L1 origin."""
        if self.origin != self._traversal.origin:
            self.origin = self._traversal.origin
            if self.behind(parent):
                # After a reset old L1 blocks are read for channel data only, so that the origins start at the parent's.
                self.l1_blocks = []
            else:
                self.l1_blocks.append(self.origin)
        if self.l1_blocks and parent.l1_origin.number > self.l1_blocks[0].number:
            skip = parent.l1_origin.number - self.l1_blocks[0].number
            if skip < len(self.l1_blocks):
                del self.l1_blocks[:skip]

    def follows(self, parent: L2BlockRef) -> bool:
        """Whether the first L1 block is the parent's L1 origin, or has the next number."""
        epoch = self.l1_blocks[0]
        return (epoch.number, epoch.hash) == parent.l1_origin or parent.l1_origin.number == epoch.number - 1

    def forced_empty_batch(self, parent: L2BlockRef, *, out_of_data: bool) -> SingularBatch | None:
        """The empty batch that an expired sequencing window forces, or None.

        At the last L1 block of the window that is certain only when its data is used up. Each L1 block gets at least one L2 block.
        """
        epoch = self.l1_blocks[0]
        expiry = epoch.number + self._config.seq_window_size
        if not (expiry < self.origin.number or (expiry == self.origin.number and out_of_data)) or len(self.l1_blocks) < 2:
            return None
        timestamp = parent.timestamp + self._config.block_time
        first_of_epoch = epoch.number == parent.l1_origin.number + 1
        if timestamp < self.l1_blocks[1].timestamp or first_of_epoch:
            return SingularBatch(
                parent_hash=parent.hash, epoch_number=epoch.number, epoch_hash=epoch.hash, timestamp=timestamp, transactions=()
            )
        del self.l1_blocks[0]  # the next block adopts the next L1 origin
        return None
