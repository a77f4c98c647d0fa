"""Transactions in the JSON of execution clients (execution-apis: eth/transaction; deposits: OP Stack specification, deposits)."""

from __future__ import annotations

from typing import Any

from trinode.execution.recovery import recover_sender
from trinode.protocol.block import KnownHeader
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE, DepositTransaction
from trinode.protocol.receipt import Receipt
from trinode.protocol.transaction import SignatureError, decode_transaction, transaction_hash
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

LEGACY_FROM = 0xC0
"""The first byte of an RLP list, and so of a legacy transaction; types are below."""


def transaction_object(raw: bytes, index: int, block: KnownHeader, receipt: Receipt | None = None) -> dict[str, Any]:
    """The transaction at `index` in a block. A deposit's `nonce` and `depositReceiptVersion` stand in its receipt: they are left out
    without it.
    """
    header = block.header
    place: dict[str, Any] = {
        "blockHash": to_hex(block.hash),
        "blockNumber": hex(header.number),
        "blockTimestamp": hex(header.timestamp),
        "transactionIndex": hex(index),
    }
    fields = _fields(raw, header.base_fee_per_gas or 0)
    if receipt is not None and raw[0] == DEPOSIT_TRANSACTION_TYPE:
        fields["nonce"] = hex(receipt.deposit_nonce or 0)
        if receipt.deposit_receipt_version is not None:
            fields["depositReceiptVersion"] = hex(receipt.deposit_receipt_version)
    return place | fields


def pending_transaction_object(raw: bytes) -> dict[str, Any]:
    """A transaction that is in no block yet."""
    place = {"blockHash": None, "blockNumber": None, "blockTimestamp": None, "transactionIndex": None}
    return place | _fields(raw, None)


def _fields(raw: bytes, base_fee: int | None) -> dict[str, Any]:
    tx = decode_transaction(raw)
    result: dict[str, Any] = {
        "hash": to_hex(transaction_hash(raw)),
        "type": hex(raw[0] if raw[0] < LEGACY_FROM else 0),
        "to": None if tx.to is None else to_hex(tx.to),
        "value": hex(tx.value),
        "gas": hex(tx.gas_limit),
        "input": to_hex(tx.data),
    }
    if isinstance(tx, DepositTransaction):
        return result | _deposit_fields(tx)
    sender = recover_sender(tx)
    assert not isinstance(sender, SignatureError), "nobody signed a transaction that was taken"
    return result | {"from": to_hex(sender), "nonce": hex(tx.nonce), "r": hex(tx.r), "s": hex(tx.s)} | _signed_fields(tx, base_fee)


def _deposit_fields(tx: DepositTransaction) -> dict[str, Any]:
    fields: dict[str, Any] = {"from": to_hex(tx.sender), "sourceHash": to_hex(tx.source_hash), "mint": hex(tx.mint), "gasPrice": "0x0"}
    if tx.is_system_transaction:
        fields["isSystemTx"] = True
    return fields | {"v": "0x0", "r": "0x0", "s": "0x0"}


def _signed_fields(tx: SignedTransaction, base_fee: int | None) -> dict[str, Any]:
    if isinstance(tx, LegacyTransaction):
        fields = {"gasPrice": hex(tx.gas_price), "v": hex(tx.v)}
        return fields if tx.chain_id is None else fields | {"chainId": hex(tx.chain_id)}
    result: dict[str, Any] = {"chainId": hex(tx.chain_id), "v": hex(tx.y_parity), "yParity": hex(tx.y_parity)}
    result["accessList"] = access_list_object(tx.access_list)
    if isinstance(tx, AccessListTransaction):
        return result | {"gasPrice": hex(tx.gas_price)}
    result |= {"maxFeePerGas": hex(tx.max_fee_per_gas), "maxPriorityFeePerGas": hex(tx.max_priority_fee_per_gas)}
    price = tx.max_fee_per_gas if base_fee is None else min(tx.max_fee_per_gas, base_fee + tx.max_priority_fee_per_gas)
    result["gasPrice"] = hex(price)
    if isinstance(tx, SetCodeTransaction):
        result["authorizationList"] = [_authorization(each) for each in tx.authorization_list]
    if isinstance(tx, BlobTransaction):
        result["maxFeePerBlobGas"] = hex(tx.max_fee_per_blob_gas)
        result["blobVersionedHashes"] = [to_hex(each) for each in tx.blob_versioned_hashes]
    return result


def access_list_object(access_list: tuple[AccessListEntry, ...]) -> list[dict[str, Any]]:
    """An access list (EIP-2930)."""
    return [{"address": to_hex(entry.address), "storageKeys": [to_hex(key) for key in entry.storage_keys]} for entry in access_list]


def _authorization(authorization: Authorization) -> dict[str, Any]:
    return {
        "chainId": hex(authorization.chain_id),
        "address": to_hex(authorization.address),
        "nonce": hex(authorization.nonce),
        "yParity": hex(authorization.y_parity),
        "r": hex(authorization.r),
        "s": hex(authorization.s),
    }
