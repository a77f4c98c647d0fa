"""Receipts of transactions and of whole blocks (execution-apis: eth/transaction, eth/block)."""

from __future__ import annotations

from typing import Any

import msgspec

from trinode.jsonrpc.fields import parse_data
from trinode.jsonrpc.requests import take_params
from trinode.protocol.block import KnownHeader
from trinode.protocol.types import Hash32
from trinode.rpc.dispatch import Handler
from trinode.rpc.eth.block_names import BlockName, ByHash, parse_block_name
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.json_cache import JsonCache
from trinode.rpc.eth.receipt_object import BlockReceipts
from trinode.rpc.eth.workers import Workers

_RECEIPTS = "receipts"


class ReceiptMethods:
    """What became of transactions."""

    def __init__(self, chain: Chain, workers: Workers, cache: JsonCache) -> None:
        self._chain = chain
        self._workers = workers
        self._cache = cache
        self.methods: dict[str, Handler] = {
            "eth_getBlockReceipts": self._of_block,
            "eth_getTransactionReceipt": self._of_transaction,
        }

    async def _of_block(self, params: list[Any]) -> msgspec.Raw | None:
        (block,) = take_params(params, 1)
        name = parse_block_name(block, "params[0]")
        answer = await self._workers.read(lambda: self._encoded(name))
        return None if answer is None else msgspec.Raw(answer)

    async def _of_transaction(self, params: list[Any]) -> msgspec.Raw | None:
        (transaction_hash,) = take_params(params, 1)
        wanted = parse_data(transaction_hash, "params[0]", 32)
        answer = await self._workers.read(lambda: self._encoded_one(wanted))
        return None if answer is None else msgspec.Raw(answer)

    def _encoded(self, name: BlockName) -> bytes | None:
        known = self._chain.find(name)
        if known is None:
            return None
        kept = self._cache.get(known.hash, _RECEIPTS)
        if kept is not None:
            return kept
        answer = msgspec.json.encode(self._receipts(known).all())
        self._cache.put(known.hash, _RECEIPTS, answer)
        return answer

    def _encoded_one(self, transaction_hash: Hash32) -> bytes | None:
        place = self._chain.blocks.find_transaction(transaction_hash)
        known = None if place is None else self._chain.find(ByHash(place.block.hash))
        if place is None or known is None:
            return None
        return msgspec.json.encode(self._receipts(known).at(place.position))

    def _receipts(self, known: KnownHeader) -> BlockReceipts:
        return BlockReceipts(self._chain.config, self._chain.block(known), self._chain.receipts(known))
