"""Our discovery with @chainsafe/discv5 and with real op-node: `tox -e peers`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from harness.p2p_peers.javascript import PATIENCE, PackagesMissing, find_packages, running_peer
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
from trinode.devnet.accounts import L2_CHAIN_ID
from trinode.devnet.genesis import l1_chain_config
from trinode.p2p.addresses import parse_ip
from trinode.p2p.discovery.contact import parse_node
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr, OpStackEntry, parse_enr
from trinode.p2p.discovery.local_record import Advertised
from trinode.p2p.discovery.service import Discovery, DiscoverySettings
from trinode.p2p.identity import Identity
from trinode.protocol.rlp_codec import decode, to_bytes
from trinode.rollup.config import parse_rollup_config

pytestmark = pytest.mark.peers

LOOPBACK = parse_ip("127.0.0.1")
OPSTACK = OpStackEntry(L2_CHAIN_ID, 0)


class Ours:
    """Our discovery alone. `found`: the nodes of our chain that it told of."""

    def __init__(self, key: int, bootnodes: list[str], chain_id: int = L2_CHAIN_ID) -> None:
        self.found: list[Enr] = []
        (port,) = free_ports(1)
        settings = DiscoverySettings(Endpoint(LOOPBACK, port), Advertised(LOOPBACK, port), chain_id, [parse_node(bootnode) for bootnode in bootnodes])
        self.discovery = Discovery(Identity(bytes([key]) * 32), settings, found=self.found.append, wanted=lambda: True)

    @property
    def record(self) -> Enr:
        found = self.discovery.local_enr
        assert found is not None
        return found


@asynccontextmanager
async def running(ours: Ours) -> AsyncIterator[Ours]:
    async with trio.open_nursery() as nursery:
        await nursery.start(ours.discovery.run)
        yield ours
        nursery.cancel_scope.cancel()


async def found_by(ours: Ours, node_id: bytes) -> Enr:
    """Once it has found the node: its record."""
    with trio.fail_after(PATIENCE):
        while True:
            for record in ours.found:
                if record.node_id == node_id:
                    return record
            await trio.sleep(0.05)


def node_ids(records: list[str]) -> set[bytes]:
    return {parse_enr(text).node_id for text in records}


# ---- @chainsafe/discv5 ----


@asynccontextmanager
async def js(folder: Path, bootnodes: list[str], opstack: OpStackEntry = OPSTACK) -> AsyncIterator[Any]:
    try:
        find_packages()
    except PackagesMissing as missing:
        pytest.skip(str(missing))
    # its library puts the RLP around it
    content = to_bytes(decode(opstack.encode()))
    options = {"port": free_ports(1)[0], "opstack": content.hex(), "bootnodes": bootnodes}
    async with running_peer("discv5_peer.mjs", options, folder) as peer:
        yield peer


async def test_it_begins_with_our_record(tmp_path: Path) -> None:
    async with running(Ours(1, [])) as ours, js(tmp_path, [str(ours.record)]) as theirs:
        record = parse_enr((await theirs.hear("listening"))["record"])
        pong = await theirs.hear("pong")
        assert int(pong["seq"]) == ours.record.seq
        assert pong["ip"] == [127, 0, 0, 1]
        assert record.udp() == Endpoint(LOOPBACK, pong["port"])
        assert (await theirs.hear("talk"))["answer"] == ""
        found = await found_by(ours, record.node_id)
        assert found.opstack == OPSTACK
        assert found.tcp() == record.tcp()


async def test_we_begin_with_its_record_and_it_finds_others_by_us(tmp_path: Path) -> None:
    async with js(tmp_path, []) as theirs:
        record = parse_enr((await theirs.hear("listening"))["record"])
        async with running(Ours(2, [str(record)])) as ours, running(Ours(3, [str(record)])) as other:
            assert (await found_by(ours, record.node_id)).opstack == OPSTACK
            both = {ours.record.node_id, other.record.node_id}
            await theirs.hear("lookup", lambda told: both <= node_ids(told["table"]))
            # They have heard of each other only by it.
            assert (await found_by(ours, other.record.node_id)).tcp() == other.record.tcp()
            assert (await found_by(other, ours.record.node_id)).tcp() == ours.record.tcp()


async def test_a_node_of_another_chain_is_no_peer(tmp_path: Path) -> None:
    async with running(Ours(4, [])) as ours, js(tmp_path, [str(ours.record)], OpStackEntry(L2_CHAIN_ID + 1, 0)) as theirs:
        record = parse_enr((await theirs.hear("listening"))["record"])
        await theirs.hear("pong")
        with trio.fail_after(PATIENCE):
            while record.node_id not in node_ids(ours.discovery.table()):
                await trio.sleep(0.05)
        await theirs.hear("lookup")
        assert ours.found == []


# ---- op-node ----


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[TrinodeNode]:
    peer(GETH)
    peer(OP_NODE)
    with TrinodeNode(tmp_path / "devnet", {"block-time": "1s", "devnet.l1.port": free_ports(1)[0], **ours_options()}) as node:
        node.address("p2p")
        yield node


def ours_options() -> dict[str, object]:
    (port,) = free_ports(1)
    return {"p2p.disable": "false", "p2p.listen.ip": "127.0.0.1", "p2p.advertise.ip": "127.0.0.1", "p2p.listen.tcp": port, "log.level": "debug"}


def peers_of(url: str) -> dict[str, Any]:
    found: dict[str, Any] = call(url, "opp2p_peers", True)["peers"]
    return found


def test_op_node_finds_us_and_others_of_ours_by_it(devnet: TrinodeNode, tmp_path: Path) -> None:
    """op-node begins with our sequencer's record; our verifier begins with op-node's. In the end each is connected with both others."""
    secret = tmp_path / "jwt.hex"
    secret.write_text(SECRET.hex())
    l1, rollup = devnet.address("devnet.l1"), devnet.address("rpc")
    config = parse_rollup_config(call(rollup, "optimism_rollupConfig"))
    us = call(rollup, "opp2p_self")
    geth = OpGethNode(peer(GETH), tmp_path / "op-geth", devnet_genesis(config), secret)
    flags = p2p_options(tmp_path, free_ports(1)[0]) | {"p2p.no-discovery": "false", "p2p.advertise.ip": "127.0.0.1", "p2p.bootnodes": us["ENR"]}
    op_node = OpNode(peer(OP_NODE), tmp_path / "op-node", Peers(l1, l1, geth.engine_url, secret), config, l1_chain_config(), **flags)
    with geth, op_node:
        them = op_node.call("opp2p_self")
        assert parse_enr(them["ENR"]).opstack == parse_enr(us["ENR"]).opstack == OPSTACK
        wait_until(lambda: us["peerID"] in peers_of(op_node.url), TIMEOUT, devnet, geth, op_node)
        assert them["peerID"] in peers_of(rollup)
        assert node_ids(call(rollup, "opp2p_discoveryTable")) == {parse_enr(them["ENR"]).node_id}

        options = {**ours_options(), "p2p.bootnodes": them["ENR"], "verifier.l1-confs": 100_000}
        with devnet_verifier(devnet, tmp_path / "verifier", options) as verifier:
            verifier.address("p2p")
            url = verifier.address("rpc")
            both = {us["peerID"], them["peerID"]}
            wait_until(lambda: set(peers_of(url)) == both, TIMEOUT, devnet, geth, op_node, verifier)
            me = call(url, "opp2p_self")
            assert me["peerID"] in peers_of(op_node.url)
            assert me["peerID"] in peers_of(rollup)
            print(json.dumps(peers_of(url)[them["peerID"]]))
            assert parse_enr(peers_of(url)[them["peerID"]]["ENR"]).node_id == parse_enr(them["ENR"]).node_id
            wait_until(lambda: call(url, "optimism_syncStatus")["unsafe_l2"]["number"] > 5, TIMEOUT, devnet, verifier)
