"""What `optimism_` methods answer, as JSON Schemas. Numbers are plain there, as op-node has them."""

from __future__ import annotations

from dataclasses import fields

from trinode.jsonrpc.declared import Schema
from trinode.jsonrpc.kinds import ADDRESS_RESULT, HASH_RESULT, hex_of, object_of, record_of
from trinode.rollup.fork import SCHEDULED_FORKS
from trinode.rpc.node import SyncStatus

_NUMBER: Schema = {"type": "integer", "minimum": 0}

_BLOCK_ID: Schema = record_of("BlockId", {"hash": HASH_RESULT, "number": _NUMBER})
_REF_FIELDS = {"hash": HASH_RESULT, "number": _NUMBER, "parentHash": HASH_RESULT, "timestamp": _NUMBER}
_L1_REF: Schema = record_of("L1BlockRef", _REF_FIELDS)
_L2_REF: Schema = record_of("L2BlockRef", _REF_FIELDS | {"l1origin": _BLOCK_ID, "sequenceNumber": _NUMBER})

SYNC_STATUS: Schema = record_of(
    "SyncStatus",
    {**{field.name: _L2_REF if field.name.endswith("_l2") else _L1_REF for field in fields(SyncStatus)}, "local_safe_l2": _L2_REF},
)
OUTPUT_AT_BLOCK: Schema = record_of(
    "OutputAtBlock",
    {
        "version": HASH_RESULT,
        "outputRoot": HASH_RESULT,
        "blockRef": _L2_REF,
        "withdrawalStorageRoot": HASH_RESULT,
        "stateRoot": HASH_RESULT,
        "syncStatus": SYNC_STATUS,
    },
)
SAFE_HEAD: Schema = record_of("SafeHeadAtL1Block", {"l1Block": _BLOCK_ID, "safeHead": _BLOCK_ID})

_SYSTEM_CONFIG: Schema = record_of(
    "SystemConfig",
    {
        "batcherAddr": ADDRESS_RESULT,
        "overhead": HASH_RESULT,
        "scalar": HASH_RESULT,
        "gasLimit": _NUMBER,
        "eip1559Params": hex_of(8),
        "operatorFeeParams": HASH_RESULT,
        "minBaseFee": _NUMBER,
        "daFootprintGasScalar": _NUMBER,
    },
)
_CHAIN_OP_CONFIG: Schema = record_of(
    "ChainOpConfig", {"eip1559Elasticity": _NUMBER, "eip1559Denominator": _NUMBER, "eip1559DenominatorCanyon": _NUMBER}
)
_GENESIS: Schema = record_of(
    "RollupGenesis", {"l1": _BLOCK_ID, "l2": _BLOCK_ID, "l2_time": _NUMBER, "system_config": _SYSTEM_CONFIG}
)
ROLLUP_CONFIG: Schema = {
    "title": "RollupConfig",
    **object_of(
        {
            "genesis": _GENESIS,
            "block_time": _NUMBER,
            "max_sequencer_drift": _NUMBER,
            "seq_window_size": _NUMBER,
            "channel_timeout": _NUMBER,
            "l1_chain_id": _NUMBER,
            "l2_chain_id": _NUMBER,
            "batch_inbox_address": ADDRESS_RESULT,
            "deposit_contract_address": ADDRESS_RESULT,
            "l1_system_config_address": ADDRESS_RESULT,
        },
        optional={
            **{fork.time_field: _NUMBER for fork in SCHEDULED_FORKS},
            "protocol_versions_address": ADDRESS_RESULT,
            "chain_op_config": _CHAIN_OP_CONFIG,
            "alt_da": {"type": "object"},
            "pectra_blob_schedule_time": _NUMBER,
            "keep_karst_upgrade_gas": {"const": True},
        },
    ),
}
"""The file may have fields that are not known here: they are shown as they are."""
