"""The engine as the Engine API sees it: what the server asks, and what the client is too. `trinode.engine.service` is ours."""

from __future__ import annotations

from typing import Protocol

from trinode.engine.status import BuiltPayload, ForkchoiceResult, ForkchoiceState, PayloadStatus
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.types import Hash32


class Engine(Protocol):
    """An engine: verdicts, fork choice, payloads, and the blocks that it knows."""

    async def new_payload(self, envelope: PayloadEnvelope) -> PayloadStatus:
        """Executes a block."""

    async def forkchoice_updated(self, state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
        """Moves the heads, and begins a payload. Raises InvalidForkchoiceState, InvalidPayloadAttributes."""

    async def get_payload(self, payload_id: bytes) -> BuiltPayload:
        """The payload that was begun. Raises UnknownPayload."""

    async def head(self) -> KnownHeader:
        """The unsafe head."""

    async def safe(self) -> KnownHeader | None:
        """The safe head; None here and below: there is none."""

    async def finalized(self) -> KnownHeader | None:
        """The finalized head."""

    async def block(self, block_hash: Hash32) -> KnownBlock | None:
        """The block with that hash, canonical or not."""

    async def block_by_number(self, number: int) -> KnownBlock | None:
        """The canonical block with that number."""
