"""Inflating channels piece by piece, as op-node's readers do (specification: derivation, "Channel Format").

What comes before damage counts, and which bytes these are is decided by the readers' buffers. op-node reads a channel
through Go's zlib or a Go port of brotli, and that through a buffer of 4,096 bytes. The decoders here give the same
pieces:

- zlib: whenever its window of 32 KiB is full, at the end, and at damage, with everything decoded until there.
- brotli: what each chunk of input decodes to, but at damage only what the ring buffer had to let go: all else that was
  decoded from the chunk with the damage is lost, even whole batches.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import brotli

from trinode.protocol.deflate import WINDOW_SIZE, Deflate, DeflateError, DeflateTruncatedError

_ZLIB_INPUT = 1 << 12
_DEFLATE = 8
_BROTLI_CHUNKS = 1 << 12, 1 << 15
"""op-node's reader gives the first 4,096 bytes of a channel (of which one is no brotli), then 32 KiB at a time."""
_BROTLI_OUTPUT = 1 << 20
"""Where one chunk inflates to more than this, it comes in several pieces."""

WHOLE = ""
TRUNCATED = "the data ends too early"


class Piece(NamedTuple):
    """`end`: None where more follows; WHOLE or TRUNCATED at the end of the data; else what is wrong behind `data`."""

    data: bytes
    end: str | None


class ZlibError(Exception):
    """zlib finds a stream damaged or too short: read it again with `inflate_zlib_exactly`."""


def inflate_zlib(channel: bytes) -> Iterator[Piece]:
    """The data of a zlib stream that is in order. Raises ZlibError if it is not; what was given before holds.

    Each piece is held back until zlib has read on: the very last bytes before damage may be lost on op-node's reader.
    """
    position, problem = _zlib_start(channel)
    if problem:
        raise ZlibError
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    checksum, held, pending = 1, b"", b""
    while not inflate.eof:
        if not pending:
            pending = channel[position : position + _ZLIB_INPUT]
            position += len(pending)
        try:
            data = inflate.decompress(pending, WINDOW_SIZE)
        except zlib.error as error:
            raise ZlibError from error
        pending = inflate.unconsumed_tail
        if position == len(channel) and not pending and not inflate.eof:
            raise ZlibError
        checksum = zlib.adler32(data, checksum)
        if data:
            yield Piece(held, None)
            held = data
    position -= len(inflate.unused_data)
    if _checksum_problem(channel[position : position + 4], checksum):
        raise ZlibError
    yield Piece(held, WHOLE)


def inflate_zlib_exactly(channel: bytes) -> Iterator[Piece]:
    """The data of a zlib stream in the pieces in which op-node's decoder gives it. Slow."""
    start, end = _zlib_start(channel)
    if end:
        yield Piece(b"", end)
        return
    deflate = Deflate(channel, start)
    checksum, position, rest = 1, 0, b""  # `position`: of `rest` in the output
    try:
        for data, is_flushed in deflate.pieces():
            checksum = zlib.adler32(data, checksum)
            rest += data
            while (cut := WINDOW_SIZE - position % WINDOW_SIZE) <= len(rest):
                yield Piece(rest[:cut], None)
                position, rest = position + cut, rest[cut:]
            if is_flushed:
                yield Piece(rest, None)
                position, rest = position + len(rest), b""
    except DeflateTruncatedError:
        end = TRUNCATED
    except DeflateError as error:
        end = str(error)
    else:
        end = _checksum_problem(channel[deflate.position : deflate.position + 4], checksum)
    yield Piece(rest, end)


def _zlib_start(channel: bytes) -> tuple[int, str]:
    """Where the deflate stream starts, or what is wrong."""
    header = int.from_bytes(channel[:2], "big")
    if len(channel) < 2 or channel[0] & 0x0F != _DEFLATE or channel[0] >> 4 > 7 or header % 31:
        return 0, "not a zlib header"
    if not channel[1] & 0x20:
        return 2, WHOLE
    # A preset dictionary. Go's reader was given none, and takes that for the empty one, whose checksum is 1.
    return 6, WHOLE if channel[2:6] == b"\0\0\0\1" else "a preset dictionary is asked for"


def _checksum_problem(trailer: bytes, checksum: int) -> str:
    if len(trailer) < 4:
        return TRUNCATED
    return WHOLE if int.from_bytes(trailer[:4], "big") == checksum else "the checksum does not match"


def inflate_brotli(channel: bytes) -> Iterator[Piece]:
    """The data of a brotli stream behind the version byte. Bytes behind its end are damage."""
    inflate = brotli.Decompressor()
    given = 0
    for start, stop in _brotli_chunks(len(channel)):
        if inflate.is_finished():
            yield Piece(b"", "data behind the end")
            return
        try:
            for data in _brotli_output(inflate, channel[start:stop]):
                given += len(data)
                yield Piece(data, None)
        except brotli.error as error:
            yield _brotli_damage(channel, start, given, str(error))
            return
    yield Piece(b"", WHOLE if inflate.is_finished() else TRUNCATED)


def _brotli_output(inflate: brotli.Decompressor, data: bytes) -> Iterator[bytes]:
    """All that is decoded when `data` has been fed."""
    while (output := inflate.process(data, output_buffer_limit=_BROTLI_OUTPUT)) or not inflate.can_accept_more_data():
        yield output
        data = b""


def _brotli_chunks(size: int) -> Iterator[tuple[int, int]]:
    """The chunks of a channel of `size` bytes, by where they start and end."""
    first, step = _BROTLI_CHUNKS
    if size > 1:
        yield 1, min(first, size)
    for start in range(first, size, step):
        yield start, min(start + step, size)


def _brotli_damage(channel: bytes, start: int, given: int, error: str) -> Piece:
    """What a reader still gets out of the damaged chunk at `start`, when it has `given` bytes of output.

    The decoder throws away what it inflated in the call that fails, and cannot go back: inflate it all again, and this
    chunk byte by byte.
    """
    inflate = brotli.Decompressor()
    size = 0
    kept: list[bytes] = []
    steps = [*_brotli_chunks(start), *((index, index + 1) for index in range(start, len(channel)))]
    try:
        for step in steps:
            if inflate.is_finished():
                return Piece(b"".join(kept), "data behind the end")
            for output in _brotli_output(inflate, channel[slice(*step)]):
                kept.append(output[max(0, given - size) :])
                size += len(output)
    except brotli.error:
        pass
    # The ring buffer lets its content go whenever it is full. It is as large as the window, or holds all of the output
    # (except in streams of blocks that are a power of two long, which encoders make at their fastest: there op-node
    # may have read more).
    flushed = size - size % _brotli_window(channel[1])
    return Piece(b"".join(kept)[: max(0, flushed - given)], error)


def _brotli_window(header: int) -> int:
    """Size of the window that a stream's first byte announces (RFC 7932, section 9.1)."""
    if not header & 1:
        bits = 16
    elif header >> 1 & 7:
        bits = 17 + (header >> 1 & 7)
    else:
        bits = 8 + (header >> 4 & 7) if header >> 4 & 7 else 17
    return 1 << bits
