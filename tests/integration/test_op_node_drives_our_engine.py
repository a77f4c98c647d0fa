"""Real op-node over our Engine API, through all forks: `tox -e peers`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.peers.op_node import PROGRAM, OpNode, Peers
from harness.peers.ports import free_ports
from harness.peers.process import call, wait_until
from harness.peers.trinode_node import TrinodeNode
from tests.recorded_network import TIMEOUT, RecordedNetwork, peer, recorded_network
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

pytestmark = pytest.mark.peers

FIRST_LATEST, FIRST_FINALIZED = 70, 40
"""L1 blocks, in the midst of the recording."""
NOT_OF_THE_ENGINE = (
    "syncmode.offset-el-safe is ineffective",  # of its own defaults
    "cannot continue derivation until Engine has been reset",  # how it begins
    "Failed to retrieve L1 genesis",  # the recording begins with L1 block 1
    "tx in inbox with unauthorized submitter",  # part of the recorded L1, as are malformed updates
    "failed to fully update L1 sysCfg",
    "span batch has no new blocks after safe head",  # a restart reads them again
    "L1 head signal indicates a possible L1 re-org",  # it jumps
)


class Pair:
    """Our engine as a process, and op-node that drives it."""

    def __init__(self, network: RecordedNetwork, engine: TrinodeNode, op_node: OpNode) -> None:
        self.network = network
        self.engine = engine
        self.op_node = op_node

    def heads(self) -> tuple[int, int]:
        """op-node's safe and finalized block, by number."""
        status = self.op_node.call("optimism_syncStatus")
        return status["safe_l2"]["number"], status["finalized_l2"]["number"]

    def wait_for_heads(self, safe: int, finalized: int) -> None:
        """Returns when both are there."""
        wait_until(lambda: self.heads() == (safe, finalized), TIMEOUT, self.op_node, self.engine)

    def block(self, name: str) -> dict[str, Any]:
        """A block of our engine, as its users see it."""
        found: dict[str, Any] = call(self.engine.address("http"), "eth_getBlockByNumber", name, False)
        return found

    def expect_recorded_chain(self) -> None:
        """Every block, and all three heads, are the recorded ones."""
        network = self.network
        assert [n for n in range(network.last + 1) if self.block(hex(n))["hash"] != network.hash_of(n)] == []
        assert [self.block(name)["number"] for name in ("latest", "safe", "finalized")] == [hex(network.last)] * 3

    def expect_no_problems(self) -> None:
        """Neither program warned of anything in this life but what is in the recording."""
        assert "\n".join(line for line in self.op_node.problems if not any(text in line for text in NOT_OF_THE_ENGINE)) == ""
        assert self.engine.problems == []


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    program = peer(PROGRAM)
    with recorded_network(tmp_path) as network, engine_of(network) as engine:
        server, head = network.server, network.chains.head
        peers = Peers(server.url("l1"), server.url("beacon"), engine.address("authrpc"), network.secret_file)
        op_node = OpNode(program, tmp_path / "op-node", peers, head.rollup_config, head.l1_chain_config)
        network.show(FIRST_LATEST, FIRST_FINALIZED)
        with op_node:
            yield Pair(network, engine, op_node)


@contextmanager
def engine_of(network: RecordedNetwork) -> Iterator[TrinodeNode]:
    """Its Engine API stays at the same port in all its lives."""
    options: dict[str, object] = {"authrpc": "true", "authrpc.port": free_ports(1)[0], "authrpc.jwtsecret": network.secret_file}
    options |= {"rollup.config": network.rollup, "rollup.l1-chain-config": network.l1_chain, "genesis": network.genesis_file}
    with TrinodeNode(network.folder / "trinode", options) as engine:
        yield engine


def test_all_forks_with_a_restart_of_op_node_between(pair: Pair) -> None:
    network = pair.network
    safe, finalized = network.safe_at(FIRST_LATEST), network.safe_at(FIRST_FINALIZED)
    pair.wait_for_heads(safe, finalized)
    assert pair.block("safe")["hash"] == network.hash_of(safe)
    assert pair.block("finalized")["hash"] == network.hash_of(finalized)
    pair.expect_no_problems()

    assert pair.op_node.stop() == 0
    pair.op_node.start()
    pair.wait_for_heads(safe, finalized)
    network.show(max(network.chains.l1), max(network.chains.l1))
    pair.wait_for_heads(network.last, network.last)
    pair.expect_recorded_chain()
    pair.expect_no_problems()

    numbers = network.one_of_each_fork()
    assert set(numbers) == {fork for fork in SCHEDULED_FORKS if fork <= Fork.KARST} - {Fork.BEDROCK}
    outputs = {number: pair.op_node.call("optimism_outputAtBlock", hex(number)) for number in numbers.values()}
    assert [number for number, output in outputs.items() if not network.is_output(number, output)] == []
    pair.expect_no_problems()
    assert pair.engine.stop() == 0


@pytest.mark.parametrize("number", [30, 150])
def test_our_engine_is_killed_and_op_node_goes_on(pair: Pair, number: int) -> None:
    network = pair.network
    network.show(max(network.chains.l1), FIRST_FINALIZED)
    wait_until(lambda: int(pair.block("latest")["number"], 16) >= number, TIMEOUT, pair.op_node, pair.engine)
    pair.engine.kill()
    pair.engine.start()
    assert int(pair.block("latest")["number"], 16) > 0
    network.show(max(network.chains.l1), max(network.chains.l1))
    pair.wait_for_heads(network.last, network.last)
    pair.expect_recorded_chain()
    assert pair.engine.problems == []
    assert not any("lvl=crit" in line for line in pair.op_node.problems)
