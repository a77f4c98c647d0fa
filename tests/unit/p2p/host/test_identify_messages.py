"""What peers say of themselves: read with bounds, and not believed too far."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.p2p.host.host_rig import address_number, identity_number, peer_number
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.host.identify import MOST_BYTES, Identification, believable, receive_identification
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.protobuf import bytes_field, encode_varint

EVERYTHING = Identification(
    "agent", "1", ("/a", "/b"), (address_number(1), address_number(2).of(peer_number(2))), address_number(3), identity_number(4).public_key
)


def test_round_trips() -> None:
    for said in (EVERYTHING, Identification(agent="x"), Identification(protocols=("/a",)), Identification(addresses=(address_number(1),))):
        assert Identification.decode(said.encode()) == said


def test_messages_of_one_stream_are_one() -> None:
    first, second = Identification(agent="x", protocols=("/a",)), Identification(protocol_version="1", protocols=("/b",))
    assert Identification.decode(first.encode() + second.encode()) == Identification("x", "1", ("/a", "/b"))


def message(*fields: bytes) -> bytes:
    data = b"".join(fields)
    return encode_varint(len(data)) + data


def test_addresses_of_other_transports_are_left_out() -> None:
    quic = bytes.fromhex("047f00000191020fa1cd03")
    said = Identification.decode(message(bytes_field(2, quic), bytes_field(2, address_number(1).encode()), bytes_field(4, quic)))
    assert said == Identification(addresses=(address_number(1),))


def test_texts_are_cut_and_can_be_printed() -> None:
    said = Identification.decode(message(bytes_field(6, b"a\x00\x1b[31m\xff" + b"b" * 1000), bytes_field(3, b"c" * 1000)))
    assert said.agent is not None and said.protocols is not None
    assert said.agent.startswith("a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}bbb")
    assert (len(said.agent), len(said.protocols[0])) == (128, 128)


def test_lists_are_cut() -> None:
    many = [bytes_field(2, Multiaddr.of_ip("8.8.8.8", port).encode()) for port in range(200)] + [bytes_field(3, b"%d" % n) for n in range(200)]
    said = Identification.decode(message(*many))
    assert said.addresses is not None and said.protocols is not None
    assert (len(said.addresses), len(said.protocols)) == (32, 128)


@pytest.mark.parametrize(
    "data", [b"\x05\x32", b"\xff", message(bytes_field(1, b"\x08\x02")), message(*[bytes_field(3, b"")] * 513), message(b"\x33")], ids=repr
)
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        Identification.decode(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, encode_varint(len(data)) + data):
        try:
            said = Identification.decode(candidate)
        except ProtocolViolation:
            continue
        again = Identification.decode(said.encode())
        assert (again.agent, again.protocol_version, again.observed, again.public_key) == (
            said.agent,
            said.protocol_version,
            said.observed,
            said.public_key,
        )
        assert (again.protocols or (), again.addresses or ()) == (said.protocols or (), said.addresses or ())


async def test_a_stream_has_an_end() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    for piece in (EVERYTHING.encode()[:7], EVERYTHING.encode()[7:]):
        await theirs.send_all(piece)
    await theirs.send_eof()
    assert await receive_identification(ours) == EVERYTHING

    for data, why in ((b"", "nothing was said"), (bytes(MOST_BYTES + 1), "more than")):
        ours, theirs = trio.testing.memory_stream_pair()
        await theirs.send_all(data)
        await theirs.send_eof()
        with pytest.raises(ProtocolViolation, match=why):
            await receive_identification(ours)


HERE, SITE, WORLD, NAME = (
    Multiaddr.of_ip("127.0.0.1", 1),
    Multiaddr.of_ip("10.0.0.1", 1),
    Multiaddr.of_ip("8.8.8.8", 1),
    Multiaddr.parse("/dns4/example.com/tcp/1"),
)


@pytest.mark.parametrize(
    ("ip", "believed"),
    [("127.0.0.1", [HERE, SITE, WORLD]), ("10.0.0.9", [SITE, WORLD]), ("9.9.9.9", [WORLD])],
)
def test_nobody_makes_us_dial_our_own_machines(ip: str, believed: Sequence[Multiaddr]) -> None:
    assert believable([HERE, SITE, WORLD, NAME, Multiaddr.of_ip("0.0.0.0", 1)], ip) == believed
