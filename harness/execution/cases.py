"""What is executed and what is expected of it: a block on a witness, a block on a whole state, a chain from its genesis."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from trinode.execution.genesis import Genesis
from trinode.execution.state import StateChanges
from trinode.protocol.header import Header
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig

HeaderFields: TypeAlias = Mapping[str, int | bytes | None]
"""Fields of a header by the names of `Header`, in its order: all of them, or those that are known."""


def fields_of(header: Header) -> HeaderFields:
    """All fields of a header."""
    return {field.name: getattr(header, field.name) for field in dataclasses.fields(header)}


@dataclass(frozen=True, slots=True)
class ExpectedBlock:
    """A block to be made of `attributes`. `gas_used` and `succeeded` by transaction, None where it is not known."""

    number: int
    attributes: PayloadAttributes
    header: HeaderFields
    hash: Hash32 | None
    gas_used: tuple[int, ...] | None = None
    succeeded: tuple[bool, ...] | None = None


@dataclass(frozen=True, slots=True)
class WitnessCase:
    """A block, its parent, and the preimages (trie nodes, codes, ancestors' headers) that its execution needs.

    `base_fee`: the block's base fee where the chain has a rule of its own for it, None for the protocol's.
    """

    path: Path
    config: RollupConfig
    parent: Header
    parent_hash: Hash32
    block: ExpectedBlock
    preimages: tuple[bytes, ...]
    base_fee: int | None = None


@dataclass(frozen=True, slots=True)
class AllocCase:
    """A block on a state that is given whole. `ancestors`: block hashes by number, the parent's among them."""

    path: Path
    config: RollupConfig
    parent: Header
    ancestors: Mapping[int, Hash32]
    alloc: StateChanges
    block: ExpectedBlock

    @property
    def parent_hash(self) -> Hash32:
        """The hash of the block that `block` is built on."""
        return self.ancestors[self.block.number - 1]


@dataclass(frozen=True, slots=True)
class ChainCase:
    """Blocks one after another from the genesis."""

    path: Path
    name: str
    config: RollupConfig
    genesis: Genesis
    blocks: tuple[ExpectedBlock, ...]


Case: TypeAlias = WitnessCase | AllocCase | ChainCase
