"""Gossip with real op-node across the forks that change the topic of blocks, in both directions: `tox -e peers`.

The chain is at Regolith first, and comes to Canyon, Ecotone, Isthmus and Karst while it runs. Nothing of it is on L1, so each block that somebody
has was heard.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.p2p_peers.fork_chain import ForkChain, fork_chain
from harness.peers.op_geth import PROGRAM as GETH
from harness.peers.op_geth import OpGethNode
from harness.peers.op_node import PROGRAM as OP_NODE
from harness.peers.op_node import OpNode, Peers, p2p_options
from harness.peers.ports import free_ports
from harness.peers.process import call, wait_until
from harness.peers.trinode_node import TrinodeNode
from tests.recorded_network import SECRET, TIMEOUT, peer
from tests.rpc_objects import data
from tests.shared import shared
from trinode.devnet.accounts import SEQUENCER
from trinode.p2p.blocks.topics import VERSIONS, block_version
from trinode.p2p.identity import Identity, show_peer_id
from trinode.rollup.config import parse_rollup_config
from trinode.rollup.fork import Fork

pytestmark = pytest.mark.peers

FIRST, BETWEEN = 40, 20
"""Seconds: until the first fork, while all programs start; and from there to the next."""
SOME = 5
GRAFTED = 2.0
"""Seconds in which peers on a topic come to be in each other's mesh."""
OP_NODE_KEY = Identity(b"\x0e" * 32)
SEQUENCER_KEY = SEQUENCER.key.hex()
OURS = {"p2p.disable": "false", "p2p.listen.ip": "127.0.0.1", "p2p.no-discovery": "true", "log.level": "debug"}
_VALIDATED = re.compile(r'msg="validated blockv(\d)".*result=ACCEPT')
_HEARD = re.compile(r'event="unsafe block heard" number=(\d+)')
_ASKED = re.compile(r"unsafe blocks \d+ to \d+ are missing: peers are asked")


@pytest.fixture
def l1(tmp_path: Path) -> Iterator[TrinodeNode]:
    """A devnet, of which only L1 is used: its SystemConfig names who signs."""
    peer(GETH)
    peer(OP_NODE)
    with TrinodeNode(tmp_path / "devnet", {"devnet.l1.port": free_ports(1)[0]}) as node:
        yield node


@pytest.fixture
def chain(l1: TrinodeNode) -> ForkChain:
    devnet = parse_rollup_config(call(l1.address("rpc"), "optimism_rollupConfig"))
    state = json.loads(gzip.decompress(shared("recordings/forks-genesis.json.gz").read_bytes()))
    return fork_chain(devnet, l1.address("devnet.l1"), state, first=FIRST, between=BETWEEN)


class Pair:
    """Our node and op-node with op-geth, not started yet."""

    def __init__(self, folder: Path, l1: str, chain: ForkChain, ours: dict[str, object], theirs: dict[str, str]) -> None:
        self.chain = chain
        secret = folder / "jwt.hex"
        secret.write_text(SECRET.hex())
        self.geth = OpGethNode(peer(GETH), folder / "op-geth", chain.genesis, secret)
        tcp, our_tcp = free_ports(2)
        options = p2p_options(folder, tcp)
        Path(options["p2p.priv.path"]).write_text(OP_NODE_KEY.private_key.hex())
        everywhere: dict[str, object] = {
            **chain.write(folder),
            "l1": l1,
            "l1.beacon": l1,
            "l1.http-poll-interval": "500ms",
            "l1.epoch-poll-interval": "1s",
            "p2p.listen.tcp": our_tcp,
            "p2p.static": f"/ip4/127.0.0.1/tcp/{tcp}/p2p/{show_peer_id(OP_NODE_KEY.peer_id)}",
        }
        self.ours = TrinodeNode(folder / "ours", {**everywhere, **OURS, **ours})
        self._op_node: Callable[[str], OpNode] = lambda static: OpNode(
            peer(OP_NODE),
            folder / "op-node",
            Peers(l1, l1, self.geth.engine_url, secret),
            chain.config,
            chain.l1_chain,
            **{**options, "p2p.static": static, **theirs},
        )

    def op_node(self, static: str) -> OpNode:
        """op-node, which dials a peer of ours."""
        return self._op_node(static)

    def versions_of(self, numbers: set[int]) -> Counter[int]:
        """How many of these blocks are of each layout."""
        config = self.chain.config
        times = (config.genesis.l2_time + number * config.block_time for number in numbers)
        return Counter(block_version(config, l2_timestamp=time) for time in times)

    def first_block(self, fork: Fork) -> int:
        """The number of the block with which a fork is there."""
        config = self.chain.config
        return (config.fork_times[fork] - config.genesis.l2_time) // config.block_time

    @property
    def end(self) -> int:
        """A block after all forks."""
        return self.first_block(Fork.KARST) + SOME

    def block(self, url: str, number: int) -> dict[str, Any] | None:
        found: dict[str, Any] | None = call(url, "eth_getBlockByNumber", hex(number), False)
        return found

    def agree(self) -> None:
        """All blocks are the same on both."""
        for number in range(self.end + 1):
            ours, theirs = self.block(self.ours.address("http"), number), self.block(self.geth.url, number)
            assert ours is not None and theirs is not None and ours["hash"] == theirs["hash"], number


def assert_in_good_standing(*rollup_rpcs: str) -> None:
    """None of them holds anything against its peer."""
    for url in rollup_rpcs:
        ((peer_id, shown),) = call(url, "opp2p_peers", True)["peers"].items()
        scores = shown["scores"]
        print(peer_id, scores)
        assert scores["gossip"]["total"] >= 0
        assert scores["gossip"]["behavioralPenalty"] == 0
        assert scores["gossip"]["blocks"]["invalidMessageDeliveries"] == 0
        assert scores["reqResp"]["rejectedPayloads"] == scores["reqResp"]["errorResponses"] == 0


def know_each_other(*rollup_rpcs: str) -> bool:
    """Whether each has a peer on the topics."""
    return all(call(url, "opp2p_peerStats")["blocksTopic"] > 0 for url in rollup_rpcs)


def test_op_node_hears_our_sequencer_on_each_topic(l1: TrinodeNode, chain: ForkChain, tmp_path: Path) -> None:
    # op-node does not ask for what it has missed, so it must be there at the first block.
    sequencer: dict[str, object] = {"sequencer.enabled": "true", "sequencer.stopped": "true", "rpc.enable-admin": "true"}
    pair = Pair(tmp_path, l1.address("devnet.l1"), chain, {**sequencer, "sequencer.l1-confs": 0, "p2p.sequencer.key": SEQUENCER_KEY}, {})
    with pair.ours, pair.geth, pair.op_node(pair.ours.address("p2p")) as op_node:
        wait_until(lambda: know_each_other(pair.ours.address("rpc"), op_node.url), TIMEOUT, l1, pair.ours, pair.geth, op_node)
        time.sleep(GRAFTED)
        call(pair.ours.address("rpc"), "admin_startSequencer", data(chain.config.genesis.l2.hash))
        wait_until(lambda: pair.block(pair.geth.url, pair.end) is not None, TIMEOUT, l1, pair.ours, pair.geth, op_node)
        pair.agree()
        assert_in_good_standing(pair.ours.address("rpc"), op_node.url)
        heard = Counter(int(version) for version in _VALIDATED.findall(op_node.log))
        print("op-node accepted", dict(heard))
        assert all(heard[version] >= BETWEEN - 5 for version in VERSIONS), heard
        assert call(op_node.url, "optimism_syncStatus")["safe_l2"]["number"] == 0


def test_our_verifier_hears_op_node_s_sequencer_on_each_topic(l1: TrinodeNode, chain: ForkChain, tmp_path: Path) -> None:
    """From Canyon until Ecotone it is down for a while: what it missed it asks op-node for."""
    sequencer = {"sequencer.enabled": "true", "sequencer.l1-confs": "0", "p2p.sequencer.key": SEQUENCER_KEY}
    pair = Pair(tmp_path, l1.address("devnet.l1"), chain, {}, sequencer)
    last, first = pair.first_block(Fork.CANYON) + SOME, pair.first_block(Fork.ECOTONE) + SOME
    with pair.ours, pair.geth, pair.op_node(pair.ours.address("p2p")) as op_node:
        wait_until(lambda: pair.block(pair.ours.address("http"), last) is not None, TIMEOUT, l1, pair.ours, pair.geth, op_node)
        log = pair.ours.log
        pair.ours.kill()
        wait_until(lambda: pair.block(pair.geth.url, first) is not None, TIMEOUT, l1, pair.geth, op_node)
        pair.ours.start()
        wait_until(lambda: pair.block(pair.ours.address("http"), pair.end) is not None, TIMEOUT, l1, pair.ours, pair.geth, op_node)
        pair.agree()
        assert_in_good_standing(pair.ours.address("rpc"), op_node.url)
        log += pair.ours.log
        heard = {int(number) for number in _HEARD.findall(log)}
        missed = set(range(1, pair.end)) - heard
        print("we accepted", dict(pair.versions_of(heard)), "and asked for", dict(pair.versions_of(missed)))
        assert all(pair.versions_of(heard)[version] >= SOME for version in VERSIONS), heard
        assert all(pair.versions_of(missed)[version] >= SOME for version in (2, 3)), missed
        assert _ASKED.search(pair.ours.log)
        assert call(pair.ours.address("rpc"), "optimism_syncStatus")["safe_l2"]["number"] == 0
