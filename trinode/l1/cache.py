"""A cache that is bounded by the bytes it holds; what was not used for longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class ByteCache(Generic[V]):
    """Values by hash. `size_of`: the bytes of a value; one that is larger than `limit` (bytes) is not kept at all."""

    def __init__(self, limit: int, size_of: Callable[[V], int]) -> None:
        self._limit = limit
        self._size_of = size_of
        self._values: OrderedDict[bytes, V] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: bytes) -> bool:
        return key in self._values

    def get(self, key: bytes) -> V | None:
        """The value, which counts as used now; None if it is not there."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: bytes, value: V) -> None:
        """Keep a value, and let go of others to make room for it."""
        if key in self._values:
            self.size -= self._size_of(self._values.pop(key))
        size = self._size_of(value)
        if size > self._limit:
            return
        self._values[key] = value
        self.size += size
        while self.size > self._limit:
            _, oldest = self._values.popitem(last=False)
            self.size -= self._size_of(oldest)
