"""A verifier at work: L1 is watched and fetched ahead, and the driver derives from it as far as it is confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import trio

from trinode.derive.events import Notice
from trinode.engine.api.interface import Engine
from trinode.jsonrpc.endpoint import EndpointError
from trinode.l1.prefetch import Prefetcher
from trinode.l1.source import L1Source
from trinode.l1.watch import L1Watcher
from trinode.node.driver import Driver
from trinode.protocol.block import L1Block
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import L1ChainConfig

_PREFETCHING_TASKS = 8
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 60.0
"""Seconds between two rounds of asking all endpoints for the same thing."""

T = TypeVar("T")


class ConfirmedL1:
    """L1 as far as derivation may read it (the driver's `L1`). What no endpoint can give now is asked for until one can: the source tells
    its notice of each failure.
    """

    def __init__(self, source: L1Source, watcher: L1Watcher, prefetcher: Prefetcher) -> None:
        self._source = source
        self._watcher = watcher
        self._prefetcher = prefetcher

    async def block_by_number(self, number: int) -> L1Block | None:
        """The canonical block of that number; None: there is none that is confirmed."""
        heads = self._watcher.latest
        if heads is None or number > heads.confirmed:
            return None
        self._prefetcher.want(number, heads.confirmed)
        return await _until_answered(lambda: self._source.block_by_number(number))

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        """A block, canonical or not; None: nobody has it any more."""
        return await _until_answered(lambda: self._source.block_by_hash(block))

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
    config: RollupConfig,
    l1_chain_config: L1ChainConfig,
    source: L1Source,
    watcher: L1Watcher,
    prefetcher: Prefetcher,
    engine: Engine,
    *,
    notice: Callable[[Notice], None] = lambda notice: None,
    task_status: trio.TaskStatus[Driver] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Derives what L1 holds until it is cancelled; gives its driver when it begins. The caller has checked that `source` is of the rollup's
    L1. Raises as `Driver.run` does, but for L1's failures.
    """
    driver = Driver(config, l1_chain_config, ConfirmedL1(source, watcher, prefetcher), engine, notice=notice)
    async with trio.open_nursery() as nursery:
        await nursery.start(watcher.run)
        for _ in range(_PREFETCHING_TASKS):
            await nursery.start(prefetcher.work)
        nursery.start_soon(driver.run)
        task_status.started(driver)
        async with aclosing(watcher.updates()) as updates:
            async for heads in updates:
                if heads.finalized is not None:
                    driver.l1_finalized(heads.finalized.number)
                driver.l1_moved()
