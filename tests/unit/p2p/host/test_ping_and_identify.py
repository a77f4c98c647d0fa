"""Peers that introduce themselves and answer, on a network without sockets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
from trio.abc import HalfCloseableStream

from tests.unit.p2p.host.host_rig import NO_KEEPING, Told, address_number, identity_number, ip_number, numbers, peer_number, peers_at, running, until
from tests.unit.p2p.host.memory_network import Wires
from trinode.p2p.errors import NegotiationFailed, ProtocolViolation
from trinode.p2p.host.identify import IDENTIFY, PUSH, Identification
from trinode.p2p.host.ping import ANSWER_SECONDS, PING, ROUND_SECONDS, ping
from trinode.p2p.host.service import Peers, PeersSettings
from trinode.p2p.identity import PeerId
from trinode.p2p.multiaddr import Multiaddr


def pair(**settings: object) -> tuple[Peers, Peers, Wires]:
    wires = Wires()
    return peers_at(wires, 0, replace(PeersSettings(keeper=NO_KEEPING), **settings)), peers_at(wires, 1), wires  # type: ignore[arg-type]


async def connect(a: Peers) -> None:
    await a.host.connect(peer_number(1), [address_number(1)])


async def test_both_sides_know_each_other(autojump_clock: trio.testing.MockClock) -> None:
    a, b, _ = pair(agent="a 1.0")
    async with running(a, b):
        await connect(a)
        await until(lambda: a.introductions.observed is not None and b.introductions.observed is not None)
        known = b.store.get(peer_number(0))
        assert known is not None
        assert (known.agent, set(known.protocols), list(known.addresses)) == ("a 1.0", {IDENTIFY, PUSH, PING}, [address_number(0)])
        assert b.introductions.observed == address_number(1)
        assert a.introductions.observed is not None and a.introductions.observed.host == ip_number(0)


async def test_peers_are_told_when_our_addresses_change(autojump_clock: trio.testing.MockClock) -> None:
    a, b, _ = pair()
    news = Multiaddr.of_ip("9.9.9.9", 1)
    async with running(a, b):
        await connect(a)
        await until(lambda: b.introductions.observed is not None)
        a.host.advertise([news.of(peer_number(0))])
        a.introductions.changed()
        await until(lambda: news in b.store.addresses(peer_number(0)))
        await trio.sleep(1)
        bytes_before = a.host.links.bytes_sent
        a.introductions.changed()
        await trio.sleep(1)
        assert a.host.links.bytes_sent == bytes_before


async def test_a_peer_that_pretends_to_have_another_key_is_not_believed(autojump_clock: trio.testing.MockClock) -> None:
    async def lie(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        await stream.send_all(Identification(agent="liar", public_key=identity_number(5).public_key).encode())

    a, b, _ = pair()
    b.host.serve(IDENTIFY, lie, most_per_peer=1)
    async with running(a, b):
        await connect(a)
        await trio.sleep(5)
        known = a.store.get(peer_number(1))
        assert known is not None and known.agent == ""


async def test_who_says_nothing_of_itself_stays(autojump_clock: trio.testing.MockClock) -> None:
    async def silent(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        await trio.sleep_forever()

    a, b, _ = pair(ping=False)
    b.host.serve(IDENTIFY, silent, most_per_peer=1)
    async with running(a, b):
        await connect(a)
        await trio.sleep(100)
        assert numbers(a.host) == {1}


async def test_round_trips_are_measured_when_a_peer_comes_and_then_each_round(autojump_clock: trio.testing.MockClock) -> None:
    a, b, _ = pair()
    measured: list[float] = []
    assert a._pinger is not None
    a._pinger._measured = lambda peer_id, seconds: measured.append(trio.current_time())
    async with running(a, b):
        await trio.sleep(ROUND_SECONDS / 2)
        await connect(a)
        begun = trio.current_time()
        await trio.sleep(ROUND_SECONDS * 2)
        assert [round(at - begun) for at in measured] == [0, 90, 270]
        await a.host.disconnect(peer_number(1))
        with pytest.raises(NegotiationFailed):
            await connect_without_ping(a, b)


async def connect_without_ping(a: Peers, b: Peers) -> None:
    del b.host.streams._services[PING]
    await connect(a)
    await ping(a.host, peer_number(1))


async def test_who_does_not_answer_twice_is_parted_with(autojump_clock: trio.testing.MockClock) -> None:
    async def silent(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        await trio.sleep_forever()

    a, b, _ = pair()
    told = Told()
    a.host.watch(told)
    b.host.serve(PING, silent, most_per_peer=2)
    async with running(a, b):
        await connect(a)
        await trio.sleep(ANSWER_SECONDS * 2)
        assert numbers(a.host) == {1}
        await trio.sleep(ROUND_SECONDS)
        assert told.gone == [peer_number(1)]


async def test_pings_are_answered_with_what_came_and_not_too_fast(autojump_clock: trio.testing.MockClock) -> None:
    a, b, _ = pair()
    async with running(a, b):
        await connect(a)
        _, stream = await a.host.open_stream(peer_number(1), [PING])
        begun = trio.current_time()
        sent = b"".join(bytes([number]) * 32 for number in range(20))
        await stream.send_all(sent)
        received = b""
        while len(received) < len(sent):
            received += await stream.receive_some()
        assert received == sent
        assert 0.9 < trio.current_time() - begun < 1.1
        await stream.send_all(b"x" * 31)
        await stream.send_eof()
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()


async def test_a_ping_stream_is_not_held_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    a, b, _ = pair()
    async with running(a, b):
        await connect(a)
        _, stream = await a.host.open_stream(peer_number(1), [PING])
        with pytest.raises(trio.BrokenResourceError), trio.fail_after(61):
            await stream.receive_some()


async def test_other_bytes_are_no_answer(autojump_clock: trio.testing.MockClock) -> None:
    async def twist(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        await stream.send_all(bytes(reversed(await stream.receive_some())))

    a, b, _ = pair()
    b.host.serve(PING, twist, most_per_peer=2)
    async with running(a, b):
        await connect(a)
        with pytest.raises(ProtocolViolation, match="other bytes"):
            await ping(a.host, peer_number(1))
