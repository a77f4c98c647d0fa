"""Snappy's framing format (google/snappy: framing_format.txt), with bounds that hold before anything is inflated.

    chunk = type (1 byte) ++ size (3 bytes, little-endian) ++ content
    0xff  the stream's identifier            0x01  checksum (4 bytes) ++ the data itself
    0x00  checksum ++ compressed data        0x80 to 0xfe  to be skipped
"""

from __future__ import annotations

import cramjam

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.protobuf import decode_varint

_COMPRESSED, _UNCOMPRESSED, _IDENTIFIER, _FIRST_TO_SKIP = 0x00, 0x01, 0xFF, 0x80
_HEADER_SIZE, _CHECKSUM_SIZE = 4, 4
_MAX_CHUNK = 1 << 16
"""Bytes of data in one chunk, inflated."""
_MAX_CHUNKS = 4096


def compress_frames(data: bytes) -> bytes:
    """The data as a stream of chunks."""
    return bytes(cramjam.snappy.compress(data))


def decompress_frames(stream: bytes, most: int) -> bytes:
    """The data of a stream of chunks. Raises ProtocolViolation: it is no such stream, is cut off, or has more than `most` bytes of data."""
    if not stream:
        raise ProtocolViolation("snappy: nothing at all")
    if _data_size(stream) > most:
        raise ProtocolViolation(f"snappy: more than {most} bytes of data")
    try:
        return bytes(cramjam.snappy.decompress(stream))
    except cramjam.DecompressionError as error:
        raise ProtocolViolation(f"snappy: {error}") from error


def _data_size(stream: bytes) -> int:
    """Bytes that a stream's chunks say they have; a chunk that is inflated to another size than it says is an error of the decoder."""
    at = size = chunks = 0
    while at < len(stream):
        chunks += 1
        content = at + _HEADER_SIZE
        end = content + int.from_bytes(stream[at + 1 : content], "little")
        if chunks > _MAX_CHUNKS or end > len(stream) or content > len(stream):
            raise ProtocolViolation(f"snappy: chunk {chunks} is one too many, or ends after its stream")
        size += _chunk_size(stream[at], stream, content, end)
        at = end
    return size


def _chunk_size(kind: int, stream: bytes, content: int, end: int) -> int:
    if kind >= _FIRST_TO_SKIP:  # the identifier, too
        return 0
    if kind == _UNCOMPRESSED:
        size = end - content - _CHECKSUM_SIZE
    elif kind == _COMPRESSED:
        size, _ = decode_varint(stream[content + _CHECKSUM_SIZE : end])
    else:
        raise ProtocolViolation(f"snappy: a chunk of type {kind}")
    if not 0 <= size <= _MAX_CHUNK:
        raise ProtocolViolation(f"snappy: a chunk of {size} bytes")
    return size
