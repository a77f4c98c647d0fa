"""How a request says which block it means: a tag, a number, or an object (EIP-1898); and other parameters that many methods take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from trinode.jsonrpc.fields import InvalidParams, JsonFields, kind, parse_data, parse_quantity
from trinode.protocol.types import Address, Hash32

LATEST = "latest"
PENDING = "pending"
SAFE = "safe"
FINALIZED = "finalized"
EARLIEST = "earliest"
TAGS = (LATEST, PENDING, SAFE, FINALIZED, EARLIEST)

_WORD = re.compile(r"0x[0-9a-fA-F]{0,64}")


@dataclass(frozen=True, slots=True)
class ByHash:
    """A block by its hash, which must be canonical if `requires_canonical`."""

    hash: Hash32
    requires_canonical: bool = False


BlockName: TypeAlias = str | int | ByHash
"""One of TAGS, a number, or a hash."""


def parse_block_number(value: object, path: str) -> str | int:
    """A tag or a number. Raises InvalidParams."""
    if isinstance(value, str) and value in TAGS:
        return value
    return parse_quantity(value, path)


def parse_block_name(value: object, path: str) -> BlockName:
    """A tag, a number, a hash, or an object with one of the latter; what is missing is the latest. Raises InvalidParams."""
    if value is None:
        return LATEST
    if isinstance(value, str) and len(value) == 66:
        return ByHash(parse_data(value, path, 32))
    if not isinstance(value, dict):
        return parse_block_number(value, path)
    fields = JsonFields(value, path)
    number, block_hash = fields.optional("blockNumber"), fields.optional_data("blockHash", 32)
    if (number is None) == (block_hash is None):
        raise InvalidParams(path, "one of blockHash and blockNumber was expected")
    if block_hash is None:
        return parse_block_number(number, fields.path_of("blockNumber"))
    requires = fields.optional("requireCanonical")
    return ByHash(block_hash, False if requires is None else parse_boolean(requires, fields.path_of("requireCanonical")))


def parse_boolean(value: object, path: str) -> bool:
    """true or false. Raises InvalidParams."""
    if not isinstance(value, bool):
        raise InvalidParams(path, f"true or false was expected, not {kind(value)}")
    return value


def parse_address(value: object, path: str) -> Address:
    """20 bytes. Raises InvalidParams."""
    return parse_data(value, path, 20)


def parse_word(value: object, path: str) -> int:
    """Hex of 32 bytes at most, such as a storage slot. Raises InvalidParams."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise InvalidParams(path, f"0x-prefixed hex of 32 bytes at most was expected, not {kind(value)}")
    return int(value, 16) if len(value) > 2 else 0
