"""Hosts on real sockets: IPv4 and IPv6, many at once, and strangers that speak no protocol of ours."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trio
from structlog.testing import capture_logs

from tests.unit.p2p.host.host_rig import NO_KEEPING, Wall, identity_number
from trinode.p2p.errors import DialFailed
from trinode.p2p.host.host import HostSettings
from trinode.p2p.host.limits import HostLimits
from trinode.p2p.host.network import Arrived, Listening, TcpNetwork
from trinode.p2p.host.ping import ping
from trinode.p2p.host.service import Peers, PeersSettings
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.transport.limits import TransportLimits

OPEN = HostLimits(upgrading=1000, upgrading_per_neighbourhood=1000, arrivals_per_second_of_neighbourhood=1e6, arrivals_per_second=1e6)


@asynccontextmanager
async def host(number: int, ip: str = "127.0.0.1", limits: HostLimits = OPEN, upgrade_seconds: float = 15.0) -> AsyncIterator[Peers]:
    settings = PeersSettings(HostSettings(((ip, 0),), limits=limits, transport=TransportLimits(upgrade_seconds=upgrade_seconds)), NO_KEEPING)
    peers = Peers(identity_number(number), settings, wall=Wall(), score_of=lambda peer_id: 0.0, random=Random(number))
    async with trio.open_nursery() as nursery:
        await nursery.start(peers.run)
        yield peers
        nursery.cancel_scope.cancel()


def peers_without_port(number: int) -> Peers:
    return Peers(identity_number(number), PeersSettings(keeper=NO_KEEPING), wall=Wall(), score_of=lambda peer_id: 0.0, random=Random(number))


def open_files() -> int:
    return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "0.0.0.0"])
async def test_they_reach_each_other(ip: str) -> None:
    before = open_files()
    with trio.fail_after(30):
        async with host(1, ip) as a, host(2, ip) as b:
            (address,) = [address for address in b.host.addresses if address.host in ("127.0.0.1", "::1")]
            await a.host.connect(b.host.peer_id, [address])
            assert await ping(a.host, b.host.peer_id) > 0
            assert [peer.address for peer in a.host.connected()] == [address.host]
    assert open_files() <= before + 1  # the first worker thread has a file of its own


async def test_a_name_is_looked_up() -> None:
    with trio.fail_after(30):
        async with host(1) as a, host(2) as b:
            port = b.host.ports[0][1]
            await a.host.connect(b.host.peer_id, [Multiaddr.parse(f"/dns4/localhost/tcp/{port}")])
            with pytest.raises(DialFailed, match="Connection refused"):
                await a.host.connect(identity_number(3).peer_id, [Multiaddr.of_ip("127.0.0.1", 1)])
            with pytest.raises(DialFailed):
                await a.host.connect(identity_number(3).peer_id, [Multiaddr.parse("/dns/name.invalid/tcp/1")])


async def test_many_peers_come_at_once() -> None:
    with trio.fail_after(60):
        async with host(0, limits=OPEN) as centre, trio.open_nursery() as nursery:
            others = [peers_without_port(number) for number in range(1, 21)]
            for other in others:
                await nursery.start(other.run)
            async with trio.open_nursery() as dials:
                for other in others:
                    dials.start_soon(other.host.connect, centre.host.peer_id, list(centre.host.addresses))
            while len(centre.host.connected()) < 20:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()


async def test_there_may_be_no_file_descriptor_for_a_while() -> None:
    class Short:
        """A port of which the system gives the first connections only later."""

        def __init__(self, port: Listening) -> None:
            self._port = port
            self.ip, self.port = port.ip, port.port
            self.failures = 3

        async def accept(self) -> Arrived:
            if self.failures:
                self.failures -= 1
                raise OSError(24, "Too many open files")
            return await self._port.accept()

        async def aclose(self) -> None:
            await self._port.aclose()

    with trio.fail_after(30):
        async with host(1) as a, host(2) as b, trio.open_nursery() as nursery:
            short = Short(await TcpNetwork().listen("127.0.0.1", 0))
            with capture_logs() as logs:
                nursery.start_soon(a.host.entrance.run, short)
                await b.host.connect(a.host.peer_id, [Multiaddr.of_ip("127.0.0.1", short.port)])
            assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == [
                "no connection can be accepted: [Errno 24] Too many open files"
            ]
            nursery.cancel_scope.cancel()


async def stranger(port: int, random: Random) -> None:
    """Opens a connection, says something that is no protocol of ours or half of one, and leaves or stays."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        kind = random.randrange(4)
        greeting = b"\x13/multistream/1.0.0\n"
        proposal = b"\x07/noise\n"
        said = [random.randbytes(random.randrange(1, 300)), greeting, greeting + proposal + random.randbytes(100), b"GET / HTTP/1.1\r\n\r\n"][kind]
        try:
            await stream.send_all(said)
            with trio.move_on_after(random.choice([0, 0.05, 5])):
                while await stream.receive_some(1000):
                    pass
        except trio.BrokenResourceError:
            return


async def test_strangers_do_no_harm() -> None:
    random = Random(7)
    before = open_files()
    with trio.fail_after(60):
        async with host(1, upgrade_seconds=1.0) as a, host(2) as b:
            for _ in range(4):
                async with trio.open_nursery() as nursery:
                    for _ in range(30):
                        nursery.start_soon(stranger, a.host.ports[0][1], random)
            await b.host.connect(a.host.peer_id, list(a.host.addresses))
            assert await ping(b.host, a.host.peer_id) > 0
            assert a.host.entrance.failed == 120 and len(a.host.connected()) == 1
            assert a.host._arrivals._upgrading.total() == 0
    assert open_files() <= before + 1


async def test_who_floods_is_turned_away_at_the_door() -> None:
    with trio.fail_after(60):
        async with host(1, limits=HostLimits(upgrading_per_neighbourhood=4), upgrade_seconds=2.0) as a:
            streams = [await trio.open_tcp_stream("127.0.0.1", a.host.ports[0][1]) for _ in range(20)]
            while a.host.entrance.turned_away.total() < 16:
                await trio.sleep(0.01)
            assert a.host.entrance.turned_away == {"too many are being upgraded": 16}
            for stream in streams:
                with trio.move_on_after(10):
                    while await stream.receive_some(100):
                        pass
                await stream.aclose()
            assert a.host.entrance.failed == 4
