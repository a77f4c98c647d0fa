"""Pumps the derivation pipeline: answers what it asks for, has the engine make the blocks that come out, and moves the unsafe, safe
and finalized heads (specification: rollup-node, "Driver"; derivation, "Engine Queue").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from trinode.derive.errors import ResetRequired
from trinode.derive.events import (
    Answer,
    DerivedAttributes,
    Event,
    HeadsFound,
    Idle,
    NeedBlobs,
    NeedL1Block,
    NeedL1BlockByHash,
    NeedL2Block,
    NeedL2BlockByNumber,
    Notice,
    PayloadInvalid,
    Request,
)
from trinode.derive.finality import FinalityTracker
from trinode.derive.pipeline import Pipeline
from trinode.derive.sync_start import L2Heads
from trinode.engine.api.interface import Engine
from trinode.engine.status import ForkchoiceState, InvalidPayloadAttributes, PayloadStatus, Status
from trinode.node.consolidation import mismatch
from trinode.protocol.block import KnownBlock, L1Block
from trinode.protocol.payload import payload_header
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef, l2_block_of

MAX_IDLE_RESETS = 5
"""Resets without a block in between, before the driver waits for L1 to move."""


class L1(Protocol):
    """What the driver asks of L1; `trinode.l1.source.L1Source` is one. Answers are verified; a method that cannot answer raises, and
    the driver with it.
    """

    async def block_by_number(self, number: int) -> L1Block | None:
        """The canonical block of that number; None: L1 has none yet."""

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        """A block, canonical or not; None: nobody has it any more."""

    async def blobs(self, block: BlockId, timestamp: int, hashes: tuple[Hash32, ...]) -> tuple[bytes, ...] | None:
        """Blobs by versioned hash, in order; None: they are gone with their block."""


class EngineOutOfStep(Exception):
    """The engine does not have, or does not take, what it must: it is syncing, was exchanged, or lost its data."""


class Driver:
    """A verifier: what L1 holds becomes safe.

    `run` derives until it is cancelled; `l1_moved` and `l1_finalized` tell it of L1. The heads are None until the first reset has found them.
    `notice` is told what the pipeline drops, finds and waits for.
    """

    def __init__(
        self,
        config: RollupConfig,
        l1_chain_config: L1ChainConfig,
        l1: L1,
        engine: Engine,
        *,
        notice: Callable[[Notice], None] = lambda notice: None,
    ) -> None:
        self._config = config
        self._l1 = l1
        self._engine = engine
        self._notice = notice
        self._pipeline = Pipeline(config, l1_chain_config)
        self._finality: FinalityTracker | None = None
        self._final_l1: int | None = None
        self._moved = trio.Event()
        self._idle_resets = 0
        self._derived_from: BlockId | None = None
        self.unsafe: L2BlockRef | None = None
        self.safe: L2BlockRef | None = None

    @property
    def finalized(self) -> L2BlockRef | None:
        """The last L2 block that was derived from finalized L1 data."""
        return None if self._finality is None else self._finality.finalized

    def l1_moved(self) -> None:
        """L1 has a new head: derivation goes on if it was waiting."""
        self._moved.set()

    def l1_finalized(self, number: int) -> None:
        """L1 has finalized its block `number`."""
        self._final_l1 = number
        self._moved.set()

    async def run(self) -> None:
        """Derives as long as L1 has data, and waits for more. Raises CriticalError, EngineOutOfStep, and what `l1` and `engine` raise."""
        await self._reset()
        while True:
            moved = self._moved
            if await self._derive():
                await moved.wait()
                self._moved = trio.Event()

    # ---- derivation ----

    async def _derive(self) -> bool:
        """One event of the pipeline. Whether there is nothing to do until L1 moves."""
        try:
            # Decompression and decoding take their time: not on the thread that serves everybody.
            event: Event = await trio.to_thread.run_sync(self._pipeline.next_event)
        except ResetRequired:
            self._idle_resets += 1
            await self._reset()
            return self._idle_resets > MAX_IDLE_RESETS
        if isinstance(event, Request):
            self._pipeline.receive(await self._answer(event))
            return False
        if isinstance(event, Idle):
            await self._follow_finality()
        if isinstance(event, HeadsFound):
            await self._go_back(event)
        self._notice(event)
        return isinstance(event, Idle)

    async def _reset(self) -> None:
        """Starts derivation again from the heads that the engine has."""
        head, safe, finalized = await self._engine.head(), await self._engine.safe(), await self._engine.finalized()
        heads = [await self._required(known.hash) for known in (head, safe or finalized, finalized) if known is not None]
        while len(heads) < 3:
            heads.append(await self._required(self._config.genesis.l2.hash))
        unsafe, safe_block, finalized_block = (block.ref for block in heads)
        self._pipeline.reset(L2Heads(unsafe, safe_block, finalized_block))
        if self._finality is None:
            self._finality = FinalityTracker(finalized_block)

    async def _go_back(self, found: HeadsFound) -> None:
        assert self._finality is not None
        self.unsafe, self.safe = found.unsafe, found.safe
        self._finality.rewind(found.safe.number)
        await self._choose(found.unsafe)

    async def _answer(self, request: Request) -> Answer:
        match request:
            case NeedL1Block(number):
                return await self._l1.block_by_number(number)
            case NeedL1BlockByHash(block):
                return await self._l1.block_by_hash(block)
            case NeedBlobs(block, timestamp, hashes):
                return await self._l1.blobs(block, timestamp, hashes)
            case NeedL2Block(block_hash):
                known = await self._engine.block(block_hash)
                return None if known is None else self._read(known)
            case NeedL2BlockByNumber(number):
                known = await self._engine.block_by_number(number)
                return None if known is None else self._read(known)
            case DerivedAttributes():
                return await self._make(request)

    # ---- blocks ----

    async def _make(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        """The block of derived attributes: the one that the engine has already if it is that, else a new one."""
        known = await self._engine.block_by_number(derived.number)
        is_new = known is None or mismatch(self._config, derived.attributes, derived.parent.hash, known) is not None
        block = await self._build(derived) if known is None or is_new else self._read(known)
        if isinstance(block, PayloadInvalid):
            return block
        self._idle_resets = 0
        await self._advance(derived, block, is_new=is_new)
        return block

    async def _build(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        """Has the engine build and check a block on the parent."""
        try:
            begun = await self._engine.forkchoice_updated(self._choice(derived.parent.hash), derived.attributes)
        except InvalidPayloadAttributes as error:
            return PayloadInvalid(str(error))
        finally:
            self.unsafe = derived.parent  # the engine's head, also where the attributes are refused
        _expect_valid(begun.payload_status, f"L2 block {derived.parent.number} as the head")
        if begun.payload_id is None:
            raise EngineOutOfStep(f"the engine builds no block on L2 block {derived.parent.number}")
        envelope = (await self._engine.get_payload(begun.payload_id)).envelope
        status = await self._engine.new_payload(envelope)
        if status.status is Status.INVALID:
            return PayloadInvalid(status.validation_error or "the engine does not say why")
        _expect_valid(status, f"L2 block {derived.number}")
        payload = envelope.payload
        return l2_block_of(self._config, payload_header(envelope), payload.block_hash, payload.transactions)

    async def _advance(self, derived: DerivedAttributes, block: L2Block, *, is_new: bool) -> None:
        """Moves the heads over a block that was derived; a new one is the engine's head then."""
        assert self._finality is not None and self.safe is not None and self.unsafe is not None
        if is_new:
            self.unsafe = block.ref
        if derived.derived_from != self._derived_from:
            # Now and then while there is much to derive; at the end of it in any case.
            self._derived_from = derived.derived_from
            await self._follow_finality()
        self._finality.derived(block.ref, derived.derived_from)
        is_safe = derived.concluding and block.ref.number > self.safe.number
        if is_safe:
            self.safe = block.ref
        if is_new or is_safe:
            await self._choose(self.unsafe)

    async def _follow_finality(self) -> None:
        if self._finality is None or self._final_l1 is None or self.safe is None or self.unsafe is None:
            return
        before = self._finality.finalized
        if self._finality.l1_finalized(self._final_l1, self.safe) != before:
            await self._choose(self.unsafe)

    async def _choose(self, head: L2BlockRef) -> None:
        result = await self._engine.forkchoice_updated(self._choice(head.hash), None)
        _expect_valid(result.payload_status, f"L2 block {head.number} as the head")

    def _choice(self, head: Hash32) -> ForkchoiceState:
        assert self.safe is not None and self._finality is not None
        return ForkchoiceState(head, self.safe.hash, self._finality.finalized.hash)

    async def _required(self, block_hash: Hash32) -> L2Block:
        known = await self._engine.block(block_hash)
        if known is None:
            raise EngineOutOfStep(f"the engine lacks L2 block 0x{block_hash.hex()} of its own chain")
        return self._read(known)

    def _read(self, block: KnownBlock) -> L2Block:
        return l2_block_of(self._config, block.header, block.hash, block.transactions)


def _expect_valid(status: PayloadStatus, what: str) -> None:
    if status.status is not Status.VALID:
        raise EngineOutOfStep(f"the engine answers {status.status.value} to {what}: {status.validation_error or 'no reason given'}")
