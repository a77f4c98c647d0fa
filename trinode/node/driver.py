"""Pumps the derivation pipeline: answers what it asks for, has the engine make the blocks that come out, and moves the heads over them
(specification: rollup-node, "Driver"; derivation, "Engine Queue").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import outcome
import trio

from trinode.derive.checkpoint import Checkpoint
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
from trinode.derive.pipeline import Pipeline, PipelineStatus
from trinode.derive.sync_start import L2Heads
from trinode.engine.api.interface import Engine
from trinode.node.heads import Heads
from trinode.node.records import Records
from trinode.protocol.block import L1Block
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef
from trinode.storage.derivation import SafeHead

KEEP_INTERVAL = 1.0
"""Seconds between two records of how far derivation is, while there is much to derive."""
FINALITY_INTERVAL = 5.0
"""Seconds between two looks at what is final, likewise; at the end of what there is, it is looked at in any case."""
MAKING_PATIENCE = 120.0
"""Seconds that the engine may take for a block before it is asked whether L1 still has what the block is made of."""
MAX_IDLE_RESETS = 5
"""Resets without a block in between, before the driver waits for L1 to move."""


class L1(Protocol):
    """What the driver asks of L1; `trinode.node.verifier.ConfirmedL1` is one. Answers are verified; a method that cannot answer raises, and
    the driver with it.
    """

    async def block_by_number(self, number: int) -> L1Block | None:
        """The canonical block of that number; None: L1 has none yet."""

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        """A block, canonical or not; None: nobody has it any more."""

    async def is_canonical(self, block: BlockId) -> bool:
        """Whether L1 has that block at its number now. Says nothing of what will be read next."""

    async def blobs(self, block: BlockId, timestamp: int, hashes: tuple[Hash32, ...]) -> tuple[bytes, ...] | None:
        """Blobs by versioned hash, in order; None: they are gone with their block."""


class _TakenBack(Exception):
    """L1 no longer has what a block was derived from."""


class Driver:
    """A verifier: what L1 holds becomes safe.

    `run` derives until it is cancelled; `l1_moved` and `l1_finalized` tell it of L1. `notice` is told what the pipeline drops, finds and
    waits for.
    """

    def __init__(
        self,
        config: RollupConfig,
        l1_chain_config: L1ChainConfig,
        l1: L1,
        engine: Engine,
        *,
        heads: Heads | None = None,
        records: Records | None = None,
        notice: Callable[[Notice], None] = lambda notice: None,
    ) -> None:
        """`heads`: of the same engine, where others move them too. `records`: None where a restart may begin anew."""
        self._l1 = l1
        self._records = records
        self._safe_heads: dict[BlockId, L2BlockRef] = {}  # since the last keeping
        self._kept: Checkpoint | None = None
        self._kept_at = trio.current_time()
        self._notice = notice
        self._pipeline = Pipeline(config, l1_chain_config)
        self._finality: FinalityTracker | None = None
        self._final_l1: int | None = None
        self._moved = trio.Event()
        self._idle_resets = 0
        self._reset_is_wanted = self._anew = False
        self._orders: deque[Callable[[], Awaitable[None]]] = deque()
        self._finalized_at = float("-inf")
        self._progressed_at = trio.current_time()
        self._waits_for = "its first event"
        self.heads = Heads(config, engine) if heads is None else heads

    @property
    def status(self) -> PipelineStatus | None:
        """Where the pipeline stands; None before the first heads were found."""
        return self._pipeline.status

    @property
    def waits_for(self) -> str:
        """What it does, or waits for, now."""
        return self._waits_for

    @property
    def silent_for(self) -> float:
        """Seconds since it last had a new block, a new L1 block or new heads."""
        return trio.current_time() - self._progressed_at

    def l1_moved(self) -> None:
        """L1 has a new head: derivation goes on if it was waiting."""
        self._moved.set()

    def l1_finalized(self, number: int) -> None:
        """L1 has finalized its block `number`."""
        self._final_l1 = number
        self._moved.set()

    def reset(self, *, anew: bool = False) -> None:
        """Derivation begins again from the engine's heads, as soon as what is under way is done. `anew`: what was kept is not trusted."""
        self._reset_is_wanted = True
        self._anew = self._anew or anew
        self._moved.set()

    async def reset_by(self, work: Callable[[], Awaitable[None]]) -> None:
        """Derivation begins again from the engine's heads after `work`, which may move those while nobody else does. Raises what it raises."""
        done = trio.Event()
        result: outcome.Maybe[None] = outcome.Value(None)

        async def order() -> None:
            nonlocal result
            result = await outcome.acapture(self.heads.lose_by, work)
            done.set()

        self._orders.append(order)
        self.reset(anew=True)
        await done.wait()
        result.unwrap()

    async def run(self) -> None:
        """Derives as long as L1 has data, and waits for more. Raises CriticalError, EngineOutOfStep, and what `l1` and `engine` raise."""
        await self._reset()
        while True:
            moved = self._moved
            if self._reset_is_wanted:
                await self._reset()
            if await self._derive():
                await moved.wait()
                self._moved = trio.Event()

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
            self._waits_for = _named(event)
            try:
                answer = await self._answer(event)
            except _TakenBack:
                await self._reset()
            else:
                self._pipeline.receive(answer)
            return False
        if isinstance(event, Idle):
            self._waits_for = f"L1 block {event.next_l1_number}"
            await self._follow_finality()
            await self._keep()
        if isinstance(event, HeadsFound):
            await self._go_back(event)
        self._notice(event)
        return isinstance(event, Idle)

    async def _reset(self) -> None:
        """Starts derivation again from the heads that the engine has, at a checkpoint where that is known to do."""
        await self._keep()
        # What led to a second reset in a row is not to be tried again.
        anew = self._anew or self._idle_resets > 1
        self._reset_is_wanted = self._anew = False
        self._waits_for = "the heads of the engine"
        self.heads.lose()
        while self._orders:
            await self._orders.popleft()()
        unsafe, safe, finalized = [block.ref for block in await self.heads.engine_heads()]
        checkpoints = [] if self._records is None or anew else await self._records.checkpoints()
        self._pipeline.reset(L2Heads(unsafe, safe, finalized), checkpoints)
        self._safe_heads.clear()
        if self._finality is None or self._finality.finalized != finalized:  # an engine elsewhere can lose its data, or be exchanged
            self._finality = FinalityTracker(finalized)

    async def _go_back(self, found: HeadsFound) -> None:
        assert self._finality is not None
        self._progressed_at = trio.current_time()
        self._finality.rewind(found.safe.number)
        if self._records is not None:
            recorded = await self._records.found(found.safe, self._finality.finalized.number)
            newest = await self.heads.block(recorded[-1].l2.hash) if recorded else None
            if newest is not None:  # else the engine was exchanged under the records
                self._finality.restore((safe_head.l1, safe_head.l2) for safe_head in recorded)
        await self.heads.find(found.unsafe, found.safe, self._finality.finalized)

    async def _answer(self, request: Request) -> Answer:
        match request:
            case NeedL1Block(number):
                block = await self._l1.block_by_number(number)
                if block is not None:
                    self._progressed_at = trio.current_time()
                    if trio.current_time() - self._kept_at >= KEEP_INTERVAL:
                        await self._keep()
                return block
            case NeedL1BlockByHash(block_id):
                return await self._l1.block_by_hash(block_id)
            case NeedBlobs(block_id, timestamp, hashes):
                return await self._l1.blobs(block_id, timestamp, hashes)
            case NeedL2Block(block_hash):
                return await self.heads.block(block_hash)
            case NeedL2BlockByNumber(number):
                return await self.heads.block_by_number(number)
            case DerivedAttributes():
                return await self._make(request)

    async def _make(self, derived: DerivedAttributes) -> Answer:
        assert self._finality is not None
        if trio.current_time() - self._finalized_at >= FINALITY_INTERVAL:
            await self._follow_finality()
        block = await self._made(derived)
        self._progressed_at = trio.current_time()
        if isinstance(block, L2Block):
            self._idle_resets = 0
            self._finality.derived(block.ref, derived.derived_from)
            if derived.concluding and self.heads.safe == block.ref:
                self._safe_heads[derived.derived_from] = block.ref
        return block

    async def _made(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        """An engine that asks others for the state may wait for that of a branch which nobody has any more. Raises _TakenBack."""
        while True:
            with trio.move_on_after(MAKING_PATIENCE):
                return await self.heads.make(derived)
            if not await self._l1.is_canonical(derived.derived_from):
                raise _TakenBack

    # ---- what follows ----

    async def _follow_finality(self) -> None:
        self._finalized_at = trio.current_time()
        safe = self.heads.safe
        if self._finality is None or self._final_l1 is None or safe is None:
            return
        found = self._finality.finalizable(self._final_l1, safe)
        if found is None:
            return
        # Who slept through a reorg of L1 hears what is final before derivation has read the new blocks.
        if await self._l1.is_canonical(found.derived_from):
            self._finality.finalize(found.block)
            await self.heads.finalize(found.block)

    async def _keep(self) -> None:
        """Records what the engine has by now."""
        self._kept_at = trio.current_time()
        checkpoint = self._pipeline.checkpoint()
        if self._records is None or (checkpoint is self._kept and not self._safe_heads):
            return
        safe_heads = [SafeHead(l1, l2) for l1, l2 in self._safe_heads.items()]
        await self._records.keep(safe_heads, None if checkpoint is self._kept else checkpoint)
        self._kept = checkpoint
        self._safe_heads.clear()


def _named(request: Request) -> str:
    """What a request is for, for people."""
    match request:
        case NeedL1Block(number):
            return f"L1 block {number}"
        case NeedL1BlockByHash(block):
            return f"L1 block {block.number} 0x{block.hash.hex()}"
        case NeedBlobs(block, _, hashes):
            return f"{len(hashes)} blobs of L1 block {block.number}"
        case NeedL2Block(block_hash):
            return f"L2 block 0x{block_hash.hex()} of the engine"
        case NeedL2BlockByNumber(number):
            return f"L2 block {number} of the engine"
        case DerivedAttributes():
            return f"the engine to make L2 block {request.number}"
