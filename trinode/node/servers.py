"""What the node serves: JSON-RPC over HTTP and WebSocket, the rollup node's RPC, the Engine API, metrics."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

import structlog
import trio

from trinode.engine.api import codec
from trinode.engine.api.engine_methods import ClientVersion, EngineMethods
from trinode.engine.api.jwt import JwtSecretError, read_or_create_secret, read_secret
from trinode.engine.api.server import EngineApi
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, Retries
from trinode.jsonrpc.fields import JsonFields
from trinode.jsonrpc.server import serve_app
from trinode.node.config import NodeConfig
from trinode.node.engines import Embedded, OpenEngine
from trinode.node.health import Health
from trinode.node.metrics import Metrics, Ref
from trinode.node.protocol_versions import ProtocolVersions
from trinode.node.rollup_rpc import AdminView, RollupView
from trinode.node.services import listen, start
from trinode.node.start import StartError
from trinode.node.submission import ToPool, ToSequencer
from trinode.node.version import trinode_version
from trinode.node.wiring import Chain
from trinode.protocol.payload import PayloadEnvelope
from trinode.rollup.config import RollupConfig
from trinode.rpc.admin import AdminNamespace
from trinode.rpc.dispatch import Dispatcher, Namespace
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace, Pooled, SyncProgress
from trinode.rpc.net import NetNamespace
from trinode.rpc.node import Readiness, TransactionTaker
from trinode.rpc.optimism import OptimismNamespace
from trinode.rpc.server import RpcServer, ServerSettings
from trinode.rpc.web3 import Web3Namespace

JWT_FILE = "jwt.hex"
"""In the datadir, where no other is named."""
_NO_GAS_CAP = 2**63 - 1
"""What op-geth takes where there is no limit."""
_UPSTREAM_CONCURRENCY = 64
_UPSTREAM_TIMEOUT = 10.0

_log = structlog.get_logger()


class Served(Protocol):
    """What of the rollup node is served."""

    rollup: RollupView
    admin: AdminView
    health: Health
    metrics: Metrics

    @property
    def takes_transactions(self) -> bool:
        """Whether transactions of the pool get into blocks here."""

    def progress(self) -> SyncProgress | None:
        """How far the node is behind; None: it is not."""


async def serve_rollup_node(
    nursery: trio.Nursery, config: NodeConfig, chain: Chain, engine: OpenEngine, node: Served, upstream: JsonRpc | None
) -> None:
    """Serves all that is configured, until the nursery is cancelled. `upstream`: the sequencer, which transactions are passed on to.

    Raises StartError.
    """
    optimism = OptimismNamespace(node.rollup, chain.config, trinode_version())
    admin = AdminNamespace(node.admin, partial(decode_envelope, chain.config))
    namespaces: list[Namespace] = [optimism, admin, *_common(chain.config)]
    if engine.embedded is not None:
        taker = _taker(engine.embedded, upstream, pools=node.takes_transactions)
        namespaces.append(_eth(config, chain.config, engine.embedded, taker, node.progress))
    await _serve_users(nursery, config, namespaces, node.health)
    exposed = ["optimism", "admin"] if config.rpc.admin else ["optimism"]
    settings = ServerSettings(host=config.rpc.addr, port=config.rpc.port, virtual_hosts=("localhost",))
    server = RpcServer(Dispatcher(namespaces, exposed), node.health, settings, version=trinode_version())
    address = await listen(nursery, "rpc", server.run, settings.host, settings.port)
    _log.info(f"rollup node's RPC at {address} ({', '.join(exposed)})")
    await _serve_metrics(nursery, config, node.metrics)


async def run_engine_only(config: NodeConfig, chain: Chain, engine: OpenEngine) -> None:
    """Our engine for a rollup node elsewhere: the Engine API, and the chain for users. Runs until it is cancelled. Raises StartError."""
    embedded = engine.embedded
    assert embedded is not None
    path = config.authrpc.jwt_secret
    try:
        secret = read_or_create_secret(config.general.datadir / JWT_FILE) if path is None else read_secret(path)
    except JwtSecretError as error:
        raise StartError(str(error)) from error
    async with open_upstream(config) as upstream, trio.open_nursery() as nursery:
        eth = _eth(config, chain.config, embedded, _taker(embedded, upstream, pools=True), lambda: None)
        who = ClientVersion("TN", "trinode", trinode_version(), bytes(4))
        versions = ProtocolVersions(config.chain.halt)
        methods = EngineMethods(engine.engine, chain.config, who, versions.signalled).methods | eth.methods
        app = EngineApi(methods, secret)
        authrpc = config.authrpc
        serve = partial(serve_app, app, authrpc.addr, authrpc.port)
        address = await listen(nursery, "authrpc", serve, authrpc.addr, authrpc.port)
        _log.info(f"Engine API at {address}; its secret is in {path or config.general.datadir / JWT_FILE}")
        await _serve_users(nursery, config, [eth, *_common(chain.config)], _Always())
        metrics = Metrics(lambda: [_head_of(embedded)], time.time, buffered=lambda: (0, 0))
        metrics.up.set(1)
        await _serve_metrics(nursery, config, metrics)
        await start(nursery, "the watch for protocol versions", versions.run)


@asynccontextmanager
async def open_upstream(config: NodeConfig) -> AsyncIterator[JsonRpc | None]:
    """The sequencer that transactions are passed on to; None: there is none."""
    url = config.upstream.sequencer
    if url is None:
        yield None
        return
    endpoint = Endpoint("sequencer", url, concurrency=_UPSTREAM_CONCURRENCY, timeout=_UPSTREAM_TIMEOUT, retries=Retries(1))
    try:
        yield JsonRpc(endpoint)
    finally:
        with trio.CancelScope(shield=True):
            await endpoint.close()


def _head_of(embedded: Embedded) -> Ref:
    header, head = embedded.store.head_header, embedded.store.head
    return Ref("l2", "l2_unsafe", head.number, header.timestamp, head.hash)


class _Always:
    """An engine that others drive is as far as they have driven it."""

    def not_ready(self) -> str | None:
        return None


def _taker(embedded: Embedded, upstream: JsonRpc | None, *, pools: bool) -> TransactionTaker | None:
    pool = ToPool(embedded.pool)
    if upstream is not None:
        return ToSequencer(upstream, pool)
    return pool if pools else None


def _eth(
    config: NodeConfig, rollup: RollupConfig, embedded: Embedded, taker: TransactionTaker | None, progress: Callable[[], SyncProgress | None]
) -> EthNamespace:
    limits = EthLimits(gas_cap=config.calls.gas_cap or _NO_GAS_CAP, call_seconds=config.calls.timeout)
    pooled = Pooled(embedded.pool.get, embedded.pool.pending_nonce)
    return EthNamespace(rollup, embedded.store, progress=progress, taker=taker, pooled=pooled, limits=limits)


def _common(rollup: RollupConfig) -> list[Namespace]:
    return [NetNamespace(rollup.l2_chain_id, lambda: 0), Web3Namespace(f"trinode/v{trinode_version()}")]


async def _serve_users(nursery: trio.Nursery, config: NodeConfig, namespaces: Sequence[Namespace], readiness: Readiness) -> None:
    """HTTP and WebSocket, on one port if that is what both have."""
    http, ws = config.http, config.ws
    known = {namespace.name for namespace in namespaces}
    shared = http.enabled and ws.enabled and (http.addr, http.port) == (ws.addr, ws.port)
    if http.enabled:
        settings = ServerSettings(
            host=http.addr,
            port=http.port,
            websocket=shared,
            virtual_hosts=http.vhosts,
            http_origins=http.corsdomain,
            websocket_origins=ws.origins,
        )
        await _serve(nursery, "http", namespaces, [name for name in http.api if name in known], readiness, settings)
    if ws.enabled and not shared:
        settings = ServerSettings(
            host=ws.addr, port=ws.port, http=False, websocket=True, virtual_hosts=("*",), websocket_origins=ws.origins
        )
        await _serve(nursery, "ws", namespaces, [name for name in ws.api if name in known], readiness, settings)


async def _serve(
    nursery: trio.Nursery, option: str, namespaces: Sequence[Namespace], exposed: Sequence[str], readiness: Readiness, settings: ServerSettings
) -> None:
    server = RpcServer(Dispatcher(namespaces, exposed), readiness, settings, version=trinode_version())
    address = await listen(nursery, option, server.run, settings.host, settings.port)
    shown = address if settings.http else address.replace("http://", "ws://")
    _log.info(f"JSON-RPC at {shown} ({', '.join(exposed)}{', also as a WebSocket' if settings.http and settings.websocket else ''})")


async def _serve_metrics(nursery: trio.Nursery, config: NodeConfig, metrics: Metrics) -> None:
    settings = config.metrics
    if settings.enabled:
        serve = partial(serve_app, metrics.app(), settings.addr, settings.port)
        address = await listen(nursery, "metrics", serve, settings.addr, settings.port)
        _log.info(f"metrics at {address}/metrics")


def decode_envelope(config: RollupConfig, value: object) -> PayloadEnvelope:
    """An execution payload envelope as op-node writes it. Raises InvalidParams."""
    fields = JsonFields(value, "params[0]")
    payload = fields.required("executionPayload")
    path = fields.path_of("executionPayload")
    fork = config.fork_at(l2_timestamp=JsonFields(payload, path).quantity("timestamp"))
    return PayloadEnvelope(codec.decode_payload(payload, path, fork), fields.optional_data("parentBeaconBlockRoot", 32))
