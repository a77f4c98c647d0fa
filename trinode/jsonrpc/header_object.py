"""Headers in the JSON of blocks (execution-apis: eth/block)."""

from __future__ import annotations

from typing import Any

from trinode.protocol.header import Header
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex

_LATER_FIELDS = (
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
    "blockAccessListHash",
    "slotNumber",
)


def whole_header_object(header: Header, block_hash: Hash32) -> dict[str, Any]:
    """As geth writes a header by itself, in notifications and witnesses: with its hash, and null for what its fork does not have."""
    return dict.fromkeys(_LATER_FIELDS) | header_object(header) | {"hash": to_hex(block_hash)}


def header_object(header: Header) -> dict[str, Any]:
    """The fields of a header; those that its fork does not have are left out."""
    result: dict[str, Any] = {
        "parentHash": to_hex(header.parent_hash),
        "sha3Uncles": to_hex(header.ommers_hash),
        "miner": to_hex(header.beneficiary),
        "stateRoot": to_hex(header.state_root),
        "transactionsRoot": to_hex(header.transactions_root),
        "receiptsRoot": to_hex(header.receipts_root),
        "logsBloom": to_hex(header.logs_bloom),
        "difficulty": hex(header.difficulty),
        "number": hex(header.number),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "extraData": to_hex(header.extra_data),
        "mixHash": to_hex(header.prev_randao),
        "nonce": to_hex(header.nonce),
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
            result[name] = hex(value) if isinstance(value, int) else to_hex(value)
    return result
