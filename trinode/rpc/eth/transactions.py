"""Transactions, in blocks and in the pool (execution-apis: eth/transaction)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import DATA_RESULT, HASH, QUANTITY, or_null
from trinode.jsonrpc.transaction_object import pending_transaction_object, transaction_object
from trinode.protocol.block import KnownHeader
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import BlockName, ByHash
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.kinds import BLOCK_HASH, BLOCK_NUMBER
from trinode.rpc.eth.schemas import TRANSACTION
from trinode.rpc.eth.workers import Workers


class TransactionMethods:
    """Transactions by hash and by place. `pooled` gives a transaction of the pool by its hash, raw."""

    def __init__(self, chain: Chain, workers: Workers, pooled: Callable[[Hash32], bytes | None]) -> None:
        self._chain = chain
        self._workers = workers
        self._pooled = pooled
        number, block_hash = Param("block", BLOCK_NUMBER), Param("blockHash", BLOCK_HASH)
        index, transaction_hash = Param("index", QUANTITY), Param("transactionHash", HASH)
        there, raw_there = "The transaction at a place in a block", "The transaction at a place in a block, encoded; empty if there is none"
        found, encoded = or_null(TRANSACTION), DATA_RESULT
        self.methods: dict[str, Declared] = {
            "eth_getRawTransactionByBlockHashAndIndex": declare(self._raw_at, raw_there, block_hash, index, result=encoded),
            "eth_getRawTransactionByBlockNumberAndIndex": declare(self._raw_at, raw_there, number, index, result=encoded),
            "eth_getRawTransactionByHash": declare(
                self._raw_by_hash, "A transaction of a block or of the pool, encoded; empty if there is none", transaction_hash, result=encoded
            ),
            "eth_getTransactionByBlockHashAndIndex": declare(self._at, there, block_hash, index, result=found),
            "eth_getTransactionByBlockNumberAndIndex": declare(self._at, there, number, index, result=found),
            "eth_getTransactionByHash": declare(self._by_hash, "A transaction of a block or of the pool", transaction_hash, result=found),
        }

    async def _by_hash(self, transaction_hash: Hash32) -> dict[str, Any] | None:
        return await self._workers.read(lambda: self._find(transaction_hash))

    async def _raw_by_hash(self, transaction_hash: Hash32) -> str:
        return to_hex(await self._workers.read(lambda: self._find_raw(transaction_hash)))

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
