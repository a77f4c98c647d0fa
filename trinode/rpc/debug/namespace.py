"""All `debug_` methods together (op-geth's JSON-RPC, "debug" namespace).

Left out, as they are of Go or of op-geth's database: blockProfile, cpuProfile, mutexProfile, goTrace and their setters, freeOSMemory, gcStats,
memStats, setGCPercent, setMemoryLimit, stacks (the profilers of a Go program); verbosity, vmodule (admin_setLogLevel is there);
chaindbProperty, chaindbCompact, dbAncient, dbAncients, freezeClient, getTrieFlushInterval, setTrieFlushInterval, stateSize (of its database
and its cache of tries); printBlock (a dump of Go structures: getRawBlock has the block); dumpBlock (a whole state in one answer: accountRange
has it in pages); sync (of its own network).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trinode.jsonrpc.block_object import block_object, encode_block
from trinode.jsonrpc.declared import Declared, declare
from trinode.jsonrpc.kinds import ANY_OBJECT, DATA_RESULT, HASH_RESULT, list_of, object_of
from trinode.protocol.block import KnownBlock
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.chain_config import CHAIN_CONFIG, chain_config_object
from trinode.rpc.debug.limits import DebugLimits
from trinode.rpc.debug.ranges import RangeMethods
from trinode.rpc.debug.raw import RawMethods
from trinode.rpc.debug.set_head import SetHead, SetHeadMethods
from trinode.rpc.debug.trace_methods import TraceMethods
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.debug.witness import WitnessMethods
from trinode.rpc.eth.calls import CompiledCode
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.workers import Workers
from trinode.storage.store import Store


def _no_transaction(_: Hash32) -> bytes | None:
    return None


def _no_bad_blocks() -> Sequence[KnownBlock]:
    return ()


@dataclass(frozen=True, slots=True)
class DebugSources:
    """What the methods ask of others than the store.

    `pooled`: a transaction of the pool by its hash, raw; on worker threads. `bad_blocks`: those that were found invalid last. `set_head`: None
    where blocks are not taken back by hand.
    """

    pooled: Callable[[Hash32], bytes | None] = _no_transaction
    bad_blocks: Callable[[], Sequence[KnownBlock]] = _no_bad_blocks
    set_head: SetHead | None = None


class DebugNamespace:
    """`debug_` over a store (also a `Subscribable`). `traces`: what traces may take."""

    name = "debug"

    def __init__(
        self,
        config: RollupConfig,
        store: Store,
        sources: DebugSources | None = None,
        limits: DebugLimits | None = None,
        traces: TraceSettings | None = None,
    ) -> None:
        sources = DebugSources() if sources is None else sources
        limits = DebugLimits() if limits is None else limits
        workers = Workers(EthLimits(call_seconds=limits.seconds, call_threads=limits.threads))
        self._rollup = config
        self._get_bad_blocks = sources.bad_blocks
        self._workers = workers
        bad_block = object_of({"hash": HASH_RESULT, "block": ANY_OBJECT, "rlp": DATA_RESULT})
        tracing = TraceMethods(Chain(config, store), CompiledCode(), traces)
        self.subscriptions = tracing.subscriptions
        self.methods: dict[str, Declared] = {
            **tracing.methods,
            **RawMethods(Chain(config, store), workers, sources.pooled).methods,
            **WitnessMethods(config, store, workers, limits).methods,
            **RangeMethods(config, store, workers, limits).methods,
            **SetHeadMethods(sources.set_head).methods,
            "debug_chainConfig": declare(self._config, "The chain's forks and constants", result=CHAIN_CONFIG),
            "debug_getBadBlocks": declare(self._bad_blocks, "The blocks that were found invalid last", result=list_of(bad_block)),
        }

    async def _config(self) -> dict[str, Any]:
        return chain_config_object(self._rollup)

    async def _bad_blocks(self) -> list[dict[str, Any]]:
        def read() -> list[dict[str, Any]]:
            return [
                {"hash": to_hex(block.hash), "block": block_object(block, whole=False), "rlp": to_hex(encode_block(block))}
                for block in self._get_bad_blocks()
            ]

        return await self._workers.read(read)
