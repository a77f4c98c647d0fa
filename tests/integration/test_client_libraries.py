"""viem, ethers 6, web3.py and cast live a scripted day on the embedded devnet: `tox -e peers`.

Their libraries come by `python -m harness.clients.install FOLDER`, with TRINODE_PEERS=FOLDER; what is not there is skipped. What is not the
node's, but the clients':
- ethers keeps answers for 250 ms, so that of two transactions within that time the second has the first one's nonce: `cacheTimeout: -1`;
- ethers that polls for logs (`polling: true`, not its default) may tell of one twice;
- `cast run` of version 1.7.1 reads no block with deposits, unless it knows the chain's number as an OP Stack chain's (901 it does not).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.clients import SCRIPTS
from harness.clients.run import ClientMissing, cast, find_cast, find_javascript, find_web3, javascript, web3
from harness.node_process import ANY_PORTS, NodeProcess
from harness.peers.devnet_files import devnet_genesis
from tests.unit.execution.small_chain import l1_attributes
from trinode.devnet.accounts import ACCOUNTS, OPTIMISM_PORTAL
from trinode.devnet.genesis import l1_chain_config, l2_genesis
from trinode.protocol.l1_info import L1InfoFormat
from trinode.protocol.types import BlockId
from trinode.rollup.json_fields import to_hex

pytestmark = pytest.mark.peers

NAMESPACES = "eth,net,web3,debug,txpool,optimism"
CONTRACT: dict[str, Any] = json.loads((SCRIPTS / "contracts/tally.json").read_text())


class Places(NamedTuple):
    """Where the node serves, as the scripts want it; `folder` is for their copies."""

    urls: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    folder = tmp_path_factory.mktemp("clients")
    ipc = folder / "trinode.ipc"
    words = [f"--datadir={folder / 'data'}", "--block-time=instant", f"--http.api={NAMESPACES}", f"--ws.api={NAMESPACES}", f"--ipcpath={ipc}"]
    with NodeProcess([*words, *ANY_PORTS]) as node:
        urls = {name: node.address(name) for name in ("http", "rpc", "l1")}
        urls |= {"ws": urls["http"].replace("http", "ws"), "rollup": urls["rpc"], "ipc": str(ipc), "portal": to_hex(OPTIMISM_PORTAL)}
        node.wait_for("derivation begins")
        yield Places(urls, folder)


def needs(find: Callable[[], object]) -> pytest.MarkDecorator:
    """Skips the test, before any node runs for it, where a client is not there."""
    try:
        find()
    except ClientMissing as error:
        return pytest.mark.skip(str(error))
    return pytest.mark.skipif(False, reason="it is there")


VIEM, ETHERS = needs(lambda: find_javascript("viem")), needs(lambda: find_javascript("ethers"))
WEB3, CAST = needs(find_web3), needs(find_cast)


@VIEM
def test_viem(devnet: Places) -> None:
    steps = ("deploy", "logs", "estimates", "revert reasons", "EIP-7702", "proofs, verified here", "simulations")
    assert set(steps) <= set(javascript("viem_day.mjs", "viem", *devnet))


@VIEM
def test_viem_watches(devnet: Places) -> None:
    steps = (
        "new heads over WebSocket",
        "events over WebSocket",
        "events over a Unix socket",
        "events over HTTP, by a filter",
        "filters by hand",
        "a block that is taken back by hand",
    )
    assert set(steps) <= set(javascript("viem_watch.mjs", "viem", *devnet))


@VIEM
def test_viem_over_the_bridge(devnet: Places) -> None:
    steps = ("a deposit of ether", "deposits that create and call", "a withdrawal and its proof")
    assert set(steps) <= set(javascript("viem_bridge.mjs", "viem", *devnet))


@VIEM
def test_viem_traces(devnet: Places) -> None:
    assert {"traces", "the pool"} <= set(javascript("viem_traces.mjs", "viem", *devnet))


@ETHERS
def test_ethers(devnet: Places) -> None:
    steps = ("deploy", "logs", "estimates", "revert reasons", "refused transactions", "EIP-7702", "proofs, verified here")
    assert set(steps) <= set(javascript("ethers_day.mjs", "ethers", *devnet))


@ETHERS
def test_ethers_watches(devnet: Places) -> None:
    steps = (
        "blocks and events over WebSocket",
        "blocks and events over a Unix socket",
        "blocks and events over HTTP, by filters",
        "pending transactions over WebSocket",
    )
    assert set(steps) <= set(javascript("ethers_watch.mjs", "ethers", *devnet))


@WEB3
@pytest.mark.parametrize("way", ["http", "ipc"])
def test_web3(devnet: Places, way: str) -> None:
    steps = ("deploy", "logs", "estimates and fees", "revert reasons", "EIP-7702", "proofs, verified here", "a simulation")
    assert set(steps) <= set(web3("web3_day.py", devnet.urls, way))


@WEB3
@pytest.mark.parametrize("way", ["ws", "ipc"])
def test_web3_watches(devnet: Places, way: str) -> None:
    assert {"heads", "logs", "pending"} <= set(web3("web3_watch.py", devnet.urls, way))


@CAST
def test_cast(devnet: Places) -> None:
    url, me = devnet.urls["http"], ACCOUNTS[0]
    count = "count(uint256,string)"
    assert cast(["chain-id"], url) == "901"
    made = json.loads(cast(["send", "--json", "--create", CONTRACT["bytecode"], "constructor(uint256)", "7"], url, key=me.key))
    address = made["contractAddress"]
    assert cast(["call", address, "total()(uint256)"], url) == "7"
    receipt = json.loads(cast(["send", "--json", address, count, "5", "five"], url, key=me.key))
    assert receipt["status"] == "0x1"
    assert int(json.loads(cast(["receipt", "--json", receipt["transactionHash"]], url))["l1Fee"], 16) > 0
    assert int(cast(["storage", address, "0"], url), 16) == 12
    assert int(cast(["estimate", address, count, "5", "x"], url)) >= 50_000
    event = "Counted(address indexed,uint256 indexed,uint256,string)"
    logs = json.loads(cast(["logs", "--json", "--from-block", "0", "--address", address, event], url))
    assert [log["transactionHash"] for log in logs] == [receipt["transactionHash"]]
    assert "0x6073b21f" in cast(["call", address, count, "101", "x"], url, fails=True)  # TooMuch
    assert "a step of nothing" in cast(["send", address, count, "0", "x"], url, key=me.key, fails=True)
    proof = json.loads(cast(["proof", address, "0"], url))
    assert int(proof["storageProof"][0]["value"], 16) == 12
    assert f"{0:064x}" in cast(["access-list", address, "total()"], url)
    block = json.loads(cast(["block", "latest", "--json", "--full"], url))
    assert block["transactions"][0]["type"] == "0x7e"


@CAST
def test_cast_delegates_traces_and_sees_the_pool(devnet: Places) -> None:
    url, me = devnet.urls["http"], ACCOUNTS[0]
    made = json.loads(cast(["send", "--json", "--create", CONTRACT["bytecode"], "constructor(uint256)", "0"], url, key=me.key))
    address, myself = made["contractAddress"], to_hex(me.address)
    words = ["send", "--json", "--auth", address, myself, "count(uint256,string)", "9", "as myself"]
    receipt = json.loads(cast(words, url, key=me.key))
    assert (receipt["type"], receipt["status"]) == ("0x4", "0x1")
    assert cast(["code", myself], url) == "0xef0100" + address[2:]
    assert cast(["call", myself, "total()(uint256)"], url) == "9"
    trace = json.loads(cast(["rpc", "debug_traceTransaction", receipt["transactionHash"], '{"tracer":"callTracer"}'], url))
    assert trace["to"] == myself
    assert set(json.loads(cast(["tx-pool status"], url))) == {"pending", "queued"}


@VIEM
def test_viem_sees_a_reorg(tmp_path: Path) -> None:
    config = l2_genesis(BlockId(0, b"\x01" * 32), 1_700_000_000, 2).config
    files = {"rollup": config.to_json(), "genesis": devnet_genesis(config), "l1": l1_chain_config().to_json()}
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    secret = bytes(range(32))
    (tmp_path / "jwt.txt").write_text(secret.hex())
    words = [f"--datadir={tmp_path / 'data'}", f"--rollup.config={tmp_path / 'rollup.json'}", f"--genesis={tmp_path / 'genesis.json'}"]
    words += [f"--rollup.l1-chain-config={tmp_path / 'l1.json'}", "--authrpc", "--authrpc.port=0", f"--authrpc.jwtsecret={tmp_path / 'jwt.txt'}"]
    with NodeProcess([*words, *ANY_PORTS[:3]]) as node:
        http = node.address("http")
        engine = node.wait_for(r"Engine API at (http://[\d.:]+)")[1]
        urls = {"http": http, "ws": http.replace("http", "ws"), "l1": http, "portal": to_hex(OPTIMISM_PORTAL), "engine": engine}
        urls |= {"secret": secret.hex(), "l1Attributes": to_hex(l1_attributes(L1InfoFormat.JOVIAN))}
        steps = ("a reorg takes a log back, and brings it again", "a transaction that lost its block waits for another")
        assert set(steps) <= set(javascript("viem_reorg.mjs", "viem", urls, tmp_path))
