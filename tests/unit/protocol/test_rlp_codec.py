"""RLP: the yellow paper's examples, and everything that has a shorter form."""

from __future__ import annotations

import pytest

from trinode.protocol import rlp_codec
from trinode.protocol.rlp_codec import MAX_DEPTH, Item, RlpDecodingError

LONG = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit"

EXAMPLES: list[tuple[str, Item]] = [
    ("80", b""),
    ("00", b"\x00"),
    ("7f", b"\x7f"),
    ("8180", b"\x80"),
    ("83646f67", b"dog"),
    ("b838" + LONG.hex(), LONG),
    ("b90400" + "11" * 1024, b"\x11" * 1024),
    ("c0", []),
    ("c88363617483646f67", [b"cat", b"dog"]),
    ("c7c0c1c0c3c0c1c0", [[], [[]], [[], [[]]]]),
    ("f83a" + "b838" + LONG.hex(), [LONG]),
]


@pytest.mark.parametrize(("encoded", "item"), EXAMPLES)
def test_examples(encoded: str, item: Item) -> None:
    assert rlp_codec.encode(item).hex() == encoded
    assert rlp_codec.decode(bytes.fromhex(encoded)) == item


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        ("", "empty"),
        ("8100", "below 0x80"),
        ("817f", "below 0x80"),
        ("b800", "longer than needed"),
        ("b837" + "11" * 55, "longer than needed"),
        ("b90038" + "11" * 56, "longer than needed"),
        ("f800", "longer than needed"),
        ("f90038" + "11" * 56, "longer than needed"),
        ("81", "ends"),
        ("83646f", "ends"),
        ("b9", "inside a length prefix"),
        ("b838" + "11" * 55, "ends"),
        ("c1", "ends"),
        ("bfffffffffffffffff", "ends"),
        ("ffffffffffffffffff", "ends"),
        ("8080", "after"),
        ("c000", "after"),
        ("c181", "beyond the end of its list"),
        ("c20081", "beyond the end of its list"),
        ("c28382", "beyond the end of its list"),
        ("c1c1c0", "after"),
        ("c1c1", "beyond the end of its list"),
        ("c28100", "below 0x80"),
        ("c3c28100", "below 0x80"),
        ("c1b9", "inside a length prefix"),
        ("c2b801", "longer than needed"),
        ("c2b8ff", "beyond the end of its list"),
    ],
)
def test_rejects(encoded: str, why: str) -> None:
    with pytest.raises(RlpDecodingError, match=why):
        rlp_codec.decode(bytes.fromhex(encoded))


def test_a_nested_item_must_not_reach_over_the_end_of_its_list() -> None:
    # The inner list states three bytes. They are in the input, but only two of them are in the outer list.
    with pytest.raises(RlpDecodingError, match="beyond the end"):
        rlp_codec.decode(bytes.fromhex("c5" + "c3" + "c3" + "0101" + "01"))


def test_depth_is_bounded() -> None:
    nested: Item = []
    for _ in range(MAX_DEPTH - 1):
        nested = [nested]
    assert rlp_codec.decode(rlp_codec.encode(nested)) == nested
    with pytest.raises(RlpDecodingError, match="nest deeper"):
        rlp_codec.decode(rlp_codec.encode([nested]))


def test_decode_list_wants_a_list() -> None:
    assert rlp_codec.decode_list(b"\xc2\x01\x02") == [b"\x01", b"\x02"]
    with pytest.raises(RlpDecodingError, match="a list is expected"):
        rlp_codec.decode_list(b"\x83dog")
    with pytest.raises(RlpDecodingError, match="1 bytes after"):
        rlp_codec.decode_list(b"\xc0\x00")


def test_split_reads_a_stream() -> None:
    stream = b"\x83dog" + b"\xc2\x01\x02" + b"\x05"
    assert rlp_codec.split(stream, 0) == (False, 1, 4)
    assert rlp_codec.split(stream, 4) == (True, 5, 7)
    assert rlp_codec.split(stream, 7) == (False, 7, 8)
    with pytest.raises(RlpDecodingError, match="no item"):
        rlp_codec.split(stream, 8)


@pytest.mark.parametrize(
    ("value", "encoded"), [(0, "80"), (1, "01"), (127, "7f"), (128, "8180"), (2**64, "89010000000000000000")]
)
def test_integers(value: int, encoded: str) -> None:
    assert rlp_codec.encode_int(value).hex() == encoded
    assert rlp_codec.to_int(rlp_codec.decode(bytes.fromhex(encoded)), 9) == value


def test_integers_are_strict() -> None:
    with pytest.raises(RlpDecodingError, match="leading zeros"):
        rlp_codec.to_int(b"\x00", 8)
    with pytest.raises(RlpDecodingError, match="9 bytes where at most 8"):
        rlp_codec.to_int(b"\x01" * 9, 8)
    with pytest.raises(RlpDecodingError, match="an integer is expected"):
        rlp_codec.to_int([], 8)


def test_shapes() -> None:
    assert rlp_codec.to_optional_address(b"") is None
    assert rlp_codec.to_optional_address(bytes(20)) == bytes(20)
    wrongs: list[Item] = [bytes(19), bytes(21), [], [bytes(20)]]
    for wrong in wrongs:
        with pytest.raises(RlpDecodingError, match="20 bytes are expected"):
            rlp_codec.to_optional_address(wrong)
    with pytest.raises(RlpDecodingError, match="a string is expected"):
        rlp_codec.to_bytes([])
    with pytest.raises(RlpDecodingError, match="a list is expected"):
        rlp_codec.to_list(b"")
