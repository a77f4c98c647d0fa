"""The 2048-bit bloom filter of log addresses and topics in headers and receipts (yellow paper, section 4.3.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from trinode.protocol.keccak import keccak256

BLOOM_SIZE = 256
"""Bytes."""


class BloomedLog(Protocol):
    """What of a log goes into the bloom; `receipt.Log` is one."""

    @property
    def address(self) -> bytes: ...

    @property
    def topics(self) -> tuple[bytes, ...]: ...


def _bits(item: bytes) -> int:
    digest = keccak256(item)
    first = (digest[0] << 8 | digest[1]) & 2047
    second = (digest[2] << 8 | digest[3]) & 2047
    third = (digest[4] << 8 | digest[5]) & 2047
    return 1 << first | 1 << second | 1 << third


def logs_bloom(logs: Iterable[BloomedLog]) -> bytes:
    """The bloom (256 bytes) of these logs' addresses and topics."""
    bloom = 0
    for item in {item for log in logs for item in (log.address, *log.topics)}:
        bloom |= _bits(item)
    return bloom.to_bytes(BLOOM_SIZE, "big")


def bloom_may_contain(bloom: bytes, item: bytes) -> bool:
    """False if no log behind `bloom` (256 bytes) has `item` as address or topic; True where one may have it."""
    bits = _bits(item)
    return int.from_bytes(bloom, "big") & bits == bits
