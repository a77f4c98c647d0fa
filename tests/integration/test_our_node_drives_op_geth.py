"""Real op-geth under our rollup node, through all forks: `tox -e peers`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.peers.op_geth import PROGRAM, OpGethNode
from harness.peers.process import RpcFailure, call, wait_until
from harness.peers.trinode_node import TrinodeNode
from tests.recorded_network import TIMEOUT, RecordedNetwork, peer, recorded_network

pytestmark = pytest.mark.peers

FIRST_LATEST, FIRST_FINALIZED = 70, 40
"""L1 blocks, in the midst of the recording."""
OF_ITS_OWN = ("Setting network ID", "safe block not found", "finalized block not found", "unindexing for archive node", "Failed to load snapshot")
"""What op-geth says of a fresh chain in an archive."""
IN_THE_RECORDING = "malformed system config update"


@pytest.fixture
def network(tmp_path: Path) -> Iterator[RecordedNetwork]:
    peer(PROGRAM)
    with recorded_network(tmp_path) as network:
        yield network


class Pair:
    """op-geth, and our node as a process that drives it."""

    def __init__(self, network: RecordedNetwork, *, archive: bool = False) -> None:
        self.network = network
        self.geth = OpGethNode(peer(PROGRAM), network.folder / "op-geth", network.genesis(), network.secret_file, archive=archive)
        self.node = TrinodeNode(network.folder / "trinode", node_options(network, self.geth))

    def status(self) -> dict[str, Any]:
        """Our node's sync status."""
        found: dict[str, Any] = call(self.node.address("rpc"), "optimism_syncStatus")
        return found

    def wait_for_heads(self, safe: int, finalized: int) -> None:
        """Returns when our node has both."""

        def there() -> bool:
            status = self.status()
            return (status["safe_l2"]["number"], status["finalized_l2"]["number"]) == (safe, finalized)

        wait_until(there, TIMEOUT, self.node, self.geth)

    def expect_heads(self, latest: int, safe: int, finalized: int) -> None:
        """op-geth's, and the recorded hashes."""
        for name, number in (("latest", latest), ("safe", safe), ("finalized", finalized)):
            assert self.geth.call("eth_getBlockByNumber", name, False)["hash"] == self.network.hash_of(number), name

    def expect_recorded_chain(self) -> None:
        """Every block, and all three heads."""
        network, last = self.network, self.network.last
        found = {number: self.geth.call("eth_getBlockByNumber", hex(number), False)["hash"] for number in range(last + 1)}
        assert [number for number, name in found.items() if name != network.hash_of(number)] == []
        self.expect_heads(last, last, last)

    def expect_no_problems(self) -> None:
        """Neither warned of anything in this life but what is in the recording."""
        assert "\n".join(line for line in self.geth.problems if not any(text in line for text in OF_ITS_OWN)) == ""
        assert "\n".join(line for line in self.node.problems if IN_THE_RECORDING not in line) == ""


def node_options(network: RecordedNetwork, geth: OpGethNode) -> dict[str, object]:
    """Of a verifier of the recorded chain over an engine."""
    server = network.server
    return {
        "l2": geth.engine_url,
        "l2.jwt-secret": network.secret_file,
        "rollup.config": network.rollup,
        "rollup.l1-chain-config": network.l1_chain,
        "l1": server.url("l1"),
        "l1.beacon": server.url("beacon"),
        "l1.http-poll-interval": "1s",
        "l1.epoch-poll-interval": "1s",
    }


def test_all_forks_with_a_restart_of_our_node_between(network: RecordedNetwork) -> None:
    network.show(FIRST_LATEST, FIRST_FINALIZED)
    pair = Pair(network, archive=True)
    safe, finalized, last = network.safe_at(FIRST_LATEST), network.safe_at(FIRST_FINALIZED), network.last
    with pair.geth:
        with pair.node:
            pair.wait_for_heads(safe, finalized)
            unsafe = pair.status()["unsafe_l2"]["number"]
            pair.expect_heads(unsafe, safe, finalized)
            pair.expect_no_problems()
            assert pair.node.stop() == 0
        network.show(max(network.chains.l1), max(network.chains.l1))
        with pair.node:
            pair.wait_for_heads(last, last)
            pair.expect_recorded_chain()
            pair.expect_no_problems()
            rpc = pair.node.address("rpc")
            outputs = {number: call(rpc, "optimism_outputAtBlock", hex(number)) for number in network.one_of_each_fork().values()}
            assert [number for number, output in outputs.items() if not network.is_output(number, output)] == []
            assert call(rpc, "optimism_safeHeadAtL1Block", hex(FIRST_LATEST))["safeHead"]["number"] == safe
            assert pair.node.stop() == 0
        assert pair.geth.stop() == 0


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_op_geth_goes_in_the_middle_and_comes_again(network: RecordedNetwork, is_killed: bool) -> None:
    """Killed, it loses the states of its blocks and begins at genesis again, with the blocks still in its database."""
    pair, last = Pair(network), network.last
    with pair.geth, pair.node:
        wait_until(lambda: pair.status()["unsafe_l2"]["number"] >= last // 2, TIMEOUT, pair.node, pair.geth)
        if is_killed:
            pair.geth.kill()
        else:
            assert pair.geth.stop() == 0
        wait_until(lambda: "Does the engine run" in pair.node.log, TIMEOUT, pair.node)
        pair.geth.start()
        pair.wait_for_heads(last, last)
        pair.expect_recorded_chain()
        with pytest.raises(RpcFailure, match=r"eth_getProof: historical state .* is not available"):
            call(pair.node.address("rpc"), "optimism_outputAtBlock", "0x1")


def test_an_engine_that_does_not_fit_is_refused_in_one_line(network: RecordedNetwork) -> None:
    genesis, secret = network.genesis(), network.folder / "other.hex"
    secret.write_text("33" * 32)
    genesis["config"]["chainId"] = 902
    with OpGethNode(peer(PROGRAM), network.folder / "op-geth", genesis, network.secret_file) as geth:
        for options, message in (
            ({"l2.jwt-secret": secret}, f"(HTTP 401: signature is invalid). {secret} must hold the same JWT secret as the engine's own file"),
            ({}, "eth_chainId: its chain is 902, not 901: is it the engine of this network?"),
        ):
            node = TrinodeNode(network.folder / f"trinode-{len(options)}", {**node_options(network, geth), **options})
            node.start()
            assert node.wait() == 2
            last = node.log.splitlines()[-1]
            assert message in last and last.startswith("Error: ") and "Traceback" not in node.log
