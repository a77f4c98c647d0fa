"""Frames: one bad frame spoils all of its transaction."""

from __future__ import annotations

import pytest

from trinode.protocol.frame import (
    MAX_FRAME_LENGTH,
    Frame,
    FrameDecodingError,
    decode_frames,
    encode_frame,
    encode_frames,
)

CHANNEL = bytes(range(16))
FIRST = Frame(CHANNEL, 0, b"first", False)
LAST = Frame(CHANNEL, 65_535, b"", True)


def test_the_bytes_of_a_frame() -> None:
    encoded = encode_frames([Frame(CHANNEL, 258, b"abc", True)])
    assert encoded == b"\0" + CHANNEL + b"\x01\x02" + b"\0\0\0\x03" + b"abc" + b"\x01"


def test_several_frames() -> None:
    assert decode_frames(encode_frames([FIRST, LAST, FIRST])) == [FIRST, LAST, FIRST]


@pytest.mark.parametrize("version", [1, 2, 0x7E, 255])
def test_other_derivation_versions(version: int) -> None:
    with pytest.raises(FrameDecodingError, match="version"):
        decode_frames(bytes([version]) + encode_frame(FIRST))


@pytest.mark.parametrize("data", [b"", b"\0"])
def test_no_frames(data: bytes) -> None:
    with pytest.raises(FrameDecodingError):
        decode_frames(data)


def test_every_truncation() -> None:
    data = encode_frames([FIRST, LAST])
    whole = len(encode_frames([FIRST]))
    for size in range(len(data)):
        if size == whole:
            assert decode_frames(data[:size]) == [FIRST]
        else:
            with pytest.raises(FrameDecodingError):
                decode_frames(data[:size])


def test_bytes_behind_the_last_frame() -> None:
    with pytest.raises(FrameDecodingError, match="frame 1"):
        decode_frames(encode_frames([FIRST]) + b"\0")


@pytest.mark.parametrize("is_last", [2, 128, 255])
def test_is_last_is_0_or_1(is_last: int) -> None:
    with pytest.raises(FrameDecodingError, match="is_last"):
        decode_frames(encode_frames([FIRST])[:-1] + bytes([is_last]))


def test_the_longest_frame() -> None:
    longest = Frame(CHANNEL, 1, bytes(MAX_FRAME_LENGTH), False)
    assert decode_frames(encode_frames([longest])) == [longest]
    with pytest.raises(FrameDecodingError, match="at most"):
        decode_frames(encode_frames([longest._replace(data=bytes(MAX_FRAME_LENGTH + 1))]))


def test_a_length_beyond_the_data() -> None:
    data = bytearray(encode_frames([FIRST]))
    data[19:23] = b"\0\0\0\x06"
    with pytest.raises(FrameDecodingError):
        decode_frames(bytes(data))
