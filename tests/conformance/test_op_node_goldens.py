"""Made-up L1s of every kind, against what op-node's own pipeline derived from them when the fixtures were made (fixtures/op-node)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from harness.differential import derive_here

FOLDER = Path(__file__).parent.parent.parent / "fixtures" / "op-node"
GOLDENS = sorted(FOLDER.glob("*.derived.json"))


def test_there_are_goldens() -> None:
    assert len(GOLDENS) >= 6


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.name.split(".")[0])
def test_derives_what_op_node_derived(golden: Path) -> None:
    expected = json.loads(golden.read_text())
    recording = golden.with_name(golden.name.replace(".derived.json", ".jsonl.gz"))
    derived = derive_here(recording, expected["invalid_blocks"], reject_undecodable=expected["reject_undecodable"])
    assert derived.stopped is None
    digests = [hashlib.sha256(line.encode()).hexdigest()[:16] for line in derived.lines]
    differing = [number for number, (ours, theirs) in enumerate(zip(digests, expected["line_digests"], strict=False), 1) if ours != theirs]
    assert not differing, f"line {differing[0]} differs: {derived.lines[differing[0] - 1][:500]}"
    assert len(digests) == expected["lines"]
    assert json.loads(derived.lines[-1])["hash"] == expected["last_hash"]
