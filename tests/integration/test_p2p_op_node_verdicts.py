"""What real op-node says of messages with blocks, and what we say of them: `tox -e peers`.

HARNESS_P2P_MESSAGES: how many mutated messages; HARNESS_P2P_SEED: which ones. (Variables named TRINODE_... are the options of our nodes.)
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
import trio

from harness.p2p_peers.block_messages import OLDEST, BlockMessage, BlockMessages, block, signed
from harness.p2p_peers.local_peer import LocalPeer, running
from harness.peers.devnet_files import devnet_genesis
from harness.peers.op_geth import PROGRAM as GETH
from harness.peers.op_geth import OpGethNode
from harness.peers.op_node import PROGRAM as OP_NODE
from harness.peers.op_node import OpNode, Peers, p2p_options
from harness.peers.ports import free_ports
from harness.peers.process import call
from harness.peers.trinode_node import TrinodeNode
from tests.recorded_network import SECRET, peer
from trinode.devnet.accounts import L1_CHAIN_ID, L2_CHAIN_ID, OWNER, SEQUENCER, SYSTEM_CONFIG
from trinode.devnet.contracts import selector
from trinode.devnet.genesis import l1_chain_config
from trinode.p2p.blocks.block_gossip import BlockGossip, BlockGossipSettings
from trinode.p2p.blocks.envelope import SequencerKey
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.blocks.message_id import message_id
from trinode.p2p.blocks.signers import BlockSigners
from trinode.p2p.blocks.snappy import compress
from trinode.p2p.blocks.topics import block_topic
from trinode.p2p.identity import PeerId, parse_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.transport.mplex import MPLEX
from trinode.p2p.transport.yamux import YAMUX
from trinode.p2p.verdict import Verdict
from trinode.protocol.payload import encode_envelope
from trinode.protocol.transaction import encode_transaction, sign_transaction
from trinode.protocol.transaction_types import DynamicFeeTransaction
from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig, parse_rollup_config

pytestmark = pytest.mark.peers

COUNT = int(os.environ.get("HARNESS_P2P_MESSAGES", "150"))
SEED = int(os.environ.get("HARNESS_P2P_SEED", "1"))
KEY = SequencerKey(SEQUENCER.key)
PATIENCE = 30.0
_SAID = re.compile(r'msg="validated blockv\d".*\bresult=(\w+)')
_SIGNER = re.compile(r"\bp2p_seq_address=0x(\w+)")


@dataclass(frozen=True, slots=True)
class Judging:
    """op-node on a devnet, which punishes nobody."""

    op_node: OpNode
    l1: str
    config: RollupConfig
    port: int


@pytest.fixture
def judging(tmp_path: Path) -> Iterator[Judging]:
    geth_program, op_node_program = peer(GETH), peer(OP_NODE)
    secret, (port, l1_port) = tmp_path / "jwt.hex", free_ports(2)
    secret.write_text(SECRET.hex())
    with TrinodeNode(tmp_path / "devnet", {"devnet.l1.port": l1_port}) as devnet:
        l1 = devnet.address("devnet.l1")
        config = parse_rollup_config(call(devnet.address("rpc"), "optimism_rollupConfig"))
        flags = p2p_options(tmp_path, port) | {"p2p.scoring": "none", "p2p.ban.peers": "false", "p2p.gossip.timestamp.threshold": f"{OLDEST}s"}
        flags |= {"l1.trustrpc": "false", "l1.runtime-config-reload-interval": "1s"}
        with OpGethNode(geth_program, tmp_path / "op-geth", devnet_genesis(config), secret) as geth:
            peers = Peers(l1, l1, geth.engine_url, secret)
            with OpNode(op_node_program, tmp_path / "op-node", peers, config, l1_chain_config(), **flags) as op_node:
                yield Judging(op_node, l1, config, port)


class Both:
    """op-node and our rules. We send over our gossip; a second peer of ours, which is connected with op-node only, hears what that passes on."""

    def __init__(self, judging: Judging, muxer: str) -> None:
        self._judging = judging
        self._read = judging.op_node.log_path.stat().st_size
        self.signers = BlockSigners(trio.current_time)
        self.signers.name(KEY.address)
        self.reasons: list[Judgement] = []
        self.ours = BlockGossip(
            judging.config,
            self.signers,
            time.time,
            accepted=lambda *_: None,
            judged=lambda _, judgement: self.reasons.append(judgement),
            settings=BlockGossipSettings(oldest=OLDEST),
        )
        self.sender, self.hearer = (
            LocalPeer(self.ours.topics, message_id, muxers=[muxer], validate=self._accept, private_key=bytes([key]) * 32) for key in (5, 6)
        )

    @staticmethod
    async def _accept(peer: PeerId, topic: str, data: bytes) -> Verdict:
        await trio.lowlevel.checkpoint()
        return Verdict.ACCEPT

    async def connect(self) -> None:
        """Until both peers are in op-node's meshes."""
        op_node = parse_peer_id(self._judging.op_node.call("opp2p_self")["peerID"])
        for local in (self.sender, self.hearer):
            await local.host.connect(op_node, [Multiaddr.of_ip("127.0.0.1", self._judging.port)])
        with trio.fail_after(PATIENCE):
            for local in (self.sender, self.hearer):
                while not all(local.router.mesh(topic) == (op_node,) for topic in local.topics):
                    await trio.sleep(0.1)

    async def judge(self, message: BlockMessage) -> tuple[str, Judgement]:
        """What op-node says, and what we say."""
        topic = block_topic(L2_CHAIN_ID, message.version)
        await self.ours.validate(PeerId(b"somebody"), topic, message.data)
        assert self.sender.gossip.publish(topic, message.data) == 1
        return await self._said(message), self.reasons[-1]

    async def _said(self, message: BlockMessage) -> str:
        with trio.move_on_after(PATIENCE):
            while True:
                for line in self._new_lines():
                    if found := _SAID.search(line):
                        return found[1]
                await trio.sleep(0.01)
        pytest.fail(f"op-node says nothing of {message.name}: {message.data.hex()}")

    def _new_lines(self) -> list[str]:
        with self._judging.op_node.log_path.open("rb") as log:
            log.seek(self._read)
            new = log.read().rpartition(b"\n")[0]
        self._read += len(new)
        return new.decode(errors="replace").splitlines()

    def passed_on(self) -> set[bytes]:
        """The messages that op-node passed on."""
        return {heard.data for heard in self.hearer.heard}


@asynccontextmanager
async def both(judging: Judging, muxer: str = YAMUX) -> AsyncIterator[Both]:
    found = Both(judging, muxer)
    async with running(found.sender), running(found.hearer):
        await found.connect()
        yield found


async def test_right_and_mutated_messages(judging: Judging) -> None:
    messages = BlockMessages(SEED, KEY, L2_CHAIN_ID, lambda: int(time.time()))
    pairs: Counter[tuple[str, str]] = Counter()
    accepted: set[bytes] = set()
    sent: set[bytes] = set()
    different = []
    async with both(judging) as nodes:

        async def look_at(message: BlockMessage) -> None:
            message_key = message_id(block_topic(L2_CHAIN_ID, message.version), message.data)
            if message_key in sent:
                return  # gossip sends the same message once
            sent.add(message_key)
            theirs, ours = await nodes.judge(message)
            pairs[theirs, ours.reason.value] += 1
            if theirs == "ACCEPT":
                accepted.add(message.data)
            # Of transactions without a byte op-node has another opinion (blocks.rules says why).
            if theirs != ours.verdict.name and ours.reason is not Reason.EMPTY_TRANSACTION:
                different.append((message.name, theirs, ours.reason, ours.detail, message.data.hex()))

        for message in messages.right():
            await look_at(message)
        assert pairs == {("ACCEPT", "valid"): 4}
        for message in messages.mutated(COUNT):
            await look_at(message)
        with trio.move_on_after(PATIENCE):
            while not accepted <= nodes.passed_on():
                await trio.sleep(0.1)
        assert nodes.passed_on() == accepted
    print(f"seed {SEED}:", *(f"{count} {theirs}/{ours}" for (theirs, ours), count in sorted(pairs.items())), sep="\n  ")
    assert not different


@pytest.mark.parametrize("muxer", [YAMUX, MPLEX])
async def test_a_large_block(judging: Judging, muxer: str) -> None:
    """Of 3 MB that cannot be compressed; op-node passes it on."""
    transactions = tuple(Random(number).randbytes(100_000) for number in range(30))
    body = encode_envelope(block(4, 300, int(time.time()), transactions=transactions), 4)
    data = compress(signed(body, KEY, L2_CHAIN_ID))
    async with both(judging, muxer) as nodes:
        theirs, ours = await nodes.judge(BlockMessage("large", 4, data))
        assert (theirs, ours.verdict) == ("ACCEPT", Verdict.ACCEPT)
        with trio.fail_after(PATIENCE):
            while data not in nodes.passed_on():
                await trio.sleep(0.05)


class Rotation:
    """The owner of SystemConfig, who names others to sign."""

    def __init__(self, judging: Judging) -> None:
        self._judging = judging
        self._nonce = 0

    async def name(self, signer: Address) -> None:
        """Until op-node has seen it."""
        op_node, l1 = self._judging.op_node, self._judging.l1
        data = selector("setUnsafeBlockSigner(address)").to_bytes(4, "big") + signer.rjust(32, b"\0")
        transaction = DynamicFeeTransaction(L1_CHAIN_ID, self._nonce, 10**6, 10**11, 300_000, SYSTEM_CONFIG, 0, data)
        self._nonce += 1
        raw = encode_transaction(sign_transaction(transaction, OWNER.key))
        call(l1, "eth_sendRawTransaction", "0x" + raw.hex())
        begun = len(op_node.log)
        with trio.fail_after(PATIENCE):
            while signer.hex() not in [named.lower() for named in _SIGNER.findall(op_node.log[begun:])]:
                await trio.sleep(0.2)


STEPS = "A=ok C=no | B | A=ok C=no A=ok B=ok A=no | C | B=ok | D | B=no C=ok D=ok C=no | E | D | E=ok D=ok E=no"
"""Who is named on L1 (between bars), and who signs then: whether it counts."""


async def test_the_signer_changes_on_l1(judging: Judging) -> None:
    keys = {name: KEY if name == "A" else SequencerKey(name.encode() * 32) for name in "ABCDE"}
    rotation, number, seen = Rotation(judging), 200, []
    async with both(judging) as nodes:
        for word in STEPS.replace("|", "").split():
            name, _, expected = word.partition("=")
            if not expected:
                await rotation.name(keys[name].address)
                nodes.signers.name(keys[name].address)
                continue
            number += 1
            body = encode_envelope(block(4, number, int(time.time())), 4)
            theirs, ours = await nodes.judge(BlockMessage(word, 4, compress(signed(body, keys[name], L2_CHAIN_ID))))
            seen.append((word, theirs, ours.verdict.name))
    print(*seen, sep="\n")
    assert all(theirs == ours == ("ACCEPT" if word.endswith("ok") else "REJECT") for word, theirs, ours in seen), seen
