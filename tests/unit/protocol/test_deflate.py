"""The slow decoder of deflate streams: what zlib makes of whole streams, and what Go makes of others."""

from __future__ import annotations

import zlib
from random import Random

import pytest

from trinode.protocol.deflate import Deflate, DeflateError, DeflateTruncatedError

RANDOM = Random(0)
TEXTS = {
    "nothing": b"",
    "one byte": b"a",
    "random": RANDOM.randbytes(70_000),
    "two letters": bytes(RANDOM.choices(b"ab", k=100_000)),
    "many letters": bytes(RANDOM.choices(bytes(range(256)), weights=range(1, 257), k=30_000)),
    "zeros": bytes(300_000),
    "repetitions": b"".join(RANDOM.randbytes(40) * RANDOM.randrange(1, 9) for _ in range(500)),
}


def deflated(data: bytes, level: int = 9, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    return deflate.compress(data) + deflate.flush()


def output(stream: bytes) -> tuple[bytes, DeflateError | None, int]:
    """All that comes out, how it ends, and where."""
    decoder = Deflate(stream, 0)
    pieces = []
    try:
        for piece, _ in decoder.pieces():
            pieces.append(piece)
    except DeflateError as error:
        return b"".join(pieces), error, decoder.position
    return b"".join(pieces), None, decoder.position


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED])
def test_whole_streams(text: bytes, level: int, strategy: int) -> None:
    stream = deflated(text, level, strategy)
    assert output(stream + b"behind") == (text, None, len(stream))


def test_what_comes_before_damage_is_given() -> None:
    data = RANDOM.randbytes(1000)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
    for bad in (
        b"\x07",
        b"\x01\x05\x00\x00\x00hello",
    ):  # a block of the reserved kind; a stored one whose lengths differ
        given, error, _ = output(stream + bad)
        assert given == data
        assert error is not None
        assert not isinstance(error, DeflateTruncatedError)


@pytest.mark.parametrize("level", [0, 9])
def test_a_truncated_stream_gives_a_prefix(level: int) -> None:
    text = TEXTS["repetitions"]
    stream = deflated(text, level)
    for size in range(0, len(stream), 997):
        given, error, _ = output(stream[:size])
        assert isinstance(error, DeflateTruncatedError)
        assert text.startswith(given)


def test_at_the_end_as_many_bits_are_wanted_as_the_end_of_block_has() -> None:
    """zlib decodes the last symbols of a truncated stream from fewer bits than Go asks for."""
    stream = deflated(TEXTS["many letters"], strategy=zlib.Z_HUFFMAN_ONLY)
    missed = 0
    for cut in range(1, 6):
        ours, _, _ = output(stream[:-cut])
        zlibs = zlib.decompressobj(-15).decompress(stream[:-cut])
        assert zlibs.startswith(ours)
        missed += len(zlibs) - len(ours)
    assert missed > 0


def test_an_empty_stored_block_asks_for_what_there_is() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = deflate.compress(b"one") + deflate.flush(zlib.Z_SYNC_FLUSH) + deflate.compress(b"two") + deflate.flush()
    assert [pair for pair in Deflate(stream, 0).pieces() if any(pair)] == [
        (b"one", False),
        (b"", True),
        (b"two", False),
    ]


def test_a_distance_to_before_the_start() -> None:
    # Fixed codes: the literal "a", then length 3 at distance 4, then end of block.
    bits = "1" + "10" + f"{0x30 + ord('a'):08b}" + "0000001" + "00011" + "0000000"
    stream = int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")
    given, error, _ = output(stream)
    assert given == b"a"
    assert error is not None
