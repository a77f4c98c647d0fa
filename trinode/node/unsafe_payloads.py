"""Payloads of blocks that are not safe yet, kept until their parent is the unsafe head (specification: rollup-node, "Driver"; derivation,
"Engine Queue": unsafe payloads). A data structure: it asks nobody and checks no block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.l2_block import L2BlockRef

_PAYLOAD_OVERHEAD = 2048
"""Bytes of memory that a payload takes beside its transactions, roughly."""
_TRANSACTION_OVERHEAD = 64


@dataclass(frozen=True, slots=True)
class PayloadLimits:
    """How much is kept: bytes of memory (roughly), payloads, and payloads of one block number: as many as gossip lets through, for the right one
    may be the last.
    """

    max_bytes: int = 64 << 20
    max_payloads: int = 1024
    max_of_number: int = 6


class _Kept(NamedTuple):
    envelope: PayloadEnvelope
    size: int


class UnsafePayloads:
    """A queue of payloads by block number; each is kept once.

    When it is full those with the lowest numbers go: the newest are of use for longest, since derivation makes the blocks below them.
    """

    def __init__(self, limits: PayloadLimits | None = None) -> None:
        self._limits = limits or PayloadLimits()
        self._by_number: dict[int, dict[Hash32, _Kept]] = {}
        self._count = 0
        self._size = 0

    def __len__(self) -> int:
        """Number of payloads."""
        return self._count

    @property
    def size(self) -> int:
        """Bytes of memory that the payloads take, roughly."""
        return self._size

    @property
    def lowest(self) -> int | None:
        """The lowest block number; None: nothing is kept."""
        return min(self._by_number, default=None)

    @property
    def highest(self) -> int | None:
        """The highest block number; None: nothing is kept."""
        return max(self._by_number, default=None)

    def add(self, envelope: PayloadEnvelope) -> str | None:
        """Keeps a payload; None, or why it is not kept."""
        payload, limits = envelope.payload, self._limits
        number, size = payload.block_number, _size_of(envelope)
        rivals = self._by_number.get(number, {})
        if payload.block_hash in rivals:
            return f"block {number} 0x{payload.block_hash.hex()} is kept already"
        if len(rivals) >= limits.max_of_number:
            return f"{len(rivals)} blocks {number} are kept already"
        if size > limits.max_bytes:
            return f"block {number} of {size} bytes is larger than all that is kept ({limits.max_bytes} bytes)"
        while self._count >= limits.max_payloads or self._size + size > limits.max_bytes:
            lowest = min(self._by_number)
            if number <= lowest:
                return f"what is kept is full, and block {number} is not above the lowest there, {lowest}"
            self._drop(lowest)
        self._by_number.setdefault(number, {})[payload.block_hash] = _Kept(envelope, size)
        self._count += 1
        self._size += size
        return None

    def remove(self, envelope: PayloadEnvelope) -> None:
        """Forgets a payload, if it is kept."""
        number, block_hash = envelope.payload.block_number, envelope.payload.block_hash
        of_number = self._by_number.get(number, {})
        kept = of_number.pop(block_hash, None)
        if kept is None:
            return
        self._count -= 1
        self._size -= kept.size
        if not of_number:
            del self._by_number[number]

    def next_on(self, head: L2BlockRef) -> PayloadEnvelope | None:
        """The payload whose parent is `head`: of several, the one that came first. It stays until it is dropped."""
        for kept in self._by_number.get(head.number + 1, {}).values():
            if kept.envelope.payload.parent_hash == head.hash:
                return kept.envelope
        return None

    def drop_until(self, number: int) -> None:
        """Forgets the blocks up to `number`, and it too."""
        for old in [kept for kept in self._by_number if kept <= number]:
            self._drop(old)

    def missing(self, head: L2BlockRef) -> BlockId | None:
        """The highest block above `head` that one which is kept goes back to, and that is not kept itself; None: there is no such block."""
        if not self._by_number:
            return None
        kept = next(iter(self._by_number[max(self._by_number)].values()))
        while True:
            parent = BlockId(kept.envelope.payload.block_number - 1, kept.envelope.payload.parent_hash)
            if parent.number <= head.number:
                return None
            found = self._by_number.get(parent.number, {}).get(parent.hash)
            if found is None:
                return parent
            kept = found

    def _drop(self, number: int) -> None:
        dropped = self._by_number.pop(number)
        self._count -= len(dropped)
        self._size -= sum(kept.size for kept in dropped.values())


def _size_of(envelope: PayloadEnvelope) -> int:
    return _PAYLOAD_OVERHEAD + sum(len(raw) + _TRANSACTION_OVERHEAD for raw in envelope.payload.transactions)
