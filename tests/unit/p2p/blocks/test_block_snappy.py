"""Compression is bounded before anything is inflated, and reads what the format's description says."""

from __future__ import annotations

import tracemalloc

import pytest

from trinode.p2p.blocks.snappy import MAX_MESSAGE_SIZE, CompressionFault, TooLarge, compress, inflate, inflated_size


def test_examples_of_the_format() -> None:
    assert inflate(b"\x00") == b""
    assert inflate(b"\x03\x08abc") == b"abc"  # a literal of 3
    assert inflate(b"\x0a\x08xyz\x0d\x03") == b"xyzxyzxyzx"  # and a copy of 7, from 3 before: it repeats itself
    assert inflate(b"\x01\x00a") == b"a" == inflate(b"\x81\x00\x00a")  # sizes need not be minimal


@pytest.mark.parametrize(
    "compressed",
    [b"", b"\x05", b"\x01\x00ab", b"\x0a\x08xyz\x0d\x04", b"\x0a\x08xyz\x0d\x00", b"\xff" * 40, b"\xff\xff\xff\xff\xff\x7f"],
    ids=["nothing", "no-contents", "too-much", "before-the-start", "offset-0", "endless-size", "more-than-32-bits"],
)
def test_what_no_compressor_makes(compressed: bytes) -> None:
    with pytest.raises(CompressionFault):
        inflate(compressed)


def test_ten_mebibytes_and_no_more() -> None:
    largest = bytes(MAX_MESSAGE_SIZE)
    assert inflate(compress(largest)) == largest
    with pytest.raises(TooLarge):
        inflate(compress(largest + b"\0"))


def test_a_bomb_takes_no_room() -> None:
    bomb = b"\xff\xff\xff\xff\x0f" + b"\xfe\x01\x00" * 1000  # says 4 GiB
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="4294967295"):
            inflated_size(bomb)
        with pytest.raises(TooLarge):
            inflate(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
