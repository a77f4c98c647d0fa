"""The kinds of parameters and results that most methods share, with their JSON Schemas (execution-apis: schemas/base-types)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from trinode.jsonrpc.declared import Kind, Schema
from trinode.jsonrpc.fields import InvalidParams, kind, parse_data, parse_list, parse_quantity
from trinode.protocol.types import Address, Hash32

T = TypeVar("T")

_UINT256 = 2**256 - 1


def hex_of(size: int) -> Schema:
    """`size` bytes in hex."""
    return {"type": "string", "pattern": f"^0x[0-9a-fA-F]{{{2 * size}}}$"}


def list_of(items: Schema) -> Schema:
    """A list whose items are all of one kind."""
    return {"type": "array", "items": items}


def or_null(schema: Schema) -> Schema:
    """What may be missing."""
    return {"anyOf": [schema, {"type": "null"}]}


def object_of(properties: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these properties, and with those of `optional` where they apply; others are not told of."""
    return {"type": "object", "required": list(properties), "properties": {**properties, **(optional or {})}}


def record_of(title: str, properties: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these properties, with those of `optional` where they apply, and with no others. `title`: its name in documents, where
    it is told of once.
    """
    return {"title": title, **object_of(properties, optional=optional), "additionalProperties": False}


QUANTITY_RESULT: Schema = {"type": "string", "pattern": "^0x(0|[1-9a-f][0-9a-f]{0,63})$"}
DATA_RESULT: Schema = {"type": "string", "pattern": "^0x([0-9a-f]{2})*$"}
HASH_RESULT: Schema = hex_of(32)
ADDRESS_RESULT: Schema = hex_of(20)
BOOLEAN_RESULT: Schema = {"type": "boolean"}
STRING_RESULT: Schema = {"type": "string"}
NULL_RESULT: Schema = {"type": "null"}
ANY_OBJECT: Schema = {"type": "object"}


def _boolean(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidParams(path, f"true or false was expected, not {kind(value)}")
    return value


def _string(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidParams(path, f"a string was expected, not {kind(value)}")
    return value


QUANTITY: Kind[int] = Kind({"type": "string", "pattern": "^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,15})$"}, parse_quantity)
"""A number of 64 bits."""
QUANTITY_256: Kind[int] = Kind({"type": "string", "pattern": "^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})$"}, partial(parse_quantity, maximum=_UINT256))
DATA: Kind[bytes] = Kind({"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"}, parse_data)
HASH: Kind[Hash32] = Kind(hex_of(32), partial(parse_data, size=32))
ADDRESS: Kind[Address] = Kind(hex_of(20), partial(parse_data, size=20))
BOOLEAN: Kind[bool] = Kind({"type": "boolean"}, _boolean)
STRING: Kind[str] = Kind({"type": "string"}, _string)


def custom(schema: Schema, parse: Callable[[object, str], T]) -> Kind[T]:
    """A kind of its own."""
    return Kind(schema, parse)


def items(of: Kind[T], most: int) -> Kind[tuple[T, ...]]:
    """A list of at most `most` values of one kind."""

    def parse(value: object, path: str) -> tuple[T, ...]:
        values: list[Any] = parse_list(value, path)
        if len(values) > most:
            raise InvalidParams(path, f"{len(values)} items, at most {most} are taken")
        return tuple([of.parse(each, f"{path}[{index}]") for index, each in enumerate(values)])

    return Kind({"type": "array", "items": of.schema, "maxItems": most}, parse)
