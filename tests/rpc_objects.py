"""Blocks, transactions and receipts as execution clients show them in JSON-RPC: the reverse of `trinode.jsonrpc.replies`, for fake endpoints."""

from __future__ import annotations

from typing import Any

from trinode.protocol.block import L1Block
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.header import Header
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import decode_receipt
from trinode.protocol.transaction import decode_transaction
from trinode.protocol.transaction_types import (
    AccessListTransaction,
    BlobTransaction,
    LegacyTransaction,
    SetCodeTransaction,
)
from trinode.protocol.types import Hash32

Json = dict[str, Any]


def data(value: bytes) -> str:
    return "0x" + value.hex()


def block_object(block_hash: Hash32, header: Header, transactions: tuple[bytes, ...], *, whole: bool = True) -> Json:
    """What eth_getBlockByNumber answers."""
    result: Json = {
        "hash": data(block_hash),
        "parentHash": data(header.parent_hash),
        "sha3Uncles": data(header.ommers_hash),
        "miner": data(header.beneficiary),
        "stateRoot": data(header.state_root),
        "transactionsRoot": data(header.transactions_root),
        "receiptsRoot": data(header.receipts_root),
        "logsBloom": data(header.logs_bloom),
        "difficulty": hex(header.difficulty),
        "number": hex(header.number),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "extraData": data(header.extra_data),
        "mixHash": data(header.prev_randao),
        "nonce": data(header.nonce),
        "uncles": [],
        "transactions": [transaction_object(raw) if whole else data(keccak256(raw)) for raw in transactions],
    }
    optional = {
        "baseFeePerGas": header.base_fee_per_gas,
        "withdrawalsRoot": header.withdrawals_root,
        "blobGasUsed": header.blob_gas_used,
        "excessBlobGas": header.excess_blob_gas,
        "parentBeaconBlockRoot": header.parent_beacon_block_root,
        "requestsHash": header.requests_hash,
    }
    for name, value in optional.items():
        if value is not None:
            result[name] = hex(value) if isinstance(value, int) else data(value)
    return result


def transaction_object(raw: bytes) -> Json:
    """A transaction of a block object, with its hash but without its place."""
    tx = decode_transaction(raw)
    result: Json = {"hash": data(keccak256(raw)), "type": hex(raw[0] if raw[0] < 0x80 else 0)}
    result |= {"to": None if tx.to is None else data(tx.to), "value": hex(tx.value), "gas": hex(tx.gas_limit), "input": data(tx.data)}
    if isinstance(tx, DepositTransaction):
        result |= {"sourceHash": data(tx.source_hash), "from": data(tx.sender), "nonce": "0x1", "gasPrice": "0x0"}
        result |= {"v": "0x0", "r": "0x0", "s": "0x0"}
        if tx.mint:
            result["mint"] = hex(tx.mint)
        if tx.is_system_transaction:
            result["isSystemTx"] = True
        return result
    result |= {"nonce": hex(tx.nonce), "r": hex(tx.r), "s": hex(tx.s)}
    if isinstance(tx, LegacyTransaction):
        return result | {"gasPrice": hex(tx.gas_price), "v": hex(tx.v)}
    result |= {"chainId": hex(tx.chain_id), "v": hex(tx.y_parity), "yParity": hex(tx.y_parity)}
    result["accessList"] = [{"address": data(a.address), "storageKeys": [data(key) for key in a.storage_keys]} for a in tx.access_list]
    if isinstance(tx, AccessListTransaction):
        return result | {"gasPrice": hex(tx.gas_price)}
    result |= {"maxFeePerGas": hex(tx.max_fee_per_gas), "maxPriorityFeePerGas": hex(tx.max_priority_fee_per_gas), "gasPrice": "0x7"}
    if isinstance(tx, BlobTransaction):
        hashes = [data(name) for name in tx.blob_versioned_hashes]
        return result | {"maxFeePerBlobGas": hex(tx.max_fee_per_blob_gas), "blobVersionedHashes": hashes}
    if isinstance(tx, SetCodeTransaction):
        result["authorizationList"] = [
            {
                "chainId": hex(a.chain_id),
                "address": data(a.address),
                "nonce": hex(a.nonce),
                "yParity": hex(a.y_parity),
                "r": hex(a.r),
                "s": hex(a.s),
            }
            for a in tx.authorization_list
        ]
    return result


def receipt_object(raw: bytes, transaction_hash: Hash32, block_hash: Hash32) -> Json:
    """What eth_getTransactionReceipt answers."""
    receipt = decode_receipt(raw)
    logs = [{"address": data(log.address), "topics": [data(topic) for topic in log.topics], "data": data(log.data)} for log in receipt.logs]
    result: Json = {
        "type": hex(receipt.type),
        "cumulativeGasUsed": hex(receipt.cumulative_gas_used),
        "logsBloom": data(receipt.logs_bloom),
        "logs": logs,
        "transactionHash": data(transaction_hash),
        "blockHash": data(block_hash),
        "contractAddress": None,
    }
    if receipt.post_state is not None:
        result["root"] = data(receipt.post_state)
    else:
        result["status"] = hex(receipt.succeeded)
    if receipt.deposit_nonce is not None:
        result["depositNonce"] = hex(receipt.deposit_nonce)
    if receipt.deposit_receipt_version is not None:
        result["depositReceiptVersion"] = hex(receipt.deposit_receipt_version)
    return result


def receipt_objects(block: L1Block) -> list[Json]:
    """What eth_getBlockReceipts answers, with all the fields that geth's own types demand. The block has receipts."""
    assert block.receipts is not None
    number, gas_before, logs_before = hex(block.header.number), 0, 0
    result = []
    for index, (raw, tx) in enumerate(zip(block.receipts, block.transactions, strict=True)):
        one = receipt_object(raw, keccak256(tx), block.hash)
        gas_after = int(one["cumulativeGasUsed"], 16)
        place = {"blockNumber": number, "transactionIndex": hex(index)}
        one |= place | {"gasUsed": hex(gas_after - gas_before), "effectiveGasPrice": hex(_price(tx, block.header))}
        for log in one["logs"]:
            log |= place | {"blockHash": one["blockHash"], "transactionHash": one["transactionHash"], "logIndex": hex(logs_before), "removed": False}
            logs_before += 1
        gas_before = gas_after
        result.append(one)
    return result


def _price(raw: bytes, header: Header) -> int:
    """Wei of a unit of gas."""
    tx = decode_transaction(raw)
    if isinstance(tx, LegacyTransaction | AccessListTransaction):
        return tx.gas_price
    assert not isinstance(tx, DepositTransaction) and header.base_fee_per_gas is not None
    return min(tx.max_fee_per_gas, header.base_fee_per_gas + tx.max_priority_fee_per_gas)
