"""Nodes of one chain that are each other's peers: unsafe blocks come by gossip, and those that were missed by asking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.peers.ports import free_ports
from harness.peers.process import call, wait_until
from harness.peers.trinode_node import TrinodeNode
from harness.peers.verifier import devnet_verifier
from trinode.devnet.accounts import SEQUENCER

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


@pytest.mark.long
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


@pytest.mark.long
def test_both_are_killed_again_and_again(devnet: TrinodeNode, tmp_path: Path) -> None:
    """Nothing that was safe is lost or another, the chain goes on, and both have the same one."""
    address, seen = devnet.address("p2p"), dict[int, str]()
    # The sequencer's port is another one in each life: it dials the verifier.
    port, options = free_ports(1)[0], {**P2P, "p2p.static": address}
    verifier = devnet_verifier(devnet, tmp_path / "verifier", {**options, "p2p.listen.tcp": port})
    with verifier:
        dialed = verifier.address("p2p")
        for life in range(10):
            call(devnet.address("rpc"), "opp2p_connectPeer", dialed)
            wait_until(lambda: caught_up(verifier, devnet), TIMEOUT, devnet, verifier)
            for node in (devnet, verifier):
                note_safe_blocks(node, seen)
            time.sleep(life / 7)
            for node in (verifier, devnet) if life % 3 else (devnet, verifier):
                node.kill()
            devnet.start()
            devnet.address("p2p")  # a node begins only when its L1 answers
            verifier.start()
            verifier.address("p2p")
        call(devnet.address("rpc"), "opp2p_connectPeer", dialed)
        wait_until(lambda: caught_up(verifier, devnet), TIMEOUT, devnet, verifier)
        assert len(seen) > 5
        for node in (devnet, verifier):
            found = {number: call(node.address("http"), "eth_getBlockByNumber", hex(number), False)["hash"] for number in seen}
            assert found == seen
        assert "bug of trinode" not in devnet.log_path.read_text() + verifier.log_path.read_text()


def note_safe_blocks(node: TrinodeNode, seen: dict[int, str]) -> None:
    """Adds the safe head, which must be what was told of it before."""
    safe = call(node.address("rpc"), "optimism_syncStatus")["safe_l2"]
    assert seen.setdefault(safe["number"], safe["hash"]) == safe["hash"]


@pytest.mark.long
@pytest.mark.parametrize(
    "key",
    [None, b"\x42" * 32, pytest.param(SEQUENCER.key, marks=pytest.mark.long)],
    ids=["no key", "another's key", "its key"],
)
def test_a_second_sequencer_with_or_without_its_key(devnet: TrinodeNode, tmp_path: Path, key: bytes | None) -> None:
    """It makes blocks whatever its key is, and says at its start what is wrong with that."""
    options = {**P2P, "sequencer.enabled": "true", **({} if key is None else {"p2p.sequencer.key": key.hex()})}
    with devnet_verifier(devnet, tmp_path / "sequencer", options) as sequencer:
        wait_until(lambda: unsafe_head(sequencer)["number"] >= 5, TIMEOUT, devnet, sequencer)
        said = [line for line in sequencer.problems if "sequencer.key" in line]
        if key is None:
            assert "sequencer.enabled without p2p.sequencer.key" in said[0]
        elif key != SEQUENCER.key:
            assert "peers will not take our blocks" in said[0]
        assert len(said) == (key != SEQUENCER.key)
