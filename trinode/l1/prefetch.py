"""L1 blocks, and the blobs to the batch inbox in them, fetched into the source's caches ahead of derivation."""

from __future__ import annotations

import trio

from trinode.jsonrpc.endpoint import EndpointError
from trinode.l1.rpc_block import inbox_blob_hashes
from trinode.l1.source import L1Source, size_of
from trinode.protocol.blob import BLOB_SIZE
from trinode.protocol.block import L1Block
from trinode.protocol.errors import DecodingError
from trinode.protocol.types import Address

_REST_AFTER_FAILURE = 1.0


class Prefetcher:
    """Keeps up to `ahead` blocks in front of derivation, as long as they take less than half of the source's caches.

    `inbox`: blobs of every blob transaction to it are fetched too. Run as many `work` tasks as blocks shall be fetched at a time.
    """

    def __init__(self, source: L1Source, *, ahead: int, inbox: Address | None) -> None:
        self._source = source
        self._ahead = ahead
        self._inbox = inbox
        self._budget = source.cache_bytes // 2
        self._position = -1
        self._next = 0
        self._end = 0  # exclusive
        self._held: dict[int, int] = {}  # number, and bytes
        self._changed = trio.Event()

    def want(self, position: int, head: int) -> None:
        """Derivation reads block `position` now, and L1 has blocks up to `head`."""
        if not self._position <= position < self._next:
            self._next = position + 1
        self._position = position
        self._end = min(position + self._ahead, head) + 1
        self._held = {number: size for number, size in self._held.items() if position < number < self._end}
        self._wake()

    async def work(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Fetch one block after the other until cancelled. A block that fails is left for derivation to ask for."""
        task_status.started()
        while True:
            while self._next >= self._end or sum(self._held.values()) > self._budget:
                await self._changed.wait()
            number = self._next
            self._next += 1
            try:
                size = await self._fetch(number)
            except EndpointError:  # the source has told its notice
                await trio.sleep(_REST_AFTER_FAILURE)
                continue
            if self._position < number < self._end:
                self._held[number] = size
                self._wake()

    async def _fetch(self, number: int) -> int:
        block = await self._source.block_by_number(number)
        if block is None:
            return 0
        hashes = self._blob_hashes(block)
        if hashes:
            await self._source.blobs(block.id, block.header.timestamp, hashes)
        return size_of(block) + BLOB_SIZE * len(hashes)

    def _blob_hashes(self, block: L1Block) -> tuple[bytes, ...]:
        if self._inbox is None:
            return ()
        try:
            return inbox_blob_hashes(block.transactions, self._inbox)
        except DecodingError:
            return ()  # derivation reads the transaction, and says so

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
