"""The values that a recording holds (format 1), in the types of `trinode.protocol` and `trinode.rollup`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from trinode.protocol.block import L1Block
from trinode.protocol.header import Header
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.rollup.l2_block import L2Block

FORMAT = 1


class Note(NamedTuple):
    """What a hand-made L1 transaction of the recording is."""

    what: str
    transaction: Hash32


@dataclass(frozen=True, slots=True)
class L2Start:
    """The L2 safe head that derivation starts from (the genesis block or a later one).

    `block.transactions` is empty where they are not known; the header is the whole header of the block.
    """

    block: L2Block
    header: Header


@dataclass(frozen=True, slots=True)
class RecordingHead:
    """The first line. `l2_genesis` names a file beside the recording; from L2 block `execution_departs_at` on, hashes,
    gas and state are no goldens (the engine that recorded followed other rules); None: none known."""

    name: str
    source: str
    rollup_config: RollupConfig
    l1_chain_config: L1ChainConfig
    l2_start: L2Start
    l2_genesis: str | None = None
    notes: tuple[Note, ...] = ()
    execution_departs_at: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedL1Block:
    """An L1 block as L1 showed it. Where its parent is not the last block before it, the blocks above its parent are gone.

    `blobs`: versioned hash to blob (131,072 bytes), those of the batcher's transactions.
    """

    line: int
    block: L1Block
    blobs: Mapping[Hash32, bytes]


@dataclass(frozen=True, slots=True)
class RecordedLabels:
    """The numbers of L1's safe and finalized block as of now."""

    line: int
    safe: int
    finalized: int


@dataclass(frozen=True, slots=True)
class RecordedL2Block:
    """An L2 block that must come out, and the payload attributes it was made of.

    `attributes.transactions` are the block's own. None where the recording does not know: `attributes`, `derived_from`
    (the L1 block that completed it), `output_root`. `deposits_only`: it stands where an invalid batch was replaced.
    """

    line: int
    block: L2Block
    header: Header
    attributes: PayloadAttributes | None
    derived_from: BlockId | None
    deposits_only: bool
    output_root: Hash32 | None


RecordedItem: TypeAlias = RecordedL1Block | RecordedLabels | RecordedL2Block
