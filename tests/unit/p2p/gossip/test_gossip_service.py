"""Services over hosts in memory, on a clock that jumps; beside them peers that do what services do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
import trio
from trio.abc import HalfCloseableStream
from trio.testing import MockClock

from tests.unit.p2p.gossip.memory_host import MemoryHost, MemoryNetwork
from tests.unit.p2p.gossip.routers import TOPIC, new_router
from trinode.p2p.gossip.frames import frame_of
from trinode.p2p.gossip.params import PROTOCOLS, V1_1, GossipLimits
from trinode.p2p.gossip.rpc import MAX_RPC_SIZE, Message, Rpc, Subscription
from trinode.p2p.gossip.service import GossipService
from trinode.p2p.identity import PeerId
from trinode.p2p.protobuf import encode_varint
from trinode.p2p.verdict import Verdict

HELLO = Rpc(subscriptions=[Subscription(TOPIC, True)])


def wire(rpc: Rpc) -> bytes:
    return b"".join(frame_of(rpc).parts)


@dataclass
class Node:
    host: MemoryHost
    service: GossipService
    heard: list[bytes] = field(default_factory=list)
    validating: int = 0
    most_validating: int = 0

    @property
    def mesh(self) -> tuple[PeerId, ...]:
        return self.service.router.mesh(TOPIC)

    def score(self, other: MemoryHost) -> float:
        return self.service.router.scores.score(other.peer_id)


def new_node(host: MemoryHost, limits: GossipLimits | None = None) -> Node:
    async def validate(_peer: PeerId, _topic: str, data: bytes) -> Verdict:
        node.validating += 1
        node.most_validating = max(node.most_validating, node.validating)
        try:
            await trio.sleep(float(data.split()[1]) if data.startswith(b"slow") else 0.001)
        finally:
            node.validating -= 1
        if data.startswith(b"bad"):
            return Verdict.REJECT
        if data.startswith(b"old"):
            return Verdict.IGNORE
        node.heard.append(data)
        return Verdict.ACCEPT

    # The clock jumps on while a thread works: no message is given to one.
    limits = replace(limits or GossipLimits(), identified_in_thread=MAX_RPC_SIZE + 1)
    node = Node(host, GossipService(host, new_router(host.peer_id, limits=limits), validate))
    return node


@asynccontextmanager
async def running(number: int, limits: GossipLimits | None = None) -> AsyncIterator[tuple[MemoryNetwork, list[Node]]]:
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        nodes = [new_node(network.host(f"node {at}"), limits) for at in range(number)]
        for node in nodes:
            await nursery.start(partial(node.service.run))
            node.service.subscribe(TOPIC)
        yield network, nodes
        nursery.cancel_scope.cancel()


async def swallow(_peer: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
    while await stream.receive_some():
        pass


async def stranger(network: MemoryNetwork, node: Node, name: str = "stranger") -> tuple[MemoryHost, HalfCloseableStream]:
    """A peer that is no service: what it sends is up to the test."""
    host = network.host(name)
    host.serve(V1_1, swallow, most_per_peer=1)
    network.connect(host, node.host)
    _, stream = await host.open_stream(node.host.peer_id, PROTOCOLS)
    await stream.send_all(wire(HELLO))
    await trio.sleep(0.01)
    return host, stream


async def test_a_message_reaches_everybody_once(autojump_clock: MockClock) -> None:
    async with running(20) as (network, nodes):
        for at, node in enumerate(nodes):
            for step in (1, 3, 7):
                network.connect(node.host, nodes[(at + step) % 20].host)
        await trio.sleep(3)
        assert all(6 <= len(node.mesh) <= 12 for node in nodes)
        block = b"block" * 50_000
        assert nodes[0].service.publish(TOPIC, block) >= 6
        await trio.sleep(0.1)
        assert [node.heard for node in nodes] == [[]] + [[block]] * 19
        assert nodes[0].service.publish(TOPIC, block) == 0
        assert nodes[5].service.publish(TOPIC, block) == 0


async def test_a_rejected_message_goes_no_further_and_costs_its_sender(autojump_clock: MockClock) -> None:
    async with running(3) as (network, (first, second, third)):
        network.connect(first.host, second.host)
        network.connect(second.host, third.host)
        await trio.sleep(2)
        for at in range(4):
            first.service.publish(TOPIC, b"bad %d" % at)
            first.service.publish(TOPIC, b"old %d" % at)
        await trio.sleep(1)
        assert third.heard == []
        assert second.score(first.host) < -40 and second.score(third.host) == 0
        assert not second.service.router.hears(first.host.peer_id)
        assert second.mesh == (third.host.peer_id,)
        first.service.publish(TOPIC, b"from one that is not heard")
        await trio.sleep(1)
        assert second.heard == third.heard == []


async def test_whoever_brings_a_message_and_goes_away_does_not_hide_it(autojump_clock: MockClock) -> None:
    async with running(2) as (network, (node, other)):
        network.connect(node.host, other.host)
        host, stream = await stranger(network, node)
        block = b"slow 2 block"
        await stream.send_all(wire(Rpc(messages=[Message(TOPIC, block)])))
        await trio.sleep(0.5)
        await host.disconnect(node.host.peer_id)
        await trio.sleep(5)
        assert node.heard == other.heard == [block]


async def test_validation_has_its_time_and_its_places(autojump_clock: MockClock) -> None:
    async with running(1) as (network, (node,)):
        streams = [await stranger(network, node, f"stranger {at}") for at in range(10)]
        for at, (_, stream) in enumerate(streams):
            await stream.send_all(wire(Rpc(messages=[Message(TOPIC, b"slow 1 %d" % at), Message(TOPIC, b"slow 99 %d" % at)])))
        await trio.sleep(30)
        assert len(node.heard) == 10 and node.most_validating == GossipLimits().validations == 4
        assert all(node.score(host) >= 0 for host, _ in streams)


async def test_a_peer_that_does_not_read_is_let_go(autojump_clock: MockClock) -> None:
    async with running(2) as (network, (node, other)):
        network.connect(node.host, other.host)
        host = network.host("deaf")
        host.unbuffered = True
        host.serve(V1_1, lambda *_: trio.sleep_forever(), most_per_peer=1)
        network.connect(host, node.host)
        _, stream = await host.open_stream(node.host.peer_id, PROTOCOLS)
        await stream.send_all(wire(HELLO))
        await trio.sleep(2)
        for at in range(500):
            node.service.publish(TOPIC, b"%d" % at + bytes(100_000))
            frames, size = node.service.waiting()
            assert frames <= 2 * 256 and size <= 2 * 24 * 1024 * 1024
            await trio.sleep(0.001)
        assert node.service.waiting()[0] > 200
        await trio.sleep(25)
        assert host.peer_id not in node.host.peers and node.service.waiting() == (0, 0)
        assert len(other.heard) == 500


async def test_a_flood_of_frames_is_read_slowly_and_penalized(autojump_clock: MockClock) -> None:
    async with running(2) as (network, (node, other)):
        network.connect(node.host, other.host)
        host, stream = await stranger(network, node)
        await trio.sleep(1)
        await stream.send_all(wire(Rpc(iwant=[b"nothing"])) * 10_000)
        other.service.publish(TOPIC, b"block")
        await trio.sleep(0.1)
        assert node.heard == [b"block"]
        await trio.sleep(10)
        assert node.score(host) < -100
        assert host.violations == [] and node.host.violations == []


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (encode_varint(MAX_RPC_SIZE + 1), "an RPC of 10485761 bytes"),
        (b"\xff" * 10, "whose length does not end"),
        (b"\x05hell", "longer than 20 s"),
        (b"\x80", "longer than 20 s"),
        (encode_varint(MAX_RPC_SIZE) + bytes(1000), "longer than 20 s"),
        (b"\x02\x0a\xff", "a varint that does not end"),
    ],
)
async def test_what_is_no_rpc_ends_the_stream_and_costs(sent: bytes, reason: str, autojump_clock: MockClock) -> None:
    async with running(1) as (network, (node,)):
        host, stream = await stranger(network, node)
        for _ in range(10):
            await stream.send_all(sent)
            await trio.sleep(30)
            _, stream = await host.open_stream(node.host.peer_id, PROTOCOLS)
        assert len(node.host.violations) == 10 and all(reason in each for each in node.host.violations)
        assert node.service.router.scores.detail(host.peer_id) is not None
        await stream.send_all(wire(HELLO))


async def test_large_frames_have_few_places_and_small_ones_pass_them(autojump_clock: MockClock) -> None:
    async with running(2, GossipLimits(large_frames=1)) as (network, (node, other)):
        network.connect(node.host, other.host)
        _, slow = await stranger(network, node, "slow")
        _, fast = await stranger(network, node, "fast")
        await trio.sleep(1)
        await slow.send_all(encode_varint(1_000_000) + bytes(1000))
        block = Rpc(messages=[Message(TOPIC, b"large" + bytes(500_000))])
        await fast.send_all(wire(block))
        other.service.publish(TOPIC, b"small")
        await trio.sleep(1)
        assert node.heard == [b"small"]
        await trio.sleep(20)
        assert len(node.heard) == 2 and len(node.host.violations) == 1


async def test_the_newest_stream_of_a_peer_counts(autojump_clock: MockClock) -> None:
    async with running(1) as (network, (node,)):
        host, stream = await stranger(network, node)
        _, newer = await host.open_stream(node.host.peer_id, PROTOCOLS)
        await newer.send_all(wire(Rpc(messages=[Message(TOPIC, b"newer")])))
        await trio.sleep(0.1)
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(wire(Rpc(messages=[Message(TOPIC, b"older")])))
        assert node.heard == [b"newer"]


async def test_a_stream_that_breaks_is_opened_again(autojump_clock: MockClock) -> None:
    async with running(2) as (network, (node, other)):
        network.connect(node.host, other.host)
        await trio.sleep(1)
        for at in range(6):
            await trio.aclose_forcefully(other.host.served[-1])
            node.service.publish(TOPIC, b"lost with its stream %d" % at)
            await trio.sleep(5)
            node.service.publish(TOPIC, b"after %d" % at)
            await trio.sleep(70)
        assert [each for each in other.heard if each.startswith(b"after")] == [b"after %d" % at for at in range(6)]
        for _ in range(5):
            await trio.aclose_forcefully(other.host.served[-1])
            node.service.publish(TOPIC, b"%f" % trio.current_time())
            await trio.sleep(20)
        assert node.service.router.peers() == ()


async def test_a_stream_that_opens_too_slowly_is_tried_again(autojump_clock: MockClock) -> None:
    async with running(2) as (network, (node, other)):
        other.host.slow_opens = 3
        network.connect(node.host, other.host)
        await trio.sleep(1)
        assert node.service.router.peers() == ()
        await trio.sleep(25)
        assert other.host.slow_opens == 0 and node.service.router.peers() == (other.host.peer_id,)
        other.service.publish(TOPIC, b"block")
        await trio.sleep(1)
        assert node.heard == [b"block"]


async def test_peers_that_do_not_gossip_are_no_peers_of_ours(autojump_clock: MockClock) -> None:
    async with running(1) as (network, (node,)):
        host = network.host("other things")
        network.connect(host, node.host)
        _, stream = await host.open_stream(node.host.peer_id, PROTOCOLS)
        await stream.send_all(wire(Rpc(messages=[Message(TOPIC, b"block")])))
        await trio.sleep(1)
        assert node.service.router.peers() == () and node.heard == []


async def test_peers_come_and_go(autojump_clock: MockClock) -> None:
    async with running(2) as (network, (node, other)):
        for at in range(5):
            network.connect(node.host, other.host)
            await trio.sleep(61)  # a mesh that was left without a PRUNE has no backoff; nothing here waits for one
            assert node.mesh == (other.host.peer_id,) and other.mesh == (node.host.peer_id,)
            other.service.publish(TOPIC, b"block %d" % at)
            await trio.sleep(0.1)
            assert node.heard[-1] == b"block %d" % at
            network.disconnect(node.host.peer_id, other.host.peer_id)
            assert not node.mesh and not node.service.router.peers()
