"""Protobuf's wire format, as far as it is read here (protobuf.dev, "Encoding")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.protobuf import bytes_field, decode_varint, encode_varint, fields_of, int_field


def test_the_guides_examples() -> None:
    assert int_field(1, 150).hex() == "089601"
    assert bytes_field(2, b"testing").hex() == "120774657374696e67"


@given(st.integers(min_value=0, max_value=2**64 - 1), st.binary(max_size=5))
def test_varints_go_both_ways(value: int, after: bytes) -> None:
    encoded = encode_varint(value)
    assert decode_varint(encoded + after) == (value, len(encoded))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 10, b"\xff" * 9 + b"\x02", b"\x80" * 11 + b"\x01"])
def test_varints_end_within_64_bits(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode_varint(data)


@given(st.lists(st.tuples(st.integers(1, 1000), st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=20))), max_size=8))
def test_fields_go_both_ways(fields: list[tuple[int, int | bytes]]) -> None:
    message = b"".join(int_field(n, value) if isinstance(value, int) else bytes_field(n, value) for n, value in fields)
    assert list(fields_of(message, most=8)) == fields


def test_fixed_fields_are_bytes() -> None:
    assert list(fields_of(b"\x0d\x01\x02\x03\x04\x11" + bytes(8), most=2)) == [(1, b"\x01\x02\x03\x04"), (2, bytes(8))]


@given(st.binary(max_size=100))
def test_any_bytes_are_fields_or_a_violation(data: bytes) -> None:
    try:
        fields = list(fields_of(data, most=10))
    except ProtocolViolation:
        return
    assert len(fields) <= 10


@pytest.mark.parametrize("data", [b"\x0b", b"\x0a\x05abc", b"\x0d\x00", b"\x08\x01" * 3], ids=["group", "too long", "cut", "too many"])
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        list(fields_of(data, most=2))
