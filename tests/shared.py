"""The data beside the project: real chains, recordings, vectors. Tests that need it skip, visibly, without it."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def shared(path: str) -> Path:
    """`path` below the shared folder; skips the test where it is absent."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"shared data is absent: {path}")
    return found
