"""Frames, blobs, channels and batches: strict, total, and their own encoders' inverse. What real chains hold is in conformance/test_batch_vectors."""

from __future__ import annotations

import contextlib
import tracemalloc
import zlib
from random import Random

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.l2_transactions import TransactionMaker
from trinode.protocol.batch import (
    BatchDecodingError,
    SingularBatch,
    decode_singular_batch,
    encode_singular_batch,
)
from trinode.protocol.blob import BLOB_SIZE, MAX_BLOB_DATA_SIZE, BlobDecodingError, decode_blob, encode_blob
from trinode.protocol.channel import ChannelCompression, ChannelDecodingError, compress_channel, read_batches
from trinode.protocol.frame import MAX_FRAME_LENGTH, Frame, FrameDecodingError, decode_frames, encode_frames
from trinode.protocol.rlp_codec import encode_bytes, encode_list
from trinode.protocol.span_batch import decode_span_batch, encode_span_batch

CHAIN_ID = 901
LIMIT = 10_000_000
frames = st.builds(Frame, st.binary(min_size=16, max_size=16), st.integers(0, 65_535), st.binary(max_size=50), st.booleans())


def read(channel: bytes, limit: int = LIMIT) -> list[bytes]:
    return list(read_batches(channel, brotli_allowed=True, max_rlp_bytes=limit))


def read_until_error(channel: bytes, limit: int = LIMIT) -> list[bytes]:
    batches: list[bytes] = []
    with pytest.raises(ChannelDecodingError):
        batches.extend(read_batches(channel, brotli_allowed=True, max_rlp_bytes=limit))  # keeps what came before the error
    return batches


# ---- frames ----


@given(st.lists(frames, min_size=1, max_size=5))
def test_frames_round_trip(some: list[Frame]) -> None:
    assert decode_frames(encode_frames(some)) == some


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_frame_error(data: bytes) -> None:
    with contextlib.suppress(FrameDecodingError):
        assert encode_frames(decode_frames(data)) == data


def test_a_frame_over_the_maximal_length_and_a_bad_is_last() -> None:
    assert decode_frames(encode_frames([Frame(bytes(16), 0, bytes(MAX_FRAME_LENGTH), True)]))
    with pytest.raises(FrameDecodingError):
        decode_frames(encode_frames([Frame(bytes(16), 0, bytes(MAX_FRAME_LENGTH + 1), True)]))
    with pytest.raises(FrameDecodingError):
        decode_frames(encode_frames([Frame(bytes(16), 0, b"x", True)])[:-1] + b"\x02")


# ---- blobs ----


@given(st.integers(0, MAX_BLOB_DATA_SIZE), st.integers(0, 2**32))
def test_blobs_round_trip(size: int, seed: int) -> None:
    data = Random(seed).randbytes(size)
    blob = encode_blob(data)
    assert len(blob) == BLOB_SIZE
    assert max(blob[::32]) < 0x40
    assert decode_blob(blob) == data


def test_bad_blobs() -> None:
    good = encode_blob(b"data")
    for position, value in ((1, 1), (2, 0xFF), (32, 0x40), (64, 0x80), (BLOB_SIZE - 1, 1), (200, 1)):
        bad = bytearray(good)
        bad[position] = value
        with pytest.raises(BlobDecodingError):
            decode_blob(bytes(bad))
    with pytest.raises(BlobDecodingError):
        decode_blob(good[:-1])
    lenient = bytearray(good)
    lenient[0] |= 0x40  # op-node does not look at the very first element's top bits
    assert decode_blob(bytes(lenient)) == b"data"


# ---- channels ----

BATCHES = [b"\x00" + bytes([number]) * 60 for number in range(20)]


@pytest.mark.parametrize("compression", list(ChannelCompression))
def test_channels_round_trip(compression: ChannelCompression) -> None:
    assert read(compress_channel(BATCHES, compression)) == BATCHES


def test_what_comes_before_a_truncation_counts() -> None:
    random = Random(0)
    batches = [b"\x00" + random.randbytes(5000) for _ in range(30)]
    channel = compress_channel(batches, ChannelCompression.ZLIB)
    kept = read_until_error(channel[: len(channel) // 2])
    assert 10 <= len(kept) < 20
    assert kept == batches[: len(kept)]


def test_a_bad_checksum_comes_after_the_batches() -> None:
    channel = compress_channel(BATCHES, ChannelCompression.ZLIB)
    assert read_until_error(channel[:-1] + bytes([channel[-1] ^ 1])) == BATCHES


def test_a_bomb_is_cut_at_the_limit() -> None:
    bomb = b"\x01" + brotli.compress(encode_bytes(bytes(60)) + encode_bytes(bytes(200_000_000)), quality=3)
    assert len(bomb) < 100_000
    assert read_until_error(bomb, 100_000_000) == [bytes(60)]


def test_batches_that_just_fit_the_limit() -> None:
    data = encode_bytes(BATCHES[0]) + encode_bytes(BATCHES[1])
    channel = zlib.compress(data)
    assert read(channel, len(data)) == BATCHES[:2]
    assert read_until_error(channel, len(data) - 1) == BATCHES[:1]
    assert read(channel, len(encode_bytes(BATCHES[0]))) == BATCHES[:1]  # nothing may be read after it: the end, no error


@pytest.mark.parametrize("channel", [b"", b"\x02abc", b"\x78", b"\x0f\x01"])
def test_channels_of_no_known_compression(channel: bytes) -> None:
    assert read_until_error(channel) == []


def test_brotli_is_for_fjord() -> None:
    channel = compress_channel(BATCHES, ChannelCompression.BROTLI)
    with pytest.raises(ChannelDecodingError, match="brotli"):
        next(read_batches(channel, brotli_allowed=False, max_rlp_bytes=LIMIT))


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x78\x9c", b"\x01"]))
def test_any_bytes_are_a_channel_or_a_channel_error(data: bytes, start: bytes) -> None:
    with contextlib.suppress(ChannelDecodingError):
        read(start + data, 100_000)


# ---- batches ----


def singular(number: int, transactions: tuple[bytes, ...] = (), epoch: int = 7) -> SingularBatch:
    return SingularBatch(bytes([number]) * 32, epoch, bytes([epoch]) * 32, 1000 + 2 * number, transactions)


def test_singular_batches_round_trip_and_ignore_what_follows() -> None:
    batch = singular(1, (b"\x02one", b"", b"x"))
    encoded = encode_singular_batch(batch)
    assert decode_singular_batch(encoded[1:]) == batch
    assert decode_singular_batch(encoded[1:] + b"more") == batch


@given(st.binary(max_size=200))
def test_any_bytes_are_a_singular_batch_or_a_batch_error(data: bytes) -> None:
    with contextlib.suppress(BatchDecodingError):
        decode_singular_batch(data)


def span(blocks: list[SingularBatch], *, starts_epoch: bool = False) -> bytes:
    return encode_span_batch(blocks, genesis_timestamp=1000, chain_id=CHAIN_ID, starts_epoch=starts_epoch)


def decode(span_batch: bytes) -> list[tuple[int, int, tuple[bytes, ...]]]:
    batch = decode_span_batch(span_batch[1:], block_time=2, genesis_timestamp=1000, chain_id=CHAIN_ID)
    return [(block.epoch_number, block.timestamp, block.transactions) for block in batch]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12), st.integers(0, 2**32), st.booleans())
def test_span_batches_round_trip(shape: list[tuple[int, bool]], seed: int, starts_epoch: bool) -> None:
    maker = TransactionMaker(CHAIN_ID, Random(seed))
    blocks, epoch = [], 7
    for number, (count, advances) in enumerate(shape):
        epoch += advances and number > 0
        blocks.append(singular(number, tuple(maker.make(set_code=True) for _ in range(count)), epoch))
    assert decode(span(blocks, starts_epoch=starts_epoch)) == [(b.epoch_number, b.timestamp, b.transactions) for b in blocks]


@given(st.integers(0, 2**32), st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_span_is_a_span_or_a_batch_error(seed: int, position: int, value: int) -> None:
    maker = TransactionMaker(CHAIN_ID, Random(seed))
    data = bytearray(span([singular(0, tuple(maker.make(set_code=True) for _ in range(3)))]))
    data[position % len(data)] = value
    with contextlib.suppress(BatchDecodingError):
        decode(bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_span_or_a_batch_error(data: bytes) -> None:
    with contextlib.suppress(BatchDecodingError):
        decode(b"\x01" + data)


def test_a_million_empty_blocks_are_not_made_before_somebody_asks() -> None:
    count = 1_000_000
    payload = b"\x00\x07" + bytes(40) + b"\xc0\x84\x3d" + bytes(count // 8) + bytes(count)
    tracemalloc.start()
    batch = decode_span_batch(payload, block_time=2, genesis_timestamp=0, chain_id=CHAIN_ID)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(batch) == count
    assert batch[count - 1].timestamp == 2 * (count - 1)
    assert peak < 30_000_000


def test_spans_of_no_blocks_and_of_too_many() -> None:
    for count in (b"\x00", b"\x81\xad\xe2\x04"):
        with pytest.raises(BatchDecodingError):
            decode(b"\x01\x00\x07" + bytes(40) + count + bytes(20_000_000 if count != b"\x00" else 10))


def test_singular_fields_of_wrong_sizes() -> None:
    good = [encode_bytes(bytes(32)), b"\x07", encode_bytes(bytes(32)), b"\x08", encode_list([])]
    decode_singular_batch(encode_list(good))
    for index, bad in ((0, encode_bytes(bytes(31))), (1, encode_bytes(b"\x01" * 9)), (1, b"\x00"), (2, encode_list([])), (4, b"\x80")):
        with pytest.raises(BatchDecodingError):
            decode_singular_batch(encode_list([*good[:index], bad, *good[index + 1 :]]))
    with pytest.raises(BatchDecodingError):
        decode_singular_batch(encode_list(good[:4]))
