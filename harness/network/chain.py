"""Blocks of the simulated network: a sequencer's chain, and a node's heads over an engine for which every block is valid."""

from __future__ import annotations

import trio

from harness.bare_blocks import bare_block
from trinode.node.heads import HeadMoved
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import BlockId
from trinode.rollup.chains import chain_by_name
from trinode.rollup.l2_block import L2BlockRef

ROLLUP = chain_by_name("op-mainnet")
FIRST = BlockId(140_000_000, b"\xaa" * 32)
"""The block that all nodes begin with, of the time of Isthmus: what is below it is not in the network."""


def time_of(number: int) -> int:
    """Unix time of a block."""
    return ROLLUP.genesis.l2_time + (number - ROLLUP.genesis.l2.number) * ROLLUP.block_time


def block_on(parent: BlockId, salt: bytes = b"", size: int = 500) -> PayloadEnvelope:
    """A block; with another `salt` it is another one. `size`: bytes of its transactions."""
    number = parent.number + 1
    transaction = b"\x7e" + number.to_bytes(size - 1, "big")
    return bare_block(
        4, parent_hash=parent.hash, block_number=number, timestamp=time_of(number), extra_data=salt, gas_used=21_000, transactions=(transaction,)
    )


def id_of(envelope: PayloadEnvelope) -> BlockId:
    """Number and hash."""
    return BlockId(envelope.payload.block_number, envelope.payload.block_hash)


class SimHeads:
    """As much of `trinode.node.heads.Heads` as unsafe blocks need. `kept`: how many blocks below the head stay."""

    def __init__(self, kept: int = 4096) -> None:
        self._blocks: dict[int, PayloadEnvelope] = {}
        self._kept = kept
        self._head = FIRST
        self._moved = trio.Event()
        self.reorgs = 0

    @property
    def head(self) -> BlockId:
        """The unsafe head."""
        return self._head

    @property
    def unsafe(self) -> L2BlockRef:
        """The same, as Heads has it."""
        return L2BlockRef(self._head.hash, self._head.number, bytes(32), time_of(self._head.number), BlockId(0, bytes(32)), 0)

    def __len__(self) -> int:
        """Blocks that are kept."""
        return len(self._blocks)

    async def moved(self) -> None:
        """Returns when the head is another one."""
        await self._moved.wait()

    async def adopt(self, envelope: PayloadEnvelope) -> None:
        """Makes a block the head. Raises HeadMoved: its parent is another."""
        await trio.lowlevel.checkpoint()
        if envelope.payload.parent_hash != self._head.hash:
            raise HeadMoved
        self._set_head(envelope)

    def derive(self, envelope: PayloadEnvelope) -> None:
        """L1 has this block: if another one is in its place, that and all above it go. Raises HeadMoved: it is not on our chain, nor next to it."""
        number, block_hash = id_of(envelope)
        if number <= self._head.number and (kept := self._blocks.get(number)) is not None and kept.payload.block_hash == block_hash:
            return
        below = self._blocks.get(number - 1)
        if number != FIRST.number + 1 and (below is None or below.payload.block_hash != envelope.payload.parent_hash):
            raise HeadMoved
        self.reorgs += number <= self._head.number
        for above in range(number, self._head.number + 1):
            del self._blocks[above]
        self._set_head(envelope)

    async def payload_by_number(self, number: int) -> PayloadEnvelope | None:
        """For the server of requests."""
        await trio.lowlevel.checkpoint()
        return self._blocks.get(number)

    def _set_head(self, envelope: PayloadEnvelope) -> None:
        self._head = id_of(envelope)
        self._blocks[self._head.number] = envelope
        self._blocks.pop(self._head.number - self._kept, None)
        self._moved.set()
        self._moved = trio.Event()
