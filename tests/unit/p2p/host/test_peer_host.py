"""Connections with peers and streams over them, on a network without sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio
from structlog.testing import capture_logs
from trio.abc import HalfCloseableStream

from tests.unit.p2p.host.host_rig import NO_KEEPING, PORT, Told, address_number, ip_number, numbers, peer_number, peers_at, running, until
from tests.unit.p2p.host.memory_network import Wires
from trinode.p2p.errors import DialFailed, NegotiationFailed, NotConnected, ProtocolViolation
from trinode.p2p.host.host import HostSettings
from trinode.p2p.host.limits import HostLimits
from trinode.p2p.host.service import Peers, PeersSettings
from trinode.p2p.identity import PeerId
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.peers import Connected

ECHO, SILENT = "/test/echo", "/test/silent"


async def echo(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
    async for data in stream:
        await stream.send_all(data)


async def silent(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
    await trio.sleep_forever()


async def asked(peers: Peers, peer_id: PeerId, data: bytes, protocols: Sequence[str] = (ECHO,)) -> tuple[str, bytes]:
    protocol, stream = await peers.host.open_stream(peer_id, protocols)
    async with stream:
        await stream.send_all(data)
        await stream.send_eof()
        return protocol, b"".join([bytes(piece) async for piece in stream])


async def breaks(peers: Peers, peer_id: PeerId, protocol: str) -> bool:
    """Whether a stream of that protocol is reset by the other side, while it is agreed upon or later."""
    try:
        with trio.fail_after(10):
            _, stream = await peers.host.open_stream(peer_id, [protocol])
            await stream.receive_some()
            return False
    except trio.BrokenResourceError:
        return True


def limited(**limits: float) -> PeersSettings:
    return PeersSettings(host=HostSettings(limits=HostLimits(**limits)), keeper=NO_KEEPING)  # type: ignore[arg-type]


async def test_they_connect_talk_and_part(autojump_clock: trio.testing.MockClock) -> None:
    wires, told = Wires(), Told()
    a, b = peers_at(wires, 0), peers_at(wires, 1)
    b.host.serve(ECHO, echo, most_per_peer=2)
    b.host.watch(told)
    async with running(a, b):
        await a.host.connect(peer_number(1), [address_number(1)])
        assert a.host.connected() == [Connected(peer_number(1), ip_number(1), True)]
        assert await asked(a, peer_number(1), b"hello", ["/test/other", ECHO]) == (ECHO, b"hello")
        assert b.host.connected() == [Connected(peer_number(0), ip_number(0), False)]
        with pytest.raises(NegotiationFailed):
            await a.host.open_stream(peer_number(1), ["/test/other"])
        await a.host.disconnect(peer_number(1))
        assert a.host.connected() == []
        await until(lambda: told.gone == [peer_number(0)])
        with pytest.raises(NotConnected):
            await a.host.open_stream(peer_number(1), [ECHO])
        assert a.host.links.bytes_sent == b.host.links.bytes_received > 0
        await a.host.connect(peer_number(1))
    assert told.there == [peer_number(0)] * 2 and b.host.connected() == []


async def test_who_watches_late_hears_of_all(autojump_clock: trio.testing.MockClock) -> None:
    wires, told = Wires(), Told()
    a, b, c = (peers_at(wires, number) for number in range(3))
    async with running(a, b, c):
        await a.host.connect(peer_number(1), [address_number(1)])
        await a.host.connect(peer_number(2), [address_number(2)])
        a.host.watch(told)
        assert told.there == [peer_number(1), peer_number(2)]


async def test_a_peer_is_found_at_one_of_its_addresses(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    wires.silent.add("9.9.9.9")
    wires.names["b.example"] = [ip_number(1)]
    a, b = peers_at(wires, 0), peers_at(wires, 1)
    texts = ["/ip4/9.9.9.9/tcp/1", "/ip4/9.9.9.8/tcp/1", "/dns/nowhere.example/tcp/1", f"/dns4/b.example/tcp/{PORT}"]
    async with running(a, b):
        begun = trio.current_time()
        await a.host.connect(peer_number(1), [Multiaddr.parse(text) for text in texts])
        assert trio.current_time() - begun < 1
        assert wires.connects == [("9.9.9.9", 1), ("9.9.9.8", 1), (ip_number(1), PORT)]
        assert Multiaddr.parse(texts[3]) in a.store.addresses(peer_number(1))


async def test_a_dial_that_fails_says_why(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    wires.silent.add("9.9.9.9")
    a, b = peers_at(wires, 0), peers_at(wires, 1)
    async with running(a, b):
        for address, why in (
            ("/ip4/9.9.9.8/tcp/1", r"9\.9\.9\.8/tcp/1: .*refused"),
            ("/ip4/9.9.9.9/tcp/1", "TooSlow"),
            ("/dns/nowhere.example/tcp/1", "not known"),
            (str(address_number(1)), "is there instead of"),
        ):
            with pytest.raises(DialFailed, match=why):
                await a.host.connect(peer_number(2), [Multiaddr.parse(address)])
        with pytest.raises(DialFailed, match="no address of it is known"):
            await a.host.connect(peer_number(3))
        with pytest.raises(DialFailed, match="ourselves"):
            await a.host.connect(peer_number(0), [address_number(0)])
        assert (a.host.connected(), a.host.dials, a.host.dials_failed) == ([], 4, 4)


async def test_a_dial_has_an_end(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    wires.silent |= {ip_number(number) for number in range(10, 30)}
    a = peers_at(wires, 0, limited(dial_seconds=5.0, dial_targets=4))
    async with running(a):
        begun = trio.current_time()
        with pytest.raises(DialFailed, match="within 5 seconds"):
            await a.host.connect(peer_number(1), [address_number(number) for number in range(10, 30)])
        assert trio.current_time() - begun == pytest.approx(5.0)
        assert len(wires.connects) == 4


async def test_dials_of_one_peer_are_one(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    a, b = peers_at(wires, 0), peers_at(wires, 1)
    async with running(a, b), trio.open_nursery() as nursery:
        nursery.start_soon(a.host.connect, peer_number(1), [address_number(1)])
        nursery.start_soon(a.host.connect, peer_number(1), [address_number(1)])
        nursery.start_soon(a.host.connect, peer_number(1), [address_number(1)])
    assert wires.connects == [(ip_number(1), PORT)]


async def test_who_knows_another_address_tries_it_after_the_dial_that_failed(autojump_clock: trio.testing.MockClock) -> None:
    wires, failures = Wires(), []
    a, b = peers_at(wires, 0), peers_at(wires, 1)

    async def connect(addresses: Sequence[Multiaddr]) -> None:
        try:
            await a.host.connect(peer_number(1), addresses)
        except DialFailed as error:
            failures.append(str(error))

    async with running(a, b):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect, [Multiaddr.of_ip("9.9.9.9", 1)])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(connect, [address_number(1)])
        assert len(failures) == 1 and numbers(a.host) == {1}


async def test_a_dial_goes_on_for_others_when_one_gives_up(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    a, b = peers_at(wires, 0), peers_at(wires, 1)
    async with running(a, b):
        with trio.move_on_after(0.0005):
            await a.host.connect(peer_number(1), [address_number(1)])
        await until(lambda: numbers(a.host) == {1})


async def test_two_connections_of_a_peer_are_one_peer(autojump_clock: trio.testing.MockClock) -> None:
    """Both dial at the same time; what is opened goes over the newest, and a third makes the oldest give way."""
    wires, told = Wires(), Told()
    a, b = peers_at(wires, 0), peers_at(wires, 1)
    a.host.watch(told)
    b.host.serve(ECHO, echo, most_per_peer=2)
    async with running(a, b):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.host.connect, peer_number(1), [address_number(1)])
            nursery.start_soon(b.host.connect, peer_number(0), [address_number(0)])
        await until(lambda: len(a.host.links.all()) == len(b.host.links.all()) == 2)
        assert (await asked(a, peer_number(1), b"x"))[1] == b"x"
        oldest = a.host.links.of(peer_number(1))[0]
        await oldest.connection.aclose()
        await until(lambda: len(a.host.links.all()) == len(b.host.links.all()) == 1)
        assert (told.there, told.gone) == ([peer_number(1)], [])
        assert (await asked(a, peer_number(1), b"x"))[1] == b"x"
        await a.host.disconnect(peer_number(1))
        assert told.gone == [peer_number(1)]


async def test_a_third_connection_makes_the_oldest_give_way(autojump_clock: trio.testing.MockClock) -> None:
    """As of a peer whose connections die without our knowing, and that comes again."""
    wires = Wires()
    b, lives = peers_at(wires, 1), [peers_at(wires, 0) for _ in range(3)]
    async with running(b), trio.open_nursery() as nursery:
        for life in lives:
            life.host._settings = replace(life.host._settings, listen=())
            await nursery.start(life.host.run)
            await life.host.connect(peer_number(1), [address_number(1)])
        await until(lambda: len(b.host.links.all()) == 2)
        assert [len(life.host.connected()) for life in lives] == [0, 1, 1]
        assert len(b.host.connected()) == 1
        nursery.cancel_scope.cancel()


async def test_who_is_blocked_is_turned_away_and_not_dialed(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    a, b, c = (peers_at(wires, number) for number in range(3))
    async with running(a, b, c):
        b.gate.block_address(ip_number(0))
        b.gate.block_peer(peer_number(2))
        with pytest.raises(DialFailed):
            await a.host.connect(peer_number(1), [address_number(1)])
        await c.host.connect(peer_number(1), [address_number(1)])
        await until(lambda: not c.host.connected())
        with pytest.raises(DialFailed, match="the address is blocked"):
            await b.host.connect(peer_number(0), [address_number(0)])
        with pytest.raises(DialFailed, match="the peer is blocked"):
            await b.host.connect(peer_number(2), [address_number(2)])
        assert b.host.entrance.turned_away == {"the address is blocked": 1, "the peer is blocked": 1}
        assert b.host.connected() == []


async def test_there_is_an_end_of_places_but_not_for_protected_peers(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    host = peers_at(wires, 0, limited(most_peers=2))
    others = [peers_at(wires, number) for number in range(1, 6)]
    host.host.protection.protect(peer_number(4))
    async with running(host, *others):
        for other in others[:4]:
            await other.host.connect(peer_number(0), [address_number(0)])
            await trio.sleep(0.1)
        assert numbers(host.host) == {1, 2, 4}
        await host.host.connect(peer_number(5), [address_number(5)])
        assert numbers(host.host) == {1, 2, 4, 5}
        assert host.host.entrance.turned_away == {"there are as many peers as may be": 1}


async def test_a_peer_has_so_many_streams(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    a, b = peers_at(wires, 0), peers_at(wires, 1, limited(streams_per_peer=6))
    b.host.serve(SILENT, silent, most_per_peer=4)
    b.host.serve(ECHO, echo, most_per_peer=100)
    async with running(a, b):
        await a.host.connect(peer_number(1), [address_number(1)])
        await trio.sleep(1)
        for _ in range(4):
            await a.host.open_stream(peer_number(1), [SILENT])
        assert await breaks(a, peer_number(1), SILENT)
        assert b.host.streams.open == 4
        held = [(await a.host.open_stream(peer_number(1), [ECHO]))[1] for _ in range(2)]
        assert await breaks(a, peer_number(1), ECHO)
        assert b.host.streams.refused == 2
        for stream in held:
            await stream.aclose()
        assert (await asked(a, peer_number(1), b"x"))[1] == b"x"
        await a.host.disconnect(peer_number(1))
        await until(lambda: b.host.streams.open == 0)


async def test_a_peer_that_does_not_say_what_a_stream_is_for_loses_it(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    a, b = peers_at(wires, 0), peers_at(wires, 1)
    async with running(a, b):
        await a.host.connect(peer_number(1), [address_number(1)])
        stream = await a.host.links.of(peer_number(1))[0].connection.open_stream()
        await stream.send_all(b"\x13/multistream/1.0.0")
        await trio.sleep(5)
        assert b.host.streams.open == 1
        with trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        assert b.host.streams.open == 0 and numbers(a.host) == {1}


async def test_what_fails_in_a_stream_resets_it_and_no_more(autojump_clock: trio.testing.MockClock) -> None:
    async def fail(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        raise ProtocolViolation("no") if protocol == "/test/violation" else ZeroDivisionError

    wires = Wires()
    a, b = peers_at(wires, 0), peers_at(wires, 1)
    for protocol in ("/test/violation", "/test/bug"):
        b.host.serve(protocol, fail, most_per_peer=1)
    with capture_logs() as logs:
        async with running(a, b):
            await a.host.connect(peer_number(1), [address_number(1)])
            for protocol in ("/test/violation", "/test/bug"):
                assert await breaks(a, peer_number(1), protocol)
            await until(lambda: b.host.streams.open == 0)
            assert numbers(a.host) == {1}
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["a peer's stream failed: this is a bug of trinode"]


async def test_who_breaks_the_rules_is_parted_with(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    a, b = peers_at(wires, 0), peers_at(wires, 1)
    async with running(a, b):
        await a.host.connect(peer_number(1), [address_number(1)])
        await trio.sleep(1)
        await a.host.links.of(peer_number(1))[0].connection._channel.send_all(bytes([255] * 24))
        await until(lambda: b.host.connected() == [] and a.host.connected() == [])
        assert b.host.rule_breakers == 1


async def test_nothing_is_dialed_while_the_host_does_not_run() -> None:
    with pytest.raises(DialFailed, match="does not run"):
        await peers_at(Wires(), 0).host.connect(peer_number(1), [address_number(1)])


async def test_a_port_that_is_taken_is_an_error(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    async with running(peers_at(wires, 0)):
        with pytest.raises(ExceptionGroup) as raised:
            async with running(peers_at(wires, 0)):
                pass
        assert raised.group_contains(OSError, match="in use")
