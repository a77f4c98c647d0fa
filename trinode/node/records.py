"""What is kept of derivation, written and read beside the loop: safe heads and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog
import trio

from trinode.derive.checkpoint import Checkpoint, CheckpointDecodingError
from trinode.protocol.types import BlockId
from trinode.rollup.l2_block import L2BlockRef
from trinode.storage.derivation import DerivationRecords, SafeHead

T = TypeVar("T")
_log = structlog.get_logger()


class Records:
    """`DerivationRecords` for tasks. All methods raise StoreError."""

    def __init__(self, records: DerivationRecords) -> None:
        self._records = records
        self._turn = trio.CapacityLimiter(1)

    async def checkpoints(self) -> list[Checkpoint]:
        """Where derivation may go on, newest first; those of another version are passed over."""
        return await self._call(self._checkpoints)

    async def keep(self, safe_heads: Iterable[SafeHead], checkpoint: Checkpoint | None) -> None:
        """Safe heads that derivation has made, and a checkpoint after them. The engine has the blocks."""
        entry = None if checkpoint is None else (checkpoint.origin.number, checkpoint)
        await self._call(lambda: self._records.put(safe_heads, None if entry is None else (entry[0], entry[1].to_bytes())))

    async def found(self, safe: L2BlockRef, finalized: int) -> list[SafeHead]:
        """Derivation begins at that safe head: what was recorded beyond it goes. The safe heads above the finalized block that stay."""

        def found() -> list[SafeHead]:
            self._records.rewind(safe)
            return self._records.since(finalized)

        return await self._call(found)

    async def safe_head_at(self, number: int) -> tuple[BlockId, BlockId] | None:
        """The last L1 block up to `number` with which the safe head moved, and that safe head."""
        return await self._call(lambda: self._records.safe_head_at(number))

    def _checkpoints(self) -> list[Checkpoint]:
        found = []
        for data in self._records.checkpoints():
            try:
                found.append(Checkpoint.from_bytes(data))
            except CheckpointDecodingError as error:
                _log.info(f"a checkpoint of derivation is passed over: {error}")
        return found

    async def _call(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._turn)
