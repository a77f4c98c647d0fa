"""The whole simulated network: nodes, the way in which they find each other, and the sequencer's blocks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import trio

from harness.network.chain import FIRST, block_on, id_of, time_of
from harness.network.node import Clock, NodeSettings, SimNode
from harness.network.wires import Internet, Link
from trinode.p2p.blocks.envelope import SequencerKey
from trinode.protocol.payload import PayloadEnvelope

BLOCK_TIME = 2.0
_FIND_EACH = 2.0
"""Seconds between two records that discovery gives a node that wants peers."""


class Directory:
    """Discovery: whoever wants peers is told of some, by chance. `lies`: for a node, those that it is told of instead, and how often."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.nodes: list[SimNode] = []
        self.lies: dict[SimNode, tuple[Sequence[SimNode], float]] = {}

    async def tell(self, node: SimNode) -> None:
        """Goes on until it is cancelled."""
        while True:
            if node.peers.keeper.wanted:
                for found in self._some(node):
                    node.peers.keeper.found(found.peer_id, [found.address])
            await trio.sleep(_FIND_EACH)

    def _some(self, node: SimNode) -> list[SimNode]:
        liars, share = self.lies.get(node, ((), 0.0))
        from_liars = liars and self._random.random() < share
        others = [each for each in (liars if from_liars else self.nodes) if each is not node]
        return self._random.sample(others, min(4, len(others)))


class World:
    """`internet`, `directory` and `nodes` may be changed at any time. `chain`: the sequencer's blocks."""

    def __init__(self, nursery: trio.Nursery, seed: int, link: Link) -> None:
        self.random = Random(seed)
        self.usual = link
        self.internet = Internet(Random(self.random.random()), lambda here, there: self.usual)
        self.directory = Directory(Random(self.random.random()))
        self.clock = Clock(time_of(FIRST.number))
        self.key = SequencerKey(self.random.randbytes(31) + b"\x01")
        self.nodes: list[SimNode] = []
        self.chain: list[PayloadEnvelope] = []
        self._nursery = nursery
        self._began = trio.current_time()
        self._numbers = 0
        self._scopes: dict[SimNode, trio.CancelScope] = {}

    @property
    def sequencer(self) -> SimNode:
        """The node that publishes: the first."""
        return self.nodes[0]

    async def add(self, *, honest: bool = True, is_found: bool = True, **settings: object) -> SimNode:
        """One more node, running. `honest`: counted among `nodes`; `settings`: of NodeSettings."""
        self._numbers += 1
        ip = f"8.{self._numbers >> 8}.{self._numbers & 255}.8"  # each in a neighbourhood of its own
        node = SimNode(self.internet, self.clock, self.key.address, replace(NodeSettings(ip, self.random.getrandbits(32)), **settings))  # type: ignore[arg-type]
        await self._nursery.start(self._run, node)
        if is_found:
            self.directory.nodes.append(node)
        if honest:
            self.nodes.append(node)
        return node

    async def add_nodes(self, count: int) -> list[SimNode]:
        """More honest nodes."""
        return [await self.add() for _ in range(count)]

    async def _run(self, node: SimNode, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope() as self._scopes[node]:
            async with trio.open_nursery() as nursery:
                await nursery.start(node.run)
                nursery.start_soon(self.directory.tell, node)
                task_status.started()

    def stop(self, node: SimNode) -> None:
        """The node is gone, without a word."""
        self.internet.unplug(node.settings.ip)
        self._scopes.pop(node).cancel()
        for of in (self.nodes, self.directory.nodes):
            if node in of:
                of.remove(node)

    async def settle(self, peers: int = 6, seconds: float = 120.0) -> None:
        """Until each honest node has peers and a mesh; the chain's time begins then. Raises TooSlowError."""
        assert not self.chain
        await self.until(lambda: all(len(node.connected) >= peers and _mesh(node) >= min(peers, 6) for node in self.nodes), seconds)
        self.clock.begin(time_of(self.sequencer.heads.head.number))

    async def sequence(self, blocks: int, *, salt: bytes = b"", size: int = 500) -> list[PayloadEnvelope]:
        """The sequencer makes blocks, each at its time, one in two seconds."""
        made = []
        for _ in range(blocks):
            head = self.sequencer.heads.head
            block = block_on(head, salt, size)
            await trio.sleep(max(0.0, block.payload.timestamp - self.clock()))
            if block.payload.timestamp < self.clock() - 30:
                block = await self._catch_up()
            await self.sequencer.publish(block, self.key)
            self.chain.append(block)
            made.append(block)
        return made

    async def _catch_up(self) -> PayloadEnvelope:
        """Blocks of the time that went by, which nobody was sent; the first that is of now."""
        while True:
            block = block_on(self.sequencer.heads.head)
            if block.payload.timestamp >= self.clock() - 1:
                return block
            await self.sequencer.heads.adopt(block)
            self.chain.append(block)

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Until it is so. Raises TooSlowError."""
        with trio.fail_after(seconds):
            while not condition():
                await trio.sleep(0.25)

    async def converge(self, seconds: float = 60.0, nodes: Iterable[SimNode] | None = None) -> None:
        """Until the nodes, by default all honest ones, have the sequencer's head. Raises TooSlowError."""
        among = list(self.nodes if nodes is None else nodes)
        await self.until(lambda: all(node.heads.head == self.sequencer.heads.head for node in among), seconds)

    def behind(self) -> dict[str, int]:
        """Honest nodes that do not have the sequencer's head, and how many blocks they lack."""
        head = self.sequencer.heads.head
        return {node.settings.ip: head.number - node.heads.head.number for node in self.nodes if node.heads.head != head}

    def latencies(self, blocks: Sequence[PayloadEnvelope]) -> list[float]:
        """Seconds from the time of each block until each honest node had heard it by gossip, in order."""
        began = trio.current_time() - self.clock()
        found = []
        for block in blocks:
            block_hash = id_of(block).hash
            found += [node.heard[block_hash] - began - block.payload.timestamp for node in self.nodes[1:] if block_hash in node.heard]
        return sorted(found)


def _mesh(node: SimNode) -> int:
    return len(node.gossip.router.mesh(node.blocks.topics[-1]))


@asynccontextmanager
async def network(seed: int, link: Link | None = None) -> AsyncIterator[World]:
    """A network that ends with the block. Trio's clock has to be MockClock, with autojump."""
    # The order of tasks that can run at once is by chance, too; where hypothesis is there it can be seeded (trio's plugin for it), elsewhere not.
    trio._core._run._r.seed(seed)
    async with trio.open_nursery() as nursery:
        yield World(nursery, seed, link or Link())
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def settled(count: int, seed: int, link: Link | None = None) -> AsyncIterator[World]:
    """A `network` of that many honest nodes, which have found each other."""
    async with network(seed, link) as world:
        await world.add_nodes(count)
        await world.settle()
        yield world
