"""Real blocks, executed: each gives its real hash from its witness alone, chains give theirs from their genesis.

The fast engine executes all of them but the largest by default, py-evm the smallest; the rest is part of the long run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.execution.cases import WitnessCase
from harness.execution.chain_files import read_chain_file
from harness.execution.configs import ENGINES, engine_named
from harness.execution.deep_stack import with_deep_stack
from harness.execution.files import read_block_file
from harness.execution.replay import ExecutedReport, replay_executed, states_from_genesis
from harness.execution.run import ExecutionReport, execute_case, execute_witness_chain
from harness.recording import open_recording
from tests.shared import SHARED, shared

EXEC = SHARED / "data" / "exec"
LARGE = {"121065789", "132799000", "22886311", "22886464", "26208858", "26208927"}
"""Blocks of 10 to 27 million gas."""
SMALL = {"1022860", "2346038", "120794432", "121049889", "10211000", "10215000", "simple_deposit"}
STEADY_BLOCKS = 6
"""So many blocks of the busy recording are executed by default."""


def block_files() -> list[Any]:
    """Engine and name of each file with one block; those that take long are marked."""
    names = sorted(path.name for path in EXEC.glob("*.json.gz") if "genesis" not in path.name)
    parameters = []
    for engine in ENGINES:
        for name in names:
            block = set(name.removesuffix(".json.gz").split("-"))
            is_long = bool(block & LARGE) if engine == "fast" else not block & SMALL
            parameters.append(pytest.param(engine, name, marks=pytest.mark.long if is_long else ()))
    return parameters or [pytest.param("fast", "absent.json.gz")]


def assert_equal(report: ExecutionReport | ExecutedReport) -> None:
    assert report.difference is None
    assert report.equal


@pytest.mark.parametrize(("engine", "name"), block_files())
def test_a_block_alone(engine: str, name: str) -> None:
    case = read_block_file(shared(f"data/exec/{name}"))
    assert_equal(with_deep_stack(lambda: execute_case(case, engine_named(engine))))


@pytest.mark.parametrize("engine", ["fast", pytest.param("py-evm", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("chain", "first", "last", "fork"),
    [("op-mainnet", 109279675, 109279689, "regolith"), ("op-sepolia", 26207960, 26207963, "holocene")],
)
def test_the_state_after_a_block_is_the_state_of_the_next(engine: str, chain: str, first: int, last: int, fork: str) -> None:
    cases = [read_block_file(shared(f"data/exec/{chain}-{number}-{fork}.json.gz")) for number in range(first, last + 1)]
    witnesses = [case for case in cases if isinstance(case, WitnessCase)]
    report = with_deep_stack(lambda: execute_witness_chain(witnesses, engine_named(engine)))
    assert_equal(report)
    assert report.blocks == last - first + 1


@pytest.mark.parametrize("engine", ["fast", pytest.param("py-evm", marks=pytest.mark.long)])
def test_precompiles_of_karst(engine: str) -> None:
    case = read_chain_file(shared("data/exec/karst-precompiles.jsonl.gz"))
    assert all(block.gas_used is not None and block.succeeded is not None for block in case.blocks)
    report = with_deep_stack(lambda: execute_case(case, engine_named(engine)))
    assert_equal(report)
    assert report.blocks == 334


@pytest.mark.parametrize("engine", ["fast", pytest.param("py-evm", marks=pytest.mark.long)])
def test_the_first_busy_blocks(engine: str) -> None:
    case = read_chain_file(shared("recordings/steady-karst.jsonl.gz"))
    assert len(case.blocks) == 294
    assert_equal(with_deep_stack(lambda: execute_case(replace(case, blocks=case.blocks[:STEADY_BLOCKS]), engine_named(engine))))


def replay_with_execution(engine: str, name: str, datadir: Path | None) -> ExecutedReport:
    path = shared(f"recordings/{name}.jsonl.gz")
    with open_recording(path) as reader:
        states = states_from_genesis(path, reader.head, None, datadir)
        try:
            return with_deep_stack(lambda: replay_executed(reader.head, list(reader), states, engine_named(engine)))
        finally:
            states.close()


RECORDINGS = [
    ("forks-regolith-to-karst", 258, 0, 0),
    ("window-expiry-and-garbage", 320, 3, 2),
    ("window-expiry-and-garbage-fjord", 327, 3, 2),
    ("steady-karst", 294, 0, 0),
]


def replays() -> list[Any]:
    """By default in memory, with the shortest of those that take blocks back also in a store."""
    parameters = []
    for engine in ENGINES:
        for place in ("memory", "store"):
            for name, *figures in RECORDINGS:
                is_default = engine == "fast" and name != "steady-karst" and (place == "memory" or name == "window-expiry-and-garbage-fjord")
                parameters.append(pytest.param(engine, place, name, *figures, marks=() if is_default else pytest.mark.long))
    return parameters


@pytest.mark.parametrize(("engine", "place", "name", "blocks", "invalid", "reorgs"), replays())
def test_what_is_derived_is_executed(engine: str, place: str, name: str, blocks: int, invalid: int, reorgs: int, tmp_path: Path) -> None:
    """Derivation has no block hash but what execution gives it; the garbage recordings take blocks back, with their states."""
    report = replay_with_execution(engine, name, tmp_path / "store" if place == "store" else None)
    assert report.difference is None
    assert (report.matched, report.expected) == (blocks, blocks)
    assert (report.invalid, report.l1_reorgs) == (invalid, reorgs)
