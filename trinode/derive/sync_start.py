"""Where derivation may start again: the walk back over L2 to blocks that stand on the canonical L1 chain.

Specification: derivation, "Resetting the Pipeline" / "Finding the sync starting point" (op-node: sync.FindL2Heads).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trinode.derive.errors import CriticalError
from trinode.derive.events import Steps, l1_block_by_hash, l1_block_by_number, l2_block
from trinode.protocol.block import L1BlockRef
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef

MAX_REORG_SEQUENCE_WINDOWS = 5
RECOVER_MIN_SEQUENCE_WINDOWS = 14
"""With finality still at genesis so many windows behind, the engine's labels were lost rather than never set."""


@dataclass(frozen=True, slots=True)
class L2Heads:
    """The engine's heads: each one at or behind the one before."""

    unsafe: L2BlockRef
    safe: L2BlockRef
    finalized: L2BlockRef


def find_heads(config: RollupConfig, heads: L2Heads) -> Steps[L2Heads]:
    """The heads to go on from.

    Unsafe: the highest block whose L1 origin is canonical, or ahead of what L1 shows. Safe: the parent of the first block of an epoch
    that is more than a sequencing window behind it, but not before the finalized head. Raises CriticalError where the engine holds
    another chain, or where the finalized block would have to go.
    """
    everything_unsafe = L2Heads(heads.unsafe, heads.unsafe, heads.unsafe)
    if _lost_its_labels(config, heads) or heads.unsafe.number < max(heads.safe.number, heads.finalized.number):
        return everything_unsafe
    return (yield from _Walk(config, heads).run())


def _lost_its_labels(config: RollupConfig, heads: L2Heads) -> bool:
    genesis = config.genesis
    window = RECOVER_MIN_SEQUENCE_WINDOWS * config.seq_window_size
    return (
        heads.finalized.hash == heads.safe.hash == genesis.l2.hash
        and heads.unsafe.number > genesis.l2.number
        and heads.unsafe.l1_origin.number > genesis.l1.number + window
    )


class _Walk:
    """One block back at a time, from the unsafe head to the finalized one at most."""

    def __init__(self, config: RollupConfig, heads: L2Heads) -> None:
        self._config = config
        self._heads = heads
        self._unsafe: L2BlockRef | None = heads.unsafe
        self._highest_canonical: L2BlockRef | None = None
        self._l1: L1BlockRef | None = None  # canonical L1 block at the height of the current block's origin; None: L1 is not there yet

    def run(self) -> Steps[L2Heads]:
        block = self._heads.unsafe
        while True:
            yield from self._see_origin(block)
            self._check_chain(block)
            self._judge(block)
            if block.number == self._heads.finalized.number:
                return self._found(block)
            last_of_window = (
                block.number <= self._heads.safe.number
                and block.sequence_number == 0
                and self._highest_canonical is not None
                and block.l1_origin.number + self._config.seq_window_size < self._highest_canonical.l1_origin.number
            )
            parent = yield from _required_l2_block(block.parent_hash)
            self._check_parent(block, parent.ref)
            block = parent.ref
            if last_of_window:
                return self._found(block)

    def _found(self, safe: L2BlockRef) -> L2Heads:
        return replace(self._heads, unsafe=self._unsafe or safe, safe=safe)

    def _see_origin(self, block: L2BlockRef) -> Steps[None]:
        if self._l1 is None or self._l1.hash != block.l1_origin.hash:
            l1 = yield from l1_block_by_number(block.l1_origin.number)
            self._l1 = l1.ref if l1 is not None else None

    def _check_chain(self, block: L2BlockRef) -> None:
        genesis = self._config.genesis
        if block.number == genesis.l2.number:
            if block.hash != genesis.l2.hash:
                raise CriticalError(f"the engine holds another chain: L2 genesis {block.hash.hex()}, expected {genesis.l2.hash.hex()}")
            if self._l1 is not None and self._l1.hash != genesis.l1.hash:
                raise CriticalError(f"L1 is another chain: block {genesis.l1.number} {self._l1.hash.hex()}, expected {genesis.l1.hash.hex()}")
        finalized = self._heads.finalized
        if block.number == finalized.number and block.hash != finalized.hash:
            raise CriticalError(f"the finalized L2 block {finalized.number} {finalized.hash.hex()} is not in the engine's chain")

    def _judge(self, block: L2BlockRef) -> None:
        if self._unsafe is None:
            self._unsafe = block
            deepest = self._config.seq_window_size * MAX_REORG_SEQUENCE_WINDOWS
            if block.l1_origin.number + deepest < self._heads.unsafe.l1_origin.number:
                raise CriticalError(f"L1 reorg too deep: from L2 block {self._heads.unsafe.number} back to {block.number}")
        if self._l1 is None:
            self._highest_canonical = None  # plausible as unsafe head, but nothing to count a window from
        elif self._l1.hash == block.l1_origin.hash:
            self._highest_canonical = self._highest_canonical or block
        else:
            self._unsafe = self._highest_canonical = None

    def _check_parent(self, block: L2BlockRef, parent: L2BlockRef) -> None:
        if parent.l1_origin == block.l1_origin:
            coherent = parent.sequence_number + 1 == block.sequence_number
        else:
            coherent = parent.l1_origin.number + 1 == block.l1_origin.number and block.sequence_number == 0
            if self._l1 is not None and self._l1.hash == block.l1_origin.hash:
                coherent = coherent and self._l1.parent_hash == parent.l1_origin.hash
        if not coherent:
            raise CriticalError(f"the engine's blocks {parent.number} and {block.number} have L1 origins that do not follow each other")


def _required_l2_block(hash: Hash32) -> Steps[L2Block]:
    block = yield from l2_block(hash)
    if block is None:
        raise CriticalError(f"the engine lacks L2 block {hash.hex()} of its own chain")
    return block


def find_l1_base(config: RollupConfig, safe: L2Block) -> Steps[L2Block]:
    """The L2 block at whose L1 origin reading starts again: a channel timeout before the safe head's origin (in L1 blocks).

    A channel that holds the next batch may have been opened so early. The timeout is that of the fork at the L1 block reached.
    """
    block = safe
    while block.ref.number > config.genesis.l2.number and block.ref.l1_origin.number > config.genesis.l1.number:
        l1_timestamp = yield from _l1_timestamp(block.ref)
        if block.ref.l1_origin.number + config.channel_timeout_at(l1_inclusion_timestamp=l1_timestamp) <= safe.ref.l1_origin.number:
            break
        block = yield from _required_l2_block(block.ref.parent_hash)
    return block


def _l1_timestamp(ref: L2BlockRef) -> Steps[int]:
    return (yield from l1_block_by_hash(ref.l1_origin)).header.timestamp
