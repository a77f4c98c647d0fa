"""Strict reading of JSON objects, field by field, with errors that name the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from trinode.protocol.types import UINT64

JsonObject = Mapping[str, Any]


T = TypeVar("T")


class RollupConfigError(ValueError):
    """A field of a configuration is missing, malformed or contradicts another one.

    `field` is its path in the JSON object, such as `genesis.l2.hash`; the message begins with it.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem


class Fields:
    """One JSON object, and which of its fields have been asked for. All methods raise RollupConfigError."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, Mapping):
            raise RollupConfigError(path, f"must be an object, not {_kind(value)}")
        self._object: JsonObject = value
        self._path = path
        self._asked: set[str] = set()

    def path_of(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def error(self, name: str, problem: str) -> RollupConfigError:
        return RollupConfigError(self.path_of(name), problem)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        self._asked.add(name)
        return self._object.get(name) is not None

    def unasked(self) -> dict[str, Any]:
        """The fields that nobody has asked for."""
        return {name: value for name, value in self._object.items() if name not in self._asked}

    def required(self, name: str) -> Any:
        if not self.has(name):
            raise self.error(name, "missing")
        return self._object[name]

    def object(self, name: str) -> Fields:
        return Fields(self.required(name), self.path_of(name))

    def optional(self, name: str, parse: Callable[[Fields], T]) -> T | None:
        """What `parse` makes of the object; None where it is missing."""
        return parse(self.object(name)) if self.has(name) else None

    def unsigned(self, name: str, *, default: int | None = None, maximum: int = UINT64) -> int:
        """An integer of 0 to `maximum`; `default`, if given, where the field is missing."""
        if default is not None and not self.has(name):
            return default
        value = self.required(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(name, f"must be an integer, not {_kind(value)}")
        if not 0 <= value <= maximum:
            raise self.error(name, f"must be 0 to {maximum}, not {value}")
        return value

    def optional_unsigned(self, name: str) -> int | None:
        return self.unsigned(name) if self.has(name) else None

    def boolean(self, name: str, *, default: bool) -> bool:
        if not self.has(name):
            return default
        value = self.required(name)
        if not isinstance(value, bool):
            raise self.error(name, f"must be true or false, not {_kind(value)}")
        return value

    def text(self, name: str) -> str:
        value = self.required(name)
        if not isinstance(value, str):
            raise self.error(name, f"must be a string, not {_kind(value)}")
        return value

    def data(self, name: str, size: int, *, default: bytes | None = None) -> bytes:
        """`size` bytes from a 0x-prefixed hex string."""
        if default is not None and not self.has(name):
            return default
        value = self.text(name)
        try:
            if value[:2] not in ("0x", "0X"):
                raise ValueError
            data = bytes.fromhex(value[2:])
        except ValueError:
            raise self.error(name, f"must be a 0x-prefixed hex string, not {value[:80]!r}") from None
        if len(data) != size or len(value) != 2 + 2 * size:  # fromhex skips spaces
            raise self.error(name, f"must have {size} bytes, not {len(data)}")
        return data

    def address(self, name: str) -> bytes:
        return self.data(name, 20)

    def optional_address(self, name: str) -> bytes | None:
        return self.address(name) if self.has(name) else None

    def hash(self, name: str) -> bytes:
        return self.data(name, 32)


def _kind(value: object) -> str:
    names = {
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a fraction",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def to_hex(data: bytes) -> str:
    """0x-prefixed lower-case hex."""
    return "0x" + data.hex()
