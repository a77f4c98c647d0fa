"""Nodes and codes that were proved, by their hashes: the next request needs most of them again, in the next block, too."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from trinode.protocol.types import Hash32

_OVERHEAD = 150
"""Bytes that an entry takes beside what it holds, roughly."""


class Preimages:
    """At most so many bytes; what was not asked for longest goes first. For any thread."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: dict[Hash32, bytes] = {}
        self._lock = threading.Lock()

    def get(self, digest: Hash32) -> bytes | None:
        """What has that hash; None: it is not here."""
        with self._lock:
            found = self._kept.pop(digest, None)
            if found is not None:
                self._kept[digest] = found  # the last one again
            return found

    def add(self, preimages: Mapping[Hash32, bytes]) -> None:
        """Keeps these. Who calls has hashed them."""
        with self._lock:
            for digest, preimage in preimages.items():
                if digest not in self._kept:
                    self._bytes += len(preimage) + _OVERHEAD
                self._kept[digest] = preimage
            while self._bytes > self._most_bytes:
                oldest = next(iter(self._kept))
                self._bytes -= len(self._kept.pop(oldest)) + _OVERHEAD
