"""How many peers there are, and which: on a network without sockets, on a clock that jumps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from tests.unit.p2p.host.host_rig import Told, Wall, address_number, ip_number, numbers, peer_number, peers_at, running, until
from tests.unit.p2p.host.memory_network import Wires
from trinode.p2p.addresses import parse_network
from trinode.p2p.errors import DialFailed
from trinode.p2p.host.keeper import MOST_CANDIDATES, KeeperSettings
from trinode.p2p.host.service import Peers, PeersSettings
from trinode.p2p.identity import PeerId


def kept(low: int, high: int, *, grace: float = 30.0, static: Sequence[int] = ()) -> PeersSettings:
    return PeersSettings(keeper=KeeperSettings(low, high, grace, {peer_number(number): [address_number(number)] for number in static}))


def find(peers: Peers, found: Sequence[int]) -> None:
    for number in found:
        peers.keeper.found(peer_number(number), [address_number(number)], enr=f"enr:{number}", chain_id=10)


async def come(peers: Peers, others: Sequence[Peers], number: int = 0) -> None:
    """They dial it, all at once."""
    async with trio.open_nursery() as nursery:
        for other in others:
            nursery.start_soon(other.host.connect, peer_number(number), [address_number(number)])
    await until(lambda: all(other.host.peer_id in peers.host.links for other in others))


async def test_found_peers_are_dialed_up_to_the_low_mark(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    host, others = peers_at(wires, 0, kept(4, 8)), [peers_at(wires, number) for number in range(1, 9)]
    async with running(host, *others):
        assert host.keeper.wanted == 4
        find(host, range(1, 9))
        await trio.sleep(60)
        assert len(host.host.connected()) == 4 and host.keeper.wanted == 0
        gone = host.host.connected()[0].peer_id
        await host.host.disconnect(gone)
        await trio.sleep(60)
        assert len(host.host.connected()) == 4 and gone not in host.host.links
        known = host.store.get(host.host.connected()[0].peer_id)
        assert known is not None and known.enr.startswith("enr:") and known.chain_id == 10


async def test_who_is_not_there_is_tried_again_later_and_later(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    host = peers_at(wires, 0, kept(1, 8))
    async with running(host):
        find(host, [1])
        await trio.sleep(3600)
        assert 5 <= len(wires.connects) <= 10
        assert set(wires.connects) == {(ip_number(1), 9222)}
        async with running(peers_at(wires, 1)):
            await until(lambda: numbers(host.host) == {1}, seconds=3700)


async def test_who_has_no_place_for_us_is_not_asked_again_at_once(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    host, other = peers_at(wires, 0, kept(1, 8)), peers_at(wires, 1)
    other.gate.block_peer(peer_number(0))
    async with running(host, other):
        find(host, [1])
        await trio.sleep(300)
        assert 2 <= len(wires.connects) <= 5


async def test_peers_of_before_are_dialed_again_after_a_restart(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    wires, wall = Wires(), Wall()
    settings = PeersSettings(keeper=KeeperSettings(low=2, high=8), peerstore=tmp_path / "peers.json")
    others = [peers_at(wires, number) for number in (1, 2)]
    async with running(*others):
        async with running(host := peers_at(wires, 0, settings, wall=wall)):
            find(host, [1, 2])
            await until(lambda: numbers(host.host) == {1, 2})
        wall.now += 3600
        async with running(host := peers_at(wires, 0, settings, wall=wall)):
            await until(lambda: numbers(host.host) == {1, 2})


async def test_above_the_high_mark_the_worst_go_but_not_the_new_nor_the_protected(autojump_clock: trio.testing.MockClock) -> None:
    wires, told = Wires(), Told()
    scores = {peer_number(number): float(number) for number in range(1, 20)}
    host = peers_at(wires, 0, kept(0, 4, grace=30), score_of=scores.__getitem__)
    first, later = [peers_at(wires, number) for number in range(1, 8)], [peers_at(wires, number) for number in range(10, 12)]
    host.host.protection.protect(peer_number(1))
    async with running(host, *first, *later):
        host.host.watch(told)
        await come(host, first)
        await trio.sleep(25)
        assert len(host.host.connected()) == 7
        await come(host, later)
        await trio.sleep(10)
        # Nine are there: of the first seven the five worst go that are not protected.
        assert numbers(host.host) == {1, 7, 10, 11}
        assert numbers(told.gone) == {2, 3, 4, 5, 6} and host.keeper.pruned == 5


async def test_who_gossips_is_worth_more_than_who_does_not(autojump_clock: trio.testing.MockClock) -> None:
    async def gossip(*_: object) -> None:
        """Never called here."""

    wires = Wires()
    host, others = peers_at(wires, 0, kept(0, 2, grace=1)), [peers_at(wires, number) for number in range(1, 5)]
    for other in others[1:3]:
        other.host.serve("/meshsub/1.1.0", gossip, most_per_peer=1)
    async with running(host, *others):
        await come(host, others)
        await until(lambda: numbers(host.host) == {2, 3})


async def test_nobody_who_only_comes_to_us_is_all_that_we_hear(autojump_clock: trio.testing.MockClock) -> None:
    """An attacker with many identities is there first; peers of our own choice are dialed all the same, and not parted with."""
    wires = Wires()
    host = peers_at(wires, 0, kept(6, 8, grace=5), score_of=lambda peer_id: 50.0 if peer_id in attackers else 0.0)
    crowd, honest = [peers_at(wires, number) for number in range(100, 120)], [peers_at(wires, number) for number in range(1, 5)]
    attackers = {other.host.peer_id for other in crowd}
    async with running(host, *crowd, *honest):
        await come(host, crowd)
        await trio.sleep(20)
        assert len(host.host.connected()) == 8
        find(host, range(1, 5))
        await trio.sleep(60)
        assert len(host.host.connected()) == 8
        assert len(numbers(host.host) & {1, 2, 3, 4}) == 3


async def test_a_static_peer_is_always_wanted(autojump_clock: trio.testing.MockClock) -> None:
    wires, told = Wires(), Told()
    host = peers_at(wires, 0, kept(0, 0, grace=0, static=[0, 1]))
    host.host.watch(told)
    async with running(host):
        await trio.sleep(600)
        assert 10 <= len(wires.connects) <= 25
        async with running(other := peers_at(wires, 1)):
            await until(lambda: numbers(host.host) == {1})
            await trio.sleep(600)
            assert len(told.there) == 1 and peer_number(1) in host.host.protection
            await other.host.disconnect(peer_number(0))
            await until(lambda: len(told.there) == 2, seconds=5)
        await until(lambda: len(told.gone) == 2)
        assert peer_number(0) not in host.host.links


async def test_who_scores_too_low_is_banned_for_a_while(autojump_clock: trio.testing.MockClock) -> None:
    wires, wall = Wires(), Wall()
    scores: dict[PeerId, float] = {}
    host = peers_at(wires, 0, kept(0, 100), wall=wall, score_of=lambda peer_id: scores.get(peer_id, 0.0))
    others = [peers_at(wires, number) for number in range(1, 4)]
    host.host.protection.protect(peer_number(3))
    async with running(host, *others):
        await come(host, others)
        scores |= {peer_number(1): -101.0, peer_number(2): -99.0, peer_number(3): -1000.0}
        await trio.sleep(2)
        assert numbers(host.host) == {2, 3} and list(host.gate.banned_peers) == [peer_number(1)] and host.keeper.bans == 1
        await others[0].host.connect(peer_number(0))
        await until(lambda: not others[0].host.connected())
        with pytest.raises(DialFailed, match="banned"):
            await host.host.connect(peer_number(1))
        scores.clear()
        wall.now += 3600
        await come(host, others[:1])


async def test_one_address_with_many_banned_peers_is_banned_too(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    host = peers_at(wires, 0, kept(0, 100), score_of=lambda peer_id: -1000.0)
    async with running(host):
        for number in range(1, 4):
            other = peers_at(wires, number)
            other.host._network.ip = "9.9.9.9"  # type: ignore[attr-defined]
            async with running(other):
                await come(host, [other])
                await until(lambda: not host.host.connected())
        assert list(host.gate.banned_addresses) == ["9.9.9.9"] and len(host.gate.banned_peers) == 3


async def test_no_bans_where_none_are_wanted(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    host = peers_at(wires, 0, PeersSettings(keeper=KeeperSettings(0, 100, ban=False)), score_of=lambda peer_id: -1000.0)
    async with running(host, other := peers_at(wires, 1)):
        await come(host, [other])
        await trio.sleep(10)
        assert numbers(host.host) == {1}


async def test_peers_are_sought_in_given_networks_alone(autojump_clock: trio.testing.MockClock) -> None:
    wires = Wires()
    settings = PeersSettings(keeper=KeeperSettings(low=5, high=8), restricted_to=(parse_network("8.8.0.2/32"),))
    host, others = peers_at(wires, 0, settings), [peers_at(wires, number) for number in (1, 2, 3)]
    async with running(host, *others):
        find(host, [1, 2])
        await come(host, [others[2]])
        await trio.sleep(600)
        assert numbers(host.host) == {2, 3}
        assert (ip_number(1), 9222) not in wires.connects


async def test_found_peers_that_wait_are_not_too_many() -> None:
    host = peers_at(Wires(), 0, kept(4, 8))
    for number in range(1, 300):
        find(host, [number])
    find(host, [0])
    assert numbers(list(host.keeper._candidates)) == set(range(300 - MOST_CANDIDATES, 300))
