"""What the `eth_` methods do with a pool."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.execution.small_chain import CHAIN_ID, KEYS, TARGET, senders, transfer
from tests.unit.rpc.eth.eth_chain import EthChain, data
from trinode.jsonrpc.transaction_object import transaction_object
from trinode.protocol.block import KnownHeader
from trinode.protocol.transaction import encode_transaction, sign_transaction, transaction_hash
from trinode.protocol.transaction_types import BlobTransaction
from trinode.protocol.types import Hash32
from trinode.rpc.eth.namespace import Pooled
from trinode.rpc.node import TransactionRefused

RAW = transfer(0, 1)
SENDER = data(senders()[0])


class Taker:
    """Takes RAW, and nothing else."""

    async def send_raw_transaction(self, raw: bytes) -> Hash32:
        if raw != RAW:
            raise TransactionRefused(-32000, "nonce too low: next nonce 1, tx nonce 0", "0x" if raw == b"\x01" else None)
        return transaction_hash(raw)


async def test_pending_transactions_are_found_by_their_hash(chain: EthChain) -> None:
    mined = chain.add(transfer(0, 0)).transactions[1]
    pool = {transaction_hash(RAW): RAW}
    eth = chain.eth(pooled=Pooled(pool.get, {senders()[0]: 2}.get))
    pending = await eth("getTransactionByHash", data(transaction_hash(RAW)))
    for name in ("blockHash", "blockNumber", "blockTimestamp", "transactionIndex"):
        assert pending[name] is None
    assert (pending["from"], pending["nonce"], pending["gasPrice"]) == (SENDER, "0x1", hex(2_000))
    assert await eth("getTransactionReceipt", pending["hash"]) is None
    assert await eth("getRawTransactionByHash", pending["hash"]) == data(RAW)
    assert await eth("getRawTransactionByHash", data(transaction_hash(mined))) == data(mined)
    assert await eth("getRawTransactionByHash", data(bytes(32))) == "0x"


async def test_the_pending_nonce_counts_what_is_in_the_pool(chain: EthChain) -> None:
    chain.add(transfer(0, 0))
    eth = chain.eth(pooled=Pooled(next_nonce={senders()[0]: 5}.get))
    assert [await eth("getTransactionCount", SENDER, tag) for tag in ("earliest", "latest", "pending")] == ["0x0", "0x1", "0x5"]
    assert await eth("getTransactionCount", data(senders()[1]), "pending") == "0x0"
    assert await eth("getTransactionCount", SENDER) == "0x1"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"\x02", {"code": -32000, "message": "nonce too low: next nonce 1, tx nonce 0"}),
        (b"\x01", {"code": -32000, "message": "nonce too low: next nonce 1, tx nonce 0", "data": "0x"}),
    ],
)
async def test_transactions_are_handed_on(chain: EthChain, raw: bytes, error: dict[str, Any]) -> None:
    eth = chain.eth(taker=Taker())
    assert await eth("sendRawTransaction", data(RAW)) == data(transaction_hash(RAW))
    assert await eth.error("sendRawTransaction", data(raw)) == error


async def test_without_a_taker_they_are_refused(chain: EthChain) -> None:
    assert "takes no transactions" in (await chain.eth().error("sendRawTransaction", data(RAW)))["message"]


def test_a_blob_transaction_as_l1_devnets_show_it(chain: EthChain) -> None:
    unsigned = BlobTransaction(CHAIN_ID, 7, 1, 100, 21_000, TARGET, 0, b"", (), 9, (b"\x01" * 32,))
    raw = encode_transaction(sign_transaction(unsigned, KEYS[0]))
    block = KnownHeader(replace(chain.store.head_header, base_fee_per_gas=20), bytes(32))
    shown = transaction_object(raw, 3, block)
    assert (shown["type"], shown["from"], shown["gasPrice"], shown["transactionIndex"]) == ("0x3", SENDER, hex(21), "0x3")
    assert (shown["maxFeePerBlobGas"], shown["blobVersionedHashes"]) == ("0x9", [data(b"\x01" * 32)])
