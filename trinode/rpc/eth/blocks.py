"""Blocks and headers (execution-apis: eth/block)."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

import msgspec

from trinode.jsonrpc.block_object import block_object
from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.header_object import header_object
from trinode.jsonrpc.kinds import BOOLEAN, NULL_RESULT, QUANTITY, QUANTITY_RESULT, or_null
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.receipt import Receipt
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.ahead import Ahead
from trinode.rpc.eth.block_names import LATEST, PENDING, BlockName, ByHash
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.json_cache import JsonCache
from trinode.rpc.eth.kinds import BLOCK_HASH, BLOCK_NUMBER
from trinode.rpc.eth.schemas import BLOCK, HEADER
from trinode.rpc.eth.shared_work import SharedWork
from trinode.rpc.eth.transactions import with_nonce
from trinode.rpc.eth.workers import Workers

_WHOLE, _HASHES = "whole", "hashes"


class BlockMethods:
    """Blocks by name, and what is counted of them."""

    def __init__(self, chain: Chain, workers: Workers, cache: JsonCache, ahead: Ahead) -> None:
        self._chain = chain
        self._workers = workers
        self._cache = cache
        self._ahead = ahead
        for kind in (_WHOLE, _HASHES):
            ahead.offer(kind, partial(_encode, kind))
        self._encoding: SharedWork[bytes | None] = SharedWork()
        number, block_hash, whole = Param("block", BLOCK_NUMBER), Param("blockHash", BLOCK_HASH), Param("whole", BOOLEAN)
        index = Param("index", QUANTITY)
        block, header, count, nothing = or_null(BLOCK), or_null(HEADER), or_null(QUANTITY_RESULT), NULL_RESULT
        self.methods: dict[str, Declared] = {
            "eth_blockNumber": declare(self._block_number, "The number of the latest block", result=QUANTITY_RESULT),
            "eth_getBlockByHash": declare(self._block, "A block, with whole transactions or with their hashes", block_hash, whole, result=block),
            "eth_getBlockByNumber": declare(self._block, "A block, with whole transactions or with their hashes", number, whole, result=block),
            "eth_getBlockTransactionCountByHash": declare(self._count, "How many transactions a block has", block_hash, result=count),
            "eth_getBlockTransactionCountByNumber": declare(self._count, "How many transactions a block has", number, result=count),
            "eth_getHeaderByHash": declare(self._header, "The header of a block", block_hash, result=header),
            "eth_getHeaderByNumber": declare(self._header, "The header of a block", number, result=header),
            "eth_getUncleByBlockHashAndIndex": declare(self._uncle, "Null: there are no uncles", block_hash, index, result=nothing),
            "eth_getUncleByBlockNumberAndIndex": declare(self._uncle, "Null: there are no uncles", number, index, result=nothing),
            "eth_getUncleCountByBlockHash": declare(self._uncle_count, "How many uncles a block has: none", block_hash, result=count),
            "eth_getUncleCountByBlockNumber": declare(self._uncle_count, "How many uncles a block has: none", number, result=count),
        }

    def _block_number(self) -> str:
        return hex(self._chain.head.number)

    def _block(self, name: BlockName, whole: bool) -> msgspec.Raw | Coroutine[Any, Any, msgspec.Raw | None]:
        """At once where it is kept."""
        kind = _WHOLE if whole else _HASHES
        head = self._chain.head
        if name in (LATEST, PENDING):  # what most ask for, most of the time
            name = ByHash(head.hash)
            self._ahead.asked(kind, head.number)
        elif name == head.number:
            self._ahead.asked(kind, head.number)
        if isinstance(name, ByHash):
            kept = self._cache.get(name.hash, kind)
            if kept is not None:
                return msgspec.Raw(kept)
        return self._read_block(name, kind)

    async def _read_block(self, name: BlockName, kind: str) -> msgspec.Raw | None:
        # A reorg may change which block a number means: what is asked for after it shares nothing with what was before.
        what = (self._chain.head.hash, name, kind)
        answer = await self._encoding.run(what, lambda: self._workers.read(lambda: self._encoded_block(name, kind)))
        return None if answer is None else msgspec.Raw(answer)

    def _encoded_block(self, name: BlockName, kind: str) -> bytes | None:
        known = self._chain.find(name)
        if known is None:
            return None
        kept = self._cache.get(known.hash, kind)
        if kept is not None:
            return kept
        answer = _encode(kind, self._chain.block(known), self._chain.find_receipts(known) if kind == _WHOLE else None)
        self._cache.put(known.hash, kind, answer)
        return answer

    async def _header(self, name: BlockName) -> dict[str, Any] | None:
        known = await self._find(name)
        return None if known is None else header_object(known.header) | {"hash": to_hex(known.hash)}

    async def _count(self, name: BlockName) -> str | None:
        def count() -> str | None:
            known = self._chain.find(name)
            return None if known is None else hex(len(self._chain.block(known).transactions))

        return await self._workers.read(count)

    # Blocks since the merge have no uncles, but there are methods for them.

    async def _uncle_count(self, name: BlockName) -> str | None:
        return None if await self._find(name) is None else "0x0"

    async def _uncle(self, name: BlockName, index: int) -> None:
        return None

    async def _find(self, name: BlockName) -> KnownHeader | None:
        return await self._workers.read(lambda: self._chain.find(name))


def _encode(kind: str, block: KnownBlock, receipts: Sequence[Receipt] | None) -> bytes:
    shown = block_object(block, whole=kind == _WHOLE, receipts=receipts)
    if kind == _WHOLE and receipts is None:
        shown["transactions"] = [with_nonce(each) for each in shown["transactions"]]
    return msgspec.json.encode(shown)
