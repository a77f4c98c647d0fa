"""Who may not come, for how long, and that it is not forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.unit.p2p.host.host_rig import Wall, peer_number
from trinode.p2p.addresses import parse_network
from trinode.p2p.host import gate as gate_module
from trinode.p2p.host.gate import Gate, GateDamaged


async def kept(gate: Gate, change: Callable[[], None]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.run)
        change()
        await gate.saved()
        nursery.cancel_scope.cancel()


def test_blocked_until_unblocked() -> None:
    gate = Gate(None, Wall())
    gate.block_peer(peer_number(1))
    gate.block_address("1.2.3.4")
    gate.block_network("10.0.0.0/8")
    gate.block_network("2001:db8::/32")
    assert gate.refuses_peer(peer_number(1)) == "the peer is blocked"
    assert gate.refuses_peer(peer_number(2)) is None
    assert gate.refuses_address("1.2.3.4") == gate.refuses_address("::ffff:1.2.3.4") == "the address is blocked"
    assert gate.refuses_address("10.255.0.1") == gate.refuses_address("2001:db8:5::1") == "the address is in a blocked network"
    assert gate.refuses_address("1.2.3.5") is gate.refuses_address("11.0.0.1") is gate.refuses_address("2001:db9::1") is None
    assert (gate.blocked_peers, gate.blocked_addresses, gate.blocked_networks) == (
        (peer_number(1),),
        ("1.2.3.4",),
        ("10.0.0.0/8", "2001:db8::/32"),
    )
    gate.unblock_peer(peer_number(1))
    gate.unblock_address("1.2.3.4")
    gate.unblock_network("10.0.0.0/8")
    assert gate.refuses_peer(peer_number(1)) is gate.refuses_address("1.2.3.4") is gate.refuses_address("10.0.0.1") is None


def test_bans_end() -> None:
    wall = Wall()
    gate = Gate(None, wall)
    gate.ban_peer(peer_number(1), 100)
    gate.ban_peer(peer_number(1), 10)
    gate.ban_address("1.2.3.4", 50)
    wall.now += 60
    assert gate.refuses_peer(peer_number(1)) == "the peer is banned" and gate.refuses_address("1.2.3.4") is None
    assert (gate.banned_peers, gate.banned_addresses) == ((peer_number(1),), ())
    wall.now += 40
    assert gate.refuses_peer(peer_number(1)) is None and gate.banned_peers == ()


def test_unblocking_ends_a_ban() -> None:
    gate = Gate(None, Wall())
    gate.ban_peer(peer_number(1), 100)
    gate.ban_address("1.2.3.4", 100)
    gate.unblock_peer(peer_number(1))
    gate.unblock_address("1.2.3.4")
    assert gate.refuses_peer(peer_number(1)) is gate.refuses_address("1.2.3.4") is None


async def test_it_is_kept_over_a_restart(tmp_path: Path) -> None:
    wall, path = Wall(), tmp_path / "gate.json"
    gate = Gate(path, wall)

    def change() -> None:
        gate.block_peer(peer_number(1))
        gate.block_address("1.2.3.4")
        gate.block_network("10.0.0.0/8")
        gate.ban_peer(peer_number(2), 100)
        gate.ban_peer(peer_number(3), 10)
        gate.ban_address("5.6.7.8", 100)

    await kept(gate, change)
    wall.now += 50
    again = Gate(path, wall)
    assert again.blocked_peers == (peer_number(1),) and again.banned_peers == (peer_number(2),)
    assert again.refuses_address("1.2.3.4") and again.refuses_address("10.1.1.1") and again.refuses_address("5.6.7.8")
    wall.now += 50
    assert again.refuses_peer(peer_number(2)) is again.refuses_address("5.6.7.8") is None
    assert again.refuses_peer(peer_number(1)) is not None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"blocked_peers": ["x"]}', '{"blocked_networks": ["1.2.3.4/99"]}', '{"banned_peers": {"x": "y"}}'])
def test_nobody_is_let_in_because_the_file_is_damaged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gate.json"
    path.write_text(text)
    with pytest.raises(GateDamaged, match=r"gate\.json"):
        Gate(path, Wall())


def test_what_is_remembered_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "MOST_BLOCKED", 3)
    monkeypatch.setattr(gate_module, "MOST_BANNED", 3)
    wall = Wall()
    gate = Gate(None, wall)
    for number in range(3):
        gate.block_peer(peer_number(number))
    gate.block_peer(peer_number(0))
    with pytest.raises(ValueError, match="3 are blocked already"):
        gate.block_peer(peer_number(3))
    for number in (11, 10, 12, 13):
        gate.ban_peer(peer_number(number), number)
    assert list(gate.banned_peers) == [peer_number(11), peer_number(12), peer_number(13)]
    wall.now += 12
    gate.ban_peer(peer_number(20), 20)
    assert list(gate.banned_peers) == [peer_number(13), peer_number(20)]


def test_found_peers_are_sought_in_given_networks_alone() -> None:
    gate = Gate(None, Wall(), networks=[parse_network("10.0.0.0/8"), parse_network("fc00::/7")])
    assert [gate.is_restricted(ip) for ip in ("10.1.2.3", "fd00::1", "11.0.0.1", "2001:db8::1")] == [False, False, True, True]
    assert gate.refuses_address("11.0.0.1") is None
    assert not Gate(None, Wall()).is_restricted("11.0.0.1")


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4/8", "x"])
def test_what_is_no_address_is_not_blocked(text: str) -> None:
    gate = Gate(None, Wall())
    with pytest.raises(ValueError, match="address"):
        gate.block_address(text)
