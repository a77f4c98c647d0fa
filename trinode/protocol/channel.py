"""Channels: compressed streams of batches (specification: derivation, "Channel Format"; fjord/derivation, "Brotli Channel Compression").

Decoding streams: what can be read before a truncation, damage or the size limit counts. It inflates only as far as the reader asks, so that
a decompression bomb costs no more than the limit allows, a piece at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Protocol

import brotli

from trinode.protocol.errors import DecodingError
from trinode.protocol.rlp_codec import encode_bytes

BROTLI_VERSION = 1
_INFLATE_STEP = 1 << 16


class ChannelDecodingError(DecodingError):
    """A channel that cannot be read (any further)."""


class ChannelCompression(Enum):
    """How a channel is compressed."""

    ZLIB = "zlib"
    BROTLI = "brotli"


def read_batches(channel: bytes, *, brotli_allowed: bool, max_rlp_bytes: int) -> Iterator[bytes]:
    """Yield the batches of a channel, type byte included, as the reader asks for them.

    `max_rlp_bytes` of inflated data are looked at. Raises ChannelDecodingError where the channel is damaged; the batches before it hold.
    """
    source = _source(channel, brotli_allowed=brotli_allowed)
    stream = _Stream(source, max_rlp_bytes)
    while (batch := stream.next_string()) is not None:
        yield batch


def _source(channel: bytes, *, brotli_allowed: bool) -> _Inflater:
    if not channel:
        raise ChannelDecodingError("an empty channel")
    if channel[0] & 0x0F in (8, 15):  # zlib's compression methods; 15 is reserved, and then refused by zlib itself
        return _ZlibInflater(channel)
    if channel[0] != BROTLI_VERSION:
        raise ChannelDecodingError(f"compression type byte {channel[0]}")
    if not brotli_allowed:
        raise ChannelDecodingError("brotli before Fjord")
    return _BrotliInflater(channel[1:])


class _Inflater(Protocol):
    """Gives inflated data piece by piece: b"" at its end. Raises ChannelDecodingError at damage, after the data before it."""

    def more(self) -> bytes: ...


class _ZlibInflater:
    """zlib's output up to the input byte at which it finds the damage."""

    def __init__(self, data: bytes) -> None:
        # An empty dictionary: Go accepts a stream that asks for one with the checksum of nothing, and refuses others.
        self._inflate = zlib.decompressobj(zdict=b"")
        self._input = data
        self._error: ChannelDecodingError | None = None

    def more(self) -> bytes:
        if self._error is not None:
            raise self._error
        if self._inflate.eof:
            return b""
        before = self._inflate.copy()
        try:
            piece = self._inflate.decompress(self._input, _INFLATE_STEP)
        except zlib.error as error:
            return self._last_piece(before, error)
        self._input = self._inflate.unconsumed_tail
        if not piece and not self._inflate.eof:
            raise ChannelDecodingError("zlib data ends too early")
        return piece

    def _last_piece(self, inflate: zlib._Decompress, error: zlib.error) -> bytes:
        """zlib throws away what it inflated in the call that fails: go there again, byte by byte."""
        pieces = []
        self._error = ChannelDecodingError(f"zlib: {error}")
        try:
            for index in range(len(self._input)):
                pieces.append(inflate.decompress(self._input[index : index + 1]))
        except zlib.error:
            pass  # it is the error that is kept
        piece = b"".join(pieces)
        if not piece:
            raise self._error
        return piece


class _BrotliInflater:
    """brotli's output up to the input byte at which it finds the damage."""

    def __init__(self, data: bytes) -> None:
        self._inflate = brotli.Decompressor()
        self._whole = data
        self._input = data
        self._given = 0
        self._error: ChannelDecodingError | None = None

    def more(self) -> bytes:
        if self._error is not None:
            raise self._error
        if self._inflate.is_finished():
            return b""
        piece, self._input = self._input, b""  # it keeps what it cannot use yet
        try:
            output: bytes = self._inflate.process(piece, output_buffer_limit=_INFLATE_STEP)
        except brotli.error as error:
            return self._last_piece(error)
        if not output and not self._inflate.is_finished():
            raise ChannelDecodingError("brotli data ends too early")
        self._given += len(output)
        return output

    def _last_piece(self, error: Exception) -> bytes:
        """brotli throws away what it inflated in the call that fails, and cannot go back: start again, byte by byte."""
        self._error = ChannelDecodingError(f"brotli: {error}")
        inflate = brotli.Decompressor()
        skip, pieces = self._given, list[bytes]()
        try:
            for index in range(len(self._whole)):
                piece: bytes = inflate.process(self._whole[index : index + 1])
                if len(piece) <= skip:
                    skip -= len(piece)
                else:
                    pieces.append(piece[skip:])  # up to brotli's whole window, in pieces of a byte or so: joined once
                    skip = 0
        except brotli.error:
            pass  # it is the error that is kept
        rest = b"".join(pieces)
        if not rest:
            raise self._error
        return rest


class _Stream:
    """Reads RLP strings off an inflater, as strictly as Go's rlp.Stream with an input limit."""

    def __init__(self, source: _Inflater, limit: int) -> None:
        self._source = source
        self._limit = limit  # bytes that may still be taken
        self._buffer = b""
        self._position = 0

    def next_string(self) -> bytes | None:
        """The next string's payload; None at the end of the data, or of the limit."""
        if self._limit == 0 or not self._fill(1):
            return None
        prefix = self._take(1)[0]
        if prefix < 0x80:
            return bytes([prefix])
        if prefix >= 0xC0:
            raise ChannelDecodingError("a list where a batch's string is expected")
        size = prefix - 0x80
        if prefix >= 0xB8:
            size = self._long_size(prefix - 0xB7)
        payload = self._take(size)
        if size == 1 and payload[0] < 0x80:
            raise ChannelDecodingError("a single byte below 0x80 behind a length prefix")
        return payload

    def _long_size(self, length: int) -> int:
        size = self._take(length)
        number = int.from_bytes(size, "big")
        if size[0] == 0 or number < 56:
            raise ChannelDecodingError("a string's length is not in its shortest form")
        return number

    def _take(self, count: int) -> bytes:
        if count > self._limit:
            raise ChannelDecodingError(f"{count} bytes announced, {self._limit} may still be read of the channel")
        if not self._fill(count):
            raise ChannelDecodingError("the data ends within a batch")
        self._limit -= count
        start, self._position = self._position, self._position + count
        return self._buffer[start : self._position]

    def _fill(self, count: int) -> bool:
        """Have `count` bytes at the position; False if the data ends before."""
        missing = count - (len(self._buffer) - self._position)
        if missing <= 0:
            return True
        pieces = [self._buffer[self._position :]]
        self._position = 0
        try:
            while missing > 0:
                piece = self._source.more()
                if not piece:
                    return False
                pieces.append(piece)
                missing -= len(piece)
        finally:
            self._buffer = b"".join(pieces)
        return True


def compress_channel(batches: Iterable[bytes], compression: ChannelCompression, level: int | None = None) -> bytes:
    """A channel of batches (each with its type byte). `level`: zlib 0 to 9, brotli 0 to 11; the best by default."""
    data = b"".join(encode_bytes(batch) for batch in batches)
    if compression is ChannelCompression.ZLIB:
        return zlib.compress(data, 9 if level is None else level)
    return bytes([BROTLI_VERSION]) + bytes(brotli.compress(data, quality=11 if level is None else level, lgwin=22))
