"""RPCs against the bytes of another implementation (py-libp2p's generated protobuf code wrote the two below), and their bounds."""

from __future__ import annotations

import pytest

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.gossip.rpc import MOST_ENTRIES, MOST_IDS, IHave, Message, Prune, Rpc, Subscription, decode_rpc, encode_rpc
from trinode.p2p.protobuf import bytes_field, int_field

NEW, OLD = "/optimism/10/3/blocks", "/optimism/10/0/blocks"
FULL = bytes.fromhex(
    "0a19080112152f6f7074696d69736d2f31302f332f626c6f636b730a19080012152f6f7074696d69736d2f31302f302f626c6f636b73121e1205626c6f636b22152f6f7074"
    "696d69736d2f31302f332f626c6f636b731ab1010a430a152f6f7074696d69736d2f31302f332f626c6f636b7312146161616161616161616161616161616161616161"
    "1214626262626262626262626262626262626262626212160a1463636363636363636363636363636363636363631a170a152f6f7074696d69736d2f31302f332f626c"
    "6f636b7322210a152f6f7074696d69736d2f31302f302f626c6f636b7312060a0470656572183c2a160a146464646464646464646464646464646464646464"
)
AUTHORED = bytes.fromhex("121a0a04706565721205626c6f636b1a080000000000000000220174")
RPC = Rpc(
    subscriptions=[Subscription(NEW, True), Subscription(OLD, False)],
    messages=[Message(NEW, b"block")],
    ihave=[IHave(NEW, (b"a" * 20, b"b" * 20))],
    iwant=[b"c" * 20],
    graft=[NEW],
    prune=[Prune(OLD, 60)],
    idontwant=[b"d" * 20],
)


def test_what_others_write_is_read() -> None:
    assert decode_rpc(FULL) == RPC
    assert decode_rpc(AUTHORED) == Rpc([], [Message("t", b"block", authored=True)], [], [], [], [], [])


def test_what_we_write_is_the_same_but_for_exchanged_peers() -> None:
    without_peers = FULL.replace(bytes.fromhex("22210a"), bytes.fromhex("22190a")).replace(bytes.fromhex("12060a0470656572"), b"")
    assert encode_rpc(RPC) == without_peers.replace(bytes.fromhex("1ab101"), bytes.fromhex("1aa901"))


@pytest.mark.parametrize("field", [b"\x0a\x04\x0a\x02\x08\x01", int_field(9, 1), bytes_field(4, b"later version"), b"\x1a\x00"])
def test_what_is_unknown_is_passed_over(field: bytes) -> None:
    if field.startswith(b"\x0a"):
        with pytest.raises(ProtocolViolation):  # a number of wrong type is no unknown field
            decode_rpc(field)
    else:
        assert decode_rpc(field) == Rpc([], [], [], [], [], [], [])


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (bytes_field(2, b"") * (MOST_ENTRIES + 1), "more than 1024 fields"),
        (bytes_field(3, bytes_field(3, b"") * (MOST_ENTRIES + 1)), "more than 1024 fields"),
        (bytes_field(3, bytes_field(2, bytes_field(1, b"") * (MOST_IDS + 1))), "message ids"),
        (bytes_field(3, bytes_field(2, bytes_field(1, b"") * (MOST_IDS // 2)) * 3), "message ids"),
        (bytes_field(3, bytes_field(1, bytes_field(2, b"") * (2 * MOST_IDS))), "more than"),
        (bytes_field(3, bytes_field(2, bytes_field(1, b"i" * 65))), "65 bytes"),
        (bytes_field(1, bytes_field(2, b"t" * 257)), "a topic of 257 bytes"),
        (bytes_field(1, bytes_field(2, b"\xff")), "no text"),
        (int_field(2, 1), "a number where bytes belong"),
        (bytes(10 * 1024 * 1024 + 1), "an RPC of 10485761 bytes"),
        (FULL[:-1], "ends after its message"),
    ],
)
def test_what_is_beyond_the_bounds_is_refused(encoded: bytes, reason: str) -> None:
    with pytest.raises(ProtocolViolation, match=reason):
        decode_rpc(encoded)
