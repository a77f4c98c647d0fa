"""Decoders of batcher data are total: any bytes are values or the documented error, in bounded time and memory.

Encoders are their inverse.
"""

from __future__ import annotations

import tracemalloc
import zlib
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import brotli
from hypothesis import given
from hypothesis import strategies as st

from harness.l2_transactions import TransactionMaker
from trinode.protocol.batch import BatchDecodingError, SingularBatch, decode_singular_batch, encode_singular_batch
from trinode.protocol.blob import BLOB_SIZE, MAX_BLOB_DATA_SIZE, BlobDecodingError, decode_blob, encode_blob
from trinode.protocol.channel import ChannelCompression, ChannelDecodingError, compress_channel, read_batches
from trinode.protocol.deflate import Deflate, DeflateError
from trinode.protocol.frame import Frame, FrameDecodingError, decode_frames, encode_frames
from trinode.protocol.span_batch import (
    SpanBatch,
    decode_raw_span_batch,
    decode_span_batch,
    encode_raw_span_batch,
    encode_span_batch,
)
from trinode.protocol.span_batch_columns import TransactionColumns
from trinode.protocol.span_batch_fields import encode_uvarint
from trinode.protocol.span_batch_transactions import assemble_transactions
from trinode.protocol.span_batch_transposition import transpose_transactions

CHAIN_ID = 901
LIMIT = 1_000_000

frames = st.builds(
    Frame, st.binary(min_size=16, max_size=16), st.integers(0, 0xFFFF), st.binary(max_size=60), st.booleans()
)
uint64s = st.integers(0, 2**64 - 1) | st.integers(0, 300)
hashes = st.binary(min_size=32, max_size=32)
singular_batches = st.builds(
    SingularBatch, hashes, uint64s, hashes, uint64s, st.lists(st.binary(max_size=80), max_size=4).map(tuple)
)


@st.composite
def transactions(draw: st.DrawFn, max_size: int = 8) -> list[bytes]:
    """Signed transactions of types 0, 1, 2 and 4."""
    maker = TransactionMaker(CHAIN_ID, Random(draw(st.integers(0, 2**32))))
    return [maker.make(set_code=True) for _ in range(draw(st.integers(0, max_size)))]


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    """`data`, cut or with some bytes changed."""
    if not data or draw(st.booleans()):
        return data[: draw(st.integers(0, len(data)))] + draw(st.binary(max_size=4))
    damaged = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        telling = st.sampled_from((0, 1, 0x7F, 0x80, 0x81, 0xB8, 0xC0, 0xF8, 0xFF))
        damaged[draw(st.integers(0, len(data) - 1))] = draw(telling | st.integers(0, 255))
    return bytes(damaged)


# ---- frames and blobs ----


@given(st.lists(frames, min_size=1, max_size=5))
def test_frames_round_trip(some: list[Frame]) -> None:
    assert decode_frames(encode_frames(some)) == some


@given(st.binary(max_size=200) | st.lists(frames, min_size=1, max_size=3).map(encode_frames).flatmap(changed))
def test_any_bytes_are_frames_or_the_error(data: bytes) -> None:
    with suppress(FrameDecodingError):
        assert encode_frames(decode_frames(data)) == data


@given(st.integers(0, MAX_BLOB_DATA_SIZE), st.integers(0, 2**32))
def test_blobs_round_trip(size: int, seed: int) -> None:
    data = Random(seed).randbytes(size)
    assert decode_blob(encode_blob(data)) == data


@given(st.integers(0, 500), st.integers(0, BLOB_SIZE - 1) | st.integers(0, 200), st.integers(1, 7))
def test_a_changed_blob_is_the_error_or_other_data(size: int, position: int, bit: int) -> None:
    data = Random(size).randbytes(size)
    blob = bytearray(encode_blob(data))
    blob[position] ^= 1 << bit
    with suppress(BlobDecodingError):
        assert (decode_blob(bytes(blob)) == data) == (position == 0 and bit > 5)


# ---- channels ----


@given(st.lists(st.binary(max_size=5000), max_size=6), st.sampled_from(ChannelCompression), st.integers(0, 9))
def test_channels_round_trip(batches: list[bytes], compression: ChannelCompression, level: int) -> None:
    channel = compress_channel(batches, compression, level)
    assert list(read_batches(channel, brotli_allowed=True, max_rlp_bytes=LIMIT)) == batches


@given(st.data(), st.sampled_from(ChannelCompression), st.integers(0, 2**32))
def test_damaged_channels_give_batches_and_the_error(
    data: st.DataObject, compression: ChannelCompression, seed: int
) -> None:
    random = Random(seed)
    batches = [bytes(random.choices(b"ab\0", k=random.randrange(6000))) for _ in range(random.randrange(6))]
    channel = data.draw(changed(compress_channel(batches, compression, random.randrange(10))))
    limit = random.choice((LIMIT, 2000))
    size = 0
    with suppress(ChannelDecodingError):
        for batch in read_batches(channel, brotli_allowed=True, max_rlp_bytes=limit):
            size += 1 + len(batch) * (len(batch) != 1 or batch > b"\x7f")
    assert size <= limit


@given(st.binary(max_size=300), st.sampled_from((b"", b"\x78\x9c", b"\x01")))
def test_any_bytes_are_a_channel_or_the_error(data: bytes, start: bytes) -> None:
    with suppress(ChannelDecodingError):
        for _ in read_batches(start + data, brotli_allowed=True, max_rlp_bytes=10_000):
            pass


@given(st.integers(0, 2**20), st.sampled_from(ChannelCompression), st.integers(1_000_000, 20_000_000))
def test_memory_is_bounded_by_the_limit(limit: int, compression: ChannelCompression, size: int) -> None:
    data = b"\xbb" + size.to_bytes(4, "big") + bytes(size)
    channel = (
        zlib.compress(data, 1) if compression is ChannelCompression.ZLIB else b"\x01" + brotli.compress(data, quality=1)
    )
    tracemalloc.start()
    with suppress(ChannelDecodingError):
        list(read_batches(channel, brotli_allowed=True, max_rlp_bytes=limit))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000


STRATEGIES = zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED


@given(st.binary(max_size=20_000), st.integers(0, 9), st.sampled_from(STRATEGIES))
def test_our_deflate_agrees_with_zlib(data: bytes, level: int, strategy: int) -> None:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    stream = compressor.compress(data) + compressor.flush()
    assert b"".join(piece for piece, _ in Deflate(stream, 0).pieces()) == data


@given(st.binary(max_size=300))
def test_any_bytes_are_a_deflate_stream_or_the_error(data: bytes) -> None:
    with suppress(DeflateError):
        for _ in Deflate(data, 0).pieces():
            pass


# ---- batches ----


@given(singular_batches, st.binary(max_size=5))
def test_singular_batches_round_trip(batch: SingularBatch, behind: bytes) -> None:
    assert decode_singular_batch(encode_singular_batch(batch)[1:] + behind) == batch


@given(st.binary(max_size=200) | singular_batches.map(lambda batch: encode_singular_batch(batch)[1:]).flatmap(changed))
def test_any_bytes_are_a_singular_batch_or_the_error(data: bytes) -> None:
    with suppress(BatchDecodingError):
        batch = decode_singular_batch(data)
        assert data.startswith(encode_singular_batch(batch)[1:])


def decode(payload: bytes) -> SpanBatch:
    return decode_span_batch(payload, block_time=2, genesis_timestamp=1000, chain_id=CHAIN_ID)


@given(
    st.lists(st.tuples(transactions(4), st.booleans()), min_size=1, max_size=6),
    uint64s,
    st.booleans(),
    st.binary(max_size=5),
)
def test_span_batches_round_trip(
    shape: list[tuple[list[bytes], bool]], origin: int, starts_epoch: bool, behind: bytes
) -> None:
    blocks = []
    for number, (some, advances) in enumerate(shape):
        origin = min(origin + (advances and number > 0), 2**64 - 1)
        blocks.append(SingularBatch(bytes([number]) * 32, origin, bytes(32), 1000 + 2 * number, tuple(some)))
    encoded = encode_span_batch(blocks, genesis_timestamp=1000, chain_id=CHAIN_ID, starts_epoch=starts_epoch)
    batch = decode(encoded[1:] + behind)
    assert list(batch) == [(block.epoch_number, block.timestamp, block.transactions) for block in blocks]
    assert encode_raw_span_batch(decode_raw_span_batch(encoded[1:])) == encoded


@given(transactions())
def test_columns_round_trip(some: list[bytes]) -> None:
    columns = transpose_transactions(some, CHAIN_ID)
    assert assemble_transactions(columns, CHAIN_ID) == some


@given(st.data(), transactions())
def test_damaged_spans_are_spans_or_the_error(data: st.DataObject, some: list[bytes]) -> None:
    block = SingularBatch(bytes(32), 7, bytes(32), 1000, tuple(some))
    encoded = encode_span_batch([block], genesis_timestamp=1000, chain_id=CHAIN_ID, starts_epoch=False)
    with suppress(BatchDecodingError):
        decode(data.draw(changed(encoded[1:])))


@given(st.data(), transactions(4).filter(bool))
def test_damaged_columns_are_transactions_or_the_error(data: st.DataObject, some: list[bytes]) -> None:
    """Damage behind the sizes of the columns, which damage of the whole would hardly get through."""
    block = SingularBatch(bytes(32), 7, bytes(32), 1000, tuple(some))
    encoded = encode_span_batch([block], genesis_timestamp=1000, chain_id=CHAIN_ID, starts_epoch=False)
    raw = decode_raw_span_batch(encoded[1:])
    index = data.draw(st.integers(0, len(some) - 1))
    column = raw.columns.data
    damaged = (*column[:index], data.draw(changed(column[index])), *column[index + 1 :])
    changes: dict[str, Any] = {"data": damaged, "protected_bits": 0}
    with suppress(BatchDecodingError):
        decode(encode_raw_span_batch(replace(raw, columns=replace(raw.columns, **changes)))[1:])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_span_or_the_error(data: bytes) -> None:
    with suppress(BatchDecodingError):
        decode(data)


@given(st.integers(1, 200_000), st.integers(0, 255), st.integers(0, 200_000))
def test_a_span_takes_room_by_its_size(blocks: int, filler: int, size: int) -> None:
    """Whatever is announced: what is there bounds what is made."""
    payload = b"\x00\x07" + bytes(40) + encode_uvarint(blocks) + bytes((blocks + 7) // 8) + bytes([filler]) * size
    tracemalloc.start()
    with suppress(BatchDecodingError):
        decode(payload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000 + 40 * (len(payload) + 1)


@given(st.data())
def test_any_columns_encode_and_decode_or_raise_the_error(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 5))
    bits = st.integers(0, (1 << count) - 1)
    varints = st.tuples(*[uint64s.map(encode_uvarint)] * count)
    kinds = st.sampled_from((b"", b"\x01", b"\x02", b"\x04", b"\x7d"))
    entries = st.builds(lambda kind, body: kind + bytes([0xC0 + len(body)]) + body, kinds, st.binary(max_size=20))
    creations = data.draw(bits)
    columns = TransactionColumns(
        contract_creation_bits=creations,
        y_parity_bits=data.draw(bits),
        signatures=data.draw(st.binary(min_size=64 * count, max_size=64 * count)),
        recipients=bytes(20 * (count - creations.bit_count())),
        data=data.draw(st.tuples(*[entries] * count)),
        nonces=data.draw(varints),
        gas_limits=data.draw(varints),
        protected_bits=0,
    )
    empty = decode_raw_span_batch(b"\x00\x07" + bytes(40) + b"\x01\x00\x00")
    encoded = encode_raw_span_batch(replace(empty, transaction_counts=[count], columns=columns))
    assert decode_raw_span_batch(encoded[1:]).columns == columns
    with suppress(BatchDecodingError):
        assert len(assemble_transactions(columns, CHAIN_ID)) == count
