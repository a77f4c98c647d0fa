"""Configurations of op-node and op-geth become ours: what was meant is what `config show` then says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trinode.node.config import ConfigError, ConfigFile, NodeConfig, import_settings, read_config
from trinode.node.config.option import FLAG_PREFIXES
from trinode.node.config.peers import FLAGS, VARIABLES

OP_NODE = """# how we run it
/usr/local/bin/op-node --l1=https://l1.example.org/v2/abc --l1.beacon http://beacon:5052 \\
  --l2=http://localhost:8551 --l2.jwt-secret "/etc/op stack/jwt.txt" --network op-mainnet \\
  --l1.beacon-archiver=http://archive,http://other --l1.beacon-header 'Authorization: Bearer a#b' \\
  --l1.trustrpc --l1.rpckind=alchemy -p2p.listen.tcp 9222 -log.level CRIT --log.color=false --metrics.enabled \\
  --l1.http-poll-interval=6s --l1.epoch-poll-interval 3m12s --rpc.addr=0.0.0.0 --rpc.enable-admin --override.karst=1783526401
"""
OP_GETH = """
# geth
export GETH_HTTP=true
GETH_HTTP_API=eth,debug,personal
GETH_HTTP_ADDR="0.0.0.0"
GETH_VERBOSITY=4
GETH_CACHE=4096
GETH_METRICS_PORT=6060
GETH_ROLLUP_SEQUENCERHTTP=https://mainnet-sequencer.optimism.io
GETH_GCMODE=archive
GETH_ROLLUP_DISABLETXPOOLGOSSIP=true
GETH_SNAPSHOT=
FOO=secret
"""


def imported(*sources: str) -> tuple[NodeConfig, str]:
    """The configuration of the imported file, and the file."""
    text = import_settings(sources)
    return read_config({}, {}, ConfigFile("trinode.toml", text)), text


def set_values(config: NodeConfig) -> dict[str, Any]:
    return {setting.option.name: setting.value for setting in config.settings if ":" in setting.source}


def test_a_command_line_of_op_node() -> None:
    config, text = imported(OP_NODE)
    values = set_values(config) | {"l2.jwt-secret": str(config.engine.jwt_secret)}
    assert values == {
        "network": "op-mainnet",
        "override.karst": 1783526401,
        "l1": ("https://l1.example.org/v2/abc",),
        "l1.http-poll-interval": 6.0,
        "l1.epoch-poll-interval": 192.0,
        "l1.beacon": "http://beacon:5052",
        "l1.beacon-fallbacks": ("http://archive", "http://other"),
        "l1.beacon-header": ("Authorization", "Bearer a#b"),
        "l2": "http://localhost:8551",
        "l2.jwt-secret": "/etc/op stack/jwt.txt",
        "rpc.addr": "0.0.0.0",
        "rpc.enable-admin": True,
        "p2p.listen.tcp": 9222,
        "metrics.enabled": True,
        "log.level": "error",
        "log.color": False,
    }
    assert config.engine.kind == "external"
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert comments == [
        "# Imported from op-node by trinode config import.",
        "#",
        "# Not taken over as it was:",
        "#   --l1.trustrpc: every header, receipt and blob is verified, whoever sends it",
        "#   --l1.rpckind: which methods an endpoint has is found out by asking it",
    ]


def test_variables_of_op_node_that_are_not_spelled_like_the_flag() -> None:
    config, _ = imported(
        "OP_NODE_L1_ETH_RPC=http://a\nOP_NODE_L2_ENGINE_RPC=http://b\nOP_NODE_L2_ENGINE_AUTH=/jwt\nOP_NODE_NETWORK=10\nOP_NODE_L1_BEACON=http://c"
    )
    assert (config.l1.endpoints, config.engine.endpoint, str(config.engine.jwt_secret)) == (("http://a",), "http://b", "/jwt")


def test_both_programs_become_one_node() -> None:
    config, text = imported(OP_GETH, OP_NODE)
    assert config.storage.gcmode == "archive"
    assert config.storage.cache_bytes == 4096 << 20
    assert (config.http.enabled, config.http.addr, config.http.api) == (True, "0.0.0.0", ("eth", "debug"))
    assert not config.ws.enabled
    assert config.upstream.sequencer == "https://mainnet-sequencer.optimism.io"
    assert (config.metrics.enabled, config.metrics.port, config.log.level) == (True, 6060, "error")
    assert "#   GETH_HTTP_API: there is no namespace personal here\n" in text
    assert "#   GETH_VERBOSITY: another value was given for log.level before, and stays\n" in text
    assert "#   GETH_ROLLUP_DISABLETXPOOLGOSSIP: op-geth's own network passes on transactions" in text
    assert "#   FOO: not a variable of op-node or op-geth\n" in text
    assert "secret" not in text.replace("jwt-secret", "")
    assert "#   l2: keeps op-geth as the engine" in text


def test_op_geth_alone_says_what_is_still_missing() -> None:
    text = import_settings(["geth --op-network=op-sepolia --http --ws --ws.port=8545 --datadir /data --authrpc.port 8552"])
    assert "# To do: l1 is missing: add the RPC URL" in text
    assert "#   authrpc: op-geth always serves the Engine API" in text
    config = read_config({"l1": ["http://a"], "l1.beacon": ["http://b"]}, {}, ConfigFile("f", text))
    assert (config.chain.network, config.http.enabled, config.ws.port, str(config.general.datadir)) == ("op-sepolia", True, 8545, "/data")


def test_a_command_line_without_its_program_is_recognized_by_its_flags() -> None:
    assert "Imported from op-geth" in import_settings(["--http --http.port 5"])
    assert "Imported from op-node" in import_settings(["OP_NODE_L1_BEACON=http://b --l1=http://a".replace("=http://b ", "=http://b op-node ")])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("op-node --l1.becon=x", "op-node has no flag --l1.becon; did you mean --l1.beacon?"),
        ("op-geth --http.prt=1", "op-geth has no flag --http.prt; did you mean --http.port?"),
        ("OP_NODE_L1_BECON=x", "op-node has no environment variable OP_NODE_L1_BECON; did you mean OP_NODE_L1_BEACON?"),
        ("GETH_HTTP_PRT=1", "op-geth has no environment variable GETH_HTTP_PRT; did you mean GETH_HTTP_PORT?"),
        ("op-node --l1=$L1_RPC", "there is a shell variable"),
        ("op-node --l1='x", "not a command line"),
        ("op-node --l1", "op-node: --l1 has no value"),
        ("op-node --l1=ws://host/key", "--l1: URLs of scheme 'ws' are not supported"),
        ("op-node --metrics.enabled true", "op-node: 'true' is not a flag"),
        ("geth init genesis.json", "op-geth: 'init' is not a flag"),
        ("geth --verbosity=9", "--verbosity: '9' is not 0 to 5"),
        ("op-batcher --l1-eth-rpc=x", "is 'op-batcher' op-node or op-geth?"),
        ("--metrics.port=5", "is '--metrics.port=5' op-node or op-geth?"),
        ("FOO=bar", "nothing of op-node or op-geth in there"),
        ("", "nothing of op-node or op-geth in there"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(source: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_settings([source])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert "key" not in str(caught.value)


@given(
    st.lists(st.sampled_from([f"--{name}" for flags in FLAGS.values() for name in flags]) | st.text(max_size=8), max_size=6),
    st.sampled_from(["op-node", "geth", ""]),
)
def test_any_words_are_imported_or_refused(words: list[str], program: str) -> None:
    try:
        text = import_settings([" ".join([program, *words])])
    except ConfigError:
        return
    assert text.startswith("# Imported from")


@pytest.mark.peers
@pytest.mark.parametrize(("program", "file"), [("op-node", "op-node"), ("op-geth", "geth")])
def test_every_flag_that_the_program_lists_is_known(program: str, file: str) -> None:
    found = shutil.which(file, path=os.environ.get("TRINODE_PEERS")) or shutil.which(file)
    if found is None:
        pytest.skip(f"{file} is neither in the folder TRINODE_PEERS nor on PATH")
    listed = subprocess.run([found, "--help"], capture_output=True, check=True, text=True).stdout
    rows = [line for line in listed.splitlines() if re.match(r" +--[a-z]", line)]
    names = {name for line in rows for name in re.findall(r"--([A-Za-z0-9.-]+)", line.partition("(")[0])} - {"help", "version"}
    assert len(names) > 90
    assert names <= set(FLAGS[program])
    prefix = FLAG_PREFIXES[program]
    variables = set(re.findall(rf"\${prefix}([A-Z0-9_]+)", listed))
    assert len(variables) > 90
    assert variables <= set(VARIABLES[program])
    for line in rows:
        if re.search(r"\(default: (true|false)\)", line):
            name = re.match(r" +--([A-Za-z0-9.-]+)", line)
            assert name is not None and (name[1] in ("help", "version") or FLAGS[program][name[1]].is_boolean), line
