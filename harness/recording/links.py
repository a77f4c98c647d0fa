"""How the blocks of a recording hang together, line after line."""

from __future__ import annotations

from typing import NamedTuple

from harness.recording.errors import FieldError
from harness.recording.format import RecordedL1Block, RecordedL2Block, RecordedLabels, RecordingHead
from trinode.protocol.types import BlockId, Hash32


class _Seen(NamedTuple):
    number: int
    timestamp: int


class L1Links:
    """The L1 chain as of the last line: each block extends it, or cuts it at its parent (a reorg)."""

    def __init__(self) -> None:
        self._canonical: dict[int, Hash32] = {}
        self._seen: dict[Hash32, _Seen] = {}
        self._first: RecordedL1Block | None = None
        self._tip = -1

    def add(self, recorded: RecordedL1Block) -> None:
        """Check the next block's parent, number and time; raises `FieldError`."""
        header = recorded.block.header
        if self._first is None:
            self._first = recorded
        elif header.parent_hash in self._seen:
            self._check_child(recorded, self._seen[header.parent_hash])
        elif header.parent_hash != self._first.block.header.parent_hash or header.number != self._first.block.header.number:
            raise FieldError("header_rlp", f"parent 0x{header.parent_hash.hex()} of L1 block {header.number} was not shown before")
        for number in range(header.number, self._tip + 1):
            self._canonical.pop(number, None)
        self._tip = header.number
        self._canonical[header.number] = recorded.block.hash
        self._seen[recorded.block.hash] = _Seen(header.number, header.timestamp)

    def _check_child(self, recorded: RecordedL1Block, parent: _Seen) -> None:
        header = recorded.block.header
        if header.number != parent.number + 1:
            raise FieldError("header_rlp", f"number {header.number}, its parent's is {parent.number}")
        # Equal times happen on devnets (anvil after a reorg).
        if header.timestamp < parent.timestamp:
            raise FieldError("header_rlp", f"timestamp {header.timestamp} is before its parent's {parent.timestamp}")
        if self._canonical.get(parent.number) != header.parent_hash:
            raise FieldError("header_rlp", f"parent 0x{header.parent_hash.hex()} was reorged out before")

    def check_labels(self, labels: RecordedLabels) -> None:
        """Finalized is not above safe, safe not above the chain; raises `FieldError`."""
        if labels.safe > max(self._tip, 0):
            raise FieldError("safe", f"{labels.safe} is above the last L1 block, {self._tip}")
        if labels.finalized > labels.safe:
            raise FieldError("finalized", f"{labels.finalized} is above safe, {labels.safe}")

    def check_shown(self, block: BlockId, field: str) -> None:
        """The L1 block was shown by an earlier line; raises `FieldError`."""
        seen = self._seen.get(block.hash)
        if seen is None or seen.number != block.number:
            raise FieldError(field, f"no L1 block {block.number} 0x{block.hash.hex()} was shown before")


class L2Links:
    """The L2 blocks so far: each is the child of one of them, one block time later."""

    def __init__(self, head: RecordingHead) -> None:
        start = head.l2_start.block.ref
        self._block_time = head.rollup_config.block_time
        self._seen = {start.hash: _Seen(start.number, start.timestamp)}

    def add(self, recorded: RecordedL2Block) -> None:
        """Check the next block's parent, number and time; raises `FieldError`."""
        ref = recorded.block.ref
        parent = self._seen.get(ref.parent_hash)
        if parent is None:
            raise FieldError("header_rlp", f"parent 0x{ref.parent_hash.hex()} of L2 block {ref.number} was not recorded before")
        if ref.number != parent.number + 1:
            raise FieldError("header_rlp", f"number {ref.number}, its parent's is {parent.number}")
        if ref.timestamp != parent.timestamp + self._block_time:
            expected = parent.timestamp + self._block_time
            raise FieldError("header_rlp", f"timestamp {ref.timestamp}, {expected} would be a block time after its parent")
        self._seen[ref.hash] = _Seen(ref.number, ref.timestamp)
