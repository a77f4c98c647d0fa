"""Our methods over the chain of the cases, as a node serves them."""

from __future__ import annotations

import time
from typing import cast

from harness.execution_apis.chain import ExecutedChain
from trinode.engine.pool.limits import PoolLimits
from trinode.engine.pool.pool import TransactionPool
from trinode.node.submission import ToPool
from trinode.rpc.debug.namespace import DebugNamespace, DebugSources
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.dispatch import Dispatcher, Namespace
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace, Pooled
from trinode.rpc.eth.workers import Workers
from trinode.rpc.net import NetNamespace
from trinode.rpc.txpool import TxPoolNamespace
from trinode.storage.store import Store


def dispatcher_over(chain: ExecutedChain) -> Dispatcher:
    """All namespaces that cases are about, with a pool. Of a store, what is asked here is what `chain` has."""
    store, limits = cast(Store, chain), EthLimits()
    pool = TransactionPool(chain.config, store, PoolLimits(), clock=time.monotonic)
    eth = EthNamespace(
        chain.config,
        chain,
        progress=lambda: None,
        taker=ToPool(pool),
        pooled=Pooled(pool.get, pool.pending_nonce),
        limits=limits,
    )
    debug = DebugNamespace(chain.config, store, DebugSources(pooled=pool.get), traces=TraceSettings(gas_cap=limits.gas_cap))
    namespaces: list[Namespace] = [eth, debug, NetNamespace(chain.config.l2_chain_id, lambda: 0), TxPoolNamespace(pool, Workers(limits))]
    return Dispatcher(namespaces, [each.name for each in namespaces])
