"""Blobs: every bit of data has its place, and every other bit is zero."""

from __future__ import annotations

from random import Random

import pytest

from trinode.protocol.blob import BLOB_SIZE, MAX_BLOB_DATA_SIZE, BlobDecodingError, decode_blob, encode_blob

SIZES = (0, 1, 26, 27, 28, 122, 123, 124, 250, 251, 5_000, MAX_BLOB_DATA_SIZE - 1, MAX_BLOB_DATA_SIZE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("byte", [None, 0xFF, 0])
def test_round_trip(size: int, byte: int | None) -> None:
    data = Random(size).randbytes(size) if byte is None else bytes([byte]) * size
    blob = encode_blob(data)
    assert len(blob) == BLOB_SIZE
    assert max(blob[::32]) < 0x40, "field elements stay below the modulus"
    assert decode_blob(blob) == data


def test_where_the_bytes_of_the_first_round_go() -> None:
    data = bytes(range(1, 124))
    blob = encode_blob(data)
    # Positions 28, 60 and 92 are x, y and z, whose bits lie on top of the elements; all others lie in order.
    assert blob[1:5] == b"\0\0\0\x7b"
    assert blob[5:32] + blob[33:64] + blob[65:96] + blob[97:128] == data[:27] + data[28:59] + data[60:91] + data[92:123]
    x, y, z = data[27], data[59], data[91]
    assert blob[0] == x & 0x3F
    assert blob[32] == (x & 0xC0) >> 2 | y & 0x0F
    assert blob[64] == z & 0x3F
    assert blob[96] == (z & 0xC0) >> 2 | y >> 4
    assert blob[128:] == bytes(BLOB_SIZE - 128)


def test_no_blob_holds_more() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        encode_blob(bytes(MAX_BLOB_DATA_SIZE + 1))


@pytest.mark.parametrize("size", [0, BLOB_SIZE - 1, BLOB_SIZE + 1])
def test_other_sizes(size: int) -> None:
    with pytest.raises(BlobDecodingError):
        decode_blob(bytes(size))


def changed(blob: bytes, position: int, value: int) -> bytes:
    return blob[:position] + bytes([value]) + blob[position + 1 :]


@pytest.mark.parametrize(
    ("position", "value"),
    [
        pytest.param(1, 1, id="encoding version"),
        pytest.param(2, 2, id="length over the maximum"),
        pytest.param(4, 3, id="length below the data's"),
        pytest.param(32, 0x40, id="top bits"),
        pytest.param(64, 0x80, id="top bits"),
        pytest.param(BLOB_SIZE - 32, 0x40, id="top bits of the last element"),
        pytest.param(9, 1, id="behind the data, in its round"),
        pytest.param(128 * 700 + 5, 1, id="behind the data, in a later round"),
        pytest.param(BLOB_SIZE - 32, 1, id="behind the data, in the bits on top"),
        pytest.param(BLOB_SIZE - 1, 1, id="the last byte"),
    ],
)
def test_what_is_not_encoded_data(position: int, value: int) -> None:
    with pytest.raises(BlobDecodingError):
        decode_blob(changed(encode_blob(b"data"), position, value))


def test_the_top_bits_of_the_very_first_element_are_not_looked_at() -> None:
    blob = encode_blob(b"data")
    for bits in (0x40, 0x80, 0xC0):
        assert decode_blob(changed(blob, 0, blob[0] | bits)) == b"data"


def test_a_longer_length_only_adds_zeros() -> None:
    assert decode_blob(changed(encode_blob(b"data"), 4, 6)) == b"data\0\0"
