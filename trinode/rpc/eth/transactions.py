"""Transactions, in blocks and in the pool (execution-apis: eth/transaction)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trinode.jsonrpc.fields import parse_data, parse_quantity
from trinode.jsonrpc.requests import take_params
from trinode.jsonrpc.transaction_object import pending_transaction_object, transaction_object
from trinode.protocol.block import KnownHeader
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.dispatch import Handler
from trinode.rpc.eth.block_names import BlockName, ByHash, parse_block_number
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.workers import Workers


class TransactionMethods:
    """Transactions by hash and by place. `pooled` gives a transaction of the pool by its hash, raw."""

    def __init__(self, chain: Chain, workers: Workers, pooled: Callable[[Hash32], bytes | None]) -> None:
        self._chain = chain
        self._workers = workers
        self._pooled = pooled
        self.methods: dict[str, Handler] = {
            "eth_getRawTransactionByBlockHashAndIndex": self._raw_by_block_hash,
            "eth_getRawTransactionByBlockNumberAndIndex": self._raw_by_block_number,
            "eth_getRawTransactionByHash": self._raw_by_hash,
            "eth_getTransactionByBlockHashAndIndex": self._by_block_hash,
            "eth_getTransactionByBlockNumberAndIndex": self._by_block_number,
            "eth_getTransactionByHash": self._by_hash,
        }

    async def _by_hash(self, params: list[Any]) -> dict[str, Any] | None:
        (transaction_hash,) = take_params(params, 1)
        wanted = parse_data(transaction_hash, "params[0]", 32)
        return await self._workers.read(lambda: self._find(wanted))

    async def _raw_by_hash(self, params: list[Any]) -> str:
        (transaction_hash,) = take_params(params, 1)
        wanted = parse_data(transaction_hash, "params[0]", 32)
        return to_hex(await self._workers.read(lambda: self._find_raw(wanted)))

    async def _by_block_number(self, params: list[Any]) -> dict[str, Any] | None:
        number, index = take_params(params, 2)
        return await self._at(parse_block_number(number, "params[0]"), parse_quantity(index, "params[1]"))

    async def _by_block_hash(self, params: list[Any]) -> dict[str, Any] | None:
        block_hash, index = take_params(params, 2)
        return await self._at(ByHash(parse_data(block_hash, "params[0]", 32)), parse_quantity(index, "params[1]"))

    async def _raw_by_block_number(self, params: list[Any]) -> str:
        number, index = take_params(params, 2)
        return await self._raw_at(parse_block_number(number, "params[0]"), parse_quantity(index, "params[1]"))

    async def _raw_by_block_hash(self, params: list[Any]) -> str:
        block_hash, index = take_params(params, 2)
        return await self._raw_at(ByHash(parse_data(block_hash, "params[0]", 32)), parse_quantity(index, "params[1]"))

    async def _at(self, name: BlockName, index: int) -> dict[str, Any] | None:
        def find() -> dict[str, Any] | None:
            known = self._chain.find(name)
            raw = None if known is None else self._raw_in(known, index)
            return None if known is None or raw is None else self._object(raw, known, index)

        return await self._workers.read(find)

    async def _raw_at(self, name: BlockName, index: int) -> str:
        """Empty if there is none, as geth has it."""

        def find() -> bytes:
            known = self._chain.find(name)
            return b"" if known is None else self._raw_in(known, index) or b""

        return to_hex(await self._workers.read(find))

    def _find(self, transaction_hash: Hash32) -> dict[str, Any] | None:
        place = self._chain.blocks.find_transaction(transaction_hash)
        if place is not None:
            known = self._chain.find(ByHash(place.block.hash))
            raw = None if known is None else self._raw_in(known, place.position)
            if known is not None and raw is not None:
                return self._object(raw, known, place.position)
        pooled = self._pooled(transaction_hash)
        return None if pooled is None else pending_transaction_object(pooled)

    def _find_raw(self, transaction_hash: Hash32) -> bytes:
        place = self._chain.blocks.find_transaction(transaction_hash)
        known = None if place is None else self._chain.find(ByHash(place.block.hash))
        raw = None if place is None or known is None else self._raw_in(known, place.position)
        return raw or self._pooled(transaction_hash) or b""

    def _raw_in(self, known: KnownHeader, index: int) -> bytes | None:
        transactions = self._chain.block(known).transactions
        return transactions[index] if index < len(transactions) else None

    def _object(self, raw: bytes, known: KnownHeader, index: int) -> dict[str, Any]:
        receipts = self._chain.find_receipts(known) if raw[0] == DEPOSIT_TRANSACTION_TYPE else None
        return with_nonce(transaction_object(raw, index, known, None if receipts is None else receipts[index]))


def with_nonce(transaction: dict[str, Any]) -> dict[str, Any]:
    """A deposit whose receipt is not known has nonce 0, as in geth: client libraries cannot read a transaction without one."""
    return {"nonce": "0x0"} | transaction
