"""Receipts of the devnet's L1, and its history of fees, in the JSON of execution clients (execution-apis: eth/receipt, eth/fee_market)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from trinode.devnet.l1_rules import GAS_PER_BLOB, blob_price, effective_gas_price
from trinode.devnet.l1_store import StoredBlock
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import BlobTransaction, SignedTransaction, decode_transaction, transaction_hash
from trinode.rollup.json_fields import to_hex
from trinode.rollup.l1_chain import L1ChainConfig


def _signed(raw: bytes) -> SignedTransaction:
    tx = decode_transaction(raw)
    assert not isinstance(tx, DepositTransaction), "L1 has no deposit transactions"
    return tx


def _gas_used(block: StoredBlock, index: int) -> int:
    receipts = block.decoded_receipts
    return receipts[index].cumulative_gas_used - (receipts[index - 1].cumulative_gas_used if index else 0)


def receipt_objects(config: L1ChainConfig, block: StoredBlock) -> list[dict[str, Any]]:
    """The receipts of a block, in order."""
    return [receipt_object(config, block, index) for index in range(len(block.receipts))]


def receipt_object(config: L1ChainConfig, block: StoredBlock, index: int) -> dict[str, Any]:
    """The receipt of the transaction at `index`."""
    header, receipt, raw = block.header, block.decoded_receipts[index], block.transactions[index]
    tx = _signed(raw)
    place = {
        "transactionHash": to_hex(transaction_hash(raw)),
        "transactionIndex": hex(index),
        "blockHash": to_hex(block.hash),
        "blockNumber": hex(header.number),
    }
    first_log = sum(len(each.logs) for each in block.decoded_receipts[:index])
    result: dict[str, Any] = place | {
        "type": hex(receipt.type),
        "from": to_hex(block.senders[index]),
        "to": None if tx.to is None else to_hex(tx.to),
        "contractAddress": None,
        "status": hex(receipt.succeeded),
        "cumulativeGasUsed": hex(receipt.cumulative_gas_used),
        "gasUsed": hex(_gas_used(block, index)),
        "effectiveGasPrice": hex(effective_gas_price(tx, header.base_fee_per_gas or 0)),
        "logsBloom": to_hex(receipt.logs_bloom),
        "logs": [_log_object(log, header.timestamp, place, position) for position, log in enumerate(receipt.logs, first_log)],
    }
    if isinstance(tx, BlobTransaction):
        result["blobGasUsed"] = hex(GAS_PER_BLOB * len(tx.blob_versioned_hashes))
        result["blobGasPrice"] = hex(blob_price(config, header.excess_blob_gas or 0, header.timestamp))
    return result


def _log_object(log: Log, timestamp: int, place: dict[str, str], index: int) -> dict[str, Any]:
    return place | {
        "address": to_hex(log.address),
        "topics": [to_hex(topic) for topic in log.topics],
        "data": to_hex(log.data),
        "blockTimestamp": hex(timestamp),
        "logIndex": hex(index),
        "removed": False,
    }


def fee_history_object(
    config: L1ChainConfig, blocks: Sequence[StoredBlock], next_fees: tuple[int, int], percentiles: Sequence[float]
) -> dict[str, Any]:
    """The fees of these blocks (at least one), and of the one after the last: base fee and blob base fee, in wei."""
    headers = [block.header for block in blocks]
    result: dict[str, Any] = {
        "oldestBlock": hex(headers[0].number),
        "baseFeePerGas": [hex(header.base_fee_per_gas or 0) for header in headers] + [hex(next_fees[0])],
        "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        "baseFeePerBlobGas": [hex(blob_price(config, header.excess_blob_gas or 0, header.timestamp)) for header in headers]
        + [hex(next_fees[1])],
        "blobGasUsedRatio": [_blob_ratio(config, block) for block in blocks],
    }
    if percentiles:
        result["reward"] = [[hex(tip) for tip in _tips(block, percentiles)] for block in blocks]
    return result


def _blob_ratio(config: L1ChainConfig, block: StoredBlock) -> float:
    schedule = config.blob_schedule_at(block.header.timestamp)
    assert schedule is not None
    return (block.header.blob_gas_used or 0) / (schedule.max * GAS_PER_BLOB)


def _tips(block: StoredBlock, percentiles: Sequence[float]) -> list[int]:
    """The tip that so many percent of the block's gas paid at most, in wei."""
    base_fee = block.header.base_fee_per_gas or 0
    paid = sorted((effective_gas_price(_signed(raw), base_fee) - base_fee, _gas_used(block, index)) for index, raw in enumerate(block.transactions))
    if not paid:
        return [0] * len(percentiles)
    seen = list(accumulate(gas for _, gas in paid))
    places = [bisect_left(seen, block.header.gas_used * percentile / 100) for percentile in percentiles]
    return [paid[min(place, len(paid) - 1)][0] for place in places]
