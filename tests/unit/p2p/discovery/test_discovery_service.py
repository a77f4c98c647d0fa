"""Discovery on real sockets, and the file that it keeps."""

from __future__ import annotations

import json
import random
import socket
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
import trio

from trinode.p2p.addresses import IpAddress, parse_ip
from trinode.p2p.discovery.bootnodes import BOOTNODES
from trinode.p2p.discovery.contact import Contact, parse_node
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr, OpStackEntry
from trinode.p2p.discovery.identity_scheme import NodeId
from trinode.p2p.discovery.limits import Limits
from trinode.p2p.discovery.local_record import Advertised
from trinode.p2p.discovery.node import Cadence
from trinode.p2p.discovery.packet import encode_packet, handshake_header, message_header
from trinode.p2p.discovery.saved import Saved, UnreadableFile, load, save
from trinode.p2p.discovery.service import Discovery, DiscoverySettings
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import Identity

LOOPBACK = IPv4Address("127.0.0.1")
TIMEOUT = 20.0


def discovery(number: int, bootnodes: list[Contact | Enr], found: list[Enr], path: Path | None = None, ip: IpAddress = LOOPBACK) -> Discovery:
    settings = DiscoverySettings(Endpoint(ip, 0), Advertised(ip, 9222), 10, bootnodes, path, cadence=Cadence(wanted=0.3))
    return Discovery(Identity(bytes([number] * 32)), settings, found=found.append, wanted=lambda: True)


async def until(what: list[Enr], count: int) -> None:
    with trio.fail_after(TIMEOUT):
        while len(what) < count:
            await trio.sleep(0.02)


def at(service: Discovery, listening: Endpoint) -> Contact:
    """How to reach a node that listens on a port of the system's choice, without its record."""
    record = service.local_enr
    assert record is not None
    return Contact(record.public_key, record.node_id, listening, None)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("ip", [LOOPBACK, pytest.param(IPv6Address("::1"), marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here"))])
async def test_three_nodes_on_sockets(ip: IpAddress, nursery: trio.Nursery) -> None:
    found: list[list[Enr]] = [[], [], []]
    boot = discovery(1, [], found[0], ip=ip)
    assert (boot.local_enr, boot.table(), boot.live_nodes(), boot.dropped) == (None, [], 0, {})
    listening = await nursery.start(boot.run)
    one = discovery(2, [at(boot, listening)], found[1], ip=ip)
    other = discovery(3, [at(boot, listening)], found[2], ip=ip)
    await nursery.start(one.run)
    await nursery.start(other.run)
    for records in found:
        await until(records, 2)
    assert {record.node_id for record in found[1]} == {node.local_enr.node_id for node in (boot, other) if node.local_enr}
    assert sorted(boot.table()) == sorted(str(node.local_enr) for node in (one, other))
    assert found[1][0].opstack == OpStackEntry(10, 0)
    nursery.cancel_scope.cancel()


async def test_a_node_that_is_added_by_hand(nursery: trio.Nursery) -> None:
    found: list[Enr] = []
    boot, one = discovery(1, [], []), discovery(2, [], found)
    assert not boot.add(Enr.sign(bytes([9] * 32), 1, {}))
    await nursery.start(boot.run)
    await nursery.start(one.run)
    assert boot.local_enr is not None
    assert one.add(boot.local_enr)
    await until(found, 1)
    assert not one.add(Enr.sign(bytes([9] * 32), 1, {}))  # it says no address
    nursery.cancel_scope.cancel()


async def test_rubbish_on_the_socket(nursery: trio.Nursery) -> None:
    found: list[Enr] = []
    boot = discovery(1, [], [])
    listening = await nursery.start(boot.run)
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for size in (0, 1, 62, 63, 500, 1280, 1281, 9000):
            await sock.sendto(bytes(size), (str(listening.ip), listening.port))
    with trio.fail_after(TIMEOUT):
        while boot.dropped.total() < 8:
            await trio.sleep(0.02)
    assert boot.dropped == {"malformed": 8}
    one = discovery(2, [at(boot, listening)], found)
    await nursery.start(one.run)
    await until(found, 1)
    nursery.cancel_scope.cancel()


def bad_packet(number: int, entropy: random.Random, recipient: Enr) -> bytes:
    """Noise, messages of no session, handshakes that nobody asked for, and headers of any kind, in turn."""
    match number % 4:
        case 0:
            return entropy.randbytes(entropy.randrange(1400))
        case 1:
            header = message_header(NodeId(entropy.randbytes(32)), entropy.randbytes(12))
        case 2:
            source, signature, key = NodeId(entropy.randbytes(32)), entropy.randbytes(64), entropy.randbytes(33)
            header = handshake_header(source, entropy.randbytes(12), signature, key, recipient.encoded)
        case _:
            kind, size = bytes([entropy.randrange(4)]), entropy.randrange(200).to_bytes(2, "big")
            header = b"discv5\x00\x01" + kind + entropy.randbytes(12) + size + entropy.randbytes(entropy.randrange(250))
    return encode_packet(recipient.node_id, entropy.randbytes(16), header, entropy.randbytes(40))


@pytest.mark.parametrize("limits", [Limits(), Limits(packets_per_second=1e9, unknown_packets_per_second=1e9)], ids=["limited", "all are read"])
async def test_ten_thousand_bad_packets(limits: Limits, nursery: trio.Nursery) -> None:
    settings = DiscoverySettings(Endpoint(LOOPBACK, 0), Advertised(LOOPBACK, 9222), 10, [], limits=limits)
    target = Discovery(Identity(bytes([1] * 32)), settings, found=lambda _record: None, wanted=lambda: True)
    listening = await nursery.start(target.run)
    record, entropy = target.local_enr, random.Random(1)
    assert record is not None
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(10_000):
            await sock.sendto(bad_packet(number, entropy, record), (str(listening.ip), listening.port))
            if number % 50 == 0:
                await trio.sleep(0.002)
    assert target._node is not None
    assert len(target._node._exchange._challenges) <= limits.challenges
    assert (target.table(), len(target._node._exchange._sessions), len(target._node._exchange._admission._subnets)) == ([], 0, 1)
    # And it still speaks with who means it well.
    found: list[Enr] = []
    await nursery.start(discovery(2, [at(target, listening)], found).run)
    await until(found, 1)
    nursery.cancel_scope.cancel()


async def lived(service: Discovery, found: list[Enr], count: int) -> Enr:
    """The record of a node that was there until it had found so many."""
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        await until(found, count)
        with trio.fail_after(TIMEOUT):
            while service.live_nodes() < count:
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()
    assert service.local_enr is not None
    return service.local_enr


async def test_what_outlives_a_restart(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = tmp_path / "discovery.json"
    boot = discovery(1, [], [])
    listening = await nursery.start(boot.run)
    found: list[Enr] = []
    settings = DiscoverySettings(Endpoint(LOOPBACK, 0), Advertised(LOOPBACK, 9222, 9333), 10, [at(boot, listening)], path)
    first = await lived(Discovery(Identity(bytes([2] * 32)), settings, found=found.append, wanted=lambda: True), found, 1)
    assert load(path) == Saved(first, tuple(found))

    # The same again, with nobody to begin from: the table is enough, and the record is the same one.
    alone, found_again = DiscoverySettings(Endpoint(LOOPBACK, 0), Advertised(LOOPBACK, 9222, 9333), 10, [], path), list[Enr]()
    assert await lived(Discovery(Identity(bytes([2] * 32)), alone, found=found_again.append, wanted=lambda: True), found_again, 1) == first
    assert found_again == found

    # Another TCP port is another record, with the next number; another key begins anew.
    moved, found_moved = DiscoverySettings(Endpoint(LOOPBACK, 0), Advertised(LOOPBACK, 9444, 9333), 10, [], path), list[Enr]()
    second = await lived(Discovery(Identity(bytes([2] * 32)), moved, found=found_moved.append, wanted=lambda: True), found_moved, 1)
    assert (second.seq, str(second.tcp())) == (first.seq + 1, "127.0.0.1:9444")
    other = await lived(discovery(3, [], found := [], path), found, 1)
    assert other.node_id != first.node_id
    assert list(tmp_path.iterdir()) == [path]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"record": "enr:", "nodes": []}', '{"record": "", "nodes": [], "more": 1}'])
async def test_a_damaged_file_is_said_and_replaced(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], nursery: trio.Nursery) -> None:
    path = tmp_path / "discovery.json"
    path.write_text(content)
    with pytest.raises(UnreadableFile, match="not a file of discovery"):
        load(path)
    service = discovery(2, [], [], path)
    async with trio.open_nursery() as inner:
        await inner.start(service.run)
        inner.cancel_scope.cancel()
    assert "discovery begins without what it knew" in capsys.readouterr().out
    assert load(path) == Saved(service.local_enr)
    assert json.loads(path.read_text())["nodes"] == []


async def test_a_file_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no folder").write_text("a file")
    service = discovery(2, [], [], tmp_path / "no folder" / "discovery.json")
    async with trio.open_nursery() as inner:
        await inner.start(service.run)
        inner.cancel_scope.cancel()
    assert "could not be saved" in capsys.readouterr().out


def test_the_file_is_bounded(tmp_path: Path) -> None:
    record = Enr.sign(bytes([1] * 32), 7, {})
    save(tmp_path / "file", Saved(record, (record,) * 1200))
    assert len(load(tmp_path / "file").nodes) == 1000


def test_the_built_in_bootnodes() -> None:
    nodes = [parse_node(text) for text in BOOTNODES]
    assert len({node.node_id for node in nodes}) == len(BOOTNODES) == 11
    records = [node for node in nodes if isinstance(node, Enr)]
    assert {record.opstack for record in records} == {OpStackEntry(8453, 0)}
    assert str(next(node.endpoint for node in nodes if isinstance(node, Contact))) == "34.65.67.101:30305"


KEY = "869d07b5932f17e8490990f75a3f94195e9504ddb6b85f7189e5a9c0a8fff8b00aecf6f3ac450ecba6cdabdb5858788a94bde2b613e0f2d82e9b395355f76d1a"


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (f"enode://{KEY}@1.2.3.4:30303", "1.2.3.4:30303"),
        (f"enode://{KEY}@1.2.3.4:0?discport=30305", "1.2.3.4:30305"),
        (f"enode://{KEY}@[2001:db8::1]:30303", "[2001:db8::1]:30303"),
    ],
)
def test_enode_urls(text: str, endpoint: str) -> None:
    node = parse_node(text)
    assert isinstance(node, Contact)
    assert (str(node.endpoint), node.record) == (endpoint, None)
    assert node.endpoint.ip == parse_ip(str(node.endpoint.ip))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "enode:",
        f"enode://{KEY}@localhost:30303",
        f"enode://{KEY}@1.2.3.4:0",
        f"enode://{KEY}@1.2.3.4:70000",
        f"enode://{KEY}@1.2.3.400:30303",
        f"enode://{KEY[:-2]}@1.2.3.4:30303",
        f"enode://{'00' * 64}@1.2.3.4:30303",
        "enr:",
        "enr:####",
        "enr:" + "A" * 1000,
        "enr:wAAA",
    ],
)
def test_what_is_no_node(text: str) -> None:
    with pytest.raises(ProtocolViolation):
        parse_node(text)
