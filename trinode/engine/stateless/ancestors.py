"""Blocks before what is stored: asked of a remote, and believed for their hashes, which a header that is believed already names."""

from __future__ import annotations

from trinode.engine.held import WaitingPayloads
from trinode.engine.stateless.errors import RemoteBehind
from trinode.engine.stateless.execution import Remotes
from trinode.engine.stateless.remote import RemoteL2
from trinode.protocol.block import KnownBlock
from trinode.protocol.types import Hash32

DEEPEST = 4096
"""Blocks before the oldest one here that are found by number. Derivation reads a channel timeout back, 1800 blocks before Granite."""
_AT_ONCE = 20
_MOST_BLOCKS = 1024
_MOST_BYTES = 32 << 20
_MOST_NUMBERS = 8192


class Ancestors:
    """Remembers what was asked last, and which blocks must be there because others are built on them."""

    def __init__(self, remotes: Remotes) -> None:
        self._remotes = remotes
        self._blocks = WaitingPayloads(_MOST_BLOCKS, _MOST_BYTES)
        self._numbers: dict[Hash32, int] = {}
        self._hashes: dict[int, Hash32] = {}

    def note(self, block: KnownBlock) -> None:
        """A block that is believed: so is its parent's hash."""
        if block.header.number:
            self._numbers[block.header.parent_hash] = block.header.number - 1
            if len(self._numbers) > _MOST_NUMBERS:
                del self._numbers[next(iter(self._numbers))]

    async def block(self, block_hash: Hash32) -> KnownBlock | None:
        """The block with that hash; None: the remote does not have it. What must exist is waited for."""
        known = self._blocks.get(block_hash)
        if known is None:
            number = self._numbers.get(block_hash)
            if number is None:
                known = await self._remotes.until_answered(lambda remote: remote.block_by_hash(block_hash))
            else:
                known = await self._remotes.until_answered(lambda remote: self._line(remote, number, block_hash))
        if known is not None:
            self.note(known)
        return known

    async def before(self, oldest: KnownBlock, number: int) -> KnownBlock | None:
        """The block of that number on the way back from `oldest`; None: it is too far back."""
        if not 0 <= oldest.header.number - number <= DEEPEST:
            return None
        block: KnownBlock | None = oldest
        while block is not None and block.header.number > number:
            self._hashes[block.header.number - 1] = block.header.parent_hash
            start = min((known for known in range(number, block.header.number) if known in self._hashes), default=block.header.number - 1)
            block = await self.block(self._hashes[start])
        return block

    async def _line(self, remote: RemoteL2, number: int, block_hash: Hash32) -> KnownBlock:
        """A block whose number is known, and with it some before it, which will be asked for next."""
        line = await remote.blocks(range(number, max(number - _AT_ONCE, -1), -1))
        expected, first = block_hash, None
        for block in line:
            if block is None or block.hash != expected:
                break
            self._blocks.add(block)
            first, expected = first or block, block.header.parent_hash
        first = first or await remote.block_by_hash(block_hash)
        if first is None:
            raise RemoteBehind(remote.name, "eth_getBlockByHash", "", f"L2 block {number} 0x{block_hash.hex()}", "the remote does not have it")
        return first
