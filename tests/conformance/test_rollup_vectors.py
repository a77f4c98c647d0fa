"""System config updates as another client's tests have them (kona), and the source hashes of its upgrade deposits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.shared import SHARED, shared
from trinode.protocol.receipt import Log
from trinode.rollup.config import parse_rollup_config
from trinode.rollup.system_config import (
    CONFIG_UPDATE_TOPIC,
    SystemConfig,
    SystemConfigUpdateError,
    apply_config_update,
    encode_operator_fee_params,
)

FILE = "vectors/system_config_updates.json"
TYPES = {
    "batcher": 0,
    "gas_config": 1,
    "gas_limit": 2,
    "eip1559": 4,
    "operator_fee": 5,
    "min_base_fee": 6,
    "da_footprint_gas_scalar": 7,
}
BEFORE = SystemConfig(bytes(20), bytes(32), bytes(32), 30_000_000)
# kona decodes a uint64 here. op-node looks at the last 8 bytes alone, and the network follows op-node.
TAKEN_BY_OP_NODE = {"test_eip1559_update_eip1559_decoding_error": {"eip1559_params": b"\xff" * 8}}


def cases() -> list[dict[str, Any]]:
    path = SHARED / "data" / FILE
    return json.loads(path.read_text())["cases"] if path.exists() else []


def expected_change(case: dict[str, Any]) -> dict[str, Any]:
    ok, words = case["expect"]["ok"], bytes.fromhex(case["data"][130:])
    number = {name: int(text, 16) for name, text in ok.items()}
    match case["kind"]:
        case "batcher":
            return {"batcher_address": number["batcher_address"].to_bytes(20, "big")}
        case "gas_config":
            return {
                "overhead": number["overhead"].to_bytes(32, "big") if ok else words[:32],
                "scalar": number["scalar"].to_bytes(32, "big") if ok else words[32:],
            }
        case "eip1559":
            denominator, elasticity = number["eip1559_denominator"], number["eip1559_elasticity"]
            return {"eip1559_params": denominator.to_bytes(4, "big") + elasticity.to_bytes(4, "big")}
        case "operator_fee":
            params = encode_operator_fee_params(number["operator_fee_scalar"], number["operator_fee_constant"])
            return {"operator_fee_params": params}
        case _:
            return number


def test_all_cases_are_there() -> None:
    shared(f"data/{FILE}")
    assert len(cases()) == 49


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_update(case: dict[str, Any]) -> None:
    config = parse_rollup_config(minimal_rollup_json())
    topics = (CONFIG_UPDATE_TOPIC, bytes(32), TYPES[case["kind"]].to_bytes(32, "big"))
    log = Log(config.l1_system_config_address, topics, bytes.fromhex(case["data"][2:]))
    change = TAKEN_BY_OP_NODE.get(case["name"]) or ("ok" in case["expect"] and expected_change(case))
    if change:
        after = apply_config_update(BEFORE, log, config, l1_inclusion_timestamp=1)
        assert after == replace(BEFORE, **change)
    else:
        with pytest.raises(SystemConfigUpdateError):
            apply_config_update(BEFORE, log, config, l1_inclusion_timestamp=1)


def minimal_rollup_json() -> dict[str, Any]:
    """A chain before Ecotone, so that fee scalars are just taken."""
    block = {"number": 0, "hash": "0x" + "11" * 32}
    system_config = {"batcherAddr": "0x" + "01" * 20, "scalar": "0x" + "01" * 32, "gasLimit": 1}
    genesis = {"l1": block, "l2": block | {"hash": "0x" + "22" * 32}, "l2_time": 1, "system_config": system_config}
    numbers = {"block_time": 2, "max_sequencer_drift": 600, "seq_window_size": 10, "channel_timeout": 10}
    addresses = dict.fromkeys(
        ("batch_inbox_address", "deposit_contract_address", "l1_system_config_address"), "0x" + "03" * 20
    )
    return {"genesis": genesis, "l1_chain_id": 1, "l2_chain_id": 2, **numbers, **addresses}
