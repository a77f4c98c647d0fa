"""Protocol versions of the OP Stack, as `engine_signalSuperchainV1` carries them (OP Stack specification: superchain-upgrades,
"Protocol Version Format").
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_LAYOUT = struct.Struct(">B 7s 8s 4I")  # type, reserved, build, major, minor, patch, pre-release


class ProtocolVersion(NamedTuple):
    """A version of type 0. `pre_release` 0: none. `build` says whose modification it is, and does not count in comparing."""

    major: int
    minor: int = 0
    patch: int = 0
    pre_release: int = 0
    build: bytes = bytes(8)

    def is_newer_than(self, other: ProtocolVersion) -> bool:
        """By precedence: a pre-release comes before its release."""
        return self._precedence() > other._precedence()

    def _precedence(self) -> tuple[int, int, int, bool, int]:
        return self.major, self.minor, self.patch, self.pre_release == 0, self.pre_release

    def __str__(self) -> str:
        text = f"v{self.major}.{self.minor}.{self.patch}"
        text += f"-{self.pre_release}" if self.pre_release else ""
        return text + (f"+0x{self.build.hex()}" if any(self.build) else "")


SUPPORTED_VERSION = ProtocolVersion(9)
"""The newest one that the specification lists ("OP-Stack Protocol versions"): later upgrades were given none."""


class UnknownVersionType(ValueError):
    """Not a version of type 0: it cannot be compared."""


def decode_protocol_version(data: bytes) -> ProtocolVersion:
    """The version in 32 bytes. Raises UnknownVersionType."""
    version_type, _, build, major, minor, patch, pre_release = _LAYOUT.unpack(data)
    if version_type != 0:
        raise UnknownVersionType(f"{version_type} is not a known type of protocol version")
    return ProtocolVersion(major, minor, patch, pre_release, build)


def encode_protocol_version(version: ProtocolVersion) -> bytes:
    """32 bytes."""
    return _LAYOUT.pack(0, bytes(7), version.build, version.major, version.minor, version.patch, version.pre_release)


class SuperchainSignal(NamedTuple):
    """What L1 recommends and what it requires; None: a type of version that we do not know."""

    recommended: ProtocolVersion | None
    required: ProtocolVersion | None
