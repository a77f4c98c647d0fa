"""All `eth_` methods together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trinode.jsonrpc.requests import take_params
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rpc.dispatch import Handler
from trinode.rpc.eth.blocks import BlockMethods
from trinode.rpc.eth.calls import CallMethods
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.fees import FeeMethods
from trinode.rpc.eth.json_cache import JsonCache
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.logs import LogMethods
from trinode.rpc.eth.receipts import ReceiptMethods
from trinode.rpc.eth.state import StateMethods
from trinode.rpc.eth.submit import SubmitMethods
from trinode.rpc.eth.transactions import TransactionMethods
from trinode.rpc.eth.workers import Workers
from trinode.rpc.node import TransactionTaker
from trinode.storage.store import Store


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """A node that is behind: the block it began with, where it is, and the last one it knows of."""

    starting: int
    current: int
    highest: int


@dataclass(frozen=True, slots=True)
class Pooled:
    """What the `eth_` methods ask of a pool. Both are called on worker threads.

    `transaction`: raw, by its hash. `next_nonce`: of an account that has transactions there. None: not there.
    """

    transaction: Callable[[Hash32], bytes | None] = lambda _: None
    next_nonce: Callable[[Address], int | None] = lambda _: None


class EthNamespace:
    """`eth_` over a store (a `Namespace`)."""

    name = "eth"

    def __init__(
        self,
        config: RollupConfig,
        store: Store,
        *,
        progress: Callable[[], SyncProgress | None],
        taker: TransactionTaker | None = None,
        pooled: Pooled | None = None,
        limits: EthLimits | None = None,
    ) -> None:
        """`progress`: None while the node is not behind. `taker`: who is given transactions; None: they are refused."""
        limits = EthLimits() if limits is None else limits
        pooled = Pooled() if pooled is None else pooled
        chain, workers, cache = Chain(config, store), Workers(limits), JsonCache(limits.cache_bytes)
        self._chain_id = hex(config.l2_chain_id)
        self._progress = progress
        self.methods: dict[str, Handler] = {
            "eth_accounts": self._accounts,
            "eth_chainId": self._get_chain_id,
            "eth_syncing": self._syncing,
            **BlockMethods(chain, workers, cache).methods,
            **TransactionMethods(chain, workers, pooled.transaction).methods,
            **ReceiptMethods(chain, workers, cache).methods,
            **StateMethods(chain, workers, pooled.next_nonce, limits.proof_slots).methods,
            **CallMethods(chain, workers, limits.gas_cap).methods,
            **FeeMethods(chain, workers, limits).methods,
            **LogMethods(chain, workers, limits).methods,
            **SubmitMethods(taker).methods,
        }

    async def _get_chain_id(self, params: list[Any]) -> str:
        take_params(params, 0)
        return self._chain_id

    async def _accounts(self, params: list[Any]) -> list[str]:
        """The node keeps no keys."""
        take_params(params, 0)
        return []

    async def _syncing(self, params: list[Any]) -> dict[str, str] | bool:
        take_params(params, 0)
        progress = self._progress()
        if progress is None:
            return False
        return {
            "startingBlock": hex(progress.starting),
            "currentBlock": hex(progress.current),
            "highestBlock": hex(progress.highest),
        }
