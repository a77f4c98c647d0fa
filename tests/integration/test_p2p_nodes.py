"""Nodes of one chain that are each other's peers: unsafe blocks come by gossip, and those that were missed by asking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.peers.ports import free_ports
from harness.peers.process import call, wait_until
from harness.peers.trinode_node import TrinodeNode
from harness.peers.verifier import devnet_verifier

TIMEOUT = 60.0
P2P = {"p2p.disable": "false", "p2p.listen.ip": "127.0.0.1", "p2p.listen.tcp": 0, "p2p.no-discovery": "true"}
L1_IS_FAR = {"verifier.l1-confs": 100_000}
"""Only what is final on L1 is derived: newer blocks come from peers, or not at all."""
ASKED = "are missing: peers are asked"


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[TrinodeNode]:
    with TrinodeNode(tmp_path / "devnet", {"block-time": "1s", "devnet.l1.port": free_ports(1)[0], **P2P}) as node:
        yield node


def unsafe_head(node: TrinodeNode) -> dict[str, Any]:
    found: dict[str, Any] = call(node.address("rpc"), "optimism_syncStatus")["unsafe_l2"]
    return found


def caught_up(node: TrinodeNode, devnet: TrinodeNode) -> bool:
    """Whether it has the sequencer's head of a moment ago, and so all blocks below it."""
    head = unsafe_head(devnet)["number"] - 1
    if head < 1 or unsafe_head(node)["number"] < head:
        return False
    theirs, ours = (call(each.address("http"), "eth_getBlockByNumber", hex(head), False) for each in (devnet, node))
    return bool(theirs["hash"] == ours["hash"])


def test_unsafe_blocks_come_by_gossip_and_by_asking(devnet: TrinodeNode, tmp_path: Path) -> None:
    wait_until(lambda: unsafe_head(devnet)["number"] >= 5, TIMEOUT, devnet)
    options = {**P2P, **L1_IS_FAR, "p2p.static": devnet.address("p2p")}
    with devnet_verifier(devnet, tmp_path / "verifier", options) as verifier:
        # Blocks 1 to 5 were gossiped before it was there.
        wait_until(lambda: caught_up(verifier, devnet), TIMEOUT, devnet, verifier)
        status = call(verifier.address("rpc"), "optimism_syncStatus")
        assert status["safe_l2"]["number"] < status["unsafe_l2"]["number"]
        theirs, ours = (call(node.address("rpc"), "opp2p_self") for node in (devnet, verifier))
        peers = call(verifier.address("rpc"), "opp2p_peers", True)["peers"]
        assert list(peers) == [theirs["peerID"]]
        assert peers[theirs["peerID"]]["gossipBlocks"] is True
        assert call(verifier.address("http"), "net_peerCount") == "0x1"

        # It misses some blocks, and comes back.
        call(devnet.address("rpc"), "opp2p_blockPeer", ours["peerID"])
        call(devnet.address("rpc"), "opp2p_disconnectPeer", ours["peerID"])
        asked, missed = verifier.log.count(ASKED), unsafe_head(verifier)["number"] + 3
        wait_until(lambda: unsafe_head(devnet)["number"] >= missed, TIMEOUT, devnet, verifier)
        assert unsafe_head(verifier)["number"] < missed
        call(devnet.address("rpc"), "opp2p_unblockPeer", ours["peerID"])
        wait_until(lambda: unsafe_head(verifier)["number"] > missed and caught_up(verifier, devnet), TIMEOUT, devnet, verifier)
        assert verifier.log.count(ASKED) > asked


def test_a_restarted_node_finds_its_peer_and_what_it_missed(devnet: TrinodeNode, tmp_path: Path) -> None:
    options = {**P2P, **L1_IS_FAR, "p2p.static": devnet.address("p2p")}
    verifier = devnet_verifier(devnet, tmp_path / "verifier", options)
    with verifier:
        wait_until(lambda: caught_up(verifier, devnet), TIMEOUT, devnet, verifier)
        before = call(verifier.address("rpc"), "opp2p_self")["peerID"]
        verifier.kill()
        missed = unsafe_head(devnet)["number"] + 3
        wait_until(lambda: unsafe_head(devnet)["number"] >= missed, TIMEOUT, devnet)
        verifier.start()
        wait_until(lambda: caught_up(verifier, devnet), TIMEOUT, devnet, verifier)
        assert call(verifier.address("rpc"), "opp2p_self")["peerID"] == before
