"""How the head of a chain moves: what was taken back, and what was added (Engine API: paris, "engine_forkchoiceUpdatedV1")."""

from __future__ import annotations

from typing import NamedTuple

from trinode.protocol.block import KnownBlock
from trinode.protocol.receipt import Receipt


class BlockWithReceipts(NamedTuple):
    """A block and what its transactions did. `receipts` None: they are not known, as those of blocks from a snapshot."""

    block: KnownBlock
    receipts: tuple[Receipt, ...] | None


class HeadMove(NamedTuple):
    """One move, from one head to another. Both lists begin with the oldest block.

    `removed` None: more was taken back than is told of.
    """

    removed: tuple[BlockWithReceipts, ...] | None
    added: tuple[BlockWithReceipts, ...]
