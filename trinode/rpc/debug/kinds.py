"""The kinds of parameters that only `debug_` methods take."""

from __future__ import annotations

from trinode.jsonrpc.declared import Kind
from trinode.jsonrpc.fields import InvalidParams, kind, parse_data

_INT64 = range(-(2**63), 2**63)


def _parse_integer(value: object, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in _INT64:
        raise InvalidParams(path, f"an integer of 64 bits was expected, not {kind(value)}")
    return value


def _parse_block_number(value: object, path: str) -> int:
    number = _parse_integer(value, path)
    if number < 0:
        raise InvalidParams(path, f"{number} is no block number")
    return number


def _parse_key(value: object, path: str) -> bytes:
    return b"" if value == "" else parse_data(value, path)


INTEGER: Kind[int] = Kind({"type": "integer", "minimum": _INT64.start, "maximum": _INT64.stop - 1}, _parse_integer)
"""A plain number, as op-geth has it in some places."""
PLAIN_NUMBER: Kind[int] = Kind({"type": "integer", "minimum": 0, "maximum": _INT64.stop - 1}, _parse_block_number)
"""A block number that is no quantity."""
KEY: Kind[bytes] = Kind({"type": "string", "pattern": "^(0x([0-9a-fA-F]{2})*)?$"}, _parse_key)
"""Where in the order of hashed keys to begin: hex of any length."""
