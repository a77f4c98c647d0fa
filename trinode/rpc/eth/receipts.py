"""Receipts of transactions and of whole blocks (execution-apis: eth/transaction, eth/block)."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import HASH, list_of, or_null
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.receipt import Receipt
from trinode.protocol.types import Hash32
from trinode.rpc.eth.ahead import Ahead
from trinode.rpc.eth.block_names import LATEST, PENDING, BlockName, ByHash
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.json_cache import JsonCache
from trinode.rpc.eth.kinds import BLOCK_NAME
from trinode.rpc.eth.receipt_object import BlockReceipts
from trinode.rpc.eth.schemas import RECEIPT
from trinode.rpc.eth.shared_work import SharedWork
from trinode.rpc.eth.workers import Workers

_RECEIPTS = "receipts"


class ReceiptMethods:
    """What became of transactions."""

    def __init__(self, chain: Chain, workers: Workers, cache: JsonCache, ahead: Ahead) -> None:
        self._chain = chain
        self._workers = workers
        self._cache = cache
        self._ahead = ahead
        ahead.offer(_RECEIPTS, self._encode)
        self._encoding: SharedWork[bytes | None] = SharedWork()
        self.methods: dict[str, Declared] = {
            "eth_getBlockReceipts": declare(
                self._of_block, "The receipts of a block's transactions", Param("block", BLOCK_NAME), result=or_null(list_of(RECEIPT))
            ),
            "eth_getTransactionReceipt": declare(
                self.of_transaction, "The receipt of a transaction", Param("transactionHash", HASH), result=or_null(RECEIPT)
            ),
        }

    def _of_block(self, name: BlockName) -> msgspec.Raw | Coroutine[Any, Any, msgspec.Raw | None]:
        """At once where they are kept."""
        head = self._chain.head
        if name in (LATEST, PENDING):
            name = ByHash(head.hash)
            self._ahead.asked(_RECEIPTS, head.number)
        elif name == head.number:
            self._ahead.asked(_RECEIPTS, head.number)
        if isinstance(name, ByHash) and not name.requires_canonical:
            kept = self._cache.get(name.hash, _RECEIPTS)
            if kept is not None:
                return msgspec.Raw(kept)
        return self._read(name)

    async def _read(self, name: BlockName) -> msgspec.Raw | None:
        what = (self._chain.head.hash, name)  # a reorg may change which block a number means
        answer = await self._encoding.run(what, lambda: self._workers.read(lambda: self._encoded(name)))
        return None if answer is None else msgspec.Raw(answer)

    async def of_transaction(self, transaction_hash: Hash32) -> msgspec.Raw | None:
        """A transaction's receipt, encoded; None: it is in no block."""
        answer = await self._workers.read(lambda: self._encoded_one(transaction_hash))
        return None if answer is None else msgspec.Raw(answer)

    def _encoded(self, name: BlockName) -> bytes | None:
        known = self._chain.find(name)
        if known is None:
            return None
        kept = self._cache.get(known.hash, _RECEIPTS)
        if kept is not None:
            return kept
        answer = self._encode(self._chain.block(known), self._chain.receipts(known))
        self._cache.put(known.hash, _RECEIPTS, answer)
        return answer

    def _encode(self, block: KnownBlock, receipts: Sequence[Receipt]) -> bytes:
        return msgspec.json.encode(BlockReceipts(self._chain.config, block, receipts).all())

    def _encoded_one(self, transaction_hash: Hash32) -> bytes | None:
        place = self._chain.blocks.find_transaction(transaction_hash)
        known = None if place is None else self._chain.find(ByHash(place.block.hash))
        if place is None or known is None:
            return None
        return msgspec.json.encode(self._receipts(known).at(place.position))

    def _receipts(self, known: KnownHeader) -> BlockReceipts:
        return BlockReceipts(self._chain.config, self._chain.block(known), self._chain.receipts(known))
