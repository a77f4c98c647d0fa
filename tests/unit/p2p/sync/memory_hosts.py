"""Hosts that are connected by streams in memory, and a chain of blocks that they ask each other for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio
import trio.testing
from trio.abc import HalfCloseableStream

from harness.bare_blocks import bare_block
from trinode.p2p.errors import NegotiationFailed, NotConnected, ProtocolViolation
from trinode.p2p.identity import PeerId
from trinode.p2p.peers import Connected, PeerEvents, StreamHandler
from trinode.p2p.sync.gap_fill import Gap
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import BlockId
from trinode.rollup.chains import chain_by_name

CONFIG = chain_by_name("op-mainnet")
FIRST = 140_000_000
"""A number of OP Mainnet of the time of Isthmus."""
PROTOCOL = "/opstack/req/payload_by_number/10/0"


def peer_name(name: str) -> PeerId:
    return PeerId(name.encode())


def time_of(number: int) -> int:
    return CONFIG.genesis.l2_time + (number - CONFIG.genesis.l2.number) * CONFIG.block_time


def block_on(parent: BlockId, salt: bytes = b"", transactions: tuple[bytes, ...] = ()) -> PayloadEnvelope:
    """A block of Isthmus; those with different `salt` are of different forks."""
    number = parent.number + 1
    return bare_block(
        4,
        parent_hash=parent.hash,
        block_number=number,
        timestamp=time_of(number),
        extra_data=salt,
        transactions=transactions or (b"\x7e" + number.to_bytes(63, "big"),),
    )


def id_of(envelope: PayloadEnvelope) -> BlockId:
    return BlockId(envelope.payload.block_number, envelope.payload.block_hash)


def chain_on(parent: BlockId, count: int, salt: bytes = b"", size: int = 0) -> list[PayloadEnvelope]:
    """`count` blocks; `size`: bytes of each one's transaction."""
    blocks: list[PayloadEnvelope] = []
    for _ in range(count):
        parent = id_of(blocks[-1]) if blocks else parent
        blocks.append(block_on(parent, salt, (b"\x02" * size,) if size else ()))
    return blocks


GENESIS = BlockId(FIRST, b"\xaa" * 32)


class MemoryHost:
    """A `Host`. `pair`: makes the two ends of a stream."""

    def __init__(self, network: MemoryNetwork, peer_id: PeerId) -> None:
        self._network = network
        self._peer_id = peer_id
        self.handlers: dict[str, StreamHandler] = {}
        self.watchers: list[PeerEvents] = []
        self.peers: dict[PeerId, MemoryHost] = {}
        self.opened = 0
        self.most_open: dict[PeerId, int] = {}

    @property
    def peer_id(self) -> PeerId:
        return self._peer_id

    def serve(self, protocol: str, handler: StreamHandler, *, most_per_peer: int) -> None:
        assert most_per_peer > 0
        self.handlers[protocol] = handler

    def watch(self, events: PeerEvents) -> None:
        self.watchers.append(events)
        for peer in self.connected():
            events.joined(peer)

    def connected(self) -> Sequence[Connected]:
        return [Connected(peer_id, "10.0.0.1", outbound=True) for peer_id in self.peers]

    async def open_stream(self, peer_id: PeerId, protocols: Sequence[str]) -> tuple[str, HalfCloseableStream]:
        await trio.lowlevel.checkpoint()
        peer = self.peers.get(peer_id)
        if peer is None:
            raise NotConnected("nobody")
        for protocol in protocols:
            if protocol in peer.handlers:
                ours, theirs = self._network.pair()
                self.opened += 1
                self._network.nursery.start_soon(peer.attend, self._peer_id, protocol, theirs)
                return protocol, ours
        raise NegotiationFailed(f"none of {protocols}")

    async def attend(self, peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        try:
            await self.handlers[protocol](peer_id, protocol, stream)
        except (ProtocolViolation, trio.BrokenResourceError, trio.ClosedResourceError):
            self._network.resets += 1
        finally:
            await trio.aclose_forcefully(stream)

    async def disconnect(self, peer_id: PeerId) -> None:
        await trio.lowlevel.checkpoint()
        self._network.disconnect(self, peer_id)


class MemoryNetwork:
    """Hosts in one nursery."""

    def __init__(self, nursery: trio.Nursery, pair: Callable[[], tuple[HalfCloseableStream, HalfCloseableStream]] | None = None) -> None:
        self.nursery = nursery
        self.pair = pair or trio.testing.memory_stream_pair
        self.resets = 0

    def host(self, name: str) -> MemoryHost:
        return MemoryHost(self, peer_name(name))

    def connect(self, one: MemoryHost, other: MemoryHost) -> None:
        for here, there in ((one, other), (other, one)):
            here.peers[there.peer_id] = there
            for events in here.watchers:
                events.joined(Connected(there.peer_id, "10.0.0.1", outbound=here is one))

    def disconnect(self, one: MemoryHost, peer_id: PeerId) -> None:
        other = one.peers.pop(peer_id, None)
        if other is not None:
            other.peers.pop(one.peer_id)
            for here, there in ((one, other), (other, one)):
                for events in here.watchers:
                    events.left(there.peer_id)


def answering(answer: Callable[[int], bytes]) -> StreamHandler:
    """A peer that answers each request with the bytes that `answer` makes of its number."""

    async def handle(_peer_id: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
        request = b""
        while data := await stream.receive_some(100):
            request += data
        await stream.send_all(answer(int.from_bytes(request, "little")))

    return handle


def block_source(blocks: Sequence[PayloadEnvelope]) -> Callable[[int], Awaitable[PayloadEnvelope | None]]:
    """Where a server finds these blocks."""
    by_number = {block.payload.block_number: block for block in blocks}

    async def payload_by_number(number: int) -> PayloadEnvelope | None:
        await trio.lowlevel.checkpoint()
        return by_number.get(number)

    return payload_by_number


class ScriptedChain:
    """An `UnsafeChain`: the head follows what it is given, unless `takes` is off."""

    def __init__(self, head: BlockId, top: BlockId | None) -> None:
        self.head = head
        self.top = top
        self.taken: list[PayloadEnvelope] = []
        self.takes = True
        self._changed = trio.Event()

    def gap(self) -> Gap | None:
        if self.top is None or self.top.number <= self.head.number:
            return None
        return Gap(self.head, self.top)

    async def changed(self) -> None:
        await self._changed.wait()

    def take(self, envelope: PayloadEnvelope) -> None:
        assert envelope.payload.parent_hash == self.head.hash and envelope.payload.block_number == self.head.number + 1
        self.taken.append(envelope)
        if self.takes:
            self.move(head=id_of(envelope))

    def move(self, *, head: BlockId | None = None, top: BlockId | None = None) -> None:
        self.head = head or self.head
        self.top = top or self.top
        self._changed.set()
        self._changed = trio.Event()

    async def filled(self) -> None:
        """Returns once no block is missing."""
        while self.gap() is not None:
            await self.changed()
