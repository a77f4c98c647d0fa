"""Filling a gap in any weather: honest and bad peers that come and go, answers that take their time, a head and a top that move."""

from __future__ import annotations

from functools import partial
from random import Random

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.abc import HalfCloseableStream
from trio.testing import MockClock

from tests.unit.p2p.sync.memory_hosts import (
    CONFIG,
    FIRST,
    GENESIS,
    PROTOCOL,
    MemoryHost,
    MemoryNetwork,
    ScriptedChain,
    chain_on,
    id_of,
)
from trinode.p2p.app_scores import AppScores, light_app_scores
from trinode.p2p.identity import PeerId
from trinode.p2p.sync.client import PayloadSync
from trinode.p2p.sync.codec import PayloadCodec
from trinode.p2p.sync.limits import FillLimits

CODEC = PayloadCodec(CONFIG)
LENGTH = 60
CHAIN = chain_on(GENESIS, LENGTH, size=2000)
FORK = chain_on(GENESIS, LENGTH, b"fork")
MAX_BYTES = 100_000
HOUR = 3600.0


class Weather:
    """A network whose every turn comes from one seed."""

    def __init__(self, seed: int, nursery: trio.Nursery) -> None:
        self.random = Random(seed)
        self.nursery = nursery
        self.network = MemoryNetwork(nursery)
        self.host = self.network.host("node")
        self.chain = ScriptedChain(GENESIS, id_of(CHAIN[self.random.randint(20, LENGTH - 1)]))
        self.scores = AppScores(light_app_scores(2), trio.current_time)
        self.honest = [self.peer(f"honest {index}", 0.0) for index in range(self.random.randint(1, 3))]
        self.bad = [self.peer(f"bad {index}", self.random.uniform(0.1, 1.0)) for index in range(self.random.randint(0, 5))]

    def peer(self, name: str, share: float) -> MemoryHost:
        """A peer with that share of bad answers."""
        peer = self.network.host(name)
        peer.serve(PROTOCOL, partial(self.answer, share), most_per_peer=32)
        self.network.connect(self.host, peer)
        return peer

    async def answer(self, share: float, _peer_id: PeerId, _protocol: str, stream: HalfCloseableStream) -> None:
        index = int.from_bytes(await stream.receive_some(8), "little") - FIRST - 1
        await trio.sleep(self.random.expovariate(5) if self.random.random() < 0.95 else 4)
        right = CODEC.encode_answer(CHAIN[index])
        if self.random.random() >= share:
            await stream.send_all(right)
            return
        kind = self.random.randrange(6)
        if kind == 0:
            await trio.sleep_forever()
        cut = right[: self.random.randrange(len(right))]
        damaged = bytearray(right)
        damaged[self.random.randrange(len(right))] ^= 1 << self.random.randrange(8)
        other = CODEC.encode_answer(CHAIN[(index + 1) % LENGTH])
        await stream.send_all([cut, CODEC.encode_answer(FORK[index]), bytes([self.random.randrange(1, 256)]), bytes(damaged), other][kind - 1])

    async def turn(self) -> None:
        """Peers leave and come again; derivation and gossip move the chain."""
        while True:
            await trio.sleep(self.random.expovariate(0.5))
            peer = self.random.choice([*self.honest, *self.bad])
            chain, index = self.chain, self.chain.head.number - FIRST
            kind = self.random.randrange(4)
            if kind == 0 and peer.peer_id in self.host.peers:
                self.network.disconnect(self.host, peer.peer_id)
            elif kind <= 1 and peer.peer_id not in self.host.peers:
                self.network.connect(self.host, peer)
            elif kind == 2 and chain.top is not None and chain.top.number < FIRST + LENGTH:
                chain.move(top=id_of(CHAIN[chain.top.number - FIRST]))
            elif kind == 3 and chain.top is not None and index < LENGTH:
                back = self.random.random() < 0.2
                chain.move(head=id_of(CHAIN[max(0, index - 5)] if back else CHAIN[index]))

    async def run(self) -> None:
        limits = FillLimits(window=self.random.randint(2, 64), max_bytes=MAX_BYTES)
        sync = PayloadSync(self.host, CONFIG, self.chain, self.scores, fill_limits=limits)
        async with trio.open_nursery() as nursery:
            await nursery.start(sync.run)
            nursery.start_soon(self.turn)
            await self.chain.filled()
            nursery.cancel_scope.cancel()
        assert sync.held[1] <= MAX_BYTES


async def fill(seed: int) -> None:
    async with trio.open_nursery() as nursery:
        weather = Weather(seed, nursery)
        with trio.fail_after(HOUR):
            await weather.run()
        for peer in weather.honest:
            assert weather.scores.counts(peer.peer_id).rejected == 0
        nursery.cancel_scope.cancel()


@given(st.integers(0, 2**32 - 1))
def test_the_gap_is_filled_and_no_honest_peer_is_said_to_lie(seed: int) -> None:
    trio.run(fill, seed, clock=MockClock(autojump_threshold=0))
