"""Output roots."""

from __future__ import annotations

from trinode.protocol.keccak import keccak256
from trinode.protocol.output_root import output_root


def test_version_0_commits_to_all_three() -> None:
    roots = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
    assert output_root(*roots) == keccak256(bytes(32) + b"".join(roots))
