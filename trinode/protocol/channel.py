"""Channels: compressed streams of batches (specification: derivation, "Channel Format"; fjord/derivation, "Brotli
Channel Compression").

Decoding streams: what can be read before a truncation, damage or the size limit counts. It inflates only as far as the
reader asks, so that a decompression bomb costs no more than the limit allows, a piece at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice

import brotli

from trinode.protocol.errors import DecodingError
from trinode.protocol.inflate import (
    TRUNCATED,
    WHOLE,
    Piece,
    ZlibError,
    inflate_brotli,
    inflate_zlib,
    inflate_zlib_exactly,
)
from trinode.protocol.rlp_codec import encode_bytes

BROTLI_VERSION = 1
_BUFFER_SIZE = 1 << 12


class ChannelDecodingError(DecodingError):
    """A channel that cannot be read (any further)."""


class ChannelCompression(Enum):
    """How a channel is compressed."""

    ZLIB = "zlib"
    BROTLI = "brotli"


def read_batches(channel: bytes, *, brotli_allowed: bool, max_rlp_bytes: int) -> Iterator[bytes]:
    """Yield the batches of a channel, type byte included, inflating no further than the reader asks.

    `max_rlp_bytes` of inflated data are looked at. Raises ChannelDecodingError where the channel is damaged; the
    batches before that hold.
    """
    count = 0
    try:
        for batch in _batches(_inflate(channel, brotli_allowed=brotli_allowed), max_rlp_bytes):
            yield batch
            count += 1
    except ZlibError:
        yield from islice(_batches(inflate_zlib_exactly(channel), max_rlp_bytes), count, None)


def _batches(pieces: Iterator[Piece], max_rlp_bytes: int) -> Iterator[bytes]:
    """The RLP strings in inflated data, as strictly as Go's rlp.Stream with an input limit."""
    reader = _Reader(pieces)
    limit = max_rlp_bytes
    while limit > 0 and (prefix := reader.next_byte()) is not None:
        limit -= 1
        if prefix < 0x80:
            yield bytes([prefix])
            continue
        if prefix >= 0xC0:
            raise ChannelDecodingError("a list where a batch's string is expected")
        size = prefix - 0x80
        if prefix >= 0xB8:
            limit -= prefix - 0xB7
            size = _long_size(reader.take(prefix - 0xB7)) if limit >= 0 else 0
        limit -= size
        if limit < 0:
            raise ChannelDecodingError(f"a batch goes {-limit} bytes beyond the limit of {max_rlp_bytes}")
        batch = reader.take(size)
        if size == 1 and batch[0] < 0x80:
            raise ChannelDecodingError("a single byte below 0x80 behind a length prefix")
        yield batch


def _long_size(length: bytes) -> int:
    size = int.from_bytes(length, "big")
    if size < 56 or length[0] == 0:
        raise ChannelDecodingError("a string's length is not in its shortest form")
    return size


def _inflate(channel: bytes, *, brotli_allowed: bool) -> Iterator[Piece]:
    if not channel:
        raise ChannelDecodingError("an empty channel")
    if channel[0] & 0x0F in (8, 15):  # zlib's compression methods; 15 is reserved, and then refused as a zlib header
        return inflate_zlib(channel)
    if channel[0] != BROTLI_VERSION:
        raise ChannelDecodingError(f"compression type byte {channel[0]}")
    if not brotli_allowed:
        raise ChannelDecodingError("brotli before Fjord")
    return inflate_brotli(channel)


class _Reader:
    """Takes bytes off the pieces of inflated data.

    op-node's buffer is imitated in one respect: what it has buffered (4,096 bytes at most, within one piece) can be
    read although the data is damaged behind it, but a larger read goes past the buffer, and fails if it takes the very
    last bytes before damage.
    """

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._data = b""
        self._end: str | None = None
        self._position = self._buffered = 0  # both in `_data`

    def next_byte(self) -> int | None:
        """None at the end of the data. Raises ChannelDecodingError at damage."""
        if self._position == len(self._data) and not self._next_piece():
            if self._end in (WHOLE, TRUNCATED):
                return None
            raise ChannelDecodingError(self._end)
        self._buffer()
        self._position += 1
        return self._data[self._position - 1]

    def take(self, count: int) -> bytes:
        """`count` bytes. Raises ChannelDecodingError if the data ends before."""
        pieces = []
        while count:
            if self._position == len(self._data) and not self._next_piece():
                raise ChannelDecodingError(self._end or "the data ends within a batch")
            if count < _BUFFER_SIZE:
                self._buffer()
            start = self._position
            if start < self._buffered:
                self._position = min(start + count, self._buffered)
            else:
                self._position = self._buffered = min(start + count, len(self._data))
                if self._end and self._position == len(self._data):
                    raise ChannelDecodingError(self._end)
            pieces.append(self._data[start : self._position])
            count -= self._position - start
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _buffer(self) -> None:
        if self._position == self._buffered:
            self._buffered = min(self._position + _BUFFER_SIZE, len(self._data))

    def _next_piece(self) -> bool:
        """Have data at the position; False if none follows."""
        while self._end is None:
            self._data, self._end = next(self._pieces)
            self._position = self._buffered = 0
            if self._data:
                return True
        return False


def compress_channel(batches: Iterable[bytes], compression: ChannelCompression, level: int | None = None) -> bytes:
    """A channel of batches (each with its type byte). `level`: zlib 0 to 9, brotli 0 to 11; the best by default."""
    data = b"".join(encode_bytes(batch) for batch in batches)
    if compression is ChannelCompression.ZLIB:
        return zlib.compress(data, 9 if level is None else level)
    return bytes([BROTLI_VERSION]) + bytes(brotli.compress(data, quality=11 if level is None else level, lgwin=22))
