"""What `eth_` methods answer, as JSON Schemas (execution-apis: schemas; op-geth's fields for OP Stack chains).

They are as precise as the answers: no other fields are there, and those of a fork are optional. Those with a `title` are components of the
OpenRPC document.
"""

from __future__ import annotations

from trinode.jsonrpc.declared import Schema
from trinode.jsonrpc.kinds import (
    ADDRESS_RESULT,
    BOOLEAN_RESULT,
    DATA_RESULT,
    HASH_RESULT,
    QUANTITY_RESULT,
    STRING_RESULT,
    hex_of,
    list_of,
    or_null,
    record_of,
)

_BLOOM: Schema = {"title": "Bloom", **hex_of(256)}
_NONE: Schema = {"type": "array", "maxItems": 0}

# ---- blocks ----

_HEADER_FIELDS = {
    "hash": HASH_RESULT,
    "parentHash": HASH_RESULT,
    "sha3Uncles": HASH_RESULT,
    "miner": ADDRESS_RESULT,
    "stateRoot": HASH_RESULT,
    "transactionsRoot": HASH_RESULT,
    "receiptsRoot": HASH_RESULT,
    "logsBloom": _BLOOM,
    "difficulty": QUANTITY_RESULT,
    "number": QUANTITY_RESULT,
    "gasLimit": QUANTITY_RESULT,
    "gasUsed": QUANTITY_RESULT,
    "timestamp": QUANTITY_RESULT,
    "extraData": DATA_RESULT,
    "mixHash": HASH_RESULT,
    "nonce": hex_of(8),
}
_HEADER_FIELDS_BY_FORK = {
    "baseFeePerGas": QUANTITY_RESULT,
    "withdrawalsRoot": HASH_RESULT,
    "blobGasUsed": QUANTITY_RESULT,
    "excessBlobGas": QUANTITY_RESULT,
    "parentBeaconBlockRoot": HASH_RESULT,
    "requestsHash": HASH_RESULT,
}
HEADER: Schema = record_of("Header", _HEADER_FIELDS, optional=_HEADER_FIELDS_BY_FORK)

# ---- transactions ----

_TRANSACTION_FIELDS = {
    "blockHash": or_null(HASH_RESULT),
    "blockNumber": or_null(QUANTITY_RESULT),
    "blockTimestamp": or_null(QUANTITY_RESULT),
    "transactionIndex": or_null(QUANTITY_RESULT),
    "hash": HASH_RESULT,
    "from": ADDRESS_RESULT,
    "to": or_null(ADDRESS_RESULT),
    "value": QUANTITY_RESULT,
    "gas": QUANTITY_RESULT,
    "gasPrice": QUANTITY_RESULT,
    "input": DATA_RESULT,
    "nonce": QUANTITY_RESULT,
    "v": QUANTITY_RESULT,
    "r": QUANTITY_RESULT,
    "s": QUANTITY_RESULT,
}
ACCESS_LIST: Schema = list_of(record_of("AccessListItem", {"address": ADDRESS_RESULT, "storageKeys": list_of(HASH_RESULT)}))
_TYPED = _TRANSACTION_FIELDS | {"chainId": QUANTITY_RESULT, "yParity": {"enum": ["0x0", "0x1"]}, "accessList": ACCESS_LIST}
_DYNAMIC = _TYPED | {"maxFeePerGas": QUANTITY_RESULT, "maxPriorityFeePerGas": QUANTITY_RESULT}
_SIGNED_AUTHORIZATION: Schema = record_of(
    "SignedAuthorization",
    {
        "chainId": QUANTITY_RESULT,
        "address": ADDRESS_RESULT,
        "nonce": QUANTITY_RESULT,
        "yParity": QUANTITY_RESULT,
        "r": QUANTITY_RESULT,
        "s": QUANTITY_RESULT,
    },
)
_DEPOSIT = _TRANSACTION_FIELDS | {"type": {"const": "0x7e"}, "sourceHash": HASH_RESULT, "mint": QUANTITY_RESULT}
TRANSACTION: Schema = {
    "title": "Transaction",
    "anyOf": [
        record_of("LegacyTransaction", _TRANSACTION_FIELDS | {"type": {"const": "0x0"}}, optional={"chainId": QUANTITY_RESULT}),
        record_of("AccessListTransaction", _TYPED | {"type": {"const": "0x1"}}),
        record_of("DynamicFeeTransaction", _DYNAMIC | {"type": {"const": "0x2"}}),
        record_of("SetCodeTransaction", _DYNAMIC | {"type": {"const": "0x4"}, "authorizationList": list_of(_SIGNED_AUTHORIZATION)}),
        record_of("DepositTransaction", _DEPOSIT, optional={"isSystemTx": {"const": True}, "depositReceiptVersion": QUANTITY_RESULT}),
    ],
}
"""Its place is null while it is in no block."""

BLOCK: Schema = record_of(
    "Block",
    _HEADER_FIELDS | {"size": QUANTITY_RESULT, "uncles": _NONE, "transactions": {"anyOf": [list_of(HASH_RESULT), list_of(TRANSACTION)]}},
    optional=_HEADER_FIELDS_BY_FORK | {"withdrawals": _NONE},
)
"""With whole transactions, or with their hashes."""

# ---- receipts and logs ----

LOG: Schema = record_of(
    "Log",
    {
        "address": ADDRESS_RESULT,
        "topics": {"type": "array", "items": HASH_RESULT, "maxItems": 4},
        "data": DATA_RESULT,
        "blockNumber": QUANTITY_RESULT,
        "blockHash": HASH_RESULT,
        "blockTimestamp": QUANTITY_RESULT,
        "transactionHash": HASH_RESULT,
        "transactionIndex": QUANTITY_RESULT,
        "logIndex": QUANTITY_RESULT,
        "removed": BOOLEAN_RESULT,
    },
)
_RECEIPT_FIELDS = {
    "blockHash": HASH_RESULT,
    "blockNumber": QUANTITY_RESULT,
    "transactionHash": HASH_RESULT,
    "transactionIndex": QUANTITY_RESULT,
    "from": ADDRESS_RESULT,
    "to": or_null(ADDRESS_RESULT),
    "contractAddress": or_null(ADDRESS_RESULT),
    "cumulativeGasUsed": QUANTITY_RESULT,
    "gasUsed": QUANTITY_RESULT,
    "effectiveGasPrice": QUANTITY_RESULT,
    "logs": list_of(LOG),
    "logsBloom": _BLOOM,
    "status": {"enum": ["0x0", "0x1"]},
}
_SIGNED_RECEIPT = _RECEIPT_FIELDS | {"type": {"enum": ["0x0", "0x1", "0x2", "0x4"]}}
_PAID_TO_L1 = _SIGNED_RECEIPT | {"l1GasPrice": QUANTITY_RESULT, "l1GasUsed": QUANTITY_RESULT, "l1Fee": QUANTITY_RESULT}
RECEIPT: Schema = {
    "title": "Receipt",
    "anyOf": [
        record_of(
            "ReceiptSinceEcotone",
            _PAID_TO_L1 | {"l1BaseFeeScalar": QUANTITY_RESULT, "l1BlobBaseFee": QUANTITY_RESULT, "l1BlobBaseFeeScalar": QUANTITY_RESULT},
            optional={
                "operatorFeeScalar": QUANTITY_RESULT,
                "operatorFeeConstant": QUANTITY_RESULT,
                "daFootprintGasScalar": QUANTITY_RESULT,
                "blobGasUsed": QUANTITY_RESULT,
            },
        ),
        record_of("ReceiptBeforeEcotone", _PAID_TO_L1 | {"l1FeeScalar": {"type": "string", "pattern": "^[0-9.e+-]+$"}}),
        record_of("ReceiptWithoutL1", _SIGNED_RECEIPT),
        record_of(
            "DepositReceipt",
            _RECEIPT_FIELDS | {"type": {"const": "0x7e"}},
            optional={"depositNonce": QUANTITY_RESULT, "depositReceiptVersion": QUANTITY_RESULT},
        ),
    ],
}

# ---- state, calls, fees ----

_NODES = list_of(DATA_RESULT)
PROOF: Schema = record_of(
    "AccountProof",
    {
        "address": ADDRESS_RESULT,
        "accountProof": _NODES,
        "balance": QUANTITY_RESULT,
        "nonce": QUANTITY_RESULT,
        "codeHash": HASH_RESULT,
        "storageHash": HASH_RESULT,
        "storageProof": list_of(
            record_of(
                "StorageProof",
                {"key": {"anyOf": [QUANTITY_RESULT, HASH_RESULT]}, "value": QUANTITY_RESULT, "proof": _NODES},
            )
        ),
    },
)
CREATED_ACCESS_LIST: Schema = record_of(
    "CreatedAccessList", {"accessList": ACCESS_LIST, "gasUsed": QUANTITY_RESULT}, optional={"error": STRING_RESULT}
)
_RATIO: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_QUANTITIES = list_of(QUANTITY_RESULT)
FEE_HISTORY: Schema = record_of(
    "FeeHistory",
    {"oldestBlock": QUANTITY_RESULT, "gasUsedRatio": or_null(list_of(_RATIO))},
    optional={
        "baseFeePerGas": _QUANTITIES,
        "baseFeePerBlobGas": _QUANTITIES,
        "blobGasUsedRatio": list_of(_RATIO),
        "reward": list_of(_QUANTITIES),
    },
)
SYNC_PROGRESS: Schema = record_of(
    "SyncProgress", {"startingBlock": QUANTITY_RESULT, "currentBlock": QUANTITY_RESULT, "highestBlock": QUANTITY_RESULT}
)
SYNCING: Schema = {"anyOf": [{"const": False}, SYNC_PROGRESS]}
