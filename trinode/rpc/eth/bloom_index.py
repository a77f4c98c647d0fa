"""The bloom filters of canonical blocks side by side, so that many are looked at in one step (yellow paper, section 4.3.1)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from trinode.protocol.bloom import BLOOM_SIZE
from trinode.protocol.types import Hash32
from trinode.rpc.eth.known_chain import KnownBlocks
from trinode.rpc.eth.log_filter import LogBlooms

SPAN = 256
"""Blocks in one segment, which takes 64 KB."""

_KEPT = 256
_UNKNOWN = b"\xff" * BLOOM_SIZE  # lets everything through


class _Segment(NamedTuple):
    """Blooms of canonical blocks, one after the other. `last`: the hash of the last block, which stands for all of them: each is the parent
    of the next.
    """

    blooms: bytes
    last: Hash32


class BloomIndex:
    """Those of the segments that were asked for lately. For any thread."""

    def __init__(self, blocks: KnownBlocks) -> None:
        self._blocks = blocks
        self._lock = threading.Lock()
        self._segments: OrderedDict[int, _Segment] = OrderedDict()

    def candidates(self, first: int, last: int, wanted: LogBlooms) -> Iterator[int]:
        """Numbers from `first` to `last` of blocks that may have such logs, those included of which nothing is known."""
        for index in range(first // SPAN, last // SPAN + 1):
            begin = index * SPAN
            end = min(last, begin + SPAN - 1)
            marks = wanted.marks(self._blooms(index, end - begin + 1))
            position = marks.find(1, max(first - begin, 0))
            while 0 <= position <= end - begin:
                yield begin + position
                position = marks.find(1, position + 1)

    def _blooms(self, index: int, count: int) -> bytes:
        """Of the first `count` blocks of a segment at least."""
        with self._lock:
            segment = self._segments.get(index)
        if segment is not None:
            last = index * SPAN + len(segment.blooms) // BLOOM_SIZE - 1
            if self._blocks.canonical_hash(last) != segment.last:
                segment = None  # a reorg
        if segment is None or len(segment.blooms) < count * BLOOM_SIZE:
            segment = self._read(index, count, segment)
        if segment is None:
            return _UNKNOWN * count
        with self._lock:
            self._segments[index] = segment
            self._segments.move_to_end(index)
            if len(self._segments) > _KEPT:
                self._segments.popitem(last=False)
        return segment.blooms

    def _read(self, index: int, count: int, begun: _Segment | None) -> _Segment | None:
        """None: the chain is about to become another one."""
        pieces, last = ([], None) if begun is None else ([begun.blooms], begun.last)
        begin = index * SPAN + (0 if begun is None else len(begun.blooms) // BLOOM_SIZE)
        for number in range(begin, index * SPAN + count):
            block_hash = self._blocks.canonical_hash(number)
            header = None if block_hash is None else self._blocks.header(block_hash)
            if header is None and last is None:
                pieces.append(_UNKNOWN)  # from before the snapshot that the store began with
                continue
            if header is None or (last is not None and header.parent_hash != last):
                return None
            pieces.append(header.logs_bloom)
            last = block_hash
        return None if last is None else _Segment(b"".join(pieces), last)
