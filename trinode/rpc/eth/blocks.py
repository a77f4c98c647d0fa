"""Blocks and headers (execution-apis: eth/block)."""

from __future__ import annotations

from typing import Any

import msgspec

from trinode.jsonrpc.block_object import block_object
from trinode.jsonrpc.fields import parse_data, parse_quantity
from trinode.jsonrpc.header_object import header_object
from trinode.jsonrpc.requests import take_params
from trinode.protocol.block import KnownHeader
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.dispatch import Handler
from trinode.rpc.eth.block_names import LATEST, PENDING, BlockName, ByHash, parse_block_number, parse_boolean
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.json_cache import JsonCache
from trinode.rpc.eth.transactions import with_nonce
from trinode.rpc.eth.workers import Workers

_WHOLE, _HASHES = "whole", "hashes"


class BlockMethods:
    """Blocks by name, and what is counted of them."""

    def __init__(self, chain: Chain, workers: Workers, cache: JsonCache) -> None:
        self._chain = chain
        self._workers = workers
        self._cache = cache
        self.methods: dict[str, Handler] = {
            "eth_blockNumber": self._block_number,
            "eth_getBlockByHash": self._get_block_by_hash,
            "eth_getBlockByNumber": self._get_block_by_number,
            "eth_getBlockTransactionCountByHash": self._count_by_hash,
            "eth_getBlockTransactionCountByNumber": self._count_by_number,
            "eth_getHeaderByHash": self._get_header_by_hash,
            "eth_getHeaderByNumber": self._get_header_by_number,
            "eth_getUncleByBlockHashAndIndex": self._uncle_by_hash,
            "eth_getUncleByBlockNumberAndIndex": self._uncle_by_number,
            "eth_getUncleCountByBlockHash": self._uncle_count_by_hash,
            "eth_getUncleCountByBlockNumber": self._uncle_count_by_number,
        }

    async def _block_number(self, params: list[Any]) -> str:
        take_params(params, 0)
        return hex(self._chain.head.number)

    async def _get_block_by_number(self, params: list[Any]) -> msgspec.Raw | None:
        number, whole = take_params(params, 2)
        return await self._block(parse_block_number(number, "params[0]"), parse_boolean(whole, "params[1]"))

    async def _get_block_by_hash(self, params: list[Any]) -> msgspec.Raw | None:
        block_hash, whole = take_params(params, 2)
        return await self._block(_parse_hash(block_hash), parse_boolean(whole, "params[1]"))

    async def _block(self, name: BlockName, whole: bool) -> msgspec.Raw | None:
        kind = _WHOLE if whole else _HASHES
        if name in (LATEST, PENDING):  # what most ask for, most of the time
            name = ByHash(self._chain.head.hash)
        if isinstance(name, ByHash):
            kept = self._cache.get(name.hash, kind)
            if kept is not None:
                return msgspec.Raw(kept)
        answer = await self._workers.read(lambda: self._encoded_block(name, kind))
        return None if answer is None else msgspec.Raw(answer)

    def _encoded_block(self, name: BlockName, kind: str) -> bytes | None:
        known = self._chain.find(name)
        if known is None:
            return None
        kept = self._cache.get(known.hash, kind)
        if kept is not None:
            return kept
        receipts = self._chain.find_receipts(known) if kind == _WHOLE else None
        shown = block_object(self._chain.block(known), whole=kind == _WHOLE, receipts=receipts)
        if kind == _WHOLE and receipts is None:
            shown["transactions"] = [with_nonce(each) for each in shown["transactions"]]
        answer = msgspec.json.encode(shown)
        self._cache.put(known.hash, kind, answer)
        return answer

    async def _get_header_by_number(self, params: list[Any]) -> dict[str, Any] | None:
        (number,) = take_params(params, 1)
        return await self._header(parse_block_number(number, "params[0]"))

    async def _get_header_by_hash(self, params: list[Any]) -> dict[str, Any] | None:
        (block_hash,) = take_params(params, 1)
        return await self._header(_parse_hash(block_hash))

    async def _header(self, name: BlockName) -> dict[str, Any] | None:
        known = await self._find(name)
        return None if known is None else header_object(known.header) | {"hash": to_hex(known.hash)}

    async def _count_by_number(self, params: list[Any]) -> str | None:
        (number,) = take_params(params, 1)
        return await self._count(parse_block_number(number, "params[0]"))

    async def _count_by_hash(self, params: list[Any]) -> str | None:
        (block_hash,) = take_params(params, 1)
        return await self._count(_parse_hash(block_hash))

    async def _count(self, name: BlockName) -> str | None:
        def count() -> str | None:
            known = self._chain.find(name)
            return None if known is None else hex(len(self._chain.block(known).transactions))

        return await self._workers.read(count)

    # Blocks since the merge have no uncles, but there are methods for them.

    async def _uncle_count_by_number(self, params: list[Any]) -> str | None:
        (number,) = take_params(params, 1)
        return None if await self._find(parse_block_number(number, "params[0]")) is None else "0x0"

    async def _uncle_count_by_hash(self, params: list[Any]) -> str | None:
        (block_hash,) = take_params(params, 1)
        return None if await self._find(_parse_hash(block_hash)) is None else "0x0"

    async def _uncle_by_number(self, params: list[Any]) -> None:
        number, index = take_params(params, 2)
        parse_block_number(number, "params[0]")
        parse_quantity(index, "params[1]")

    async def _uncle_by_hash(self, params: list[Any]) -> None:
        block_hash, index = take_params(params, 2)
        _parse_hash(block_hash)
        parse_quantity(index, "params[1]")

    async def _find(self, name: BlockName) -> KnownHeader | None:
        return await self._workers.read(lambda: self._chain.find(name))


def _parse_hash(value: object) -> ByHash:
    block_hash: Hash32 = parse_data(value, "params[0]", 32)
    return ByHash(block_hash)
