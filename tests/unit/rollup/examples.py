"""A small chain for the tests of `rollup`: blocks every 2 seconds from time 1,000, forks 100 seconds apart."""

from __future__ import annotations

import copy
from typing import Any

from trinode.protocol.header import EMPTY_OMMERS_HASH, Header
from trinode.rollup.config import RollupConfig, parse_rollup_config
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.system_config import SystemConfig

GENESIS_TIME = 1_000
TIMES: dict[Fork, int] = {fork: GENESIS_TIME + 100 * fork for fork in SCHEDULED_FORKS if fork is not Fork.LAGOON}
"""Regolith at 1,100 to Karst at 2,000."""
SYSTEM_CONFIG_CONTRACT = bytes.fromhex("c0" * 20)

_ROLLUP_JSON: dict[str, Any] = {
    "genesis": {
        "l1": {"hash": "0x" + "11" * 32, "number": 5},
        "l2": {"hash": "0x" + "22" * 32, "number": 0},
        "l2_time": GENESIS_TIME,
        "system_config": {
            "batcherAddr": "0x" + "ba" * 20,
            "overhead": "0x" + "00" * 31 + "bc",
            "scalar": "0x" + "00" * 29 + "0a6fe0",
            "gasLimit": 30_000_000,
            "eip1559Params": "0x" + "00" * 8,
            "operatorFeeParams": "0x" + "00" * 32,
            "minBaseFee": 0,
            "daFootprintGasScalar": 0,
        },
    },
    "block_time": 2,
    "max_sequencer_drift": 600,
    "seq_window_size": 3600,
    "channel_timeout": 300,
    "l1_chain_id": 900,
    "l2_chain_id": 901,
    **{fork.time_field: time for fork, time in TIMES.items()},
    "batch_inbox_address": "0x" + "ff" * 20,
    "deposit_contract_address": "0x" + "d0" * 20,
    "l1_system_config_address": "0x" + "c0" * 20,
    "chain_op_config": {"eip1559Elasticity": 6, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 250},
}


def rollup_json(**changes: Any) -> dict[str, Any]:
    """The example's rollup.json with some fields changed; None removes a field."""
    result = copy.deepcopy(_ROLLUP_JSON) | changes
    return {name: value for name, value in result.items() if value is not None}


def rollup_config(**changes: Any) -> RollupConfig:
    return parse_rollup_config(rollup_json(**changes))


def up_to(fork: Fork, time: int = 0) -> dict[str, int | None]:
    """Changes that activate all forks up to `fork` at `time` and none after it."""
    return {other.time_field: time if other <= fork else None for other in SCHEDULED_FORKS}


def system_config() -> SystemConfig:
    return rollup_config().genesis.system_config


def l1_header(timestamp: int = 1_500, excess_blob_gas: int | None = 0) -> Header:
    """An L1 block's header; most of it does not matter here."""
    return Header(
        parent_hash=bytes(32),
        ommers_hash=EMPTY_OMMERS_HASH,
        beneficiary=bytes(20),
        state_root=bytes(32),
        transactions_root=bytes(32),
        receipts_root=bytes(32),
        logs_bloom=bytes(256),
        difficulty=0,
        number=77,
        gas_limit=30_000_000,
        gas_used=0,
        timestamp=timestamp,
        extra_data=b"",
        prev_randao=bytes(32),
        nonce=bytes(8),
        base_fee_per_gas=7,
        withdrawals_root=bytes(32),
        blob_gas_used=0 if excess_blob_gas is not None else None,
        excess_blob_gas=excess_blob_gas,
    )
