"""Names for the byte strings and references that every other module passes around (specification: glossary)."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Address: TypeAlias = bytes
"""20 bytes."""

Hash32: TypeAlias = bytes
"""32 bytes."""


UINT64 = 2**64 - 1
"""The largest uint64, and the mask where numbers wrap as in op-node."""


class BlockId(NamedTuple):
    """A block by number and hash; the hash decides, the number is for finding it."""

    number: int
    hash: Hash32
