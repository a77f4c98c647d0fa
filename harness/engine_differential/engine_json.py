"""The Engine API's JSON of payload attributes and payloads, and the versions of its methods (specification: exec-engine, "Engine API")."""

from __future__ import annotations

from typing import Any, NamedTuple

from trinode.protocol.header import Header
from trinode.protocol.payload import ExecutionPayload, PayloadAttributes, PayloadEnvelope, payload_header
from trinode.protocol.types import Hash32
from trinode.rollup.fork import Fork


class Methods(NamedTuple):
    """The methods for blocks of one fork."""

    forkchoice_updated: str
    get_payload: str
    new_payload: str


_VERSIONS = {Fork.BEDROCK: (2, 2, 2), Fork.ECOTONE: (3, 3, 3), Fork.ISTHMUS: (3, 4, 4), Fork.KARST: (3, 5, 4)}


def methods_of(fork: Fork) -> Methods:
    """The methods that take blocks of `fork`: forkchoiceUpdated, getPayload and newPayload do not go up together."""
    since = max(each for each in _VERSIONS if each <= fork)
    choose, get, new = _VERSIONS[since]
    return Methods(f"engine_forkchoiceUpdatedV{choose}", f"engine_getPayloadV{get}", f"engine_newPayloadV{new}")


def attributes_json(attributes: PayloadAttributes) -> dict[str, Any]:
    """Payload attributes; what is None is left out."""
    values: dict[str, Any] = {
        "timestamp": hex(attributes.timestamp),
        "prevRandao": _hex(attributes.prev_randao),
        "suggestedFeeRecipient": _hex(attributes.suggested_fee_recipient),
        "transactions": [_hex(raw) for raw in attributes.transactions],
        "noTxPool": attributes.no_tx_pool,
        "gasLimit": hex(attributes.gas_limit),
    }
    if attributes.withdrawals is not None:
        values["withdrawals"] = []
    if attributes.parent_beacon_block_root is not None:
        values["parentBeaconBlockRoot"] = _hex(attributes.parent_beacon_block_root)
    if attributes.eip1559_params is not None:
        values["eip1559Params"] = _hex(attributes.eip1559_params)
    if attributes.min_base_fee is not None:
        values["minBaseFee"] = attributes.min_base_fee
    return values


def header_of_payload(payload: dict[str, Any], parent_beacon_block_root: Hash32 | None) -> Header:
    """The header of the block in an execution payload."""
    decoded = ExecutionPayload(
        parent_hash=_data(payload["parentHash"]),
        fee_recipient=_data(payload["feeRecipient"]),
        state_root=_data(payload["stateRoot"]),
        receipts_root=_data(payload["receiptsRoot"]),
        logs_bloom=_data(payload["logsBloom"]),
        prev_randao=_data(payload["prevRandao"]),
        block_number=int(payload["blockNumber"], 16),
        gas_limit=int(payload["gasLimit"], 16),
        gas_used=int(payload["gasUsed"], 16),
        timestamp=int(payload["timestamp"], 16),
        extra_data=_data(payload["extraData"]),
        base_fee_per_gas=int(payload["baseFeePerGas"], 16),
        block_hash=_data(payload["blockHash"]),
        transactions=tuple(_data(raw) for raw in payload["transactions"]),
        withdrawals=None if payload.get("withdrawals") is None else (),
        blob_gas_used=_optional(payload.get("blobGasUsed")),
        excess_blob_gas=_optional(payload.get("excessBlobGas")),
        withdrawals_root=_data(payload["withdrawalsRoot"]) if payload.get("withdrawalsRoot") else None,
    )
    return payload_header(PayloadEnvelope(decoded, parent_beacon_block_root))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _data(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def _optional(value: str | None) -> int | None:
    return None if value is None else int(value, 16)
