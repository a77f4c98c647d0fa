"""`txpool_` over the real pool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from tests.unit.execution.small_chain import CHAIN_ID, KEYS, TARGET, senders
from tests.unit.rpc.eth.eth_chain import EthChain, data
from trinode.engine.pool.limits import PoolLimits
from trinode.engine.pool.pool import TransactionPool
from trinode.jsonrpc.fields import InvalidParams
from trinode.protocol.transaction import encode_transaction, sign_transaction
from trinode.protocol.transaction_types import AccessListTransaction, DynamicFeeTransaction
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.workers import Workers
from trinode.rpc.txpool import TxPoolNamespace

GWEI = 10**9


def signed(sender: int, transaction: DynamicFeeTransaction | AccessListTransaction) -> bytes:
    return encode_transaction(sign_transaction(transaction, KEYS[sender]))


PENDING = signed(0, DynamicFeeTransaction(CHAIN_ID, 0, 1, 9 * GWEI, 30_000, TARGET, 7, b"\x01", ()))
CREATION = signed(0, DynamicFeeTransaction(CHAIN_ID, 1, 1, 8 * GWEI, 90_000, None, 0, b"\x00", ()))
QUEUED = signed(1, AccessListTransaction(CHAIN_ID, 4, 3 * GWEI, 40_000, TARGET, 2, b"", ()))


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[TransactionPool]:
    chain = EthChain(tmp_path / "store")
    with chain.store:
        chain.extend(1)
        yield TransactionPool(chain.tree.config, chain.store, PoolLimits(), clock=lambda: 0.0)


async def ask(pool: TransactionPool, method: str, *params: Any) -> Any:
    return await TxPoolNamespace(pool, Workers(EthLimits())).methods[f"txpool_{method}"](list(params))


async def test_an_empty_pool(pool: TransactionPool) -> None:
    nothing: dict[str, Any] = {"pending": {}, "queued": {}}
    assert await ask(pool, "status") == {"pending": "0x0", "queued": "0x0"}
    assert await ask(pool, "content") == await ask(pool, "inspect") == await ask(pool, "contentFrom", data(TARGET)) == nothing


async def test_transactions_by_account_and_nonce(pool: TransactionPool) -> None:
    hashes = [pool.add(raw) for raw in (PENDING, CREATION, QUEUED)]
    first, second = [to_checksum_address(sender) for sender in senders()[:2]]
    assert await ask(pool, "status") == {"pending": "0x2", "queued": "0x1"}
    content = await ask(pool, "content")
    assert {nonce: each["hash"] for nonce, each in content["pending"][first].items()} == {"0": data(hashes[0]), "1": data(hashes[1])}
    assert content["queued"][second]["4"]["hash"] == data(hashes[2])
    assert content["pending"][first]["0"]["blockHash"] is None
    for sender in (first, second):
        of_one = await ask(pool, "contentFrom", sender.lower())
        assert of_one == {part: content[part].get(sender, {}) for part in ("pending", "queued")}
    to = to_checksum_address(TARGET)
    assert await ask(pool, "inspect") == {
        "pending": {first: {"0": f"{to}: 7 wei + 30000 gas × 9000000000 wei", "1": "contract creation: 0 wei + 90000 gas × 8000000000 wei"}},
        "queued": {second: {"4": f"{to}: 2 wei + 40000 gas × 3000000000 wei"}},
    }


async def test_an_address_that_is_none(pool: TransactionPool) -> None:
    with pytest.raises(InvalidParams):
        await ask(pool, "contentFrom", "0x12")
