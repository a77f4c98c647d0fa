"""The execution engine of a replay: it holds L2 blocks and heads, and executes nothing."""

from __future__ import annotations

from harness.l1_view import L1View
from trinode.derive.finality import FinalityTracker
from trinode.derive.sync_start import L2Heads
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef


class EngineView:
    """The L2 chain from the start block on. The start block counts as safe and finalized."""

    def __init__(self, config: RollupConfig, start: L2Block, l1: L1View) -> None:
        self._config = config
        self._start = start
        self._l1 = l1
        self._chain = [start]  # canonical, up to the unsafe head
        self._by_hash = {start.ref.hash: start}
        self._before: dict[Hash32, L2Block] | None = None
        self._finality = FinalityTracker(start.ref)
        self.safe = start.ref

    @property
    def heads(self) -> L2Heads:
        """The heads as an engine labels them."""
        return L2Heads(self._chain[-1].ref, self.safe, self._finality.finalized)

    def set_heads(self, unsafe: L2BlockRef, safe: L2BlockRef) -> None:
        """Go back to the heads that a reset found."""
        del self._chain[unsafe.number - self._start.ref.number + 1 :]
        self.safe = safe
        self._finality.rewind(safe.number)

    def put(self, block: L2Block, derived_from: BlockId, *, concluding: bool) -> None:
        """Make a block canonical. The blocks above it stay if it is already: that is consolidation."""
        index = block.ref.number - self._start.ref.number
        if index >= len(self._chain) or self._chain[index].ref.hash != block.ref.hash:
            self._chain[index:] = [block]
            self._by_hash[block.ref.hash] = block
        self._finality.derived(block.ref, derived_from)
        if concluding and block.ref.number > self.safe.number:
            self.safe = block.ref

    def l1_finalized(self, number: int) -> None:
        """Follow L1's finalized label."""
        self._finality.l1_finalized(number, self.safe)

    def by_number(self, number: int) -> L2Block | None:
        """The canonical block of a number."""
        index = number - self._start.ref.number
        return self._chain[index] if 0 <= index < len(self._chain) else None

    def by_hash(self, hash: Hash32) -> L2Block | None:
        """A block by hash, stand-ins for those before the start block included."""
        block = self._by_hash.get(hash)
        if block is None and self._start.ref.number > self._config.genesis.l2.number:
            if self._before is None:
                self._before = self._stand_ins()
            block = self._before.get(hash)
        return block

    def _stand_ins(self) -> dict[Hash32, L2Block]:
        """One block for each recorded L1 block before the start's origin.

        A reset walks L2 back for a channel timeout, and a recording has no L2 blocks before its start. The oldest has the number of
        the genesis block, which ends the walk.
        """
        start, stand_ins = self._start.ref, {}
        first = self._l1.chain[0].header.number
        hash, number = start.parent_hash, max(first, start.l1_origin.number - 1)
        for distance in range(1, number - first + 2):
            l1_block = self._l1.by_number(number)
            if l1_block is None:
                break
            parent_hash = keccak256(b"stand-in" + l1_block.hash)
            ref = L2BlockRef(
                hash=hash,
                number=self._config.genesis.l2.number if number == first else start.number - distance,
                parent_hash=parent_hash,
                timestamp=l1_block.header.timestamp,
                l1_origin=l1_block.id,
                sequence_number=0,
            )
            stand_ins[hash] = L2Block(ref=ref, transactions=(), system_config=self._start.system_config)
            hash, number = parent_hash, number - 1
        return stand_ins
