"""Protocol versions: the format of superchain-upgrades, and what is newer than what."""

from __future__ import annotations

import pytest

from trinode.engine.api.protocol_version import (
    ProtocolVersion,
    UnknownVersionType,
    decode_protocol_version,
    encode_protocol_version,
)


def test_the_format() -> None:
    version = ProtocolVersion(3, 4, 5, 6, b"build\0\0\0")
    encoded = bytes(8) + b"build\0\0\0" + bytes([0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6])
    assert encode_protocol_version(version) == encoded
    assert decode_protocol_version(encoded) == version
    with pytest.raises(UnknownVersionType, match="7 is not a known type"):
        decode_protocol_version(b"\x07" + bytes(31))


def test_precedence() -> None:
    ascending = [ProtocolVersion(3, 0, 9), ProtocolVersion(3, 1, 0, 1), ProtocolVersion(3, 1, 0, 2), ProtocolVersion(3, 1), ProtocolVersion(4)]
    for index, version in enumerate(ascending):
        assert [each.is_newer_than(version) for each in ascending] == [False] * (index + 1) + [True] * (len(ascending) - index - 1)
    assert not ProtocolVersion(3, build=b"12345678").is_newer_than(ProtocolVersion(3))


def test_in_words() -> None:
    assert str(ProtocolVersion(3, 1, 0, 1)) == "v3.1.0-1"
    assert str(ProtocolVersion(9, build=b"\x01" + bytes(7))) == "v9.0.0+0x0100000000000000"
