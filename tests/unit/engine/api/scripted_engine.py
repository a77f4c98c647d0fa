"""An engine that answers what a test tells it, and remembers what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from trinode.engine.status import BuiltPayload, ForkchoiceResult, ForkchoiceState, PayloadStatus, Status, UnknownPayload
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.types import Hash32


@dataclass
class ScriptedEngine:
    """`blocks`: the canonical chain from genesis. `error`: raised by the calls of the Engine API."""

    blocks: list[KnownBlock] = field(default_factory=list)
    status: PayloadStatus = field(default_factory=lambda: PayloadStatus(Status.SYNCING))
    result: ForkchoiceResult = field(default_factory=lambda: ForkchoiceResult(PayloadStatus(Status.SYNCING)))
    built: BuiltPayload | None = None
    error: Exception | None = None
    asked: list[object] = field(default_factory=list)

    async def new_payload(self, envelope: PayloadEnvelope) -> PayloadStatus:
        self._ask(envelope)
        return self.status

    async def forkchoice_updated(self, state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
        self._ask((state, attributes))
        return self.result

    async def get_payload(self, payload_id: bytes) -> BuiltPayload:
        self._ask(payload_id)
        if self.built is None:
            raise UnknownPayload
        return self.built

    def _ask(self, what: object) -> None:
        self.asked.append(what)
        if self.error is not None:
            raise self.error

    async def head(self) -> KnownHeader:
        return KnownHeader(*self.blocks[-1][:2])

    async def safe(self) -> KnownHeader | None:
        return KnownHeader(*self.blocks[-2][:2]) if len(self.blocks) > 1 else None

    async def finalized(self) -> KnownHeader | None:
        return None

    async def block(self, block_hash: Hash32) -> KnownBlock | None:
        return next((block for block in self.blocks if block.hash == block_hash), None)

    async def block_by_number(self, number: int) -> KnownBlock | None:
        return self.blocks[number] if number < len(self.blocks) else None
