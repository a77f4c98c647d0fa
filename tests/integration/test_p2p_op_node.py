"""Our sequencer, real op-node with op-geth, and our verifier, which has op-node alone as a peer: `tox -e peers`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.peers.devnet_files import devnet_genesis
from harness.peers.op_geth import PROGRAM as GETH
from harness.peers.op_geth import OpGethNode
from harness.peers.op_node import PROGRAM as OP_NODE
from harness.peers.op_node import OpNode, Peers, p2p_options
from harness.peers.ports import free_ports
from harness.peers.process import call, wait_until
from harness.peers.trinode_node import TrinodeNode
from harness.peers.verifier import devnet_verifier
from tests.recorded_network import SECRET, TIMEOUT, peer
from trinode.devnet.genesis import l1_chain_config
from trinode.rollup.config import parse_rollup_config

pytestmark = pytest.mark.peers

P2P = {"p2p.disable": "false", "p2p.listen.ip": "127.0.0.1", "p2p.no-discovery": "true", "log.level": "debug"}
L1_IS_FAR = {"verifier.l1-confs": 100_000}
"""Only what is final on L1 is derived: newer blocks come from peers, or not at all."""
HEARD = "Received signed execution payload from p2p"
ASKED = re.compile(r"unsafe blocks (\d+) to (\d+) are missing: peers are asked")
MISSED = 12
"""Blocks that our verifier was not there for: it has them from L1, or asks."""


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[TrinodeNode]:
    peer(GETH)
    peer(OP_NODE)
    tcp, l1 = free_ports(2)
    with TrinodeNode(tmp_path / "devnet", {"block-time": "1s", "devnet.l1.port": l1, "p2p.listen.tcp": tcp, **P2P}) as node:
        yield node


def block(url: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = call(url, "eth_getBlockByNumber", hex(number), False)
    return found


def unsafe_number(url: str) -> int:
    return int(call(url, "optimism_syncStatus")["unsafe_l2"]["number"])


def test_blocks_go_through_op_node(devnet: TrinodeNode, tmp_path: Path) -> None:
    secret = tmp_path / "jwt.hex"
    secret.write_text(SECRET.hex())
    l1, rollup = devnet.address("devnet.l1"), devnet.address("rpc")
    config = parse_rollup_config(call(rollup, "optimism_rollupConfig"))
    tcp = free_ports(1)[0]
    geth = OpGethNode(peer(GETH), tmp_path / "op-geth", devnet_genesis(config), secret)
    flags = p2p_options(tmp_path, tcp, devnet.address("p2p"))
    op_node = OpNode(peer(OP_NODE), tmp_path / "op-node", Peers(l1, l1, geth.engine_url, secret), config, l1_chain_config(), **flags)
    with geth, op_node:
        wait_until(lambda: op_node.log.count(HEARD) >= 5, TIMEOUT, devnet, geth, op_node)
        wait_until(lambda: unsafe_number(op_node.url) > MISSED, TIMEOUT, devnet, geth, op_node)
        us, them = call(rollup, "opp2p_self"), op_node.call("opp2p_self")
        look_at_each_other(rollup, us, op_node, them)

        static = f"/ip4/127.0.0.1/tcp/{tcp}/p2p/{them['peerID']}"
        options = {**P2P, **L1_IS_FAR, "p2p.listen.tcp": 0, "p2p.static": static}
        with devnet_verifier(devnet, tmp_path / "verifier", options) as verifier:
            wait_until(lambda: unsafe_number(verifier.address("rpc")) > MISSED + 5, TIMEOUT, devnet, geth, op_node, verifier)
            assert set(call(verifier.address("rpc"), "opp2p_peers", True)["peers"]) == {them["peerID"]}
            print(ASKED.findall(verifier.log))
            status = call(verifier.address("rpc"), "optimism_syncStatus")
            assert status["safe_l2"]["number"] < status["unsafe_l2"]["number"]
            for number in range(1, status["unsafe_l2"]["number"] + 1):
                hashes = {block(url, number)["hash"] for url in (devnet.address("http"), geth.url, verifier.address("http"))}
                assert len(hashes) == 1, number
            # op-node holds nothing against our verifier, which asked as fast as it is allowed to
            me = call(verifier.address("rpc"), "opp2p_self")["peerID"]
            assert op_node.call("opp2p_peers", True)["peers"][me]["scores"]["gossip"]["total"] >= 0


def look_at_each_other(rollup: str, us: dict[str, Any], op_node: OpNode, them: dict[str, Any]) -> None:
    """What both show of the other, as op-node shows it."""
    ours = op_node.call("opp2p_peers", True)["peers"][us["peerID"]]
    theirs = call(rollup, "opp2p_peers", True)["peers"][them["peerID"]]
    assert ours.keys() == theirs.keys()
    assert ours["scores"].keys() == theirs["scores"].keys()
    for shown, itself in ((ours, us), (theirs, them)):
        assert shown["gossipBlocks"] is True
        assert shown["connectedness"] == 1
        assert shown["userAgent"] == "optimism"
        assert shown["nodeID"] == itself["nodeID"]
        assert shown["scores"]["gossip"]["total"] >= 0
    assert theirs["latency"] > 0
    assert {ours["direction"], theirs["direction"]} == {1, 2}
    assert set(theirs["protocols"]) >= {"/meshsub/1.1.0", "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"}
    assert set(ours["protocols"]) >= {"/meshsub/1.1.0", "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"}
