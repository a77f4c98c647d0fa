"""What a stateless engine knows: the canonical chain, and executed blocks beside it, which are in memory only. For one thread at a time."""

from __future__ import annotations

from trinode.engine.held import WaitingPayloads
from trinode.engine.stateless.headers import FINALIZED, SAFE, HeaderChain
from trinode.engine.status import ForkchoiceState, InvalidForkchoiceState
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.header import encode_header
from trinode.protocol.types import Hash32

MOST_BESIDE = 256
MOST_BESIDE_BYTES = 32 << 20

_NOT_SAID = bytes(32)


class HeaderTree:
    """The canonical chain with what branches off it. Every block here was executed, or is vouched for."""

    def __init__(self, chain: HeaderChain) -> None:
        self.chain = chain
        self._beside = WaitingPayloads(MOST_BESIDE, MOST_BESIDE_BYTES)

    def hold(self, block: KnownBlock) -> None:
        """Keeps a block that was executed."""
        if self.chain.header_rlp(block.hash) is None:
            self._beside.add(block)

    def header(self, block_hash: Hash32) -> KnownHeader | None:
        """The header of a block; None: it is not known."""
        held = self._beside.get(block_hash)
        header = self.chain.header(block_hash) if held is None else held.header
        return None if header is None else KnownHeader(header, block_hash)

    def header_rlp(self, block_hash: Hash32) -> bytes | None:
        """RLP of a header; None: it is not known."""
        held = self._beside.get(block_hash)
        return self.chain.header_rlp(block_hash) if held is None else encode_header(held.header)

    def block(self, block_hash: Hash32) -> KnownBlock | None:
        """A block; None: it, or its body, is not here."""
        return self._beside.get(block_hash) or self.chain.block(block_hash)

    def move(self, state: ForkchoiceState) -> bool:
        """Makes a block the head; whether it is known. Raises InvalidForkchoiceState, and nothing has changed then."""
        blocks: list[KnownBlock] = []
        block_hash = state.head
        while (base := self.chain.canonical_number(block_hash)) is None:
            block = self._beside.get(block_hash)
            if block is None:
                return False
            blocks.append(block)
            block_hash = block.header.parent_hash
        on_line = {block.hash for block in blocks}
        labels = {name: found for name, found in ((SAFE, state.safe), (FINALIZED, state.finalized)) if found != _NOT_SAID}
        for name, found in labels.items():
            number = self.chain.canonical_number(found)
            if found not in on_line and (number is None or number > base):
                raise InvalidForkchoiceState(f"the {name} block 0x{found.hex()} is not known as an ancestor of the head")
        self._move(base, blocks[::-1], labels)
        return True

    def _move(self, base: int, blocks: list[KnownBlock], labels: dict[str, Hash32]) -> None:
        head = self.chain.head.header.number
        for number in range(base + 1, head + 1):
            block_hash = self.chain.canonical_hash(number)
            taken_back = None if block_hash is None else self.chain.block(block_hash)
            if taken_back is not None:
                self._beside.add(taken_back)
        unchanged = {name for name, found in labels.items() if (known := self.chain.label(name)) is not None and known.hash == found}
        self.chain.adopt(base, blocks, {name: found for name, found in labels.items() if name not in unchanged})
        for block in blocks:
            self._beside.remove(block.hash)
        finalized = self.chain.label(FINALIZED)
        if finalized is not None:
            self._beside.drop_until(finalized.header.number)
