"""Our derivation beside op-node's own pipeline (`op-node-derive`), on made-up L1s and on the recordings: `tox -e peers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.compare_command import CannotMake, compare_seed
from harness.differential import derive_here, derive_there, find_program, first_difference
from tests.shared import shared

pytestmark = pytest.mark.peers

SEEDS = range(1, 13)
RECORDINGS = [
    "forks-regolith-to-karst",
    "steady-karst",
    "window-expiry-and-garbage",
    "window-expiry-and-garbage-fjord",
    "op-mainnet-regolith-109279674",
]


@pytest.fixture
def program() -> Path:
    found = find_program()
    if found is None:
        pytest.skip("op-node-derive is not in TRINODE_PEERS or on PATH")
    return found


@pytest.mark.parametrize("source", ["op-node", "trinode"])
@pytest.mark.parametrize("seed", SEEDS)
def test_made_up_l1s_derive_alike(program: Path, source: str, seed: int, tmp_path: Path) -> None:
    try:
        difference, _ = compare_seed(program, source, seed, tmp_path / "made-up.jsonl.gz")
    except CannotMake as error:
        pytest.skip(f"the generator cannot make seed {seed}: {error}")
    assert difference is None


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings_derive_alike_with_fake_execution(program: Path, name: str) -> None:
    path = shared(f"recordings/{name}.jsonl.gz")
    ours, theirs = derive_here(path), derive_there(program, path)
    assert first_difference(ours, theirs) is None
    assert ours.lines
