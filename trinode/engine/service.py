"""The engine for trio: its core works on a thread of its own, one call after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

from trinode.engine.core import EngineCore
from trinode.engine.status import BuiltPayload, ForkchoiceResult, ForkchoiceState, PayloadStatus
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.head_move import BlockWithReceipts
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.types import Hash32

Answer = TypeVar("Answer")


class EngineService:
    """`EngineCore` for many tasks. Calls are made in the order in which they are asked for.

    Who is cancelled while waiting for a turn has changed nothing. A call that has begun is finished, and answered, before
    the cancellation is seen, so that no answer is lost. All methods raise trio.ClosedResourceError after `close`.
    """

    def __init__(self, core: EngineCore) -> None:
        self._core = core
        self._turn = trio.CapacityLimiter(1)
        self._closed = False

    async def new_payload(self, envelope: PayloadEnvelope) -> PayloadStatus:
        """As `EngineCore.new_payload`."""
        return await self._call(lambda: self._core.new_payload(envelope))

    async def forkchoice_updated(self, state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
        """As `EngineCore.forkchoice_updated`."""
        return await self._call(lambda: self._core.forkchoice_updated(state, attributes))

    async def get_payload(self, payload_id: bytes) -> BuiltPayload:
        """As `EngineCore.get_payload`."""
        return await self._call(lambda: self._core.get_payload(payload_id))

    async def head(self) -> KnownHeader:
        """As `EngineCore.head`."""
        return await self._call(self._core.head)

    async def safe(self) -> KnownHeader | None:
        """As `EngineCore.safe`."""
        return await self._call(self._core.safe)

    async def finalized(self) -> KnownHeader | None:
        """As `EngineCore.finalized`."""
        return await self._call(self._core.finalized)

    async def block(self, block_hash: Hash32) -> KnownBlock | None:
        """As `EngineCore.block`."""
        return await self._call(lambda: self._core.block(block_hash))

    async def block_by_number(self, number: int) -> KnownBlock | None:
        """As `EngineCore.block_by_number`."""
        return await self._call(lambda: self._core.block_by_number(number))

    def bad_blocks(self) -> tuple[KnownBlock, ...]:
        """As `EngineCore.bad_blocks`, without a turn."""
        return self._core.bad_blocks()

    def prepare_heads(self, prepare: Callable[[BlockWithReceipts], None]) -> None:
        """`prepare` is given each block that is about to be the head, on the engine's thread."""
        self._core.prepare_head = prepare

    async def set_head(self, number: int) -> None:
        """As `EngineCore.set_head`."""
        await self._call(lambda: self._core.set_head(number))

    async def close(self) -> None:
        """Refuses all further calls and waits for the one that has begun. No thread touches the store then, and its owner
        can close it.
        """
        self._closed = True
        with trio.CancelScope(shield=True):
            async with self._turn:
                pass

    async def _call(self, work: Callable[[], Answer]) -> Answer:
        def begin() -> Answer:
            if self._closed:
                raise trio.ClosedResourceError("the engine is closed")
            return work()

        if self._closed:
            raise trio.ClosedResourceError("the engine is closed")
        return await trio.to_thread.run_sync(begin, abandon_on_cancel=False, limiter=self._turn)
