"""Strict reading of JSON values as the Ethereum JSON-RPC specification defines them: QUANTITY and DATA ("Hex value encoding")."""

from __future__ import annotations

import binascii
import re
from typing import Any

from trinode.protocol.types import UINT64

_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_SHOWN = 40  # characters of a wrong value in a message


class InvalidParams(ValueError):
    """A parameter is missing, malformed or not known (-32602). `field` is its path, such as `params[0].gasLimit`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


def parse_data(value: object, path: str, size: int | None = None) -> bytes:
    """Bytes in 0x-prefixed hex, two digits each, `size` of them if given. Raises InvalidParams."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise InvalidParams(path, f"0x-prefixed hex was expected, not {kind(value)}")
    try:
        data = binascii.unhexlify(value[2:])
    except ValueError:
        raise InvalidParams(path, f"{kind(value)} is not hex, two digits a byte") from None
    if size is not None and len(data) != size:
        raise InvalidParams(path, f"{len(data)} bytes, not {size}")
    return data


def parse_quantity(value: object, path: str, maximum: int = UINT64) -> int:
    """A number in 0x-prefixed hex without leading zeros, at most `maximum`. Raises InvalidParams."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise InvalidParams(path, f"0x-prefixed hex without leading zeros was expected, not {kind(value)}")
    number = int(value, 16)
    if number > maximum:
        raise InvalidParams(path, f"{kind(value)} is more than {maximum:#x}")
    return number


class JsonFields:
    """One JSON object, read field by field; null is as good as missing. All methods raise InvalidParams."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise InvalidParams(path, f"an object was expected, not {kind(value)}")
        self._object: dict[str, Any] = value
        self._path = path
        self._asked: set[str] = set()

    def path_of(self, name: str) -> str:
        """The path of one field."""
        return f"{self._path}.{name}"

    def optional(self, name: str) -> Any:
        """The value as it stands there; None where it is missing."""
        self._asked.add(name)
        return self._object.get(name)

    def required(self, name: str) -> Any:
        """The value as it stands there."""
        value = self.optional(name)
        if value is None:
            raise InvalidParams(self.path_of(name), "missing")
        return value

    def data(self, name: str, size: int | None = None) -> bytes:
        """Bytes, `size` of them if given."""
        return parse_data(self.required(name), self.path_of(name), size)

    def quantity(self, name: str, maximum: int = UINT64) -> int:
        """A number, at most `maximum`."""
        return parse_quantity(self.required(name), self.path_of(name), maximum)

    def optional_data(self, name: str, size: int | None = None) -> bytes | None:
        """`data`, or None where it is missing."""
        return None if self.optional(name) is None else self.data(name, size)

    def optional_quantity(self, name: str, maximum: int = UINT64) -> int | None:
        """`quantity`, or None where it is missing."""
        return None if self.optional(name) is None else self.quantity(name, maximum)

    def items(self, name: str) -> list[Any]:
        """A list."""
        return parse_list(self.required(name), self.path_of(name))

    def data_items(self, name: str) -> tuple[bytes, ...]:
        """A list of byte strings of any size."""
        path = self.path_of(name)
        return tuple([parse_data(item, f"{path}[{index}]") for index, item in enumerate(self.items(name))])

    def finish(self) -> None:
        """Nothing else may stand there: a field that is not understood could make it another block."""
        for name, value in self._object.items():
            if name not in self._asked and value is not None:
                raise InvalidParams(self.path_of(name[:_SHOWN]), "not known to this method at this time")


def parse_list(value: object, path: str) -> list[Any]:
    """A list. Raises InvalidParams."""
    if not isinstance(value, list):
        raise InvalidParams(path, f"a list was expected, not {kind(value)}")
    return value


def kind(value: object) -> str:
    """What a wrong value is, in few words."""
    if isinstance(value, str):
        return repr(value[:_SHOWN]) + ("..." if len(value) > _SHOWN else "")
    return {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}.get(type(value), repr(value)[:_SHOWN])
