"""Thousands of strangers who do a few steps as is due and then something else, on real sockets, against all that a node serves its peers.

Nothing of them is left behind, nothing is logged as a fault of ours, and an honest peer is served afterwards.
"""

from __future__ import annotations

import gc
import os
import resource
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import trio
from structlog.testing import capture_logs

from tests.unit.p2p.blocks.made_blocks import CHAIN_ID, FIRST_OF_VERSION, OP_MAINNET, SEQUENCER, made_block, message_of
from trinode.p2p.block_network import BlockNetwork, BlockNetworkSettings, Notes, light_scoring
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.blocks.topics import block_topic
from trinode.p2p.errors import P2PError
from trinode.p2p.gossip.params import PROTOCOLS
from trinode.p2p.gossip.rpc import IHave, Message, Prune, Rpc, Subscription, encode_rpc
from trinode.p2p.host.host import HostSettings
from trinode.p2p.host.identify import IDENTIFY, PUSH, Identification
from trinode.p2p.host.keeper import KeeperSettings
from trinode.p2p.host.limits import HostLimits
from trinode.p2p.host.ping import PING, ping
from trinode.p2p.host.service import PeersSettings
from trinode.p2p.identity import Identity, PeerId
from trinode.p2p.protobuf import encode_varint
from trinode.p2p.sync.codec import PayloadCodec
from trinode.p2p.sync.limits import ClientLimits
from trinode.p2p.sync.request import PayloadRequests
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.multistream import HEADER, encode_line, handle, select
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.noise import NOISE, handshake
from trinode.p2p.transport.upgrade import upgrade
from trinode.p2p.transport.yamux import YAMUX
from trinode.protocol.payload import PayloadEnvelope

AT_ONCE = 24
VERSION = 4
NOW = FIRST_OF_VERSION[VERSION]
TOPIC = block_topic(CHAIN_ID, VERSION)
ASKED = (NOW - OP_MAINNET.genesis.l2_time) // OP_MAINNET.block_time + OP_MAINNET.genesis.l2.number
REQUEST = f"/opstack/req/payload_by_number/{CHAIN_ID}/0"
# All strangers have one address here: neither how many they are nor how fast they come may keep them out, else little would be tried.
OPEN = HostLimits(
    most_peers=1_000, upgrading=1_000, upgrading_per_neighbourhood=1_000, arrivals_per_second=1e6, arrivals_per_second_of_neighbourhood=1e6
)
IMPATIENT = TransportLimits(upgrade_seconds=2)
HASTY = TransportLimits(upgrade_seconds=0.5)


class Node:
    """What a node has of P2P but discovery: host, identify, ping, gossip of blocks, blocks by number."""

    def __init__(self, number: int) -> None:
        self.heard: list[PayloadEnvelope] = []
        self.judged: Counter[Reason] = Counter()
        scoring = light_scoring(OP_MAINNET)
        self.network = BlockNetwork(
            OP_MAINNET,
            Identity(bytes([number]) * 32),
            BlockNetworkSettings(
                scoring._replace(gossip=replace(scoring.gossip, ip_colocation_threshold=1_000)),
                PeersSettings(HostSettings([("127.0.0.1", 0)], limits=OPEN, transport=IMPATIENT), KeeperSettings(0, 1_000)),
            ),
            Notes(lambda *_: None, self._judged),
            clock=lambda: NOW,
            wall=trio.current_time,
            random=Random(number),
        )
        self.network.signers.name(SEQUENCER.address)
        self.network.answer_with(self.payload_by_number)
        self.run = self.network.run
        self.blocks, self.gossip, self.peers, self.host = self.network.blocks, self.network.gossip, self.network.peers, self.network.peers.host

    def _judged(self, _peer: PeerId, judgement: Judgement) -> None:
        self.judged[judgement.reason] += 1
        if judgement.reason is Reason.VALID and judgement.envelope is not None:
            self.heard.append(judgement.envelope)  # whatever its number, which is not that of its time here

    async def payload_by_number(self, number: int) -> PayloadEnvelope | None:
        return made_block(VERSION, ASKED, transactions=(b"\x02" * 60,)) if number == ASKED else None

    @property
    def port(self) -> int:
        return self.host.ports[0][1]


class Twisted(trio.abc.Stream):
    """Sends with a byte changed, left out or cut off, or with some put in or put in its place, from a byte on."""

    def __init__(self, raw: trio.SocketStream, chance: Random) -> None:
        self.raw, self.chance, self.left = raw, chance, chance.randrange(420)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        changed, at = bytearray(data), self.left
        self.left -= len(changed)
        if 0 <= at < len(changed):
            match self.chance.randrange(5):
                case 0:
                    changed[at] ^= 1 << self.chance.randrange(8)
                case 1:
                    del changed[at]
                case 2:
                    changed[at:at] = self.chance.randbytes(self.chance.randrange(1, 50))
                case 3:
                    changed[at:] = self.chance.randbytes(self.chance.randrange(1, 3_000))
                case _:
                    await self.raw.send_all(changed[:at])
                    await self.raw.send_eof()
                    return
        await self.raw.send_all(changed)

    async def wait_send_all_might_not_block(self) -> None:
        await self.raw.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.raw.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.raw.aclose()


class Strangers:
    """Each of a new identity. `outcomes`: how many got how far."""

    def __init__(self, port: int, seed: int) -> None:
        self.port, self.chance = port, Random(seed)
        self.outcomes: Counter[str] = Counter()
        self._kinds = (self.noise, self.greeting, self.twisted, self.frames, self.stream, self.stream, self.stream, self.stream)

    async def come(self, count: int) -> None:
        limiter = trio.CapacityLimiter(AT_ONCE)
        async with trio.open_nursery() as nursery:
            for number in range(count):
                await limiter.acquire_on_behalf_of(number)
                nursery.start_soon(self._one, number, limiter)

    async def _one(self, number: int, limiter: trio.CapacityLimiter) -> None:
        kind = self._kinds[number % len(self._kinds)]
        outcome = "went through"
        raw = await trio.open_tcp_stream("127.0.0.1", self.port)
        try:
            with trio.fail_after(20):
                await kind(raw)
        except* (P2PError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError) as group:
            outcome = type(group.exceptions[0]).__name__
        finally:
            await trio.aclose_forcefully(raw)
            limiter.release_on_behalf_of(number)
        self.outcomes[f"{kind.__name__}: {outcome}"] += 1

    async def noise(self, raw: trio.SocketStream) -> None:
        await raw.send_all(self._bytes(300))
        await self._look(raw)

    async def greeting(self, raw: trio.SocketStream) -> None:
        await raw.send_all(encode_line(HEADER) + self.chance.choice([b"", encode_line(NOISE)]) + self._bytes(300))
        await self._look(raw)

    async def twisted(self, raw: trio.SocketStream) -> None:
        connection = await upgrade(Twisted(raw, self.chance), self._identity(), outbound=True, limits=HASTY)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run, _listen)
            stream = await connection.open_stream()
            await stream.send_all(self._bytes(200))
            await self._look(stream)
            nursery.cancel_scope.cancel()

    async def frames(self, raw: trio.SocketStream) -> None:
        """An honest handshake, and then frames that no muxer makes."""
        await select(raw, [NOISE])
        channel, _ = await handshake(raw, self._identity(), initiator=True, muxers=(YAMUX,), expected=None)
        for _ in range(self.chance.randrange(1, 6)):
            version, kind, flags = self.chance.choice([0, 0, 0, 1]), self.chance.randrange(5), self.chance.randrange(16)
            length = self.chance.choice([0, 5, 1 << 18, (1 << 32) - 1])
            await channel.send_all(struct.pack(">BBHII", version, kind, flags, self.chance.randrange(7), length) + self._bytes(100))
        await self._look(channel)

    async def stream(self, raw: trio.SocketStream) -> None:
        """An honest connection, and a stream for something that is served, or for nothing."""
        connection = await upgrade(raw, self._identity(), outbound=True, limits=IMPATIENT)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run, _listen)
            stream = await connection.open_stream()
            protocol = self.chance.choice([*PROTOCOLS, *PROTOCOLS, REQUEST, IDENTIFY, PUSH, PING, None])
            if protocol is not None:
                await select(stream, [protocol])
            for _ in range(self.chance.randrange(1, 4)):
                await stream.send_all(self._said(protocol))
            match self.chance.randrange(3):
                case 0:
                    stream.reset()
                case 1:
                    await stream.send_eof()
                    await self._look(stream)
                case _:
                    await self._look(stream)
            if self.chance.random() < 0.5:
                await connection.aclose()
            nursery.cancel_scope.cancel()

    def _said(self, protocol: str | None) -> bytes:
        chance = self.chance
        if chance.random() < 0.25:
            return self._bytes(300)
        if chance.random() < 0.1:
            return encode_varint(chance.choice([5, 1_000, 1 << 20, 10 << 20, 1 << 62])) + self._bytes(300)
        if protocol in PROTOCOLS:
            said = self._rpc()
        elif protocol == REQUEST:
            return self._changed(struct.pack("<Q", chance.choice([0, ASKED, ASKED + 1, (1 << 64) - 1])))
        elif protocol in (IDENTIFY, PUSH):
            return self._changed(Identification("x", "y", (TOPIC,) * 5, (), None, self._identity().public_key).encode())
        else:
            said = encode_line(HEADER)
        said = self._changed(said)
        return encode_varint(len(said)) + said

    def _rpc(self) -> bytes:
        number = self.chance.randrange(1 << 32)
        block = message_of(made_block(VERSION, number), VERSION, SEQUENCER)
        ids = tuple(self.chance.randbytes(20) for _ in range(5))
        return encode_rpc(
            Rpc(
                [Subscription(TOPIC, True)],
                [Message(TOPIC, self._changed(block))],
                [IHave(TOPIC, ids)],
                ids,
                [TOPIC],
                [Prune(TOPIC, 60)],
                ids,
            )
        )

    def _changed(self, said: bytes) -> bytes:
        changed = bytearray(said)
        for _ in range(self.chance.randrange(4)):
            changed[self.chance.randrange(len(changed))] = self.chance.randrange(256)
        return bytes(changed[: self.chance.randrange(len(changed))] if self.chance.random() < 0.2 else changed)

    async def _look(self, stream: trio.abc.ReceiveStream) -> None:
        """Whether there is an answer, for a moment."""
        with trio.move_on_after(self.chance.choice([0, 0.02, 0.2])):
            await stream.receive_some(1_000)

    def _identity(self) -> Identity:
        return Identity(self.chance.randbytes(32))

    def _bytes(self, most: int) -> bytes:
        return self.chance.randbytes(self.chance.randrange(1, most))


async def _listen(stream: MuxedStream) -> None:
    """Takes the node's gossip, without which it would not hear theirs, and nothing else."""
    try:
        await handle(stream, PROTOCOLS)
    except P2PError:
        return
    while await stream.receive_some():
        pass


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def left_over(node: Node) -> dict[str, int]:
    """What a stranger could leave behind, by name."""
    return {
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "files": len(os.listdir("/proc/self/fd")),
        "peers": len(node.host.links),
        "streams": node.host.streams.open,
        "gossiping": node.gossip.router.sizes()["peers"],
        "unsent": sum(node.gossip.waiting()),
    }


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    async with trio.open_nursery() as nursery:
        await nursery.start(node.run)
        yield node
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool], seconds: float) -> None:
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.02)


async def is_served(node: Node, number: int) -> None:
    """An honest peer comes: it is identified, answered, given a block, and heard."""
    async with running(Node(number)) as honest:
        await honest.host.connect(node.host.peer_id, list(node.host.addresses))
        assert await ping(honest.host, node.host.peer_id) > 0
        requests = PayloadRequests(honest.host, PayloadCodec(OP_MAINNET), ClientLimits())
        assert (await requests.payload(node.host.peer_id, ASKED)).payload.block_number == ASKED
        await until(lambda: node.host.peer_id in honest.gossip.router.mesh(TOPIC), 10)
        block = made_block(VERSION, (1 << 62) + number)
        honest.gossip.publish(*honest.blocks.encode(block, SEQUENCER.sign))
        await until(lambda: block in node.heard, 10)


async def resist(count: int, rounds: int, growth: int) -> None:
    """`rounds` times so many strangers; memory may grow by `growth` bytes after the first round."""
    complaints: list[Mapping[str, object]] = []
    with capture_logs() as logs:
        async with running(Node(1)) as node:
            await is_served(node, 2)
            await trio.to_thread.run_sync(gc.collect)
            before = left_over(node)
            strangers = Strangers(node.port, seed=count)
            grown: list[int] = []
            for _ in range(rounds):
                await strangers.come(count)
                await until(lambda: not node.host.links.all() and left_over(node)["tasks"] <= before["tasks"], 30)
                complaints += [each for each in logs if each["log_level"] not in ("debug", "info")]
                logs.clear()
                gc.collect()
                grown.append(resident())
            await is_served(node, 3)
            await until(lambda: left_over(node)["tasks"] <= before["tasks"], 30)
            after, sizes, violations = left_over(node), node.gossip.router.sizes(), node.host.rule_breakers
            kept = len(node.peers.store)
    assert complaints == []
    assert strangers.outcomes.total() == rounds * count
    assert min(violations, node.host.entrance.failed, node.judged.total()) > count // 10, "they did come as far as this"
    assert after == before
    assert (sizes["backoffs"], sizes["promises"]) <= (8_192, 1_000) and kept <= 1_000
    assert grown[-1] - grown[0] <= growth


async def test_hundreds_of_hostile_peers() -> None:
    await resist(count=150, rounds=2, growth=16 << 20)


@pytest.mark.long
async def test_ten_thousand_hostile_peers() -> None:
    await resist(count=2_000, rounds=5, growth=16 << 20)
