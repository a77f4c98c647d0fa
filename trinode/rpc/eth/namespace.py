"""All `eth_` methods together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trinode.jsonrpc.declared import Declared, declare
from trinode.jsonrpc.kinds import ADDRESS_RESULT, QUANTITY_RESULT, list_of
from trinode.protocol.head_move import BlockWithReceipts
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rpc.eth.ahead import Ahead
from trinode.rpc.eth.blocks import BlockMethods
from trinode.rpc.eth.calls import CallMethods
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.chain_config import ChainConfigMethods
from trinode.rpc.eth.fees import FeeMethods
from trinode.rpc.eth.json_cache import JsonCache
from trinode.rpc.eth.known_chain import KnownChain
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.logs import LogMethods
from trinode.rpc.eth.receipts import ReceiptMethods
from trinode.rpc.eth.schemas import SYNCING
from trinode.rpc.eth.sending.conditional import ConditionalMethods, Forward, Keep
from trinode.rpc.eth.sending.send_sync import HeadWatch, SendSyncMethods
from trinode.rpc.eth.sending.submit import SubmitMethods
from trinode.rpc.eth.simulation.methods import SimulateMethods
from trinode.rpc.eth.state import StateMethods
from trinode.rpc.eth.storage_values import StorageValueMethods
from trinode.rpc.eth.transactions import TransactionMethods
from trinode.rpc.eth.workers import Workers
from trinode.rpc.node import TransactionTaker


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
    """`eth_` over a store, or over what stands for one (a `Namespace`)."""

    name = "eth"

    def __init__(
        self,
        config: RollupConfig,
        store: KnownChain,
        *,
        progress: Callable[[], SyncProgress | None],
        taker: TransactionTaker | None = None,
        pooled: Pooled | None = None,
        limits: EthLimits | None = None,
        heads: HeadWatch | None = None,
        conditional: bool = False,
        keep: Keep | None = None,
        forward: Forward | None = None,
    ) -> None:
        """`progress`: None while the node is not behind. `taker`: who is given transactions; None: they are refused.

        `heads`: None: eth_sendRawTransactionSync is not served. `conditional`: eth_sendRawTransactionConditional is, by `forward` where there is
        a sequencer elsewhere, else by `keep`, the pool.
        """
        limits = EthLimits() if limits is None else limits
        pooled = Pooled() if pooled is None else pooled
        chain, workers, cache = Chain(config, store), Workers(limits), JsonCache(limits.cache_bytes)
        self._ahead = Ahead(cache)
        receipts = ReceiptMethods(chain, workers, cache, self._ahead)
        self._chain_id = hex(config.l2_chain_id)
        self._progress = progress
        self.methods: dict[str, Declared] = {
            "eth_accounts": declare(self._accounts, "None: the node keeps no keys", result=list_of(ADDRESS_RESULT)),
            "eth_chainId": declare(self._get_chain_id, "The chain's number (EIP-155)", result=QUANTITY_RESULT),
            "eth_syncing": declare(self._syncing, "How far the node is behind; false if it is not", result=SYNCING),
            **BlockMethods(chain, workers, cache, self._ahead).methods,
            **TransactionMethods(chain, workers, pooled.transaction).methods,
            **receipts.methods,
            **StateMethods(chain, workers, pooled.next_nonce, limits.proof_slots).methods,
            **StorageValueMethods(chain, workers).methods,
            **CallMethods(chain, workers, limits.gas_cap).methods,
            **SimulateMethods(chain, workers, limits.gas_cap).methods,
            **ChainConfigMethods(chain, workers).methods,
            **FeeMethods(chain, workers, limits).methods,
            **LogMethods(chain, workers, limits).methods,
            **SubmitMethods(taker).methods,
        }
        if heads is not None:
            seconds = {"default_seconds": limits.send_sync_seconds, "most_seconds": limits.send_sync_most}
            self.methods |= SendSyncMethods(taker, receipts.of_transaction, heads, **seconds).methods
        if conditional:
            self.methods |= ConditionalMethods(chain, workers, keep, forward).methods

    def prepare_head(self, block: BlockWithReceipts) -> None:
        """Encodes what will be asked of a block that is about to be the head. For the thread that makes it the head."""
        self._ahead.prepare(block)

    def _get_chain_id(self) -> str:
        return self._chain_id

    def _accounts(self) -> list[str]:
        return []

    def _syncing(self) -> dict[str, str] | bool:
        progress = self._progress()
        if progress is None:
            return False
        return {
            "startingBlock": hex(progress.starting),
            "currentBlock": hex(progress.current),
            "highestBlock": hex(progress.highest),
        }
