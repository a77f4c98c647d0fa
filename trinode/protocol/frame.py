"""Frames: pieces of channels as batcher transactions carry them (specification: derivation, "Frame Format" and "Batcher
Transaction Format")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from trinode.protocol.errors import DecodingError

DERIVATION_VERSION = 0
CHANNEL_ID_SIZE = 16
FRAME_OVERHEAD = 200
"""Bytes that a frame counts on top of its data towards the size of its channel."""
MAX_FRAME_LENGTH = 1_000_000
"""Bytes of data in one frame."""

_HEADER_SIZE = CHANNEL_ID_SIZE + 2 + 4


class FrameDecodingError(DecodingError):
    """Batcher data that is not a list of frames."""


class Frame(NamedTuple):
    """`channel_id`: 16 bytes; `number`: the frame's place in its channel (uint16); `is_last`: it closes the channel."""

    channel_id: bytes
    number: int
    data: bytes
    is_last: bool


def decode_frames(data: bytes) -> list[Frame]:
    """The frames of one batcher transaction (or blob), at least one.

    Raises FrameDecodingError: then none of them counts.
    """
    if not data:
        raise FrameDecodingError("no data")
    if data[0] != DERIVATION_VERSION:
        raise FrameDecodingError(f"derivation version {data[0]}, not {DERIVATION_VERSION}")
    frames: list[Frame] = []
    offset, size = 1, len(data)
    while offset < size:
        start = offset + _HEADER_SIZE
        if start > size:
            raise FrameDecodingError(f"frame {len(frames)}: {size - offset} bytes, a header has {_HEADER_SIZE}")
        length = int.from_bytes(data[start - 4 : start], "big")
        if length > MAX_FRAME_LENGTH:
            raise FrameDecodingError(f"frame {len(frames)}: {length} bytes of data, at most {MAX_FRAME_LENGTH}")
        end = start + length
        if end >= size:
            raise FrameDecodingError(f"frame {len(frames)}: {length} bytes of data and is_last, {size - start} there")
        if data[end] > 1:
            raise FrameDecodingError(f"frame {len(frames)}: is_last is {data[end]}")
        number = int.from_bytes(data[start - 6 : start - 4], "big")
        frames.append(Frame(data[offset : offset + CHANNEL_ID_SIZE], number, data[start:end], data[end] == 1))
        offset = end + 1
    if not frames:
        raise FrameDecodingError("no frames")
    return frames


def encode_frame(frame: Frame) -> bytes:
    """The frame alone, without the derivation version."""
    length = len(frame.data).to_bytes(4, "big")
    return frame.channel_id + frame.number.to_bytes(2, "big") + length + frame.data + bytes([frame.is_last])


def encode_frames(frames: Iterable[Frame]) -> bytes:
    """What one batcher transaction (or blob) carries. `decode_frames` is its inverse."""
    return bytes([DERIVATION_VERSION]) + b"".join(encode_frame(frame) for frame in frames)
