"""A verifier at work: L1 is watched and fetched ahead, and the driver derives from it as far as it is confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import structlog
import trio

from trinode.engine.api.endpoint import EngineProblem
from trinode.engine.status import InvalidForkchoiceState
from trinode.jsonrpc.endpoint import EndpointError
from trinode.l1.prefetch import Prefetcher
from trinode.l1.source import L1Source
from trinode.l1.watch import L1Watcher
from trinode.node.driver import Driver
from trinode.node.heads import EngineOutOfStep
from trinode.protocol.block import L1Block
from trinode.protocol.types import BlockId, Hash32

_PREFETCHING_TASKS = 8
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 60.0
"""Seconds between two rounds of asking all endpoints for the same thing."""

T = TypeVar("T")
_log = structlog.get_logger()


class ConfirmedL1:
    """L1 as far as derivation may read it (the driver's `L1`). What no endpoint can give now is asked for until one can: the source tells
    its notice of each failure. `depth`: how many blocks must be on top of one; None: as the watcher counts it.
    """

    def __init__(self, source: L1Source, watcher: L1Watcher, prefetcher: Prefetcher | None, *, depth: int | None = None) -> None:
        self._source = source
        self._watcher = watcher
        self._prefetcher = prefetcher
        self._depth = depth

    def confirmed(self) -> int | None:
        """The number of the last block that may be read; None: it is not known yet where L1 is."""
        heads = self._watcher.latest
        if heads is None:
            return None
        return heads.confirmed if self._depth is None else heads.head.number - self._depth

    async def block_by_number(self, number: int) -> L1Block | None:
        """The canonical block of that number; None: there is none that is confirmed."""
        confirmed = self.confirmed()
        if confirmed is None or number > confirmed:
            return None
        if self._prefetcher is not None:
            self._prefetcher.want(number, confirmed)
        return await _until_answered(lambda: self._source.block_by_number(number))

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        """A block, canonical or not; None: nobody has it any more."""
        return await _until_answered(lambda: self._source.block_by_hash(block))

    async def is_canonical(self, block: BlockId) -> bool:
        """Whether L1 has that block at its number now. What is fetched ahead stays as it is."""
        found = await _until_answered(lambda: self._source.block_by_number(block.number))
        return found is not None and found.hash == block.hash

    async def blobs(self, block: BlockId, timestamp: int, hashes: tuple[Hash32, ...]) -> tuple[bytes, ...] | None:
        """Blobs by versioned hash, in order; None: they are gone with their block."""
        return await _until_answered(lambda: self._source.blobs(block, timestamp, hashes))


async def _until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    delay = _FIRST_DELAY
    while True:
        try:
            return await ask()
        except EndpointError:
            await trio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)


async def run_verifier(
    driver: Driver,
    watcher: L1Watcher,
    prefetcher: Prefetcher,
    *,
    patient: bool = False,
    l1_moved: Callable[[], None] = lambda: None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Derives what L1 holds until it is cancelled. The caller has checked that `watcher` is of the rollup's L1. Raises as `Driver.run` does;
    if `patient`, what an engine elsewhere cannot do now is tried again. `l1_moved` is called too when L1 has news.
    """
    async with trio.open_nursery() as nursery:
        await nursery.start(watcher.run)
        for _ in range(_PREFETCHING_TASKS):
            await nursery.start(prefetcher.work)
        nursery.start_soon(_drive_patiently if patient else Driver.run, driver)
        task_status.started()
        async with aclosing(watcher.updates()) as updates:
            async for heads in updates:
                if heads.finalized is not None:
                    driver.l1_finalized(heads.finalized.number)
                driver.l1_moved()
                l1_moved()


async def _drive_patiently(driver: Driver) -> None:
    """Derivation begins again from the engine's heads whenever the engine is there again."""
    delay = _FIRST_DELAY
    while True:
        began = trio.current_time()
        try:
            await driver.run()
        except (EngineProblem, EngineOutOfStep, InvalidForkchoiceState) as error:
            _log.warning(str(error))
        if trio.current_time() - began > _LONGEST_DELAY:
            delay = _FIRST_DELAY
        await trio.sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY)
