"""A recording's L1, as a driver asks for it."""

from __future__ import annotations

import trio

from harness.l1_view import L1View
from trinode.protocol.block import L1Block
from trinode.protocol.types import BlockId, Hash32


class RecordedL1:
    """A recording's L1, as far as it was shown."""

    def __init__(self) -> None:
        self.view = L1View()

    async def block_by_number(self, number: int) -> L1Block | None:
        await trio.lowlevel.checkpoint()
        return self.view.by_number(number)

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        await trio.lowlevel.checkpoint()
        return self.view.by_hash.get(block.hash)

    async def is_canonical(self, block: BlockId) -> bool:
        await trio.lowlevel.checkpoint()
        found = self.view.by_number(block.number)
        return found is not None and found.hash == block.hash

    async def blobs(self, block: BlockId, timestamp: int, hashes: tuple[Hash32, ...]) -> tuple[bytes, ...] | None:
        await trio.lowlevel.checkpoint()
        return self.view.blobs_of(hashes)
