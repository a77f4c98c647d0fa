"""The running node: what the configuration asks for, in one nursery, until a signal ends it."""

from __future__ import annotations

import gc
import os
import signal
import time
from contextlib import AbstractAsyncContextManager, ExitStack, closing
from types import FrameType
from typing import Any

import structlog
import trio

from trinode.devnet.devnet import Devnet
from trinode.engine.pool.pool import TransactionPool
from trinode.engine.sender_recovery import ThreadedRecovery
from trinode.engine.standing_aside import StandingAside
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.right_of_way import INTERPRETER, LoopFirst
from trinode.l1.blob_hasher import BlobHasher
from trinode.node import datadir, logs
from trinode.node.config import NodeConfig
from trinode.node.engines import Embedded, OpenEngine, embedded_engine, external_engine, stateless_engine
from trinode.node.memory import give_back_what_is_free
from trinode.node.records import Records
from trinode.node.rollup_node import run_rollup_node
from trinode.node.servers import run_engine_only
from trinode.node.services import BUG, EXPLAINED, ServiceFailed
from trinode.node.start import StartError
from trinode.node.version import trinode_version
from trinode.node.wiring import Chain, load_chain, open_devnet, open_records, open_store, pool_limits
from trinode.storage.derivation import DerivationRecords

_log = structlog.get_logger()


class NodeStopped(Exception):
    """The node cannot go on; one line that says why."""


def run_node(config: NodeConfig) -> None:
    """Runs until SIGINT or SIGTERM; a second signal ends the process at once. Raises StartError and NodeStopped."""
    logs.configure(config.log.level, config.log.format, color=config.log.color)
    give_back_what_is_free()
    with _EarlySignals() as signals, ExitStack() as stack:
        try:
            stack.enter_context(datadir.held(config.general.datadir))
        except datadir.DatadirError as error:
            raise StartError(str(error)) from error
        devnet = stack.enter_context(closing(open_devnet(config))) if config.chain.is_devnet else None
        chain = load_chain(config) if devnet is None else Chain(devnet.rollup_config, devnet.l1_chain_config)
        recover = stack.enter_context(ThreadedRecovery())
        executor = BlockExecutor(chain.config, StandingAside(FastEngine(), INTERPRETER), recover)
        embedded = None
        if config.engine.kind == "embedded":
            store = stack.enter_context(open_store(config, chain.config, None if devnet is None else devnet.genesis))
            pool = TransactionPool(chain.config, store, pool_limits(config), clock=time.monotonic)
            embedded = Embedded(store, executor, pool)
        records = stack.enter_context(closing(open_records(config, chain.config)))
        hasher = stack.enter_context(BlobHasher())
        if signals.came:
            _log.info("stopped")
            return
        gc.collect()
        gc.freeze()  # what is there now, modules above all, is looked through no more: 60 ms in which all threads would stand still
        loop_first = LoopFirst(INTERPRETER)
        try:
            trio.run(_run, config, chain, devnet, executor, embedded, records, hasher, signals, instruments=[loop_first])
        except ExceptionGroup as group:
            raise _explained(group) from group


class _EarlySignals:
    """Hears SIGINT and SIGTERM while trio does not: the stores are opened, or closed. An exception in the middle of that could leave a thread
    behind that nobody ends, so that the first one is only noted. The second one ends the process.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _EarlySignals:
        self._before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self.came:
            os._exit(1)
        self.came = True


def _explained(group: ExceptionGroup[Exception]) -> StartError | NodeStopped:
    """What ended the node, in one line."""
    refused, stopped = group.subgroup(StartError), group.subgroup((*EXPLAINED, ServiceFailed))
    if refused is not None:
        return StartError(str(_first(refused)))
    if stopped is not None:
        return NodeStopped(str(_first(stopped)))
    _log.error("the node failed", exc_info=group)
    error = _first(group)
    return NodeStopped(f"{type(error).__name__}: {error}. {BUG}")


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The first error in a group, however deep it is."""
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


async def _run(
    config: NodeConfig,
    chain: Chain,
    devnet: Devnet | None,
    executor: BlockExecutor,
    embedded: Embedded | None,
    records: DerivationRecords,
    hasher: BlobHasher,
    signals: _EarlySignals,
) -> None:
    async with trio.open_nursery() as nursery:
        # The signals are heard until the end, for a second one ends what the first one has not.
        with trio.CancelScope() as scope:
            await nursery.start(_stop_on_signal, scope)
            if signals.came:
                scope.cancel()
            head = {} if embedded is None else {"head": embedded.store.head.number}
            what = {"chain": chain.config.l2_chain_id, "engine": config.engine.kind, **head, "data": str(config.general.datadir)}
            _log.info(f"trinode {trinode_version()}", **what)
            async with _engine(config, chain, executor, embedded) as engine:
                if config.authrpc.enabled:
                    await run_engine_only(config, chain, engine)
                else:
                    await run_rollup_node(config, chain, engine, Records(records), hasher, devnet)
        nursery.cancel_scope.cancel()


def _engine(config: NodeConfig, chain: Chain, executor: BlockExecutor, embedded: Embedded | None) -> AbstractAsyncContextManager[OpenEngine]:
    if embedded is not None:
        return embedded_engine(embedded)
    if config.engine.kind == "stateless":
        return stateless_engine(config, chain.config, executor)
    return external_engine(config, chain.config)


async def _stop_on_signal(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            if scope.cancel_called:
                os._exit(1)
            _log.info("stopping; a second signal ends it at once")
            scope.cancel()
