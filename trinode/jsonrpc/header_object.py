"""Headers in the JSON of blocks (execution-apis: eth/block)."""

from __future__ import annotations

from typing import Any

from trinode.jsonrpc.fields import InvalidParams, JsonFields
from trinode.protocol.block import KnownHeader
from trinode.protocol.header import Header, header_hash
from trinode.rollup.json_fields import to_hex

_UINT256 = 2**256 - 1


def read_header(value: object, path: str) -> KnownHeader | None:
    """The header in a block's object, which has the hash that stands there; None for null. Raises InvalidParams."""
    if value is None:
        return None
    fields = JsonFields(value, path)
    header = Header(
        parent_hash=fields.data("parentHash", 32),
        ommers_hash=fields.data("sha3Uncles", 32),
        beneficiary=fields.data("miner", 20),
        state_root=fields.data("stateRoot", 32),
        transactions_root=fields.data("transactionsRoot", 32),
        receipts_root=fields.data("receiptsRoot", 32),
        logs_bloom=fields.data("logsBloom", 256),
        difficulty=fields.quantity("difficulty", _UINT256),
        number=fields.quantity("number"),
        gas_limit=fields.quantity("gasLimit"),
        gas_used=fields.quantity("gasUsed"),
        timestamp=fields.quantity("timestamp"),
        extra_data=fields.data("extraData"),
        prev_randao=fields.data("mixHash", 32),
        nonce=fields.data("nonce", 8),
        base_fee_per_gas=fields.optional_quantity("baseFeePerGas", _UINT256),
        withdrawals_root=fields.optional_data("withdrawalsRoot", 32),
        blob_gas_used=fields.optional_quantity("blobGasUsed"),
        excess_blob_gas=fields.optional_quantity("excessBlobGas"),
        parent_beacon_block_root=fields.optional_data("parentBeaconBlockRoot", 32),
        requests_hash=fields.optional_data("requestsHash", 32),
    )
    try:
        found = header_hash(header)
    except ValueError as error:
        raise InvalidParams(path, str(error)) from error
    if found != fields.data("hash", 32):
        raise InvalidParams(fields.path_of("hash"), f"the header hashes to 0x{found.hex()}")
    return KnownHeader(header, found)


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
