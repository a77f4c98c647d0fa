"""Encoded answers about blocks, which never change."""

from __future__ import annotations

import threading
from collections import OrderedDict

from trinode.protocol.types import Hash32


class JsonCache:
    """JSON by block hash and kind of answer, `limit` bytes of it; what was not asked for lately goes first. For any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[Hash32, str], bytes] = OrderedDict()

    def get(self, block_hash: Hash32, kind: str) -> bytes | None:
        """An answer, None if it is not kept."""
        with self._lock:
            found = self._answers.get((block_hash, kind))
            if found is not None:
                self._answers.move_to_end((block_hash, kind))
            return found

    def put(self, block_hash: Hash32, kind: str, answer: bytes) -> None:
        """Keeps an answer if it is a small part of the whole."""
        if len(answer) > self._limit // 8:
            return
        with self._lock:
            self._size += len(answer) - len(self._answers.get((block_hash, kind), b""))
            self._answers[block_hash, kind] = answer
            while self._size > self._limit:
                self._size -= len(self._answers.popitem(last=False)[1])
