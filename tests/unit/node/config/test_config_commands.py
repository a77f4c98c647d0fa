"""`trinode config show` and `trinode config import`: the process around the pure functions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trinode.cli import main
from trinode.node.config import OPTIONS
from trinode.node.config.command_line import with_boolean_values


@pytest.fixture(autouse=True)
def _no_trinode_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TRINODE_"):
            monkeypatch.delenv(name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["config", *arguments])


def shown(*arguments: str) -> dict[str, tuple[object, str]]:
    result = run("show", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return {row["name"]: (row["value"], row["from"]) for row in json.loads(result.stdout)}


def test_show_says_where_values_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trinode.toml"
    file.write_text("[http]\nport = 1\n[log]\nlevel = 'debug'\n")
    monkeypatch.setenv("TRINODE_CONFIG", str(file))
    monkeypatch.setenv("TRINODE_HTTP_API", "eth,debug")
    rows = shown("--http.port=2", "--rpc.enable-admin", "--ws=false")
    assert rows["http.port"] == ("2", "--http.port")
    assert rows["http.api"] == (["eth", "debug"], "TRINODE_HTTP_API")
    assert rows["log.level"] == ("debug", f"{file}:4")
    assert rows["rpc.enable-admin"] == ("true", "--rpc.enable-admin")
    assert rows["ws"] == ("false", "--ws")
    assert rows["config"] == (str(file), "TRINODE_CONFIG")
    assert rows["datadir"] == ("trinode-data", "default")


def test_every_option_is_a_flag() -> None:
    result = run("show", "--help")
    assert result.exit_code == 0
    assert not [option.flag for option in OPTIONS if f"{option.flag} " not in result.stdout]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--l1.becon", "x"), "No such option"),
        (("--datadir",), "Option '--datadir' requires an argument"),
        (("extra",), "Got unexpected extra argument"),
        (("--network", "op-mainet"), "--network: unknown network 'op-mainet'; did you mean op-mainnet?"),
        (("--config", "/nonexistent.toml"), "/nonexistent.toml: No such file or directory"),
        (("--config", "/"), "/: Is a directory"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: tuple[str, ...], message: str) -> None:
    result = run("show", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {message}")
    assert result.stderr.count("\n") == 1


def test_a_misspelled_flag_or_variable_gets_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--l1.beacon" in run("show", "--l1.becon", "x").stderr
    monkeypatch.setenv("TRINODE_DATDIR", "x")
    assert run("show").stderr == "Error: the environment variable TRINODE_DATDIR is no option; did you mean TRINODE_DATADIR?\n"


def test_import_of_files_and_then_show(tmp_path: Path) -> None:
    node, geth, file = tmp_path / "op-node.env", tmp_path / "geth.sh", tmp_path / "trinode.toml"
    node.write_text("OP_NODE_L1_ETH_RPC=http://a\nOP_NODE_L1_BEACON=http://b\nOP_NODE_NETWORK=op-sepolia\n")
    geth.write_text("exec_geth() { :; }\n")
    assert run("import", str(node), str(geth)).exit_code == 2
    geth.write_text("#!/bin/sh\ngeth --http \\\n  --http.port=1\n")
    result = run("import", str(node), str(geth))
    assert result.exit_code == 0, result.output
    file.write_text(result.stdout)
    rows = shown("--config", str(file))
    assert [rows[name][0] for name in ("network", "l1", "http.port", "ws")] == ["op-sepolia", ["http://a"], "1", "false"]


def test_import_of_one_text_and_of_words() -> None:
    words = ("op-node", "--l1=http://a", "--l1.beacon", "http://b", "--network=10", "--rpc.addr=::")
    by_words, by_text = run("import", *words), run("import", " ".join(words))
    assert by_words.exit_code == 0
    assert by_words.stdout == by_text.stdout
    assert 'rpc = ["http://a"]' in by_words.stdout


def test_import_of_something_else() -> None:
    result = run("import", "op-node", "--l1.becon", "x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: op-node has no flag --l1.becon; did you mean --l1.beacon?\n"


def test_a_boolean_flag_never_takes_the_next_word() -> None:
    words = ["--rpc.enable-admin", "show", "--http=false", "--", "--ws"]
    assert with_boolean_values(words) == ["--rpc.enable-admin=true", "show", "--http=false", "--", "--ws"]
