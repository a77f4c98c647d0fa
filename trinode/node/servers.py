"""What the node serves: JSON-RPC over HTTP and WebSocket, the rollup node's RPC, the Engine API, metrics."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import structlog
import trio

from trinode.engine.api import codec
from trinode.engine.api.engine_methods import ClientVersion, EngineMethods
from trinode.engine.api.jwt import JwtSecretError, read_or_create_secret, read_secret
from trinode.engine.api.server import EngineApi
from trinode.engine.service import EngineService
from trinode.engine.status import HeadRefused
from trinode.jsonrpc.fields import JsonFields
from trinode.jsonrpc.server import serve_app
from trinode.node.config import NodeConfig
from trinode.node.engines import OpenEngine, Running
from trinode.node.health import Health
from trinode.node.metrics import Metrics, Ref
from trinode.node.namespaces import Node, common_namespaces, embedded_namespaces, status_of, verified_namespaces
from trinode.node.p2p_view import NodeP2PView
from trinode.node.protocol_versions import ProtocolVersions
from trinode.node.rollup_rpc import AdminView, RollupView
from trinode.node.services import listen, start
from trinode.node.start import StartError
from trinode.node.upstream import Upstream, open_upstream
from trinode.node.version import trinode_version
from trinode.node.wiring import Chain
from trinode.protocol.payload import PayloadEnvelope
from trinode.rollup.config import RollupConfig
from trinode.rpc.admin import AdminNamespace
from trinode.rpc.dispatch import DEFAULT_LIMITS, Dispatcher, Namespace
from trinode.rpc.eth.namespace import SyncProgress
from trinode.rpc.health import Told
from trinode.rpc.ipc import IpcError, IpcServer
from trinode.rpc.node import AdminRefused, Readiness
from trinode.rpc.opp2p import Opp2pNamespace
from trinode.rpc.optimism import OptimismNamespace
from trinode.rpc.server import RpcServer, ServerSettings

JWT_FILE = "jwt.hex"
"""In the datadir, where no other is named."""
IPC_FILE = "trinode.ipc"
"""Likewise; a path that is given counts from there too, as op-geth has it."""
_NO_P2P = "P2P is off (p2p.disable)"

_log = structlog.get_logger()


class Served(Protocol):
    """What of the rollup node is served."""

    rollup: RollupView
    admin: AdminView
    health: Health
    metrics: Metrics

    p2p_view: NodeP2PView | None

    @property
    def takes_transactions(self) -> bool:
        """Whether transactions of the pool get into blocks here."""

    def progress(self) -> SyncProgress | None:
        """How far the node is behind; None: it is not."""

    async def set_head(self, number: int) -> None:
        """Takes blocks back by hand. Raises AdminRefused."""


async def serve_rollup_node(nursery: trio.Nursery, config: NodeConfig, chain: Chain, engine: OpenEngine, served: Served, upstream: Upstream) -> None:
    """Serves all that is configured, until the nursery is cancelled. Raises StartError."""
    optimism = OptimismNamespace(served.rollup, chain.config, trinode_version())
    admin = AdminNamespace(served.admin, partial(decode_envelope, chain.config))
    p2p = served.p2p_view
    peers = _no_peers if p2p is None else p2p.count
    namespaces: list[Namespace] = [optimism, admin, Opp2pNamespace(p2p or _NO_P2P), *common_namespaces(chain.config, peers)]
    node = Node(config, chain.config, upstream, served.progress, served.takes_transactions, served.set_head)
    if engine.embedded is not None:
        namespaces += embedded_namespaces(node, engine.embedded)
    elif engine.verified is not None:
        namespaces += verified_namespaces(node, engine.verified)
    told = partial(status_of, node)
    await _serve_users(nursery, config, namespaces, served.health, told)
    exposed = ["optimism", "opp2p", *(["admin"] if config.rpc.admin else [])]
    settings = ServerSettings(host=config.rpc.addr, port=config.rpc.port, virtual_hosts=("localhost",))
    server = RpcServer(_dispatcher(config, namespaces, exposed), served.health, settings, version=trinode_version(), told=told)
    address = await listen(nursery, "rpc", server.run, settings.host, settings.port)
    _log.info(f"rollup node's RPC at {address} ({', '.join(exposed)})")
    await _serve_metrics(nursery, config, served.metrics)


def _no_peers() -> int:
    return 0


async def run_engine_only(config: NodeConfig, chain: Chain, engine: OpenEngine) -> None:
    """Our engine for a rollup node elsewhere: the Engine API, and the chain for users. Runs until it is cancelled. Raises StartError."""
    embedded = engine.embedded
    assert embedded is not None
    path = config.authrpc.jwt_secret
    try:
        secret = read_or_create_secret(config.general.datadir / JWT_FILE) if path is None else read_secret(path)
    except JwtSecretError as error:
        raise StartError(str(error)) from error
    async with open_upstream(config, chain.config, embedded.store) as upstream, trio.open_nursery() as nursery:
        node = Node(config, chain.config, upstream, lambda: None, pools=True, set_head=partial(_take_back, embedded.service))
        namespaces = embedded_namespaces(node, embedded)
        eth = {name: method for namespace in namespaces if namespace.name == "eth" for name, method in namespace.methods.items()}
        who = ClientVersion("TN", "trinode", trinode_version(), bytes(4))
        versions = ProtocolVersions(config.chain.halt)
        methods = EngineMethods(engine.engine, chain.config, who, versions.signalled).methods | eth
        app = EngineApi(methods, secret)
        authrpc = config.authrpc
        serve = partial(serve_app, app, authrpc.addr, authrpc.port)
        address = await listen(nursery, "authrpc", serve, authrpc.addr, authrpc.port)
        _log.info(f"Engine API at {address}; its secret is in {path or config.general.datadir / JWT_FILE}")
        await _serve_users(nursery, config, [*namespaces, *common_namespaces(chain.config, _no_peers)], _Always(), partial(status_of, node))
        metrics = Metrics(lambda: [_head_of(embedded)], time.time, buffered=lambda: (0, 0))
        metrics.up.set(1)
        await _serve_metrics(nursery, config, metrics)
        await start(nursery, "the watch for protocol versions", versions.run)


async def _take_back(service: EngineService, number: int) -> None:
    try:
        await service.set_head(number)
    except HeadRefused as error:
        raise AdminRefused(str(error)) from error


def _head_of(embedded: Running) -> Ref:
    header, head = embedded.store.head_header, embedded.store.head
    return Ref("l2", "l2_unsafe", head.number, header.timestamp, head.hash)


class _Always:
    """An engine that others drive is as far as they have driven it."""

    def not_ready(self) -> str | None:
        return None


async def _serve_users(nursery: trio.Nursery, config: NodeConfig, namespaces: Sequence[Namespace], readiness: Readiness, told: Told) -> None:
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
        await _serve(nursery, config, "http", namespaces, [name for name in http.api if name in known], readiness, settings, told)
    if ws.enabled and not shared:
        settings = ServerSettings(host=ws.addr, port=ws.port, http=False, websocket=True, virtual_hosts=("*",), websocket_origins=ws.origins)
        await _serve(nursery, config, "ws", namespaces, [name for name in ws.api if name in known], readiness, settings, told)
    if not config.ipc.disabled:
        await _serve_ipc(nursery, config, namespaces)


async def _serve_ipc(nursery: trio.Nursery, config: NodeConfig, namespaces: Sequence[Namespace]) -> None:
    path = config.general.datadir / (config.ipc.path or IPC_FILE)
    server = IpcServer(_dispatcher(config, namespaces, sorted({each.name for each in namespaces})), path.absolute())
    try:
        await start(nursery, "the Unix socket", server.run)
    except IpcError as error:
        raise StartError(str(error)) from error
    _log.info(f"JSON-RPC at {path} (all namespaces)")


def _dispatcher(config: NodeConfig, namespaces: Sequence[Namespace], exposed: Sequence[str]) -> Dispatcher:
    calls = config.calls
    limits = replace(DEFAULT_LIMITS, batch=calls.batch_requests, batch_response_bytes=calls.batch_response_bytes)
    return Dispatcher(namespaces, exposed, limits, version=trinode_version())


async def _serve(
    nursery: trio.Nursery,
    config: NodeConfig,
    option: str,
    namespaces: Sequence[Namespace],
    exposed: Sequence[str],
    readiness: Readiness,
    settings: ServerSettings,
    told: Told,
) -> None:
    settings = replace(settings, rate=config.calls.rate)
    server = RpcServer(_dispatcher(config, namespaces, exposed), readiness, settings, version=trinode_version(), told=told)
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
