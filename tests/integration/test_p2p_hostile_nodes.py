"""Whole nodes among peers that lie: a sequencer that signs two chains or wrong blocks, floods, peers that serve nonsense or nothing, no L1.

The attackers are parts of trinode in this process; they have the devnet's sequencer key. What the verifier hears is what they let through.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from trio.abc import HalfCloseableStream

from harness.p2p_peers.forger import changed, forging
from harness.p2p_peers.local_peer import LocalPeer, running
from harness.peers.ports import free_ports
from harness.peers.process import call
from harness.peers.trinode_node import TrinodeNode
from harness.peers.verifier import devnet_verifier
from trinode.devnet.accounts import L1_CHAIN_ID, OWNER, SEQUENCER, SYSTEM_CONFIG
from trinode.devnet.contracts import selector
from trinode.p2p.blocks.block_gossip import BlockGossip, BlockGossipSettings
from trinode.p2p.blocks.envelope import SequencerKey
from trinode.p2p.blocks.message_id import message_id
from trinode.p2p.blocks.signers import BlockSigners
from trinode.p2p.gossip.frames import frame_of, write_frame
from trinode.p2p.gossip.params import PROTOCOLS
from trinode.p2p.gossip.rpc import Message, Rpc
from trinode.p2p.identity import PeerId, show_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.sync.codec import PayloadCodec, Refused
from trinode.p2p.sync.limits import ClientLimits
from trinode.p2p.sync.request import PayloadRequests
from trinode.p2p.sync.server import PayloadServer
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.transaction import encode_transaction, sign_transaction
from trinode.protocol.transaction_types import DynamicFeeTransaction
from trinode.rollup.config import RollupConfig, parse_rollup_config

TIMEOUT = 30.0
P2P = {"p2p.disable": "false", "p2p.listen.ip": "127.0.0.1", "p2p.listen.tcp": 0, "p2p.no-discovery": "true"}
L1_IS_FAR = {"verifier.l1-confs": 100_000}
KEY = SequencerKey(SEQUENCER.key)
STRANGER = SequencerKey(b"\x42" * 32)


async def asked(node: TrinodeNode, method: str, *params: object, server: str = "rpc") -> Any:
    return await trio.to_thread.run_sync(partial(call, node.address(server), method, *params))


async def head_of(node: TrinodeNode, which: str = "unsafe_l2") -> tuple[int, str]:
    found = (await asked(node, "optimism_syncStatus"))[which]
    return found["number"], found["hash"]


async def until(what: str, holds: Callable[[], Awaitable[bool]], *nodes: TrinodeNode) -> None:
    with trio.move_on_after(TIMEOUT):
        while not await holds():
            assert all(node.runs for node in nodes)
            await trio.sleep(0.1)
        return
    pytest.fail("\n".join((f"not within {TIMEOUT:.0f} s: {what}", *(node.log[-3000:] for node in nodes))))


def place(envelope: PayloadEnvelope) -> tuple[int, str]:
    return envelope.payload.block_number, "0x" + envelope.payload.block_hash.hex()


def at(address: str) -> tuple[PeerId, list[Multiaddr]]:
    found = Multiaddr.parse(address)
    assert found.peer_id is not None
    return found.peer_id, [found]


@dataclass
class Stage:
    """A devnet, a node that follows it, and we between them: `ear` hears the devnet, `mouth` speaks to the verifier."""

    devnet: TrinodeNode
    verifier: TrinodeNode
    config: RollupConfig
    ear: LocalPeer
    mouth: LocalPeer
    blocks: BlockGossip
    known: dict[int, PayloadEnvelope] = field(default_factory=dict)

    async def block(self, number: int) -> PayloadEnvelope:
        """A block of the devnet, when it is there."""
        requests = PayloadRequests(self.ear.host, PayloadCodec(self.config), ClientLimits())
        devnet, _ = at(self.devnet.address("p2p"))
        with trio.fail_after(TIMEOUT):
            while number not in self.known:
                try:
                    self.known[number] = await requests.payload(devnet, number)
                except Refused:
                    await trio.sleep(0.3)
        return self.known[number]

    def message(self, envelope: PayloadEnvelope, key: SequencerKey = KEY) -> Message:
        return Message(*self.blocks.encode(envelope, key.sign))

    def send(self, envelope: PayloadEnvelope, key: SequencerKey = KEY) -> None:
        assert self.mouth.gossip.publish(*self.blocks.encode(envelope, key.sign)) == 1

    async def meet(self, peer: LocalPeer) -> None:
        """Until the verifier takes blocks from that peer."""
        verifier, addresses = at(self.verifier.address("p2p"))
        await peer.host.connect(verifier, addresses)
        with trio.fail_after(TIMEOUT):
            while not all(peer.router.mesh(topic) for topic in peer.topics):
                await trio.sleep(0.1)

    async def has(self, envelope: PayloadEnvelope) -> None:
        """Until it is the verifier's head."""

        async def holds() -> bool:
            return await head_of(self.verifier) == place(envelope)

        await until(f"{place(envelope)} is the head", holds, self.devnet, self.verifier)

    async def catch_up(self) -> PayloadEnvelope:
        """Passes on the devnet's newest block, until the verifier has it and all below it."""
        number, _ = await head_of(self.devnet)
        newest = await self.block(number)
        self.send(newest)
        await self.has(newest)
        return newest


async def passed_on(stage: Stage, first: int, last: int) -> PayloadEnvelope:
    """Blocks of the devnet, as it made them; the last one."""
    for number in range(first, last + 1):
        stage.send(await stage.block(number))
    return await stage.block(last)


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrinodeNode]:
    folder = tmp_path_factory.mktemp("hostile") / "devnet"
    with TrinodeNode(folder, {"block-time": "1s", "devnet.l1.port": free_ports(1)[0], **P2P}) as node:
        yield node


@asynccontextmanager
async def staged(devnet: TrinodeNode, folder: Path, options: Mapping[str, object], *, serves: bool = True) -> AsyncIterator[Stage]:
    config = parse_rollup_config(await asked(devnet, "optimism_rollupConfig"))
    signers = BlockSigners(trio.current_time)
    no_scruples = BlockGossipSettings(oldest=10**6)
    blocks = BlockGossip(config, signers, time.time, accepted=lambda *_: None, judged=lambda *_: None, settings=no_scruples)
    ear, mouth = (LocalPeer(blocks.topics, message_id, private_key=bytes([key]) * 32) for key in (5, 6))
    with devnet_verifier(devnet, folder / "verifier", {**P2P, "log.level": "debug", **options}) as verifier:
        stage = Stage(devnet, verifier, config, ear, mouth, blocks)
        if serves:
            PayloadServer(config, stage.block, time.time).serve(mouth.host)
        await trio.to_thread.run_sync(verifier.address, "p2p")
        async with running(ear), running(mouth):
            await ear.host.connect(*at(devnet.address("p2p")))
            await stage.meet(mouth)
            yield stage
        assert "bug of trinode" not in verifier.log


async def test_a_sequencer_that_signs_two_chains(devnet: TrinodeNode, tmp_path: Path) -> None:
    """The first chain that is heard is kept until L1 has the other one; then the node is on that, and hears on."""
    async with staged(devnet, tmp_path, {}) as stage, forging(tmp_path / "forger", stage.config) as forger:
        newest = await stage.catch_up()
        for number in range(1, newest.payload.block_number + 1):
            await forger.follow(await stage.block(number))
        settled = await stage.block(newest.payload.block_number + 1)
        first = await forger.other(settled)
        second = await forger.other(await stage.block(settled.payload.block_number + 1), first, nonce=1)
        stage.send(first)
        await stage.has(first)
        stage.send(settled)
        stage.send(second)
        await stage.has(second)
        assert (await asked(stage.verifier, "eth_getBlockByNumber", hex(place(settled)[0]), False, server="http"))["hash"] == place(first)[1]

        async def is_settled() -> bool:
            return (await head_of(stage.verifier, "safe_l2"))[0] >= place(second)[0]

        await until("L1 has settled it", is_settled, devnet, stage.verifier)
        assert (await asked(stage.verifier, "eth_getBlockByNumber", hex(place(settled)[0]), False, server="http"))["hash"] == place(settled)[1]
        await stage.catch_up()


def wrong(right: PayloadEnvelope, random: Random) -> Iterator[PayloadEnvelope]:
    """Blocks that gossip passes on, and no engine takes. (One with another fee recipient, or other randomness, may well be right.)"""
    payload = right.payload
    for name in ("state_root", "receipts_root", "withdrawals_root"):
        yield changed(right, **{name: random.randbytes(32)})
    yield changed(right, logs_bloom=random.randbytes(256))
    for name, values in {
        "gas_used": (0, payload.gas_used + 1, payload.gas_limit + 1, 2**64 - 1),
        "gas_limit": (0, 1, 2**64 - 1),
        "base_fee_per_gas": (0, payload.base_fee_per_gas + 1, 2**256 - 1),
        "blob_gas_used": (1, 2**64 - 1),
        "extra_data": (b"", b"\0" * 17, random.randbytes(17), random.randbytes(32), payload.extra_data[:9]),
        "transactions": ((), payload.transactions * 2, (*payload.transactions, b"\x02"), (random.randbytes(300),), (b"\x7e\xc0",), (b"\xf8" * 200,)),
    }.items():
        for value in values:
            yield changed(right, **{name: value})


async def test_signed_blocks_that_no_engine_takes(devnet: TrinodeNode, tmp_path: Path) -> None:
    async with staged(devnet, tmp_path, L1_IS_FAR) as stage:
        newest = await stage.catch_up()
        many = list(wrong(newest, Random(1)))
        number = newest.payload.block_number
        for begin in range(0, len(many), 4):
            number += 1
            right = await stage.block(number)
            for bad in list(wrong(right, Random(1)))[begin : begin + 4]:
                stage.send(bad)
            stage.send(right)
            await stage.has(right)
        refused = [line for line in stage.verifier.log.splitlines() if "is invalid" in line]
        assert len(refused) > len(many) // 2
        assert show_peer_id(stage.mouth.host.peer_id) in (await asked(stage.verifier, "opp2p_peers", True))["peers"]  # it passed on what was signed


@pytest.mark.long
async def test_signed_blocks_that_lead_nowhere(devnet: TrinodeNode, tmp_path: Path) -> None:
    """Far ahead, or with parents that nobody has, thousands of them: gaps are filled as before, and memory is bounded."""
    random = Random(2)
    async with staged(devnet, tmp_path, L1_IS_FAR) as stage:
        newest = await stage.catch_up()
        before = rss_of(stage.verifier)
        now = stage.config.genesis.l2_time + place(newest)[0]
        for index in range(2000):
            far = place(newest)[0] + (10**6 + index if index % 2 else random.randrange(6, 400))
            junk = random.randbytes(20_000) if index % 20 == 0 else b"\x7e"
            stage.send(changed(newest, block_number=far, parent_hash=random.randbytes(32), timestamp=now, transactions=(junk,)))
            if index % 40 == 0:
                await trio.sleep(0.02)
        await asked(stage.verifier, "eth_blockNumber", server="http")
        missed = await stage.block(place(newest)[0] + 5)
        stage.send(missed)
        await stage.has(missed)
        assert rss_of(stage.verifier) - before < 100 << 20


def rss_of(node: TrinodeNode) -> int:
    assert node.pid is not None
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{node.pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) << 10


async def flood(stage: Stage, peer: LocalPeer, messages: list[Message]) -> None:
    """Sends them whatever gossip has to say of that, in frames of ten, until the stream breaks."""
    verifier, _ = at(stage.verifier.address("p2p"))
    try:
        _, stream = await peer.host.open_stream(verifier, PROTOCOLS)
        for begin in range(0, len(messages), 10):
            await write_frame(stream, frame_of(Rpc(messages=messages[begin : begin + 10])))
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


@pytest.mark.long
async def test_floods_and_replays(devnet: TrinodeNode, tmp_path: Path) -> None:
    random = Random(3)
    async with staged(devnet, tmp_path, L1_IS_FAR) as stage, AsyncExitStack() as stack:
        newest = await stage.catch_up()
        flooders = [LocalPeer(stage.blocks.topics, message_id, private_key=bytes([key]) * 32) for key in (7, 8, 9)]
        for peer in flooders:
            await stack.enter_async_context(running(peer))
            await stage.meet(peer)
        old = stage.message(changed(newest, timestamp=newest.payload.timestamp - 600))
        unsigned = [stage.message(changed(newest, state_root=random.randbytes(32)), STRANGER) for _ in range(300)]
        junk = [Message(stage.blocks.topics[3], random.randbytes(2000)) for _ in range(300)]
        async with trio.open_nursery() as nursery:
            for peer, messages in zip(flooders, ([old] * 50 + unsigned, unsigned, junk), strict=True):
                nursery.start_soon(flood, stage, peer, messages)
            last = await passed_on(stage, place(newest)[0] + 1, place(newest)[0] + 3)
            await stage.has(last)

        async def are_banned() -> bool:
            there = (await asked(stage.verifier, "opp2p_peers", True))["peers"]
            return list(there) == [show_peer_id(stage.mouth.host.peer_id)]

        await until("the flooders are gone", are_banned, stage.verifier)
        # What was valid once, again, from somebody else: nothing happens.
        again = LocalPeer(stage.blocks.topics, message_id, private_key=b"\x0a" * 32)
        await stack.enter_async_context(running(again))
        await stage.meet(again)
        await flood(stage, again, [stage.message(await stage.block(place(newest)[0] + number)) for number in (1, 2, 3)] * 20)
        await stage.catch_up()
        assert show_peer_id(again.host.peer_id) in (await asked(stage.verifier, "opp2p_peers", True))["peers"]


@pytest.mark.long
async def test_peers_that_serve_wrong_blocks_or_none(devnet: TrinodeNode, tmp_path: Path) -> None:
    async with staged(devnet, tmp_path, L1_IS_FAR, serves=False) as stage, AsyncExitStack() as stack:
        protocol = PayloadCodec(stage.config).protocol

        async def lie(number: int) -> PayloadEnvelope | None:
            return changed(await stage.block(number), state_root=b"\x13" * 32)

        async def wait_for_ever(_peer: PeerId, _protocol: str, _stream: HalfCloseableStream) -> None:
            await trio.sleep_forever()

        async def send_junk(_peer: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
            await stream.send_all(b"\0" + bytes(100_000))

        peers = [LocalPeer(stage.blocks.topics, message_id, private_key=bytes([key]) * 32) for key in (11, 12, 13, 14)]
        liar, silent, junk, honest = peers
        PayloadServer(stage.config, lie, time.time).serve(liar.host)
        silent.host.serve(protocol, wait_for_ever, most_per_peer=100)
        junk.host.serve(protocol, send_junk, most_per_peer=100)
        PayloadServer(stage.config, stage.block, time.time).serve(honest.host)
        for peer in peers:
            await stack.enter_async_context(running(peer))
            await stage.meet(peer)
        await stage.catch_up()
        there = (await asked(stage.verifier, "opp2p_peers", True))["peers"]
        scores = there[show_peer_id(honest.host.peer_id)]["scores"]
        assert scores["reqResp"]["validResponses"] > 0
        for bad in (liar, silent, junk):
            assert show_peer_id(bad.host.peer_id) not in there or there[show_peer_id(bad.host.peer_id)]["scores"]["reqResp"]["validResponses"] == 0


class Relay:
    """Passes TCP connections on, until it is cut."""

    def __init__(self, to: str) -> None:
        host, _, port = to.removeprefix("http://").partition(":")
        self._to = host, int(port)
        self.port = 0
        self.scope = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        with self.scope:
            await trio.serve_listeners(self._pass_on, listeners)

    async def _pass_on(self, near: trio.SocketStream) -> None:
        async with await trio.open_tcp_stream(*self._to) as far, near, trio.open_nursery() as nursery:
            for source, target in ((near, far), (far, near)):
                nursery.start_soon(self._copy, source, target, nursery.cancel_scope)

    @staticmethod
    async def _copy(source: trio.SocketStream, target: trio.SocketStream, both: trio.CancelScope) -> None:
        try:
            async for data in source:
                await target.send_all(data)
        except trio.BrokenResourceError:
            pass
        both.cancel()


@pytest.mark.long
async def test_unsafe_blocks_are_followed_without_l1(devnet: TrinodeNode, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        relay = Relay(devnet.address("devnet.l1"))
        await nursery.start(relay.run)
        l1 = f"http://127.0.0.1:{relay.port}"
        async with staged(devnet, tmp_path, {"l1": l1, "l1.beacon": l1}) as stage:
            newest = await stage.catch_up()
            relay.scope.cancel()
            last = await passed_on(stage, place(newest)[0] + 1, place(newest)[0] + 8)
            await stage.has(last)
            stage.send(changed(await stage.block(place(last)[0] + 1), extra_data=b""))
            await stage.has(await passed_on(stage, place(last)[0] + 1, place(last)[0] + 2))


async def name_signer(stage: Stage, signer: SequencerKey, nonce: int) -> None:
    """On L1; until the verifier knows."""
    data = selector("setUnsafeBlockSigner(address)").to_bytes(4, "big") + signer.address.rjust(32, b"\0")
    transaction = DynamicFeeTransaction(L1_CHAIN_ID, nonce, 10**6, 10**11, 300_000, SYSTEM_CONFIG, 0, data)
    raw = "0x" + encode_transaction(sign_transaction(transaction, OWNER.key)).hex()
    await asked(stage.devnet, "eth_sendRawTransaction", raw, server="devnet.l1")

    async def is_named() -> bool:
        return f"unsafe blocks are signed by 0x{signer.address.hex()}" in stage.verifier.log

    await until("the new signer is known", is_named, stage.devnet, stage.verifier)


@pytest.mark.long
async def test_the_signer_is_rotated(devnet: TrinodeNode, tmp_path: Path) -> None:
    new = SequencerKey(b"\x0b" * 32)
    async with staged(devnet, tmp_path, L1_IS_FAR) as stage:
        newest = await stage.catch_up()
        await name_signer(stage, new, 0)
        await stage.has(await passed_on(stage, place(newest)[0] + 1, place(newest)[0] + 2))  # in grace
        stage_at = place(newest)[0] + 3
        by_new = await stage.block(stage_at)
        stage.send(by_new, new)
        await stage.has(by_new)
        stage.send(await stage.block(stage_at + 1))  # by the old one
        await trio.sleep(2)
        assert (await head_of(stage.verifier))[0] == stage_at
        stage.send(await stage.block(stage_at + 2), new)
        await stage.has(await stage.block(stage_at + 2))
        await until("it is told", lambda: told(devnet, "peers will not take our blocks"), devnet)
        before, _ = await head_of(devnet)
        await until("it keeps going", lambda: is_above(devnet, before + 2), devnet)


async def told(node: TrinodeNode, text: str) -> bool:
    await trio.lowlevel.checkpoint()
    return text in node.log


async def is_above(node: TrinodeNode, number: int) -> bool:
    return (await head_of(node))[0] > number
