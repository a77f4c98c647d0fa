"""The chain presets against the survey of the superchain registry and its own files."""

from __future__ import annotations

import gzip
import json
import tomllib
from typing import Any

import pytest

from tests.shared import SHARED, shared
from trinode.rollup.chains import chain_by_name, find_chain, known_chains
from trinode.rollup.config import parse_rollup_config
from trinode.rollup.l1_chain import L1_CHAINS, parse_l1_chain_config


def survey() -> list[dict[str, Any]]:
    path = SHARED / "data/chains.json"
    return json.loads(path.read_text()) if path.exists() else []


def rollup_json(fact: dict[str, Any]) -> dict[str, Any]:
    """The rollup.json that the registry's facts make."""
    genesis, fees = fact["genesis"], fact["eip1559"]
    system_config = dict(genesis["system_config"])
    system_config["batcherAddr"] = system_config.pop("batcherAddress")
    same = ("block_time", "max_sequencer_drift", "seq_window_size", "batch_inbox_address")
    contracts = ("deposit_contract_address", "l1_system_config_address")
    return {
        "genesis": genesis | {"system_config": system_config},
        **{name: fact[name] for name in (*same, *contracts)},
        **fact["hardforks"],
        "regolith_time": 0,
        "channel_timeout": 300,
        "l1_chain_id": fact["l1_chain_id"],
        "l2_chain_id": fact["chain_id"],
        "alt_da": fact["alt_da"],
        "chain_op_config": {
            "eip1559Elasticity": fees["eip1559_elasticity"],
            "eip1559Denominator": fees["eip1559_denominator"],
            "eip1559DenominatorCanyon": fees["eip1559_denominator_canyon"],
        },
    }


def test_every_chain_is_there_once() -> None:
    shared("data/chains.json")
    assert len(survey()) == 53
    superchains_first = [fact["identifier"] for fact in survey()]
    assert [chain.aliases[1] for chain in known_chains()] == superchains_first


@pytest.mark.parametrize("fact", survey(), ids=lambda fact: fact["identifier"])
def test_chain(fact: dict[str, Any]) -> None:
    superchain, name = fact["identifier"].split("/")
    chain = find_chain(f"{name}-{superchain}")
    assert chain.config == parse_rollup_config(rollup_json(fact)) == chain_by_name(str(fact["chain_id"]))
    assert chain is find_chain(fact["identifier"]) is find_chain(fact["chain_id"])
    assert chain.config.extra == {}
    assert (chain.title, chain.superchain, chain.chain_id) == (fact["name"], superchain, fact["chain_id"])
    assert (chain.sequencer_rpc or "") == (fact["sequencer_rpc"] or "")
    assert (chain.data_availability, chain.superchain_time) == (fact["data_availability_type"], fact["superchain_time"])
    token = fact["gas_paying_token"]
    assert chain.gas_paying_token == (None if token is None else bytes.fromhex(token[2:]))
    assert chain.config.l1_chain_id in L1_CHAINS


@pytest.mark.parametrize(
    "name", ["mainnet-op", "mainnet-unichain", "mainnet-ink", "mainnet-soneium", "mainnet-zora", "sepolia-op"]
)
def test_the_registrys_own_file(name: str) -> None:
    registry = tomllib.loads(shared(f"data/genesis/configs/{name}.toml").read_text())
    config = chain_by_name(registry["chain_id"]).to_json()
    for field, value in registry["hardforks"].items():
        assert config[field] == value
    assert config["batch_inbox_address"] == registry["batch_inbox_addr"].lower()
    assert config["deposit_contract_address"] == registry["addresses"]["OptimismPortalProxy"].lower()
    assert config["l1_system_config_address"] == registry["addresses"]["SystemConfigProxy"].lower()
    assert config["genesis"]["l2"] == registry["genesis"]["l2"]


def test_op_mainnet_is_the_recordings() -> None:
    with gzip.open(shared("recordings/op-mainnet-regolith-109279674.jsonl.gz"), "rt") as lines:
        head = json.loads(next(lines))
    recorded, built_in = dict(head["rollup_config"]), chain_by_name("op-mainnet").to_json()
    assert built_in.pop("keep_karst_upgrade_gas") is True  # newer than the recording
    assert recorded.pop("protocol_versions_address") == "0x" + "00" * 20  # no longer in the registry
    assert built_in == recorded
    assert L1_CHAINS[1] == parse_l1_chain_config(head["l1_chain_config"])
