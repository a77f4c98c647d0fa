"""The JSON-RPC namespaces of a node, over what it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trinode.engine.stateless.verified_chain import VerifiedChain
from trinode.node.config import NodeConfig
from trinode.node.engines import Running
from trinode.node.submission import ToPool, ToSequencer
from trinode.node.upstream import Upstream
from trinode.node.version import trinode_version
from trinode.rollup.config import RollupConfig
from trinode.rpc.debug.namespace import DebugNamespace, DebugSources
from trinode.rpc.debug.set_head import SetHead
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.dispatch import Namespace
from trinode.rpc.eth.events import EthEvents
from trinode.rpc.eth.known_chain import KnownChain
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace, Pooled, SyncProgress
from trinode.rpc.eth.subscriptions import Sources
from trinode.rpc.eth.workers import Workers
from trinode.rpc.execution_admin import ExecutionAdminNamespace
from trinode.rpc.historical.here import Here
from trinode.rpc.historical.routes import HistoricalRpc
from trinode.rpc.net import NetNamespace
from trinode.rpc.txpool import TxPoolNamespace
from trinode.rpc.web3 import Web3Namespace

CLIENT = f"trinode/v{trinode_version()}"

_NO_LIMIT = 2**63 - 1
"""What op-geth takes where there is no limit."""
_WAITING_READS, _WAITING_CALLS = 32, 16


@dataclass(frozen=True, slots=True)
class Node:
    """What a node is, and what it does for its users. `pools`: its pool's transactions get into blocks here. `set_head`: None: not by hand."""

    config: NodeConfig
    rollup: RollupConfig
    upstream: Upstream
    progress: Callable[[], SyncProgress | None]
    pools: bool
    set_head: SetHead | None = None


def status_of(node: Node) -> dict[str, Any]:
    """What a node tells of itself at /status, as JSON: how far it is, and how Legacy Geth does."""
    progress, legacy = node.progress(), node.upstream.legacy
    return {
        "chainId": node.rollup.l2_chain_id,
        "syncing": None if progress is None else {"current": progress.current, "highest": progress.highest},
        "legacyGeth": None if legacy is None else legacy.health.to_json(),
    }


def common_namespaces(rollup: RollupConfig, peers: Callable[[], int]) -> list[Namespace]:
    """Those of every node. `peers`: how many there are."""
    return [NetNamespace(rollup.l2_chain_id, peers), Web3Namespace(CLIENT)]


def embedded_namespaces(node: Node, running: Running) -> list[Namespace]:
    """Those of a node that executes, and keeps states."""
    rollup, store, pool = node.rollup, running.store, running.pool
    limits = eth_limits(node.config)
    to_sequencer = None if node.upstream.sequencer is None else ToSequencer(node.upstream.sequencer, ToPool(pool))
    to_pool = ToPool(pool) if node.pools else None
    eth = EthNamespace(
        rollup,
        store,
        progress=node.progress,
        taker=to_sequencer or to_pool,
        pooled=Pooled(pool.get, pool.pending_nonce),
        limits=limits,
        heads=running.moves,
        conditional=node.config.upstream.conditional,
        keep=None if to_pool is None else to_pool.send_conditional,
        forward=None if to_sequencer is None else to_sequencer.send_conditional,
    )
    running.service.prepare_heads(eth.prepare_head)
    sources = DebugSources(pooled=pool.get, bad_blocks=running.service.bad_blocks, set_head=node.set_head)
    debug = DebugNamespace(rollup, store, sources, traces=TraceSettings(gas_cap=limits.gas_cap))
    routed = _with_history(node, store, [eth, debug], lambda hash: pool.get(hash) is not None)
    get_logs = next(each for each in routed if each.name == "eth").methods["eth_getLogs"].handler
    return [
        *routed,
        EthEvents(Sources(running.moves, running.pending, node.progress), get_logs),
        TxPoolNamespace(pool, Workers(limits)),
        ExecutionAdminNamespace(rollup, CLIENT, str(node.config.general.datadir.absolute()), lambda: store.head),
    ]


def verified_namespaces(node: Node, chain: VerifiedChain) -> list[Namespace]:
    """Those of a node without states. Threads wait for remotes here most of the time, so that there are more of them."""
    limits = eth_limits(node.config, read_threads=_WAITING_READS, call_threads=_WAITING_CALLS)
    to_sequencer = None if node.upstream.sequencer is None else ToSequencer(node.upstream.sequencer, None)
    eth = EthNamespace(node.rollup, chain, progress=node.progress, taker=to_sequencer, limits=limits)
    return _with_history(node, chain, [eth], lambda _: False)


def eth_limits(config: NodeConfig, **threads: int) -> EthLimits:
    """As they are configured."""
    calls = config.calls
    return EthLimits(
        gas_cap=calls.gas_cap or _NO_LIMIT,
        call_seconds=calls.timeout,
        log_range=calls.log_range,
        log_choices=calls.log_choices,
        send_sync_seconds=calls.send_sync_timeout,
        send_sync_most=calls.send_sync_most,
        **threads,
    )


def _with_history(node: Node, chain: KnownChain, namespaces: Sequence[Namespace], pooled: Callable[[bytes], bool]) -> list[Namespace]:
    """The same; where there is history before Bedrock, what is asked of it goes to Legacy Geth, or is refused as op-geth does."""
    if node.rollup.genesis.l2.number == 0:
        return list(namespaces)
    historical = HistoricalRpc(node.upstream.legacy, Here(node.rollup, chain, pooled), eth_limits(node.config))
    return [historical.over(each) for each in namespaces]
