"""`trinode-harness execute` and `replay --execute` as a user meets them: verdicts, differences, one clear line for bad input."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from tests.shared import shared
from trinode.protocol.header import decode_header, encode_header
from trinode.protocol.keccak import keccak256
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

BLOCK = "data/exec/op-mainnet-120794432-ecotone.json.gz"
TWO_TRANSACTIONS = "data/exec/opt8n-storage_clear.json.gz"
CHAIN = "data/exec/karst-precompiles.jsonl.gz"
CHAIN_GENESIS = "data/exec/karst-precompiles-genesis.json.gz"
RECORDING = "recordings/window-expiry-and-garbage-fjord.jsonl.gz"
RECORDING_GENESIS = "recordings/garbage-fjord-genesis.json.gz"
BLOCKS = 6
"""So many blocks of chain and recording are used here."""
DIFFERENT, BAD_INPUT = 1, 2


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def read(path: str) -> Any:
    with gzip.open(shared(path)) as file:
        return json.load(file)


def write(path: Path, json_object: object) -> Path:
    path.write_bytes(gzip.compress(json.dumps(json_object).encode(), 1))
    return path


def lines_of(path: str) -> list[dict[str, Any]]:
    """A chain or a recording with only its first L2 blocks."""
    with gzip.open(shared(path)) as file:
        lines = [json.loads(line) for line in file]
    return [line for line in lines if line["type"] != "l2_block" or line["number"] <= BLOCKS]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode(), 1))
    return path


def with_header(header_rlp: str, **changes: Any) -> tuple[str, str]:
    """A changed header and its hash."""
    header = encode_header(replace(decode_header(bytes.fromhex(header_rlp[2:])), **changes))
    return "0x" + header.hex(), "0x" + keccak256(header).hex()


# ---- verdicts ----


def test_equal_blocks() -> None:
    result = run("execute", shared(BLOCK), shared(TWO_TRANSACTIONS))
    assert result.exit_code == 0, result.output
    assert "1 of 1 blocks equal, 1 transactions, 43851 gas" in result.output
    assert result.output.splitlines()[-1] == "2 of 2 equal"


def test_quiet() -> None:
    result = run("execute", "--quiet", shared(BLOCK))
    assert (result.exit_code, result.output) == (0, "1 of 1 equal\n")


def test_the_verdict_as_json() -> None:
    result = run("execute", "--json", shared(BLOCK))
    verdict = json.loads(result.stdout)
    assert verdict["equal"] is True
    assert (verdict["blocks"], verdict["gas"], verdict["difference"]) == (1, 43851, None)


def test_consecutive_blocks() -> None:
    paths = [shared(f"data/exec/op-sepolia-{number}-holocene.json.gz") for number in (22884230, 22884231)]
    result = run("execute", "--consecutive", *paths)
    assert result.exit_code == 0, result.output
    assert "2 of 2 blocks equal" in result.output


def test_a_chain_with_its_genesis_beside_it_or_elsewhere(tmp_path: Path) -> None:
    chain = write_lines(tmp_path / "chain.jsonl.gz", lines_of(CHAIN))
    missing = run("execute", chain)
    assert missing.exit_code == BAD_INPUT
    assert "karst-precompiles-genesis.json.gz is not beside it" in missing.output
    elsewhere = run("execute", "--genesis", shared(CHAIN_GENESIS), chain)
    shutil.copy(shared(CHAIN_GENESIS), tmp_path)
    for result in (elsewhere, run("execute", chain)):
        assert result.exit_code == 0, result.output
        assert f"karst-precompiles: {BLOCKS} of {BLOCKS} blocks equal" in result.output


# ---- differences ----


def test_the_first_header_field_that_differs(tmp_path: Path) -> None:
    block = read(BLOCK)
    changes = {"receipts_root": b"\x11" * 32, "state_root": b"\x22" * 32}
    block["expected_header_rlp"], block["expected_block_hash"] = with_header(block["expected_header_rlp"], **changes)
    path = write(tmp_path / "block.json.gz", block)
    result = run("execute", path)
    assert result.exit_code == DIFFERENT
    assert "block 120794432 differs in state_root" in result.output
    assert "expected 0x" + "22" * 32 in result.output
    assert "0 of 1 equal" in result.output
    difference = json.loads(run("execute", "--json", path).stdout)["difference"]
    assert (difference["field"], difference["expected"]) == ("state_root", "0x" + "22" * 32)


def test_the_first_transaction_that_differs(tmp_path: Path) -> None:
    block = read(TWO_TRANSACTIONS)
    block["result"]["receiptRoot"] = "0x" + "11" * 32
    receipt = bytearray.fromhex(block["result"]["receipts"][1][2:])
    assert receipt[1:3] == b"\x02\x01"
    receipt[2] = 0x80  # failed
    block["result"]["receipts"][1] = "0x" + receipt.hex()
    result = run("execute", write(tmp_path / "block.json.gz", block))
    assert result.exit_code == DIFFERENT
    assert "differs in receipts_root" in result.output
    assert "first at transaction 1: succeeded computed True, expected False" in result.output


def test_gas_of_a_transaction_that_contradicts_the_header(tmp_path: Path) -> None:
    lines = lines_of(CHAIN)
    lines[3]["gas_used"][0] += 1
    result = run("execute", "--genesis", shared(CHAIN_GENESIS), write_lines(tmp_path / "chain.jsonl.gz", lines))
    assert result.exit_code == DIFFERENT
    assert "block 3 differs in transaction 0 gas_used" in result.output
    assert f"2 of {BLOCKS} blocks equal" in result.output


def test_a_block_that_is_not_valid(tmp_path: Path) -> None:
    block = read("data/exec/op-mainnet-109279675-regolith.json.gz")
    del block["attributes"]["transactions"][0]
    block["attributes"]["transactions"][1] = "0x02c0"
    result = run("execute", write(tmp_path / "block.json.gz", block))
    assert result.exit_code == DIFFERENT
    assert "block 109279675 differs in transaction 1" in result.output
    assert "expected a valid block" in result.output


def test_a_witness_that_lacks_something(tmp_path: Path) -> None:
    block = read(BLOCK)
    state_root = decode_header(bytes.fromhex(block["parent_header_rlp"][2:])).state_root
    block["witness"] = [item for item in block["witness"] if keccak256(bytes.fromhex(item[2:])) != state_root]
    result = run("execute", write(tmp_path / "block.json.gz", block))
    assert result.exit_code == DIFFERENT
    assert "differs in state" in result.output
    assert "not in the witness: node" in result.output


# ---- bad input ----


def other_hash(block: dict[str, Any]) -> None:
    block["expected_block_hash"] = "0x" + "11" * 32


def other_parent(block: dict[str, Any]) -> None:
    block["parent_header_rlp"], _ = with_header(block["parent_header_rlp"], number=1)


def other_gas(block: dict[str, Any]) -> None:
    block["expected_gas_used"] += 1


def unknown_fork(block: dict[str, Any]) -> None:
    block["fork"] = "regolithic"


def fork_without_rules(block: dict[str, Any]) -> None:
    block["fork"] = "lagoon"


def no_attributes(block: dict[str, Any]) -> None:
    del block["attributes"]


def bad_quantity(block: dict[str, Any]) -> None:
    block["attributes"]["timestamp"] = "0x"


def bad_witness(block: dict[str, Any]) -> None:
    block["witness"][1] = "0x1"


def a_withdrawal(block: dict[str, Any]) -> None:
    block["attributes"]["withdrawals"] = [{}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_hash, "expected_block_hash: expected_header_rlp hashes to"),
        (other_parent, "parent_header_rlp: is not the header"),
        (other_gas, "expected_gas_used: differs"),
        (unknown_fork, "fork: unknown: 'regolithic'"),
        (fork_without_rules, "lagoon are not known"),
        (no_attributes, "attributes"),
        (bad_quantity, "attributes.timestamp: not a number"),
        (bad_witness, "witness[1]: bad hex"),
        (a_withdrawal, "attributes.withdrawals: L2 blocks have none"),
    ],
)
def test_a_malformed_block(change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path) -> None:
    block = read(BLOCK)
    change(block)
    assert_bad(run("execute", write(tmp_path / "block.json.gz", block)), message)


def assert_bad(result: Result, message: str) -> None:
    assert result.exit_code == BAD_INPUT, result.output
    assert message in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("absent.json.gz", None, "No such file"),
        ("block.json.gz", b"no gzip", "not intact gzip data"),
        ("block.json.gz", gzip.compress(b"{}", mtime=0)[:-4], "cut off"),
        ("block.json.gz", gzip.compress(b"{", mtime=0), "block.json.gz"),
        ("block.json", b"[]", "neither a block with its witness"),
        ("block.json", b"[" * 100_000, "block.json"),
        ("chain.jsonl.gz", gzip.compress(b"", mtime=0), "the file is empty"),
        ("chain.jsonl.gz", gzip.compress(b'{"type": "l1_block"}', mtime=0), "line 1: type: the first line"),
        ("chain.jsonl", b'{"type": "recording", "name": "x", "rollup_config": {}}', "line 1: rollup_config.genesis"),
    ],
)
def test_a_file_that_is_none(name: str, contents: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if contents is not None:
        path.write_bytes(contents)
    assert_bad(run("execute", path), message)


def test_blocks_that_do_not_follow() -> None:
    paths = [shared(f"data/exec/op-sepolia-{number}-holocene.json.gz") for number in (26207960, 26207962)]
    assert_bad(run("execute", "--consecutive", *paths), "is not the header of the block in")
    assert_bad(run("execute", "--consecutive", shared(TWO_TRANSACTIONS)), "not a block with its witness")


def other_chain_hash(lines: list[dict[str, Any]]) -> None:
    lines[2]["hash"] = "0x" + "11" * 32


def gap(lines: list[dict[str, Any]]) -> None:
    del lines[2]


def late_start(lines: list[dict[str, Any]]) -> None:
    del lines[1]


def too_few_gas_values(lines: list[dict[str, Any]]) -> None:
    lines[1]["gas_used"] = []


def genesis_in_another_folder(lines: list[dict[str, Any]]) -> None:
    lines[0]["l2_genesis"] = "../genesis.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_chain_hash, "line 3: hash: the header hashes to"),
        (gap, "line 3: header_rlp: does not follow"),
        (late_start, "l2_genesis: the first block is not built on it"),
        (too_few_gas_values, "line 2: gas_used: 0 values"),
        (genesis_in_another_folder, "l2_genesis: not the name of a file beside it"),
    ],
)
def test_a_malformed_chain(change: Callable[[list[dict[str, Any]]], None], message: str, tmp_path: Path) -> None:
    lines = lines_of(CHAIN)
    change(lines)
    options = () if change is genesis_in_another_folder else ("--genesis", shared(CHAIN_GENESIS))
    assert_bad(run("execute", *options, write_lines(tmp_path / "chain.jsonl.gz", lines)), message)


# ---- recordings ----


def test_a_recording_that_is_derived_and_executed(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "r.jsonl.gz", lines_of(RECORDING))
    store = tmp_path / "store"
    result = run("replay", "--execute", "--genesis", shared(RECORDING_GENESIS), "--datadir", store, path)
    assert result.exit_code == 0, result.output
    assert f"executed {BLOCKS} blocks" in result.output
    assert f"{BLOCKS} of {BLOCKS} blocks equal" in result.output
    genesis = lines_of(RECORDING)[0]["rollup_config"]["genesis"]["l2"]
    with Store.open(store, ChainIdentity(lines_of(RECORDING)[0]["rollup_config"]["l2_chain_id"], bytes.fromhex(genesis["hash"][2:]))) as opened:
        assert opened.head.number == BLOCKS
    assert_bad(run("replay", "--execute", "--genesis", shared(RECORDING_GENESIS), "--datadir", store, path), "there is a store here already")


def test_a_recorded_header_that_differs(tmp_path: Path) -> None:
    lines = lines_of(RECORDING)
    last = next(line for line in lines if line["type"] == "l2_block" and line["number"] == BLOCKS)
    last["header_rlp"], last["hash"] = with_header(last["header_rlp"], gas_used=7)
    result = run("replay", "--execute", "--genesis", shared(RECORDING_GENESIS), write_lines(tmp_path / "r.jsonl.gz", lines))
    assert result.exit_code == DIFFERENT
    assert f"block {BLOCKS} differs in header.gas_used" in result.output
    assert "recorded 7" in result.output


def test_recordings_that_cannot_be_executed(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "r.jsonl.gz", lines_of(RECORDING))
    assert_bad(run("replay", "--execute", path), "garbage-fjord-genesis.json.gz is not beside it")
    assert_bad(run("replay", "--execute", "--genesis", shared(CHAIN_GENESIS), path), "differs from the recording's start in state_root")
    assert_bad(run("replay", "--execute", shared("recordings/op-mainnet-regolith-109279674.jsonl.gz")), "not the genesis block")


@pytest.mark.parametrize(
    "options", [["--execute", "--fake-execution"], ["--genesis", "x"], ["--datadir", "x"], ["--execute", "--invalid-block", "3"]]
)
def test_options_that_exclude_each_other(options: list[str]) -> None:
    result = run("replay", *options)
    assert result.exit_code == BAD_INPUT
    assert "Usage" in result.output
