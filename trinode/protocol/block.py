"""Blocks of L1, as derivation reads them (OP Stack specification: derivation, "L1 Traversal" and "L1 Retrieval"), and of L2, as
engines know them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from trinode.protocol.header import Header
from trinode.protocol.types import BlockId, Hash32


class L1BlockRef(NamedTuple):
    """What of an L1 block outlives the reading of its data. `timestamp` in seconds."""

    hash: Hash32
    number: int
    parent_hash: Hash32
    timestamp: int

    @property
    def id(self) -> BlockId:
        """Number and hash."""
        return BlockId(self.number, self.hash)


@dataclass(frozen=True, slots=True)
class L1Block:
    """A whole L1 block, verified by who fetched it: `hash` is the header's, and the lists match its roots.

    `transactions` and `receipts` are raw (EIP-2718). `receipts` is None where the header's bloom excludes logs of both
    the deposit contract and the system config contract, so that nobody needs them.
    """

    hash: Hash32
    header: Header
    transactions: tuple[bytes, ...]
    receipts: tuple[bytes, ...] | None

    @property
    def id(self) -> BlockId:
        """Number and hash."""
        return BlockId(self.header.number, self.hash)

    @property
    def ref(self) -> L1BlockRef:
        """The block without its data."""
        header = self.header
        return L1BlockRef(self.hash, header.number, header.parent_hash, header.timestamp)


class KnownHeader(NamedTuple):
    """The header of a block, and the block's hash."""

    header: Header
    hash: Hash32


class KnownBlock(NamedTuple):
    """A block: its header, its hash, and its transactions, raw and in order."""

    header: Header
    hash: Hash32
    transactions: tuple[bytes, ...]
