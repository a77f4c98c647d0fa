"""Snappy's block format (google/snappy: format_description), in which block messages travel (specification: rollup-node-p2p, "Message compression
and limits"). A message begins with the size that it inflates to; that is looked at before there is room for it.
"""

from __future__ import annotations

from cramjam import DecompressionError, snappy

MAX_MESSAGE_SIZE = 10 << 20
"""Bytes of a message once it is inflated."""


class CompressionFault(ValueError):
    """Not what a compressor made."""


class TooLarge(CompressionFault):
    """It would inflate to more than `MAX_MESSAGE_SIZE`."""


def compress(data: bytes) -> bytes:
    """One block, without framing."""
    return bytes(snappy.compress_raw(data))


def inflated_size(compressed: bytes) -> int:
    """The bytes that it says it inflates to. Raises CompressionFault, and TooLarge."""
    try:
        size = snappy.decompress_raw_len(compressed)
    except DecompressionError as error:
        raise CompressionFault(str(error)) from error
    if size > MAX_MESSAGE_SIZE:
        raise TooLarge(f"{len(compressed)} bytes would inflate to {size}, more than {MAX_MESSAGE_SIZE}")
    return size


def inflate(compressed: bytes) -> bytes:
    """What was compressed. Raises CompressionFault, and TooLarge before anything is inflated."""
    inflated_size(compressed)
    try:
        return bytes(snappy.decompress_raw(compressed))
    except DecompressionError as error:
        raise CompressionFault(str(error)) from error
