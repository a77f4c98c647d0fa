"""Unsafe blocks from others (gossip, `admin_postUnsafePayload`): kept until their parent is the unsafe head, then made the head."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from trinode.engine.api.endpoint import EngineProblem
from trinode.node.heads import EngineOutOfStep, HeadMoved, Heads, PayloadRefused
from trinode.node.unsafe_payloads import UnsafePayloads
from trinode.p2p.sync.gap_fill import Gap
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import BlockId
from trinode.rollup.l2_block import L2BlockRef

_AFTER_FAILURE = 2.0
"""Seconds before an engine that could not take a block is asked again."""

_log = structlog.get_logger()


class UnsafeBlocks:
    """What others say the sequencer has made. `came` is called for each payload."""

    def __init__(self, heads: Heads, payloads: UnsafePayloads, came: Callable[[], None]) -> None:
        self._heads = heads
        self._payloads = payloads
        self._came = came
        self._asked_for: PayloadEnvelope | None = None
        self._news = trio.Event()  # a payload came, or the head is another: for `run`, which may be busy
        self._changed = trio.Event()  # likewise, for others: another one each time

    @property
    def buffered(self) -> tuple[int, int]:
        """Payloads that wait, and their bytes."""
        return len(self._payloads), self._payloads.size

    def gap(self) -> Gap | None:
        """The blocks that are missing between the unsafe head and those that wait; None: none are."""
        unsafe = self._heads.unsafe
        missing = None if unsafe is None else self._payloads.missing(unsafe)
        return None if unsafe is None or missing is None else Gap(BlockId(unsafe.number, unsafe.hash), missing)

    async def changed(self) -> None:
        """Returns when a payload came, or the unsafe head is another one."""
        await self._changed.wait()

    def take(self, envelope: PayloadEnvelope) -> None:
        """The payload that was asked for and comes next; beside the others, which may be as many as there may be."""
        self._came()
        self._asked_for = envelope
        self._tell()

    def post(self, envelope: PayloadEnvelope) -> str | None:
        """Takes a payload; None, or why it is of no use."""
        self._came()
        unsafe = self._heads.unsafe
        if unsafe is not None and envelope.payload.block_number <= unsafe.number:
            return f"block {envelope.payload.block_number} is not above the unsafe head {unsafe.number}"
        refusal = self._payloads.add(envelope)
        self._tell()
        return refusal

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Makes payloads the head, one after the other, until it is cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._follow_heads)
            task_status.started()
            while True:
                news = self._news = trio.Event()
                unsafe = self._heads.unsafe
                envelope = None if unsafe is None else self._next_on(unsafe)
                if unsafe is not None:
                    self._payloads.drop_until(unsafe.number)
                if envelope is None:
                    await news.wait()
                else:
                    await self._take(envelope)

    def _next_on(self, head: L2BlockRef) -> PayloadEnvelope | None:
        asked_for = self._asked_for
        if asked_for is not None and asked_for.payload.parent_hash == head.hash:
            return asked_for
        return self._payloads.next_on(head)

    async def _follow_heads(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        while True:
            await self._heads.moved()
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._changed.set()
        self._changed = trio.Event()

    async def _take(self, envelope: PayloadEnvelope) -> None:
        number = envelope.payload.block_number
        try:
            await self._heads.adopt(envelope)
        except HeadMoved:
            return
        except PayloadRefused as error:
            self._payloads.remove(envelope)
            self._asked_for = None
            _log.warning(f"unsafe block {number} is invalid: {error}")
        except (EngineProblem, EngineOutOfStep) as error:
            _log.warning(f"unsafe block {number} is not taken now: {error}")
            await trio.sleep(_AFTER_FAILURE)
