"""Channels: what op-node reads of them, whole or damaged."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Iterable
from random import Random

import brotli
import pytest

from trinode.protocol.channel import (
    BROTLI_VERSION,
    ChannelCompression,
    ChannelDecodingError,
    compress_channel,
    read_batches,
)
from trinode.protocol.rlp_codec import encode_bytes

LIMIT = 100_000_000
BATCHES = [bytes([number]) * (50 + 30 * number) for number in range(20)]
RANDOM_BATCHES = [Random(number).randbytes(6000) for number in range(30)]


def read(channel: bytes, *, limit: int = LIMIT, brotli_allowed: bool = True) -> tuple[list[bytes], str]:
    """The batches of a channel, and what was wrong behind them."""
    batches = []
    try:
        for batch in read_batches(channel, brotli_allowed=brotli_allowed, max_rlp_bytes=limit):
            batches.append(batch)
    except ChannelDecodingError as error:
        return batches, str(error)
    return batches, ""


def rlp(batches: Iterable[bytes]) -> bytes:
    return b"".join(map(encode_bytes, batches))


def inflated(data: bytes) -> bytes:
    """A channel that inflates to `data`."""
    return zlib.compress(data)


@pytest.mark.parametrize("compression", list(ChannelCompression))
@pytest.mark.parametrize("level", [None, 0, 1, 9])
def test_round_trip(compression: ChannelCompression, level: int | None) -> None:
    for batches in ([], BATCHES[:1], BATCHES, RANDOM_BATCHES):
        assert read(compress_channel(batches, compression, level)) == (batches, "")


# ---- which compression ----


def test_the_first_byte_says_how_a_channel_is_compressed() -> None:
    assert compress_channel([], ChannelCompression.ZLIB)[0] & 0x0F == 8
    assert compress_channel([], ChannelCompression.BROTLI)[0] == BROTLI_VERSION


@pytest.mark.parametrize("first", [0, 2, 0x10, 0x77, 0x79, 0xF0])
def test_unknown_compressions(first: int) -> None:
    assert read(bytes([first]) + bytes(10)) == ([], f"compression type byte {first}")


def test_an_empty_channel() -> None:
    assert read(b"") == ([], "an empty channel")


def test_brotli_must_be_allowed() -> None:
    channel = compress_channel(BATCHES, ChannelCompression.BROTLI)
    assert read(channel, brotli_allowed=False) == ([], "brotli before Fjord")


BAD_HEADERS = {"check bits": b"\x78\x9d", "window": b"\x88\x1c", "method 15": b"\x7f\x05", "short": b"\x78"}


@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_bad_zlib_headers(header: bytes) -> None:
    batches, problem = read(header + zlib.compress(rlp(BATCHES))[2:] * (len(header) > 1))
    assert not batches
    assert "zlib" in problem


def test_a_preset_dictionary_can_only_be_the_empty_one() -> None:
    data = rlp(BATCHES)
    body = zlib.compress(data)[2:]
    assert read(b"\x78\xbb" + struct.pack(">I", 1) + body) == (BATCHES, "")
    batches, problem = read(b"\x78\xbb" + struct.pack(">I", 2) + body)
    assert not batches
    assert "dictionary" in problem


# ---- RLP, as Go's stream reads it ----


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"\xc0", "list", id="list"),
        pytest.param(b"\xf8\x38" + bytes(56), "list", id="long list"),
        pytest.param(b"\x81\x7f", "below 0x80", id="single byte behind a prefix"),
        pytest.param(b"\xb8\x37" + bytes(55), "shortest", id="long prefix of a short string"),
        pytest.param(b"\xb9\x00\x38" + bytes(56), "shortest", id="leading zero in the length"),
        pytest.param(b"\xb8", "ends", id="length missing"),
        pytest.param(b"\x82a", "ends", id="payload missing"),
        pytest.param(b"\xbf" + b"\xff" * 8, "limit", id="length of 64 bits"),
    ],
)
def test_what_is_no_batch(data: bytes, problem: str) -> None:
    batches, found = read(inflated(rlp(BATCHES) + data + rlp(BATCHES)[: 0 if "ends" in problem else None]))
    assert batches == BATCHES
    assert problem in found


def test_single_bytes_and_empty_strings_are_strings() -> None:
    assert read(inflated(b"\x00\x7f\x80\x81\x80")) == ([b"\0", b"\x7f", b"", b"\x80"], "")


# ---- the limit ----


@pytest.mark.parametrize("compression", list(ChannelCompression))
def test_the_limit_counts_prefixes_and_may_be_reached(compression: ChannelCompression) -> None:
    channel = compress_channel(BATCHES, compression)
    size = len(rlp(BATCHES[:5]))
    assert read(channel, limit=size) == (BATCHES[:5], "")
    batches, problem = read(channel, limit=size - 1)
    assert batches == BATCHES[:4]
    assert "limit" in problem
    batches, problem = read(channel, limit=size + 1)  # the next prefix may be read, its payload not
    assert batches == BATCHES[:5]
    assert "limit" in problem


def test_the_limit_within_a_length() -> None:
    batches, problem = read(inflated(encode_bytes(bytes(300))), limit=2)
    assert not batches
    assert "limit" in problem


@pytest.mark.parametrize("compression", list(ChannelCompression))
def test_a_bomb_takes_no_more_than_is_asked_for(compression: ChannelCompression) -> None:
    data = rlp(BATCHES) + encode_bytes(bytes(40_000_000))
    bomb = zlib.compress(data) if compression is ChannelCompression.ZLIB else b"\x01" + brotli.compress(data, quality=2)
    assert len(bomb) < 50_000
    tracemalloc.start()
    batches, problem = read(bomb, limit=10_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert batches == BATCHES
    assert "limit" in problem
    assert peak < 3_000_000


# ---- damage ----


@pytest.mark.parametrize("compression", list(ChannelCompression))
def test_truncated_channels_keep_what_is_whole(compression: ChannelCompression) -> None:
    channel = compress_channel(RANDOM_BATCHES, compression, 5)
    counts = []
    for size in range(0, len(channel), len(channel) // 40):
        batches, _ = read(channel[:size])
        assert batches == RANDOM_BATCHES[: len(batches)]
        counts.append(len(batches))
    assert counts == sorted(counts)
    assert counts[-1] > 25


def test_a_truncation_between_batches_is_an_end() -> None:
    deflate = zlib.compressobj()
    channel = deflate.compress(rlp(BATCHES)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    assert read(channel) == (BATCHES, "")


def test_a_bad_checksum_costs_a_large_last_batch() -> None:
    """op-node's reader goes past its buffer for reads of 4,096 bytes, and there the error comes with the last bytes."""
    for last, is_kept in ((bytes(3000), True), (Random(0).randbytes(20_000), False)):
        batches = [*BATCHES, last]
        channel = compress_channel(batches, ChannelCompression.ZLIB)
        assert read(channel) == (batches, "")
        found, problem = read(channel[:-1] + bytes([channel[-1] ^ 1]))
        assert found == (batches if is_kept else BATCHES)
        assert "checksum" in problem


def test_bytes_behind_zlib_data_are_ignored_and_behind_brotli_data_damage() -> None:
    assert read(compress_channel(BATCHES, ChannelCompression.ZLIB) + b"behind") == (BATCHES, "")
    found, problem = read(compress_channel(BATCHES, ChannelCompression.BROTLI) + b"behind")
    assert found == BATCHES
    assert "behind" in problem


def test_damage_in_zlib_data_costs_what_follows() -> None:
    deflate = zlib.compressobj()
    channel = deflate.compress(rlp(BATCHES)) + deflate.flush(zlib.Z_SYNC_FLUSH) + b"\x07" + bytes(50)
    found, problem = read(channel)
    assert found == BATCHES
    assert "reserved" in problem


LETTERS = bytes(Random(3).choices(b"abcd", k=12_000))
LETTER_BATCHES = [LETTERS[start : start + 500] for start in range(0, len(LETTERS), 500)]


def found_before_damage(window_bits: int) -> list[int]:
    """How many batches come before the failure of brotli, for a one-chunk channel with a bit changed here or there."""
    channel = b"\x01" + brotli.compress(rlp(LETTER_BATCHES), quality=5, lgwin=window_bits)
    assert len(channel) < 4096
    counts = []
    for position in range(2, len(channel), 30):
        damaged = channel[:position] + bytes([channel[position] ^ 1]) + channel[position + 1 :]
        found, problem = read(damaged)
        if "decoder failed" in problem:
            counts.append(len(found))
    return counts


def test_damage_in_brotli_data_costs_all_of_its_chunk() -> None:
    """op-node's decoder keeps what it has decoded of the chunk of input (4,096 bytes, then 32 KiB each)."""
    assert set(found_before_damage(window_bits=22)) == {0}


def test_a_small_window_gives_more_before_damage() -> None:
    """The decoder's ring buffer lets its content go whenever it is full: every KiB here."""
    assert max(found_before_damage(window_bits=10)) > 10
