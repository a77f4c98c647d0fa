"""Which L1 block the next L2 block has as its origin (specification: derivation, "Batch Queue" for what an origin may be, and "Sequencer
Drift"). The sequencer takes a new origin as soon as it may, so that deposits do not wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from trinode.derive.errors import ResetRequired
from trinode.jsonrpc.endpoint import EndpointError
from trinode.protocol.block import L1Block, L1BlockRef
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2BlockRef

_RETRY = 1.0
"""Seconds before L1 is asked again for the next origin where it did not answer."""


class OriginPending(Exception):
    """Which L1 origin the next block may have depends on an L1 block that is not there yet; which, in one line."""


def choose_origin(
    config: RollupConfig, parent: L2BlockRef, current: L1BlockRef, following: L1BlockRef | None, *, recover: bool = False
) -> L1BlockRef:
    """The L1 origin of the block on `parent`: `current`, which is the parent's, or `following`, the next L1 block, None if it is not known
    or not confirmed. In recover mode (`recover`) the next one must be known.

    Raises OriginPending; ResetRequired if the parent's origin is on the canonical L1 chain no more.
    """
    timestamp = parent.timestamp + config.block_time
    if following is not None:
        if following.parent_hash != current.hash:
            raise ResetRequired(f"L1 origin {current.number} 0x{current.hash.hex()} is not the parent of L1 block {following.number}")
        return following if following.timestamp <= timestamp else current
    if recover:
        raise OriginPending(f"L1 block {current.number + 1}: in recover mode each block takes the next origin")
    if is_beyond_drift(config, timestamp, current):
        # Valid without it, and then without transactions, only if the next L1 block is later than the L2 block.
        raise OriginPending(f"L1 block {current.number + 1}: an L2 block at {timestamp} is beyond the drift from L1 block {current.number}")
    return current


def is_beyond_drift(config: RollupConfig, timestamp: int, origin: L1BlockRef) -> bool:
    """Whether an L2 block of that time is so far ahead of its L1 origin that it may hold no transactions."""
    return timestamp > origin.timestamp + config.max_sequencer_drift_at(l1_origin_timestamp=origin.timestamp)


def why_empty(config: RollupConfig, timestamp: int, origin: L1BlockRef, *, recover: bool = False) -> str | None:
    """Why an L2 block of that time and origin takes nothing from the pool; None: it may.

    Derivation drops transactions in the activation blocks of Jovian and later. We leave them out of every activation block: the pool
    has checked them by the rules before.
    """
    if recover:
        return "recover mode"
    if is_beyond_drift(config, timestamp, origin):
        return f"beyond the drift from L1 block {origin.number}"
    fork = config.activation_block_fork(l2_timestamp=timestamp)
    return None if fork is None else f"activation of {fork.name.lower()}"


class OriginL1(Protocol):
    """What is asked of L1."""

    async def block_by_number(self, number: int) -> L1Block | None:
        """The canonical block of that number; None: there is none that is confirmed well enough to be an origin."""

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        """A block, canonical or not; None: nobody has it any more."""


class Origins:
    """The L1 origin of the unsafe head and the L1 block after it, which `run` fetches ahead: a slow L1 does not delay a block.

    `following`: that L1 block, None as long as it is not known. `problem`: why L1 did not give it, the last time.
    """

    def __init__(self, l1: OriginL1, changed: Callable[[], None]) -> None:
        """`changed` is called when `following` is another."""
        self._l1 = l1
        self._changed = changed
        self._current: L1Block | None = None
        self._ask = trio.Event()
        self._answered = trio.Event()
        self.following: L1Block | None = None
        self.problem: str | None = None

    @property
    def current(self) -> L1Block | None:
        """The block that `at` was asked for last."""
        return self._current

    def l1_moved(self) -> None:
        """L1 has a new head: there may be a following block now, or another."""
        self._ask.set()
        self._ask = trio.Event()

    async def at(self, origin: BlockId) -> L1Block:
        """The block `origin` itself, and from now on `following` is of it. Raises ResetRequired if nobody has it; what the L1 raises."""
        if self._current is None or self._current.hash != origin.hash:
            block = self.following
            if block is None or block.hash != origin.hash:
                block = await self._l1.block_by_hash(origin)
            if block is None:
                raise ResetRequired(f"L1 origin {origin.number} 0x{origin.hash.hex()} is gone")
            self._current, self.following, self._answered = block, None, trio.Event()
            self.l1_moved()
        return self._current

    async def answered(self) -> None:
        """Returns when L1 has been asked for the following block and has answered."""
        await self._answered.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Asks for the following block whenever the origin is another or L1 has moved, until it is cancelled."""
        task_status.started()
        while True:
            ask, current = self._ask, self._current
            if current is not None:
                try:
                    found = await self._l1.block_by_number(current.header.number + 1)
                except EndpointError as error:
                    self.problem = str(error)
                    with trio.move_on_after(_RETRY):
                        await ask.wait()
                    continue
                self.problem = None
                if current is self._current:
                    self._take(found)
            await ask.wait()

    def _take(self, found: L1Block | None) -> None:
        self._answered.set()
        before, self.following = self.following, found
        if (None if found is None else found.hash) != (None if before is None else before.hash):
            self._changed()
