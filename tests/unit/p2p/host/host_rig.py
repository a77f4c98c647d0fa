"""Hosts on a network without sockets, for tests on MockClock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import trio

from tests.unit.p2p.host.memory_network import MemoryNetwork, Wires
from trinode.p2p.host.host import PeerHost
from trinode.p2p.host.keeper import KeeperSettings
from trinode.p2p.host.service import Peers, PeersSettings
from trinode.p2p.identity import Identity, PeerId
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.peers import Connected

PORT = 9222
NO_KEEPING = KeeperSettings(low=0, high=1000)


def identity_number(number: int) -> Identity:
    """One key for each number."""
    return Identity((number + 1).to_bytes(32, "big"))


def peer_number(number: int) -> PeerId:
    """The peer with that key."""
    return identity_number(number).peer_id


def ip_number(number: int) -> str:
    """Where that peer is: a public address."""
    return f"8.8.{number >> 8}.{number & 255}"


def address_number(number: int) -> Multiaddr:
    """The same with its port."""
    return Multiaddr.of_ip(ip_number(number), PORT)


class Wall:
    """Unix time as a test has it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Told:
    """Who has come and gone."""

    def __init__(self) -> None:
        self.there: list[PeerId] = []
        self.gone: list[PeerId] = []

    def joined(self, peer: Connected) -> None:
        self.there.append(peer.peer_id)

    def left(self, peer_id: PeerId) -> None:
        self.gone.append(peer_id)


def peers_at(
    wires: Wires,
    number: int,
    settings: PeersSettings | None = None,
    *,
    wall: Callable[[], float] | None = None,
    score_of: Callable[[PeerId], float] = lambda peer_id: 0.0,
) -> Peers:
    """A host with all that belongs to it, not running yet; it listens at `address_number(number)`."""
    settings = PeersSettings(keeper=NO_KEEPING) if settings is None else settings
    settings = replace(settings, host=replace(settings.host, listen=settings.host.listen or [("0.0.0.0", PORT)]))
    network = MemoryNetwork(wires, ip_number(number))
    return Peers(identity_number(number), settings, wall=wall or Wall(), score_of=score_of, random=Random(number), network=network)


@asynccontextmanager
async def running(*peers: Peers) -> AsyncIterator[trio.Nursery]:
    """They run until the end of the block."""
    async with trio.open_nursery() as nursery:
        for one in peers:
            await nursery.start(one.run)
        yield nursery
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Until it is so."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(seconds / 600)


def numbers(peers: Sequence[PeerId] | PeerHost) -> set[int]:
    """Which of the first 300 they are."""
    ids = [peer.peer_id for peer in peers.connected()] if isinstance(peers, PeerHost) else list(peers)
    return {_NUMBERS[peer_id] for peer_id in ids}


_NUMBERS = {peer_number(number): number for number in range(300)}
