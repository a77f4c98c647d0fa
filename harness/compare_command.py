"""`trinode-harness compare`: made-up L1s, derived here and by op-node's own pipeline, line by line, for as long as you like."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

from harness.differential import (
    Derivation,
    derive_here,
    derive_there,
    find_program,
    first_difference,
    generate_there,
    random_spec,
)
from harness.endings import EXIT_DIFFERENT, fail
from harness.generate import write_recording
from harness.l1_view import UnsupportedRecording
from harness.scenario import BatcherSpec, Scenario, ScenarioError, check_scenario
from trinode.derive.errors import CriticalError
from trinode.rollup.fork import SCHEDULED_FORKS, Fork


class Case(NamedTuple):
    """A made-up recording, and what the engine refuses in it."""

    invalid_blocks: list[int]
    reject_undecodable: bool


class CannotMake(Exception):
    """The generator could not make a recording of this seed."""


def _made_there(program: Path, seed: int, path: Path) -> Case:
    spec = random_spec(seed)
    try:
        generate_there(program, spec, path)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise CannotMake(type(error).__name__) from error
    return Case(spec["invalid_blocks"], seed % 2 == 0)


def _made_here(_program: Path, seed: int, path: Path) -> Case:
    scenario = random_scenario(seed)
    try:
        check_scenario(scenario)
        write_recording(scenario, seed, path)
    except (ScenarioError, CriticalError, UnsupportedRecording) as error:
        raise CannotMake(f"{type(error).__name__}: {error}") from error
    return Case(scenario.invalid_blocks, scenario.reject_undecodable)


def random_scenario(seed: int) -> Scenario:
    """What our generator makes up for a seed: every fork or the boundaries between them, every encoding, more or less chaos."""
    random = Random(seed)
    l1_blocks = random.choice([20, 40, 80])
    last = random.randint(1, Fork.KARST)
    at_genesis = random.randint(0, last)
    times = sorted(random.randint(1, l1_blocks * 12) for _ in SCHEDULED_FORKS)
    if random.random() < 0.3:
        start = random.choice(times[:4])
        times = sorted(start + random.randint(0, 2) * 7 * index for index in range(len(times)))
    forks = {fork.label: 0 if fork <= at_genesis else times[fork - 1] for fork in SCHEDULED_FORKS if fork <= last}
    blobs = random.choice([None, None, 1, 3])
    batcher = BatcherSpec(
        vary=random.random() < 0.3,
        span_blocks=random.choice([None, None, 1, 3, 8, 30]),
        compression=random.choice(["zlib", "brotli"]),
        level=random.choice([0, 5, 9]),
        frame_size=random.choice([120, 700, 3000, 100_000]),
        frames_per_payload=random.choice([1, 1, 3]),
        blobs_per_transaction=blobs,
    )
    chaos = random.choice([0, 0, 0.05, 0.2])
    return Scenario(
        name=f"compare-{seed}",
        l1_blocks=l1_blocks,
        missed_slot_chance=random.choice([0.0, 0.1]),
        seq_window=random.choice([8, 15, 30]),
        channel_timeout=random.choice([2, 5, 10]),
        max_sequencer_drift=random.choice([20, 60, 600]),
        forks=forks,
        pectra_blob_schedule=random.choice([None, random.randint(0, l1_blocks * 12)]),
        keep_karst_upgrade_gas=random.random() < 0.5,
        transactions=random.choice([0, 2, 6]),
        batcher=batcher,
        submit_every=random.choice([1, 2, 4]),
        payloads_per_block=random.choice([None, 1, 2]),
        interleave=random.random() < 0.3,
        disorder=random.random() < 0.3,
        config_every=random.choice([0, 5]),
        change_batcher=random.random() < 0.3,
        strays=random.random() < 0.3,
        chaos=chaos,
        batch_chaos=random.choice([0, 0, 0.1, 0.3]),
        outage_every=random.choice([0, 0, 25]),
        reorg_every=random.choice([0, 0, 6, 15]),
        reorg_depth=random.choice([1, 3, 6]),
        finalized_lag=random.choice([None, 12]),
        invalid_blocks=sorted(random.sample(range(1, l1_blocks * 6), random.choice([0, 0, 4]))),
        reject_undecodable=random.random() < 0.5,
    )


SOURCES: dict[str, Callable[[Path, int, Path], Case]] = {"op-node": _made_there, "trinode": _made_here}


def compare_seed(program: Path, source: str, seed: int, path: Path) -> tuple[str | None, Derivation]:
    """The difference on one seed (None: equal), and what op-node derived. Raises CannotMake; the recording stays at `path`."""
    case = SOURCES[source](program, seed, path)
    ours = derive_here(path, case.invalid_blocks, reject_undecodable=case.reject_undecodable)
    theirs = derive_there(program, path, case.invalid_blocks, reject_undecodable=case.reject_undecodable)
    return first_difference(ours, theirs), theirs


@click.command()
@click.option("--seed", default=0, show_default=True, help="The first seed; the next runs take the next ones.")
@click.option("--runs", type=int, help="Stop after so many recordings.")
@click.option("--seconds", type=float, help="Stop after so much time.")
@click.option("--source", type=click.Choice([*SOURCES, "both"]), default="both", show_default=True, help="Whose generator makes up the L1s.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("differences"),
    show_default=True,
    help="Folder for recordings that differ.",
)
def compare(seed: int, runs: int | None, seconds: float | None, source: str, keep: Path) -> None:
    """Derive made-up L1s here and with op-node's own pipeline (`op-node-derive` in TRINODE_PEERS or on PATH); report every difference.

    Prints a JSON line for each difference, and one with counts now and then and at the end. Exit status 1 if anything differed.
    """
    program = find_program()
    if program is None:
        fail("op-node-derive is not in TRINODE_PEERS or on PATH")
    if runs is None and seconds is None:
        runs = 20
    counts: Counter[str] = Counter()
    started = told = time.monotonic()
    with TemporaryDirectory() as folder:
        for name, number in _seeds(seed, source):
            if (runs is not None and counts["runs"] >= runs) or (seconds is not None and time.monotonic() - started > seconds):
                break
            path = Path(folder) / f"{name}-{number}.jsonl.gz"
            _one(program, name, number, path, counts, keep)
            path.unlink(missing_ok=True)
            if time.monotonic() - told > 60:
                told = time.monotonic()
                _tell(counts, started)
    _tell(counts, started)
    sys.exit(EXIT_DIFFERENT if counts["differences"] else 0)


def _seeds(first: int, source: str) -> Iterator[tuple[str, int]]:
    number = first
    while True:
        for name in SOURCES if source == "both" else [source]:
            yield name, number
        number += 1


def _one(program: Path, name: str, seed: int, path: Path, counts: Counter[str], keep: Path) -> None:
    try:
        difference, theirs = compare_seed(program, name, seed, path)
    except CannotMake:
        counts["not made"] += 1
        return
    except subprocess.TimeoutExpired:
        counts["timeouts"] += 1
        return
    counts["runs"] += 1
    counts["blocks"] += len(theirs.lines)
    counts["stopped there"] += theirs.stopped is not None
    if difference is not None:
        counts["differences"] += 1
        keep.mkdir(parents=True, exist_ok=True)
        path.replace(keep / path.name)
        click.echo(json.dumps({"source": name, "seed": seed, "difference": difference, "recording": str(keep / path.name)}))


def _tell(counts: Counter[str], started: float) -> None:
    click.echo(json.dumps(dict(counts) | {"seconds": round(time.monotonic() - started)}))
