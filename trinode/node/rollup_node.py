"""The node as a rollup node: L1 followed and derived from, unsafe blocks taken or made, batches posted, and all of it served."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

import structlog
import trio

from trinode.derive.events import CheckpointIgnored, CheckpointUsed, ConfigProblem, Dropped, HeadsFound, Idle, Notice, Progressed
from trinode.devnet.devnet import Devnet
from trinode.engine.api.endpoint import EngineProblem
from trinode.engine.status import HeadRefused
from trinode.jsonrpc.endpoint import EndpointError
from trinode.jsonrpc.server import serve_app
from trinode.l1.blob_hasher import BlobHasher
from trinode.node.batching import DEVNET_BATCHER, batcher_settings, make_batcher
from trinode.node.config import NodeConfig
from trinode.node.driver import Driver
from trinode.node.engines import OpenEngine
from trinode.node.heads import Heads
from trinode.node.health import Health
from trinode.node.key_file import read_key
from trinode.node.l1_client import L1Client, open_l1
from trinode.node.metrics import Metrics, Ref
from trinode.node.p2p import P2PNode
from trinode.node.p2p_metrics import P2PMetrics, figures_of
from trinode.node.p2p_view import NodeP2PView
from trinode.node.records import Records
from trinode.node.report import report_progress
from trinode.node.rollup_rpc import AdminView, RollupView
from trinode.node.sequencer import Sequencer, SequencerSettings
from trinode.node.servers import serve_rollup_node
from trinode.node.services import listen, start
from trinode.node.start import StartError
from trinode.node.unsafe_blocks import UnsafeBlocks
from trinode.node.unsafe_payloads import UnsafePayloads
from trinode.node.upstream import open_upstream
from trinode.node.verifier import ConfirmedL1, run_verifier
from trinode.node.wiring import Chain
from trinode.protocol.payload import PayloadEnvelope, payload_of
from trinode.protocol.types import BlockId
from trinode.rpc.eth.namespace import SyncProgress
from trinode.rpc.node import AdminRefused

_ACCOUNTS_SHOWN = 3

_log = structlog.get_logger()


async def run_rollup_node(config: NodeConfig, chain: Chain, engine: OpenEngine, records: Records, hasher: BlobHasher, devnet: Devnet | None) -> None:
    """Runs until it is cancelled. Raises StartError, and what its services raise."""
    async with open_l1(config, chain.config, hasher, None if devnet is None else devnet.l1_app) as l1:
        genesis = chain.config.genesis.l1
        if devnet is None:
            try:
                await l1.source.check(chain.config.l1_chain_id, BlockId(genesis.number, genesis.hash))
            except EndpointError as error:
                raise StartError(f"{error}. Give an RPC of L1 chain {chain.config.l1_chain_id} that answers with --l1") from error
        await RollupNode(config, chain, engine, records, l1, devnet).run()


class RollupNode:
    """All parts of a rollup node, and how they know of each other."""

    def __init__(self, config: NodeConfig, chain: Chain, engine: OpenEngine, records: Records, l1: L1Client, devnet: Devnet | None) -> None:
        self._config = config
        self._chain = chain
        self._engine = engine
        self._l1 = l1
        self._devnet = devnet
        self._clock = time.time if devnet is None else devnet.clock
        self.heads = Heads(chain.config, engine.engine)
        self.metrics = Metrics(self._refs, self._clock, buffered=lambda: self.unsafe.buffered)
        self.unsafe = UnsafeBlocks(self.heads, UnsafePayloads(), self.metrics.unsafe_payloads.inc)
        self.driver = Driver(
            chain.config,
            chain.l1,
            ConfirmedL1(l1.source, l1.watcher, l1.prefetcher),
            engine.engine,
            heads=self.heads,
            records=records,
            notice=self._noticed,
        )
        self.health = Health(self.driver, l1.watcher, l1.last_failure)
        self.rollup = RollupView(chain.config, self.driver, l1.watcher, engine.engine, engine.withdrawal_root, records)
        self.p2p: P2PNode | None = None
        self.p2p_view: NodeP2PView | None = None
        if not config.p2p.disabled:
            self.p2p = p2p = P2PNode(config, chain.config, l1, self.unsafe, self._payload, self._sequencer_key(), self._clock)
            self.p2p_view = view = NodeP2PView(p2p, config.p2p.user_agent)
            self.metrics.registry.register(P2PMetrics(lambda: figures_of(p2p, view)))
        self.sequencer = self._make_sequencer() if config.sequencer.enabled or devnet is not None else None
        self.admin = AdminView(self.driver, self.unsafe, self.sequencer)
        l1.on_failure = self.metrics.l1_failed

    async def run(self) -> None:
        """Runs until it is cancelled."""
        config = self._config
        embedded = self._engine.embedded
        async with open_upstream(config, self._chain.config, embedded.store if embedded else None) as upstream, trio.open_nursery() as nursery:
            if self._devnet is not None:
                await self._start_devnet(nursery, self._devnet)
            await serve_rollup_node(nursery, config, self._chain, self._engine, self, upstream)
            self.metrics.up.set(1)
            await start(nursery, "derivation", self._verify)
            await start(nursery, "unsafe blocks", self.unsafe.run)
            if self.p2p is not None:
                await start(nursery, "P2P", self.p2p.run)
            if self.sequencer is not None:
                await start(nursery, "the sequencer", self.sequencer.run)
            key = self._batcher_key()
            if key is not None:
                settings = batcher_settings(config.batcher) if self._devnet is None else DEVNET_BATCHER
                say = _log.info if self._devnet is None else _log.debug
                batcher = make_batcher(self._chain, key, self.driver, self._engine.engine, self._l1.endpoints, settings, self._clock, say)
                await start(nursery, "the batcher", batcher.run)
            await start(nursery, "the report", self._report)

    async def _start_devnet(self, nursery: trio.Nursery, devnet: Devnet) -> None:
        host, port = self._config.http.addr, self._config.chain.devnet_l1_port
        address = await listen(nursery, "devnet.l1", partial(serve_app, devnet.l1_app, host, port), host, port)
        _log.info(f"devnet: chain {self._chain.config.l2_chain_id} on an L1 of its own at {address}, chain {self._chain.config.l1_chain_id}")
        for account in devnet.accounts[:_ACCOUNTS_SHOWN]:
            _log.info(f"devnet: 0x{account.address.hex()} has ether on both; its key is 0x{account.key.hex()}")
        await start(nursery, "the devnet's L1", devnet.l1.run)

    @property
    def takes_transactions(self) -> bool:
        """Whether transactions of the pool get into blocks here."""
        return self.sequencer is not None

    def progress(self) -> SyncProgress | None:
        """How far the node is behind; None: it is not. The highest block is that of L1's time."""
        unsafe, latest = self.heads.unsafe, self._l1.watcher.latest
        if self.health.not_ready() is None or unsafe is None or latest is None:
            return None
        genesis = self._chain.config.genesis
        highest = genesis.l2.number + max(latest.head.timestamp - genesis.l2_time, 0) // self._chain.config.block_time
        return SyncProgress(genesis.l2.number, unsafe.number, max(highest, unsafe.number))

    async def set_head(self, number: int) -> None:
        """Takes blocks back by hand; derivation begins again from there. Raises AdminRefused."""
        embedded = self._engine.embedded
        if embedded is None:
            raise AdminRefused("blocks are not kept here")
        try:
            await self.driver.reset_by(lambda: embedded.service.set_head(number))
        except HeadRefused as error:
            raise AdminRefused(str(error)) from error

    async def _verify(self, *, task_status: trio.TaskStatus[None]) -> None:
        patient = self._engine.embedded is None
        l1_moved = (lambda: None) if self.sequencer is None else self.sequencer.wake
        await run_verifier(
            self.driver, self._l1.watcher, self._l1.prefetcher, patient=patient, l1_moved=l1_moved, task_status=task_status
        )

    async def _report(self, *, task_status: trio.TaskStatus[None]) -> None:
        await report_progress(self.driver, self._l1.watcher, self.health, task_status=task_status)

    # ---- sequencing ----

    def _make_sequencer(self) -> Sequencer:
        settings, devnet = self._config.sequencer, self._devnet
        pool = None if self._engine.embedded is None else self._engine.embedded.pool
        depth = settings.confirmations if devnet is None else 0
        is_instant = devnet is not None and self._config.chain.block_time == 0
        sequencer = Sequencer(
            self._chain.config,
            self._chain.l1,
            self.heads,
            ConfirmedL1(self._l1.source, self._l1.watcher, None, depth=depth),
            SequencerSettings(stopped=settings.stopped, recover=settings.recover, max_safe_lag=settings.max_safe_lag),
            clock=self._clock,
            reset=self.driver.reset,
            publish=self.p2p.publish if self.p2p is not None and self.p2p.can_publish else None,
            instant=(lambda: pool.status().pending > 0) if is_instant and pool is not None else None,
            notice=lambda line: _log.warning(f"sequencer: {line}"),
        )
        if pool is not None:
            token = trio.lowlevel.current_trio_token()
            pool.on_added = lambda: token.run_sync_soon(sequencer.transaction_arrived, idempotent=True)
        return sequencer

    def _sequencer_key(self) -> bytes | None:
        """Whose signature the peers of a sequencer expect."""
        return self._config.sequencer.key if self._devnet is None else self._devnet.sequencer_key

    async def _payload(self, number: int) -> PayloadEnvelope | None:
        """A block of the canonical chain, for a peer."""
        unsafe = self.heads.unsafe
        if unsafe is None or number > unsafe.number:
            return None
        try:
            block = await self._engine.engine.block_by_number(number)
        except EngineProblem:
            return None
        return None if block is None else payload_of(block)

    def _batcher_key(self) -> bytes | None:
        if self._devnet is not None:
            return self._devnet.batcher_key
        path = self._config.batcher.key
        return None if path is None else read_key("batcher.key", path)

    # ---- what is said of it ----

    def _noticed(self, notice: Notice) -> None:
        self.metrics.noticed(notice)
        match notice:
            case Dropped():
                detail = {} if not notice.detail else {"detail": notice.detail}
                what = f"dropped {notice.subject.value} {notice.name}: {notice.reason.value}"
                # After a reset data is read again that made the blocks which are safe already.
                (_log.debug if notice.reason.is_repetition else _log.info)(what, l1=notice.origin.number, **detail)
            case ConfigProblem():
                _log.warning("malformed system config update", l1=notice.origin.number, detail=notice.detail)
            case HeadsFound():
                heads = {"unsafe": notice.unsafe.number, "safe": notice.safe.number, "finalized": notice.finalized.number}
                _log.info("derivation begins", **heads, l1=notice.l1_base.number)
            case CheckpointUsed():
                _log.info("derivation goes on at a checkpoint", l1=notice.origin.number, safe=notice.safe.number)
            case CheckpointIgnored():
                _log.info(f"a checkpoint of derivation does not hold: {notice.reason}", l1=notice.origin.number)
            case Idle() | Progressed():
                pass

    def _refs(self) -> Iterable[Ref]:
        status = self.rollup.sync_status()
        l1 = {"l1_head": status.head_l1, "l1_safe": status.safe_l1, "l1_finalized": status.finalized_l1, "l1_derived": status.current_l1}
        l2 = {"l2_unsafe": status.unsafe_l2, "l2_safe": status.safe_l2, "l2_finalized": status.finalized_l2}
        l2["l2_pending_safe"] = status.pending_safe_l2
        for layer, refs in (("l1", l1), ("l2", l2)):
            for label, ref in refs.items():
                if ref is not None:
                    yield Ref(layer, label, ref.number, ref.timestamp, ref.hash)
