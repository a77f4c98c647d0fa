"""The Engine API's structures in JSON (Engine API: paris to osaka, "Structures"; OP Stack specification: exec-engine, "Extended
PayloadAttributesV3", and isthmus/exec-engine for the withdrawals root).

Which fields a structure has is a matter of its block's fork, and so of the method's version (`versions`). In requests, what
is missing or not known is an error that names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trinode.engine.status import (
    PAYLOAD_ID_SIZE,
    BuiltPayload,
    ForkchoiceResult,
    ForkchoiceState,
    InvalidPayloadAttributes,
    PayloadStatus,
    Status,
)
from trinode.jsonrpc.fields import InvalidParams, JsonFields, kind, parse_data, parse_list
from trinode.protocol.payload import ExecutionPayload, PayloadAttributes, PayloadEnvelope, Withdrawal
from trinode.protocol.types import UINT64
from trinode.rollup.fork import Fork
from trinode.rollup.forks import rules_of
from trinode.rollup.json_fields import to_hex

_UINT256 = 2**256 - 1
_EIP1559_PARAMS_SIZE = 8
_BLOOM_SIZE = 256


# ---- payload attributes ----


def decode_attributes(value: object, path: str, fork: Fork) -> PayloadAttributes:
    """The attributes for a block of `fork`. Raises InvalidParams where a field is malformed, and InvalidPayloadAttributes
    where the fork needs one that is missing, or has none of it.
    """
    fields = JsonFields(value, path)
    for name, wanted in _attribute_fields(fork).items():
        if wanted is not (fields.optional(name) is not None):
            raise InvalidPayloadAttributes(f"{fields.path_of(name)}: {'missing' if wanted else f'not before its fork; this is {fork.label}'}")
    attributes = PayloadAttributes(
        timestamp=fields.quantity("timestamp"),
        prev_randao=fields.data("prevRandao", 32),
        suggested_fee_recipient=fields.data("suggestedFeeRecipient", 20),
        withdrawals=_decode_withdrawals(fields),
        parent_beacon_block_root=fields.optional_data("parentBeaconBlockRoot", 32),
        transactions=() if fields.optional("transactions") is None else fields.data_items("transactions"),
        no_tx_pool=_boolean(fields, "noTxPool"),
        gas_limit=fields.quantity("gasLimit"),
        eip1559_params=fields.optional_data("eip1559Params", _EIP1559_PARAMS_SIZE),
        min_base_fee=_min_base_fee(fields),
    )
    fields.finish()
    return attributes


def _attribute_fields(fork: Fork) -> Mapping[str, bool]:
    """Which fields come with a fork, and whether they must be there (they must not otherwise)."""
    rules = rules_of(fork)
    return {
        "gasLimit": True,
        "withdrawals": rules.withdrawals,
        "parentBeaconBlockRoot": rules.parent_beacon_block_root,
        "eip1559Params": rules.eip1559_params,
        "minBaseFee": rules.min_base_fee,
    }


def _boolean(fields: JsonFields, name: str) -> bool:
    """False where it is missing."""
    value = fields.optional(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidParams(fields.path_of(name), f"true or false was expected, not {kind(value)}")
    return value is True


def _min_base_fee(fields: JsonFields) -> int | None:
    """A JSON number, as op-node sends it and op-geth reads it; or a QUANTITY, as the specification has it."""
    value = fields.optional("minBaseFee")
    if type(value) is int:
        if not 0 <= value <= UINT64:
            raise InvalidParams(fields.path_of("minBaseFee"), f"{value} is no uint64")
        return value
    return fields.optional_quantity("minBaseFee")


def encode_attributes(attributes: PayloadAttributes) -> dict[str, Any]:
    """Payload attributes. What is None is left out, and `noTxPool` where it is false, as op-node has it."""
    values: dict[str, Any] = {
        "timestamp": hex(attributes.timestamp),
        "prevRandao": to_hex(attributes.prev_randao),
        "suggestedFeeRecipient": to_hex(attributes.suggested_fee_recipient),
        "transactions": [to_hex(raw) for raw in attributes.transactions],
        "gasLimit": hex(attributes.gas_limit),
    }
    if attributes.no_tx_pool:
        values["noTxPool"] = True
    if attributes.withdrawals is not None:
        values["withdrawals"] = [_encode_withdrawal(each) for each in attributes.withdrawals]
    if attributes.parent_beacon_block_root is not None:
        values["parentBeaconBlockRoot"] = to_hex(attributes.parent_beacon_block_root)
    if attributes.eip1559_params is not None:
        values["eip1559Params"] = to_hex(attributes.eip1559_params)
    if attributes.min_base_fee is not None:
        values["minBaseFee"] = attributes.min_base_fee
    return values


# ---- payloads ----


def decode_payload(value: object, path: str, fork: Fork) -> ExecutionPayload:
    """An execution payload of `fork`. Raises InvalidParams, also where it has a field that comes with a later fork."""
    fields = JsonFields(value, path)
    payload = ExecutionPayload(
        parent_hash=fields.data("parentHash", 32),
        fee_recipient=fields.data("feeRecipient", 20),
        state_root=fields.data("stateRoot", 32),
        receipts_root=fields.data("receiptsRoot", 32),
        logs_bloom=fields.data("logsBloom", _BLOOM_SIZE),
        prev_randao=fields.data("prevRandao", 32),
        block_number=fields.quantity("blockNumber"),
        gas_limit=fields.quantity("gasLimit"),
        gas_used=fields.quantity("gasUsed"),
        timestamp=fields.quantity("timestamp"),
        extra_data=fields.data("extraData"),
        base_fee_per_gas=fields.quantity("baseFeePerGas", _UINT256),
        block_hash=fields.data("blockHash", 32),
        transactions=fields.data_items("transactions"),
        withdrawals=_required_withdrawals(fields) if fork >= Fork.CANYON else None,
        blob_gas_used=fields.quantity("blobGasUsed") if fork >= Fork.ECOTONE else None,
        excess_blob_gas=fields.quantity("excessBlobGas") if fork >= Fork.ECOTONE else None,
        withdrawals_root=fields.data("withdrawalsRoot", 32) if fork >= Fork.ISTHMUS else None,
    )
    fields.finish()
    return payload


def encode_payload(payload: ExecutionPayload) -> dict[str, Any]:
    """An execution payload; what is None is left out."""
    values: dict[str, Any] = {
        "parentHash": to_hex(payload.parent_hash),
        "feeRecipient": to_hex(payload.fee_recipient),
        "stateRoot": to_hex(payload.state_root),
        "receiptsRoot": to_hex(payload.receipts_root),
        "logsBloom": to_hex(payload.logs_bloom),
        "prevRandao": to_hex(payload.prev_randao),
        "blockNumber": hex(payload.block_number),
        "gasLimit": hex(payload.gas_limit),
        "gasUsed": hex(payload.gas_used),
        "timestamp": hex(payload.timestamp),
        "extraData": to_hex(payload.extra_data),
        "baseFeePerGas": hex(payload.base_fee_per_gas),
        "blockHash": to_hex(payload.block_hash),
        "transactions": [to_hex(raw) for raw in payload.transactions],
    }
    if payload.withdrawals is not None:
        values["withdrawals"] = [_encode_withdrawal(each) for each in payload.withdrawals]
    if payload.blob_gas_used is not None:
        values["blobGasUsed"] = hex(payload.blob_gas_used)
    if payload.excess_blob_gas is not None:
        values["excessBlobGas"] = hex(payload.excess_blob_gas)
    if payload.withdrawals_root is not None:
        values["withdrawalsRoot"] = to_hex(payload.withdrawals_root)
    return values


def _decode_withdrawals(fields: JsonFields) -> tuple[Withdrawal, ...] | None:
    return None if fields.optional("withdrawals") is None else _required_withdrawals(fields)


def _required_withdrawals(fields: JsonFields) -> tuple[Withdrawal, ...]:
    path = fields.path_of("withdrawals")
    return tuple([_decode_withdrawal(value, f"{path}[{index}]") for index, value in enumerate(fields.items("withdrawals"))])


def _decode_withdrawal(value: object, path: str) -> Withdrawal:
    fields = JsonFields(value, path)
    withdrawal = Withdrawal(fields.quantity("index"), fields.quantity("validatorIndex"), fields.data("address", 20), fields.quantity("amount"))
    fields.finish()
    return withdrawal


def _encode_withdrawal(withdrawal: Withdrawal) -> dict[str, Any]:
    return {
        "index": hex(withdrawal.index),
        "validatorIndex": hex(withdrawal.validator_index),
        "address": to_hex(withdrawal.address),
        "amount": hex(withdrawal.amount),
    }


def decode_built_payload(value: object, path: str, fork: Fork) -> BuiltPayload:
    """What engine_getPayloadV2 and later answer for a block of `fork`; more may stand beside it. Raises InvalidParams."""
    fields = JsonFields(value, path)
    payload = decode_payload(fields.required("executionPayload"), fields.path_of("executionPayload"), fork)
    root = fields.data("parentBeaconBlockRoot", 32) if fork >= Fork.ECOTONE else None
    return BuiltPayload(PayloadEnvelope(payload, root), fields.quantity("blockValue", _UINT256))


def encode_built_payload(built: BuiltPayload, version: int) -> dict[str, Any]:
    """What engine_getPayload answers in that version. L2 blocks have no blobs and no execution requests."""
    payload = encode_payload(built.envelope.payload)
    if version == 1:
        return payload
    values: dict[str, Any] = {"executionPayload": payload, "blockValue": hex(built.block_value)}
    if version >= 3:
        values["blobsBundle"] = {"commitments": [], "proofs": [], "blobs": []}
        values["shouldOverrideBuilder"] = False
        root = built.envelope.parent_beacon_block_root
        values["parentBeaconBlockRoot"] = None if root is None else to_hex(root)
    if version >= 4:
        values["executionRequests"] = []
    return values


# ---- fork choice and statuses ----


def decode_forkchoice_state(value: object, path: str) -> ForkchoiceState:
    """Raises InvalidParams."""
    fields = JsonFields(value, path)
    state = ForkchoiceState(fields.data("headBlockHash", 32), fields.data("safeBlockHash", 32), fields.data("finalizedBlockHash", 32))
    fields.finish()
    return state


def encode_forkchoice_state(state: ForkchoiceState) -> dict[str, Any]:
    """The inverse of `decode_forkchoice_state`."""
    return {"headBlockHash": to_hex(state.head), "safeBlockHash": to_hex(state.safe), "finalizedBlockHash": to_hex(state.finalized)}


def decode_payload_status(value: object, path: str) -> PayloadStatus:
    """An engine's verdict; more may stand beside it. Raises InvalidParams."""
    fields = JsonFields(value, path)
    name = fields.required("status")
    if name not in tuple(Status):
        raise InvalidParams(fields.path_of("status"), f"{kind(name)} is no status of a payload")
    problem = fields.optional("validationError")
    if problem is not None and not isinstance(problem, str):
        raise InvalidParams(fields.path_of("validationError"), f"a string was expected, not {kind(problem)}")
    return PayloadStatus(Status(name), fields.optional_data("latestValidHash", 32), problem)


def encode_payload_status(status: PayloadStatus) -> dict[str, Any]:
    """The inverse of `decode_payload_status`."""
    latest = status.latest_valid_hash
    return {
        "status": status.status.value,
        "latestValidHash": None if latest is None else to_hex(latest),
        "validationError": status.validation_error,
    }


def decode_forkchoice_result(value: object, path: str) -> ForkchoiceResult:
    """What engine_forkchoiceUpdated answers; more may stand beside it. Raises InvalidParams."""
    fields = JsonFields(value, path)
    status = decode_payload_status(fields.required("payloadStatus"), fields.path_of("payloadStatus"))
    return ForkchoiceResult(status, fields.optional_data("payloadId", PAYLOAD_ID_SIZE))


def encode_forkchoice_result(result: ForkchoiceResult) -> dict[str, Any]:
    """The inverse of `decode_forkchoice_result`."""
    payload_id = result.payload_id
    return {"payloadStatus": encode_payload_status(result.payload_status), "payloadId": None if payload_id is None else to_hex(payload_id)}


def decode_only_body(value: object, path: str) -> tuple[bytes, ...] | None:
    """The transactions of the one ExecutionPayloadBodyV1 that was asked for; None: it is not known. Raises InvalidParams."""
    bodies = parse_list(value, path)
    if len(bodies) != 1:
        raise InvalidParams(path, f"{len(bodies)} bodies, not 1")
    return None if bodies[0] is None else JsonFields(bodies[0], f"{path}[0]").data_items("transactions")


def parse_payload_id(value: object, path: str) -> bytes:
    """8 bytes. Raises InvalidParams."""
    return parse_data(value, path, PAYLOAD_ID_SIZE)
