"""How much of all requests together is held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trinode.jsonrpc.server import Refused


class Room:
    """Bytes of requests that are being read or answered, at most `most`."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def part(self) -> Iterator[Part]:
        """One request's part, given back at the end."""
        part = Part(self)
        try:
            yield part
        finally:
            self.give(part.size)

    def take(self, size: int) -> None:
        """Raises Refused (503) if there is no room."""
        if size > self._free:
            raise Refused(503, "too many requests at once; try again later")
        self._free -= size

    def give(self, size: int) -> None:
        """They are free again."""
        self._free += size


class Part:
    """What one request holds of the room, in bytes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def take(self, size: int) -> None:
        """Raises Refused (503) if there is no room."""
        self._room.take(size)
        self.size += size
