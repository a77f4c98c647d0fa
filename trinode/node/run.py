"""The running node: everything that was wired, in one nursery, until a signal ends it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import trio

from trinode.derive.errors import CriticalError, UnsupportedChain
from trinode.engine.core import EngineCore
from trinode.engine.sender_recovery import ThreadedRecovery
from trinode.engine.service import EngineService
from trinode.execution.block import BlockExecutor
from trinode.execution.errors import UnknownFork
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.endpoint import Endpoint, EndpointError, Retries
from trinode.l1.beacon import Beacon
from trinode.l1.blob_hasher import BlobHasher
from trinode.l1.prefetch import Prefetcher
from trinode.l1.source import L1Source
from trinode.l1.watch import L1Watcher, WatchSettings
from trinode.node.config import NodeConfig
from trinode.node.driver import Driver, EngineOutOfStep
from trinode.node.verifier import run_verifier
from trinode.node.wiring import Chain, StartError, check_supported, load_chain, open_store
from trinode.protocol.types import BlockId
from trinode.storage.errors import StoreError

_REPORT_INTERVAL = 10.0
"""Seconds between two lines of progress."""
_PREFETCHED_BLOCKS = 32
_TIMEOUT = 30.0
_ONCE = Retries(1)
"""At one endpoint; another endpoint is the second attempt."""

__all__ = ["NodeStopped", "StartError", "run_node"]

Say = Callable[[str], None]


class NodeStopped(Exception):
    """The node cannot go on; one line that says why."""


def run_node(config: NodeConfig, say: Say) -> None:
    """Runs until SIGINT or SIGTERM; a second signal ends the process at once. Raises StartError and NodeStopped."""
    check_supported(config)
    chain = load_chain(config)
    with open_store(config, chain.config) as store, BlobHasher() as hasher, ThreadedRecovery() as recover:
        core = EngineCore(store, BlockExecutor(chain.config, FastEngine(), recover))
        start = f"chain {chain.config.l2_chain_id}, at L2 block {store.head.number}; data in {config.general.datadir}"
        try:
            trio.run(_run, config, chain, EngineService(core), hasher, say, start)
        except* StartError as group:
            raise StartError(_first(group)) from group
        except* (CriticalError, EngineOutOfStep, StoreError, UnsupportedChain, UnknownFork) as group:
            raise NodeStopped(_first(group)) from group


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    """The message of the first error in a group, however deep it is."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


async def _run(config: NodeConfig, chain: Chain, engine: EngineService, hasher: BlobHasher, say: Say, start: str) -> None:
    endpoints: list[Endpoint] = []
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_stop_on_signal, nursery.cancel_scope, say)
            say(start)
            await _verify(config, chain, engine, hasher, endpoints, say)
    finally:
        with trio.CancelScope(shield=True):
            await engine.close()
            for endpoint in endpoints:
                await endpoint.close()


async def _stop_on_signal(scope: trio.CancelScope, say: Say, *, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        is_stopping = False
        async for _ in signals:
            if is_stopping:
                os._exit(1)
            is_stopping = True
            say("stopping")
            scope.cancel()


async def _verify(config: NodeConfig, chain: Chain, engine: EngineService, hasher: BlobHasher, endpoints: list[Endpoint], say: Say) -> None:
    source = _l1_source(config, chain, hasher, endpoints, say)
    genesis = chain.config.genesis.l1
    try:
        await source.check(chain.config.l1_chain_id, BlockId(genesis.number, genesis.hash))
    except EndpointError as error:
        raise StartError(str(error)) from error
    settings = WatchSettings(
        interval=config.l1.head_interval, label_interval=config.l1.epoch_interval, confirmation_depth=config.l1.confirmations
    )
    watcher = L1Watcher(source, settings, notice=lambda error: say(str(error)))
    prefetcher = Prefetcher(source, ahead=_PREFETCHED_BLOCKS, inbox=chain.config.batch_inbox_address)
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[Driver]) -> None:
            await run_verifier(chain.config, chain.l1, source, watcher, prefetcher, engine, task_status=task_status)

        driver: Driver = await nursery.start(run)
        while True:
            await trio.sleep(_REPORT_INTERVAL)
            say(progress(driver, watcher))


def _l1_source(config: NodeConfig, chain: Chain, hasher: BlobHasher, endpoints: list[Endpoint], say: Say) -> L1Source:
    def open_endpoint(role: str, url: str) -> Endpoint:
        endpoint = Endpoint(role, url, concurrency=config.l1.max_concurrency, timeout=_TIMEOUT, retries=_ONCE)
        endpoints.append(endpoint)
        return endpoint

    def notice(error: EndpointError) -> None:
        say(str(error))

    urls = [config.l1.beacon, *config.l1.beacon_fallbacks] if config.l1.beacon is not None else []
    beacon = Beacon([open_endpoint("beacon", url) for url in urls], hasher, notice=notice) if urls else None
    contracts = (chain.config.deposit_contract_address, chain.config.l1_system_config_address)
    nodes = [open_endpoint("L1", url) for url in config.l1.endpoints]
    return L1Source(nodes, beacon, contracts, cache_bytes=config.l1.cache_bytes, notice=notice)


def progress(driver: Driver, watcher: L1Watcher) -> str:
    """Where the node is, in one line."""
    if driver.unsafe is None or driver.safe is None or watcher.latest is None:
        return "looking for the place to begin"
    l1 = watcher.latest
    finalized = driver.finalized
    blocks = f"L2 unsafe {driver.unsafe.number}, safe {driver.safe.number}, finalized {finalized.number if finalized else '-'}"
    return f"{blocks}; L1 origin {driver.safe.l1_origin.number} of {l1.head.number}"
