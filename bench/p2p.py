"""The P2P network: how fast blocks are judged, how soon ten nodes have one, what thirty peers cost, how fast blocks are served.

All nodes are on this machine's loopback, with real TCP, Noise and Yamux.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import structlog
import trio

from bench.p2p_blocks import CHAIN, ENVELOPES, FIRST, Blocks, Published, time_of
from bench.p2p_node import Node
from trinode.p2p.blocks.message_id import message_id
from trinode.p2p.identity import PeerId, parse_peer_id
from trinode.p2p.sync.codec import PayloadCodec
from trinode.p2p.sync.limits import ClientLimits, ServerLimits
from trinode.p2p.sync.request import PayloadRequests
from trinode.p2p.sync.server import PayloadServer
from trinode.p2p.verdict import Verdict
from trinode.protocol.payload import PayloadEnvelope

_SIZES = (10, 50, 200)
"""Transactions of a block."""
_USUAL = 50
_JUDGED = 300
_NODES, _DIALED = 10, 5
_BLOCK_SECONDS = 2.0
_STEADY, _BURST = 20, 50
_PEERS, _PEERS_DIALED = 30, 4
_SETTLE_SECONDS = 8.0
_QUIET_SECONDS, _BUSY_BLOCKS = 20.0, 30
_SERVED, _AT_ONCE = 600, 8
_NO_RATE = 1e9


def main() -> None:
    """Print the figures."""
    if not ENVELOPES.is_file():
        print("p2p: skipped, the real envelopes are absent")
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    print("p2p: blocks of OP Mainnet's transactions, on loopback")
    blocks = Blocks()
    for size in _SIZES:
        trio.run(_judge, blocks, size)
    trio.run(_spread, blocks)
    trio.run(_attend, blocks)
    trio.run(_serve, blocks)


async def _judge(blocks: Blocks, size: int) -> None:
    """What gossip has done of each message, one after the other: its id, and its validation."""
    node = Node(bytes([1]) * 32, lambda _: None)
    published = blocks.published(node.blocks, size, _JUDGED)
    data = published[0].message.data
    cpu, began = time.process_time(), time.perf_counter()
    for _, (topic, message) in published:
        message_id(topic, message)
        assert await node.blocks.validate(node.host.peer_id, topic, message) is Verdict.ACCEPT
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"  judged, {size:3} transactions ({len(data):6,} bytes): {_JUDGED / seconds:6,.0f} blocks/s, {cpu / _JUDGED * 1e3:.2f} ms of CPU each")


class _Heard:
    """When nodes have which block, in seconds from its publication."""

    def __init__(self) -> None:
        self.sent: dict[bytes, float] = {}
        self.latencies: list[float] = []

    def __call__(self, envelope: PayloadEnvelope) -> None:
        self.latencies.append(trio.current_time() - self.sent[envelope.payload.block_hash])

    def shown(self) -> str:
        """Their number, and how they are spread; then it begins anew."""
        found = sorted(self.latencies)
        self.latencies = []
        middle, late = found[len(found) // 2], found[int(len(found) * 0.99)]
        return f"{len(found)} arrivals; p50 {middle * 1e3:.1f}, p99 {late * 1e3:.1f}, last {found[-1] * 1e3:.1f} ms"


async def _spread(blocks: Blocks) -> None:
    heard = _Heard()
    nodes = [Node(bytes([at + 1]) * 32, heard) for at in range(_NODES)]
    published = blocks.published(nodes[0].blocks, _USUAL, _STEADY + _BURST)
    async with trio.open_nursery() as nursery:
        await _connected(nursery, nodes, _DIALED)
        await trio.sleep(_SETTLE_SECONDS)
        print(f"  {_NODES} nodes in one process, each judges; meshes of {min(each.mesh for each in nodes)} to {max(each.mesh for each in nodes)}")
        cpu = time.process_time()
        for block in published[:_STEADY]:
            _publish(nodes[0], block, heard)
            await trio.sleep(_BLOCK_SECONDS)
        cpu = time.process_time() - cpu
        print(f"    a block in {_BLOCK_SECONDS:g} s: {heard.shown()}; {cpu / _STEADY / _NODES * 1e3:.1f} ms of CPU a block and node")
        cpu = time.process_time()
        for block in published[_STEADY:]:
            _publish(nodes[0], block, heard)
        await _until(lambda: len(heard.latencies) == _BURST * (_NODES - 1))
        cpu = time.process_time() - cpu
        print(f"    {_BURST} at once: {heard.shown()}; {cpu / _BURST / _NODES * 1e3:.1f} ms of CPU a block and node")
        nursery.cancel_scope.cancel()


def _publish(node: Node, block: Published, heard: _Heard) -> None:
    heard.sent[block.envelope.payload.block_hash] = trio.current_time()
    assert node.gossip.publish(*block.message) > 0


async def _connected(nursery: trio.Nursery, nodes: Sequence[Node], dialed: int) -> None:
    """Runs them, each connected with some others."""
    for node in nodes:
        await nursery.start(node.run)
    random = Random(1)
    for node in nodes:
        for other in random.sample([each for each in nodes if each is not node], dialed):
            await node.meet(other.host.peer_id, other.port)


async def _attend(blocks: Blocks) -> None:
    """One node in a process of its own, and its peers in ours."""
    peers = [Node(bytes([at + 1]) * 32, lambda _: None, judges=False) for at in range(_PEERS)]
    published = blocks.published(peers[0].blocks, _USUAL, _BUSY_BLOCKS)
    with _process() as (process, peer_id, port):
        async with trio.open_nursery() as nursery:
            await _connected(nursery, peers, _PEERS_DIALED)
            for peer in peers:
                await peer.meet(peer_id, port)
            await trio.sleep(_SETTLE_SECONDS)
            quiet = await _cpu_a_minute(process.pid, lambda: trio.sleep(_QUIET_SECONDS))
            busy = await _cpu_a_minute(process.pid, lambda: _publish_in_turn(peers, published))
            members = sum(peer_id in each.gossip.router.mesh(published[0].message.topic) for each in peers)
            resident = _resident(process.pid)
            nursery.cancel_scope.cancel()
        assert process.stdin is not None
        process.stdin.close()
        accepted = int(_line(process))
    assert accepted == _BUSY_BLOCKS
    print(f"  a node with {_PEERS} peers, {members} of them in its mesh: {quiet:.2f} s of CPU a minute without blocks, {busy:.2f} s with one of")
    print(f"    {_USUAL} transactions in {_BLOCK_SECONDS:g} s; {resident / (1 << 20):.0f} MiB resident")


async def _publish_in_turn(peers: Sequence[Node], published: Sequence[Published]) -> None:
    for at, block in enumerate(published):
        peers[at % len(peers)].gossip.publish(*block.message)
        await trio.sleep(_BLOCK_SECONDS)


async def _cpu_a_minute(pid: int, meanwhile: Callable[[], Awaitable[None]]) -> float:
    cpu, began = _cpu_seconds(pid), time.perf_counter()
    await meanwhile()
    return (_cpu_seconds(pid) - cpu) / (time.perf_counter() - began) * 60


@contextmanager
def _process() -> Iterator[tuple[subprocess.Popen[str], PeerId, int]]:
    words = [sys.executable, "-m", "bench.p2p_node"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            peer_id, port = _line(process).split()
            yield process, parse_peer_id(peer_id), int(port)
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process (Linux: proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    """Bytes of memory of a process (Linux: proc(5), status)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


async def _serve(blocks: Blocks) -> None:
    """Blocks by number, without the rates that servers hold their peers to; both sides in this process."""
    server, client = Node(bytes([1]) * 32, lambda _: None), Node(bytes([2]) * 32, lambda _: None)
    envelopes = [blocks.envelope(_USUAL, FIRST + at, timestamp=time_of(FIRST + at)) for at in range(_SERVED)]

    async def payload_by_number(number: int) -> PayloadEnvelope | None:
        return envelopes[number - FIRST]

    limits = ServerLimits(rate=_NO_RATE, peer_rate=_NO_RATE)
    PayloadServer(CHAIN, payload_by_number, lambda: time_of(FIRST + _SERVED), limits=limits).serve(server.host)
    requests = PayloadRequests(client.host, PayloadCodec(CHAIN), ClientLimits())
    numbers = iter(range(FIRST, FIRST + _SERVED))

    async def ask() -> None:
        for number in numbers:
            assert await requests.payload(server.host.peer_id, number) == envelopes[number - FIRST]

    async with trio.open_nursery() as nursery:
        await _connected(nursery, [server, client], 1)
        cpu, began = time.process_time(), time.perf_counter()
        async with trio.open_nursery() as asking:
            for _ in range(_AT_ONCE):
                asking.start_soon(ask)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        shown = f"{_SERVED / seconds:,.0f} blocks/s, {cpu / _SERVED * 1e3:.2f} ms of CPU each, both sides"
        print(f"  served, {_USUAL} transactions, {_AT_ONCE} asked for at once: {shown}")
        nursery.cancel_scope.cancel()


async def _until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not condition():
            await trio.sleep(0.01)
