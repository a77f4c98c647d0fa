"""The command line: what it prints and how it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.rollup.examples import rollup_json
from trinode.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("trinode ")


def test_networks() -> None:
    result = run("networks")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert len(lines) == 1 + 53
    assert lines[0].split() == ["NAME", "CHAIN", "ID", "L1", "NEXT", "FORK", "ALSO", "KNOWN", "AS"]
    assert lines[1].split()[:3] == ["op-mainnet", "10", "mainnet"]


def test_networks_as_json() -> None:
    networks = json.loads(run("networks", "--json").stdout)
    op_mainnet = networks[0]
    assert len(networks) == 53
    assert (op_mainnet["name"], op_mainnet["chain_id"], op_mainnet["l1_chain_id"]) == ("op-mainnet", 10, 1)
    assert "mainnet" in op_mainnet["aliases"]
    assert "next_fork" in op_mainnet


@pytest.mark.parametrize("name", ["op-mainnet", "10"])
def test_rollup_config_of_a_network(name: str) -> None:
    result = run("rollup-config", name)
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert (printed["l2_chain_id"], printed["karst_time"]) == (10, 1783526401)


def write(path: Path, value: Any) -> str:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def test_rollup_config_of_a_file(tmp_path: Path) -> None:
    result = run("rollup-config", write(tmp_path / "rollup.json", rollup_json(monsoon_time=5)))
    assert result.exit_code == 0
    assert json.loads(result.stdout) == rollup_json(monsoon_time=5)
    assert result.stderr == "warning: monsoon_time looks like a fork that this version does not know\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (rollup_json(block_time=0), "block_time: must not be 0"),
        (rollup_json(genesis={}), "genesis.l1: missing"),
        ([], "must be an object, not a list"),
        ("{", "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ("\x00\xff", "not JSON: "),
    ],
)
def test_a_bad_file_is_one_line_and_exit_2(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path / "rollup.json", content)
    result = run("rollup-config", path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {path}: {message}")
    assert result.stderr.count("\n") == 1


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    result = run("rollup-config", str(tmp_path))
    assert (result.exit_code, result.stderr) == (2, f"Error: {tmp_path}: Is a directory\n")


def test_an_unknown_network() -> None:
    result = run("rollup-config", "op-mainet")
    expected = "Error: 'op-mainet' is no network and no file; did you mean op-mainnet?\n"
    assert (result.exit_code, result.stderr) == (2, expected)
    assert "trinode networks" in run("rollup-config", "###").stderr
