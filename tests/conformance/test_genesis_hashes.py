"""Genesis blocks of real chains and of the recorded devnets: each hashes to what its registry or its rollup config says."""

from __future__ import annotations

import gzip
import json
import tomllib
from typing import Any

import pytest
import zstandard

from tests.shared import shared
from trinode.execution.errors import MissingState
from trinode.execution.genesis import build_genesis, genesis_header, parse_genesis
from trinode.protocol.header import header_hash
from trinode.rollup.chains import chain_by_name
from trinode.rollup.config import parse_rollup_config


def registry_genesis(name: str) -> tuple[Any, dict[str, Any]]:
    """The registry's genesis.json and config of a chain."""
    dictionary = zstandard.ZstdCompressionDict(shared("data/genesis/dictionary").read_bytes())
    with shared(f"data/genesis/{name}.json.zst").open("rb") as file:
        genesis = json.loads(zstandard.ZstdDecompressor(dict_data=dictionary).stream_reader(file).read())
    return genesis, tomllib.loads(shared(f"data/genesis/configs/{name}.toml").read_text())


@pytest.mark.parametrize("name", ["mainnet-ink", "mainnet-soneium", "mainnet-unichain", "sepolia-op", "sepolia-unichain"])
def test_chains_of_the_registry(name: str) -> None:
    genesis, config = registry_genesis(name)
    block = build_genesis(parse_genesis(genesis), chain_by_name(config["chain_id"]))
    assert "0x" + block.hash.hex() == config["genesis"]["l2"]["hash"]
    assert block.header.timestamp == config["genesis"]["l2_time"]


def test_op_mainnet_gives_only_the_hash_of_its_first_state() -> None:
    """Its rollup genesis is block 105235063, whose state is not in the registry: what the file describes is block 0 of the
    chain before Bedrock, whose hash every OP Mainnet node answers to eth_getBlockByNumber(0)."""
    json_object, config = registry_genesis("mainnet-op")
    genesis, rollup_config = parse_genesis(json_object), chain_by_name(config["chain_id"])
    with pytest.raises(MissingState, match="only the hash"):
        build_genesis(genesis, rollup_config)
    assert genesis.state_hash is not None
    header = genesis_header(genesis, rollup_config, genesis.state_hash)
    assert header_hash(header).hex() == "7ca38a1916c42007829c55e69d3e9a73265554b586a499015373241b8a3fa48b"


@pytest.mark.parametrize(
    ("recording", "genesis"),
    [
        ("recordings/forks-regolith-to-karst", "recordings/forks-genesis"),
        ("recordings/window-expiry-and-garbage", "recordings/garbage-genesis"),
        ("recordings/window-expiry-and-garbage-fjord", "recordings/garbage-fjord-genesis"),
        ("recordings/steady-karst", "recordings/steady-genesis"),
        ("data/exec/karst-precompiles", "data/exec/karst-precompiles-genesis"),
    ],
)
def test_devnets(recording: str, genesis: str) -> None:
    with gzip.open(shared(f"{recording}.jsonl.gz")) as file:
        config = parse_rollup_config(json.loads(file.readline())["rollup_config"])
    with gzip.open(shared(f"{genesis}.json.gz")) as file:
        parsed = parse_genesis(json.load(file))
    assert build_genesis(parsed, config).hash == config.genesis.l2.hash
    # geth's own form of the forks says the same as the rollup config.
    assert parsed.config is not None
    assert parsed.config.chain_id == config.l2_chain_id
    assert parsed.config.chain_op_config == config.chain_op_config
    assert {fork: config.fork_times[fork] for fork in parsed.config.fork_times if fork.label != "delta"} == {
        fork: time for fork, time in parsed.config.fork_times.items() if fork.label != "delta"
    }
