"""Addresses of peers: text and binary say the same, and nothing but addresses is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import Identity, show_peer_id
from trinode.p2p.multiaddr import DNS, DNS4, DNS6, IP4, IP6, LONGEST, Multiaddr

PEER = Identity(bytes(31) + b"\x01").peer_id

# The binary forms are those of @multiformats/multiaddr 13 (`multiaddr(text).bytes`), for the same texts.
KNOWN = {
    "/ip4/127.0.0.1/tcp/4001": "047f000001060fa1",
    "/ip6/2001:db8::1/tcp/9222": "2920010db80000000000000000000000010624" + "06",
    "/dns4/example.com/tcp/443": "360b6578616d706c652e636f6d0601bb",
    "/dns/a.b/tcp/0": "3503612e62060000",
}


@pytest.mark.parametrize(("text", "binary"), KNOWN.items())
def test_known_addresses(text: str, binary: str) -> None:
    address = Multiaddr.parse(text)
    assert str(address) == text
    assert address.encode().hex() == binary
    assert Multiaddr.decode(bytes.fromhex(binary)) == address


def test_an_address_may_say_who_is_there() -> None:
    text = f"/ip4/1.2.3.4/tcp/9222/p2p/{show_peer_id(PEER)}"
    address = Multiaddr.parse(text)
    assert address.peer_id == PEER and str(address) == text
    assert Multiaddr.decode(address.encode()) == address
    assert Multiaddr.parse(text.replace("/p2p/", "/ipfs/")) == address
    assert address.of(None) == Multiaddr.of_ip("1.2.3.4", 9222)


def test_one_address_has_one_form() -> None:
    assert Multiaddr.parse("/ip6/2001:0db8:0::0001/tcp/1") == Multiaddr.of_ip("2001:db8::1", 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/ip4/1.2.3.4",
        "/ip4/1.2.3.4/tcp/",
        "/ip4/1.2.3.4/tcp/65536",
        "/ip4/1.2.3.4/tcp/-1",
        "/ip4/1.2.3.4/tcp/１",
        "/ip4/1.2.3/tcp/1",
        "/ip4/::1/tcp/1",
        "/ip6/1.2.3.4/tcp/1",
        "/ip6/fe80::1%eth0/tcp/1",
        "/ip4/1.2.3.4/udp/1",
        "/ip4/1.2.3.4/tcp/1/ws",
        "/ip4/1.2.3.4/tcp/1/p2p/",
        "/ip4/1.2.3.4/tcp/1/p2p/0OIl",
        "/ip4/1.2.3.4/tcp/1/p2p/16Uiu2/p2p-circuit",
        "/dns/-a/tcp/1",
        "/dns/a b/tcp/1",
        "/dns/" + "a" * 64 + ".b/tcp/1",
        "/dns/" + "a." * 200 + "/tcp/1",
        "/unix/x/tcp/1",
        "x/ip4/1.2.3.4/tcp/1",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        Multiaddr.parse(text)


@pytest.mark.parametrize(
    "binary",
    [
        "",
        "04",
        "047f0000",
        "047f000001",
        "047f00000106",
        "047f000001060f",
        "047f0000019102" + "0fa1",  # UDP
        "047f000001060fa1cc03",  # QUIC after it
        "047f000001060fa1a503",
        "047f000001060fa1a50301aa",
        "047f000001060fa1a5030400020801ff",
        "3502ff61060001",  # not UTF-8
        "35ffffffffffffffffff01",
        "a503" + "22" + "1220" + "00" * 32,  # a peer alone
        "00" * (LONGEST + 1),
    ],
)
def test_broken_binary_forms(binary: str) -> None:
    with pytest.raises(ProtocolViolation):
        Multiaddr.decode(bytes.fromhex(binary))


@given(st.binary(max_size=LONGEST + 10))
def test_any_bytes_are_an_address_or_refused(data: bytes) -> None:
    try:
        address = Multiaddr.decode(data)
    except ProtocolViolation:
        return
    assert Multiaddr.decode(address.encode()) == address
    assert Multiaddr.parse(str(address)) == address


HOSTS = st.one_of(
    st.tuples(st.just(IP4), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just(IP6), st.ip_addresses(v=6).map(str)),
    st.tuples(st.sampled_from([DNS, DNS4, DNS6]), st.from_regex(r"[a-z0-9]{1,10}(\.[a-z]{2,5}){0,3}", fullmatch=True)),
)


@given(HOSTS, st.integers(0, 0xFFFF), st.sampled_from([None, PEER]))
def test_round_trips(host: tuple[str, str], port: int, peer_id: None) -> None:
    address = Multiaddr(*host, port, peer_id)
    assert Multiaddr.parse(str(address)) == address
    assert Multiaddr.decode(address.encode()) == address


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for candidate in (text, f"/ip4/{text}/tcp/1", f"/dns/{text}/tcp/1", f"/ip4/1.2.3.4/tcp/{text}", f"/ip6/{text}/tcp/1"):
        try:
            address = Multiaddr.parse(candidate)
        except ValueError:
            continue
        assert Multiaddr.decode(address.encode()) == address
