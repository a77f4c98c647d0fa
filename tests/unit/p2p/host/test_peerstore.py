"""What is known of peers: for how long, how much of it, and over a restart."""

from __future__ import annotations

from pathlib import Path

import trio
from structlog.testing import capture_logs

from tests.unit.p2p.host.host_rig import Wall, address_number, peer_number
from trinode.p2p.host.peerstore import CLAIMED_SECONDS, FOUND_SECONDS, MOST_ADDRESSES, KnownPeer, Peerstore
from trinode.p2p.multiaddr import Multiaddr

A, B, C = peer_number(1), peer_number(2), peer_number(3)


def test_addresses_hold_for_their_time() -> None:
    wall = Wall()
    store = Peerstore(None, wall)
    store.add_addresses(A, [address_number(1)], 100)
    store.add_addresses(A, [address_number(2).of(A)], 200)
    store.add_addresses(A, [address_number(2)], 50)
    assert store.addresses(A) == [address_number(2), address_number(1)]
    wall.now += 100
    assert store.addresses(A) == [address_number(2)]
    wall.now += 100
    assert store.addresses(A) == [] and A in store
    store.sweep()
    assert A not in store and store.get(A) is None


def test_who_is_connected_is_not_forgotten() -> None:
    store = Peerstore(None, Wall())
    store.held.add(A)
    store.identified(A, agent="a", protocol_version="v", protocols=["/x"])
    store.identified(B, agent="b", protocol_version=None, protocols=None)
    store.sweep()
    assert store.peers() == (A,)
    store.identified(A, agent=None, protocol_version=None, protocols=["/y"])
    assert store.get(A) == KnownPeer(agent="a", protocol_version="v", protocols=("/y",))


def test_the_latency_is_smoothed() -> None:
    store = Peerstore(None, Wall())
    for seconds in (1.0, 2.0, 2.0):
        store.measured(A, seconds)
    known = store.get(A)
    assert known is not None and known.latency is not None
    assert abs(known.latency - (0.9 * 1.1 + 0.1 * 2.0)) < 1e-9


def test_who_was_not_reached_goes_first() -> None:
    store = Peerstore(None, Wall(), most_peers=3)
    store.reached(A, address_number(1))
    store.held.add(B)
    store.add_addresses(B, [address_number(2)], 100)
    for number in range(10, 30):
        store.add_addresses(peer_number(number), [address_number(number)], 100)
    assert store.peers() == (A, B, peer_number(29))
    store.reached(C, address_number(3))
    store.reached(peer_number(4), address_number(4))
    assert set(store.peers()) == {B, C, peer_number(4)}


def test_a_peer_has_so_many_addresses() -> None:
    store = Peerstore(None, Wall())
    store.reached(A, address_number(1))
    for number in range(100):
        store.add_addresses(A, [Multiaddr.of_ip("9.9.9.9", number)], CLAIMED_SECONDS + number)
    assert len(store.addresses(A)) == MOST_ADDRESSES
    assert store.addresses(A)[:2] == [address_number(1), Multiaddr.of_ip("9.9.9.9", 99)]


async def test_it_is_kept_over_a_restart(tmp_path: Path) -> None:
    path, wall = tmp_path / "peers.json", Wall()
    store = Peerstore(path, wall)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        store.found(A, [address_number(1)], enr="enr:x", chain_id=10)
        store.identified(A, agent="optimism", protocol_version="", protocols=["/x"])
        store.measured(A, 0.25)
        store.reached(B, address_number(2))
        store.add_addresses(C, [address_number(3)], 10)
        await store.saved()
        nursery.cancel_scope.cancel()
    wall.now += 60
    again = Peerstore(path, wall)
    assert again.peers() == (A, B, C)
    assert (again.get(A), again.get(B)) == (store.get(A), store.get(B))
    assert (again.addresses(A), again.addresses(C)) == ([address_number(1)], [])
    again.sweep()
    assert again.peers() == (A, B)
    wall.now += FOUND_SECONDS
    again.sweep()
    assert len(again) == 0


def test_a_damaged_file_is_left_aside_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    for text in ("", "[1]", '{"x": {"addresses": {}}}', '{"16Uiu2HAmEWQnHq2jLKJypwVnVoQeFCULuyop6atvq2eWjYSUjzNi": {"addresses": {"/": 1}}}'):
        path.write_text(text)
        with capture_logs() as logs:
            assert len(Peerstore(path, Wall())) == 0
        assert [entry["log_level"] for entry in logs] == ["warning"]
