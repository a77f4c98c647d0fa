"""Transactions that nobody has signed, in the JSON of op-geth: those of simulated blocks, and those that are to be signed."""

from __future__ import annotations

from typing import Any

from trinode.jsonrpc.transaction_object import access_list_object
from trinode.protocol.block import KnownHeader
from trinode.protocol.transaction import decode_transaction, transaction_hash
from trinode.protocol.transaction_types import DynamicFeeTransaction, LegacyTransaction, SetCodeTransaction
from trinode.protocol.types import Address
from trinode.rollup.json_fields import to_hex

_NO_SIGNATURE = {"v": "0x0", "r": "0x0", "s": "0x0"}


def unsigned_transaction_object(raw: bytes, sender: Address, index: int, block: KnownHeader, chain_id: int) -> dict[str, Any]:
    """The transaction at `index` of a simulated block. As op-geth has it, a legacy one has a chain id, too."""
    header, transaction = block.header, decode_transaction(raw)
    assert isinstance(transaction, LegacyTransaction | DynamicFeeTransaction | SetCodeTransaction)
    place: dict[str, Any] = {
        "blockHash": to_hex(block.hash),
        "blockNumber": hex(header.number),
        "blockTimestamp": hex(header.timestamp),
        "transactionIndex": hex(index),
        "hash": to_hex(transaction_hash(raw)),
        "from": to_hex(sender),
        "chainId": hex(chain_id),
    }
    return place | _NO_SIGNATURE | _fields(transaction, header.base_fee_per_gas or 0)


def _fields(tx: LegacyTransaction | DynamicFeeTransaction | SetCodeTransaction, base_fee: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "nonce": hex(tx.nonce),
        "gas": hex(tx.gas_limit),
        "to": None if tx.to is None else to_hex(tx.to),
        "value": hex(tx.value),
        "input": to_hex(tx.data),
    }
    if isinstance(tx, LegacyTransaction):
        return fields | {"type": "0x0", "gasPrice": hex(tx.gas_price)}
    fields |= {
        "type": hex(tx.TYPE_BYTE[0]),
        "accessList": access_list_object(tx.access_list),
        "maxFeePerGas": hex(tx.max_fee_per_gas),
        "maxPriorityFeePerGas": hex(tx.max_priority_fee_per_gas),
        "gasPrice": hex(min(tx.max_fee_per_gas, base_fee + tx.max_priority_fee_per_gas)),
        "yParity": "0x0",
    }
    if isinstance(tx, SetCodeTransaction):
        fields["authorizationList"] = [
            {
                "chainId": hex(each.chain_id),
                "address": to_hex(each.address),
                "nonce": hex(each.nonce),
                "yParity": hex(each.y_parity),
                "r": hex(each.r),
                "s": hex(each.s),
            }
            for each in tx.authorization_list
        ]
    return fields
