"""The blocks that were seen at each height (specification: rollup-node-p2p, "Block validation": more than 5, already seen)."""

from __future__ import annotations

from collections import OrderedDict

from trinode.p2p.blocks.judgement import Reason
from trinode.protocol.types import Hash32

MOST_OF_HEIGHT = 5
"""Once there are more different blocks of one height, all others are rejected, and those that are seen already too: so does op-node."""
MOST_HEIGHTS = 1000
"""What was not asked for longest is forgotten."""


class SeenBlocks:
    """Hashes of valid blocks by their numbers: at most `MOST_HEIGHTS` times six."""

    def __init__(self) -> None:
        self._of_height: OrderedDict[int, set[Hash32]] = OrderedDict()

    def __len__(self) -> int:
        """Number of heights."""
        return len(self._of_height)

    def see(self, number: int, block_hash: Hash32) -> Reason:
        """Takes note of a valid block: VALID if it is new, else SEEN or TOO_MANY_OF_HEIGHT."""
        seen = self._of_height.setdefault(number, set())
        self._of_height.move_to_end(number)
        if len(seen) > MOST_OF_HEIGHT:
            return Reason.TOO_MANY_OF_HEIGHT
        if block_hash in seen:
            return Reason.SEEN
        seen.add(block_hash)
        if len(self._of_height) > MOST_HEIGHTS:
            self._of_height.popitem(last=False)
        return Reason.VALID
