"""`txpool_` methods: what waits for a block, as op-geth answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from eth_utils.address import to_checksum_address

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import ADDRESS, ANY_OBJECT, QUANTITY_RESULT, object_of
from trinode.jsonrpc.transaction_object import pending_transaction_object
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.transaction import decode_transaction
from trinode.protocol.transaction_types import AccessListTransaction, LegacyTransaction
from trinode.protocol.types import Address
from trinode.rpc.eth.workers import Workers

_PARTS = object_of({"pending": ANY_OBJECT, "queued": ANY_OBJECT})
_COUNTS = object_of({"pending": QUANTITY_RESULT, "queued": QUANTITY_RESULT})


class Counts(Protocol):
    """How many transactions there are."""

    @property
    def pending(self) -> int:
        """That a block can have now."""

    @property
    def queued(self) -> int:
        """That wait for something."""


class Content(Protocol):
    """Raw transactions by account and nonce."""

    @property
    def pending(self) -> Mapping[Address, Mapping[int, bytes]]:
        """That a block can have now."""

    @property
    def queued(self) -> Mapping[Address, Mapping[int, bytes]]:
        """That wait for something."""


class Pool(Protocol):
    """What is asked of a pool, on worker threads."""

    def content(self) -> Content:
        """All transactions."""

    def status(self) -> Counts:
        """How many there are."""


class TxPoolNamespace:
    """The methods over a pool, whose limits are those of the answers."""

    name = "txpool"

    def __init__(self, pool: Pool, workers: Workers) -> None:
        self._pool = pool
        self._workers = workers
        of_account = "The transactions of an account that wait for a block, by nonce"
        self.methods: dict[str, Declared] = {
            "txpool_content": declare(self._content, "The transactions that wait for a block, by account and nonce", result=_PARTS),
            "txpool_contentFrom": declare(self._content_from, of_account, Param("address", ADDRESS), result=_PARTS),
            "txpool_inspect": declare(self._inspect, "The same as txpool_content, in a few words each", result=_PARTS),
            "txpool_status": declare(self._status, "How many transactions wait for a block", result=_COUNTS),
        }

    async def _content(self) -> dict[str, Any]:
        return await self._workers.read(lambda: self._all(pending_transaction_object))

    async def _content_from(self, address: Address) -> dict[str, Any]:
        def read() -> dict[str, Any]:
            content = self._pool.content()
            pending, queued = content.pending.get(address, {}), content.queued.get(address, {})
            return {"pending": _by_nonce(pending, pending_transaction_object), "queued": _by_nonce(queued, pending_transaction_object)}

        return await self._workers.read(read)

    async def _inspect(self) -> dict[str, Any]:
        return await self._workers.read(lambda: self._all(summary))

    async def _status(self) -> dict[str, str]:
        counts = await self._workers.read(self._pool.status)
        return {"pending": hex(counts.pending), "queued": hex(counts.queued)}

    def _all(self, show: Callable[[bytes], Any]) -> dict[str, Any]:
        content = self._pool.content()
        parts = {"pending": content.pending, "queued": content.queued}
        return {
            name: {to_checksum_address(address): _by_nonce(transactions, show) for address, transactions in part.items()}
            for name, part in parts.items()
        }


def _by_nonce(transactions: Mapping[int, bytes], show: Callable[[bytes], Any]) -> dict[str, Any]:
    return {str(nonce): show(raw) for nonce, raw in transactions.items()}


def summary(raw: bytes) -> str:
    """A transaction of the pool in op-geth's few words: to whom, wei, gas, and wei for a unit of it."""
    tx = decode_transaction(raw)
    assert not isinstance(tx, DepositTransaction), "a deposit does not wait in a pool"
    price = tx.gas_price if isinstance(tx, LegacyTransaction | AccessListTransaction) else tx.max_fee_per_gas
    to = "contract creation" if tx.to is None else to_checksum_address(tx.to)
    return f"{to}: {tx.value} wei + {tx.gas_limit} gas × {price} wei"
