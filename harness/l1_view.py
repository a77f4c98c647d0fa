"""L1 as a recording shows it, event by event: the canonical chain so far, every block ever seen, blobs and labels."""

from __future__ import annotations

from harness.recording import RecordedL1Block, RecordedLabels
from trinode.protocol.block import L1Block
from trinode.protocol.types import Hash32


class UnsupportedRecording(Exception):
    """Derivation needs something of L1 or L2 that the recording does not hold."""


class L1View:
    """What an L1 node would answer after each line of a recording."""

    def __init__(self) -> None:
        self.chain: list[L1Block] = []  # canonical, consecutive
        self.by_hash: dict[Hash32, L1Block] = {}
        self.blobs: dict[Hash32, bytes] = {}
        self.finalized: int | None = None

    def add(self, recorded: RecordedL1Block) -> int:
        """Append a block; where its parent is not the head, the blocks above its parent go. Returns how many went."""
        block, removed = recorded.block, 0
        if self.chain and self.chain[-1].hash != block.header.parent_hash:
            parent = self.by_number(block.header.number - 1)
            if parent is None or parent.hash != block.header.parent_hash:
                raise UnsupportedRecording(f"the parent of L1 block {block.header.number} is not in the recorded canonical chain")
            keep = parent.header.number - self.chain[0].header.number + 1
            removed = len(self.chain) - keep
            del self.chain[keep:]
        self.chain.append(block)
        self.by_hash[block.hash] = block
        self.blobs.update(recorded.blobs)
        return removed

    def label(self, labels: RecordedLabels) -> None:
        """Take over L1's labels."""
        if labels.finalized is not None:
            self.finalized = labels.finalized

    def by_number(self, number: int) -> L1Block | None:
        """The canonical block of a number."""
        index = number - self.chain[0].header.number if self.chain else -1
        return self.chain[index] if 0 <= index < len(self.chain) else None

    def blobs_of(self, hashes: tuple[Hash32, ...]) -> tuple[bytes, ...]:
        """Blobs by versioned hash."""
        missing = [blob_hash.hex() for blob_hash in hashes if blob_hash not in self.blobs]
        if missing:
            raise UnsupportedRecording(f"blob {missing[0]} is not in the recording")
        return tuple(self.blobs[blob_hash] for blob_hash in hashes)
