"""Answers about a block before it is the head: when the head moves, all who follow it ask for the same, and would wait for it to be encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import structlog

from trinode.protocol.block import KnownBlock
from trinode.protocol.head_move import BlockWithReceipts
from trinode.protocol.receipt import Receipt
from trinode.rpc.eth.json_cache import JsonCache

Encode: TypeAlias = Callable[[KnownBlock, Sequence[Receipt]], bytes]

_BLOCKS = 8
"""For so many blocks after someone has asked for the newest one it is thought that the next will be asked for, too."""

_log = structlog.get_logger()


class Ahead:
    """Which kinds of answers are asked for of new heads, and how they are encoded. `asked` and `offer` are for trio's thread."""

    def __init__(self, cache: JsonCache) -> None:
        self._cache = cache
        self._encoders: dict[str, Encode] = {}
        self._asked: dict[str, int] = {}

    def offer(self, kind: str, encode: Encode) -> None:
        """How a kind of answer is encoded; `kind` as in the cache."""
        self._encoders[kind] = encode

    def asked(self, kind: str, head: int) -> None:
        """Someone asked for that of the head, the block with that number."""
        self._asked[kind] = head

    def prepare(self, found: BlockWithReceipts) -> None:
        """Encodes what will be asked for of a block that is about to be the head. On the thread that makes it the head."""
        block, receipts = found
        if receipts is None:
            return
        for kind, encode in self._encoders.items():
            if kind in self._asked and abs(block.header.number - self._asked[kind]) <= _BLOCKS:
                try:
                    self._cache.put(block.hash, kind, encode(block, receipts))
                except Exception as error:  # noqa: BLE001 - who asks for it is told; the chain goes on
                    _log.error("a block cannot be encoded", block=block.header.number, exc_info=error)
