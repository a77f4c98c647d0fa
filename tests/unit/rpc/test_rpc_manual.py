"""docs/rpc.md says what the declarations say."""

from __future__ import annotations

from pathlib import Path

from trinode.rpc.reference import reference

MANUAL = Path(__file__).parents[3] / "docs" / "rpc.md"


def test_the_manual_is_made_of_the_declarations() -> None:
    assert MANUAL.read_text() == reference(), "run: python -m trinode.rpc.reference > docs/rpc.md"
