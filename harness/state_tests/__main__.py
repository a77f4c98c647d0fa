"""`python -m harness.state_tests`: Ethereum's execution-spec state tests on one of our engines."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from harness.endings import EXIT_DIFFERENT, fail
from harness.execution.configs import ENGINES, EngineName, engine_named
from harness.state_tests.fixture import FixtureError, files_of
from harness.state_tests.run import EVM_FORKS, EXCLUSIONS, FORKS_BEFORE_PARIS, Verdict
from harness.state_tests.sweep import Choice, Tally, sweep
from trinode.execution.engine import Engine
from trinode.execution.evm.engine import FastEngine

ARCHIVE = Path(__file__).resolve().parents[2].parent / "shared/data/evm/eest_v5.4.0_state_tests.tar.gz"
"""Where the tests are beside a checkout."""
_TELL_EVERY = 15
"""Seconds between two lines of progress."""


def _shard(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, int]:
    number, _, count = value.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise click.BadParameter("must be I/N, I from 1 to N")
    return int(number), int(count)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--archive", default=ARCHIVE, show_default=True, type=click.Path(path_type=Path), help="The tests, a .tar.gz.")
@click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True, help="Which engine executes.")
@click.option("--compile-after", type=click.IntRange(min=1), help="The fast engine compiles code at its Nth visit; 1: all code.")
@click.option("--shard", default="1/1", show_default=True, callback=_shard, metavar="I/N", help="The files of one part of N.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(min=1), help="Processes.")
@click.option("--filter", "text", default="", metavar="TEXT", help="Only tests with TEXT in their file's path or id.")
@click.option("--fork", "forks", multiple=True, type=click.Choice([*EVM_FORKS, *sorted(FORKS_BEFORE_PARIS)]), help="Only tests of that fork.")
@click.option("--json", "as_json", is_flag=True, help="Write failures and counts as lines of JSON.")
def main(
    archive: Path,
    engine: EngineName,
    compile_after: int | None,
    shard: tuple[int, int],
    jobs: int,
    text: str,
    forks: tuple[str, ...],
    as_json: bool,
) -> None:
    """Execute the state tests that apply to an L2's EVM, with plain Ethereum's fees, and say what failed and what was
    excluded, and why. Exit status 1 if a test failed, 2 if there was nothing to run.
    """
    tally, started = Tally(), time.monotonic()
    told = started
    new_engine: Callable[[], Engine] = partial(engine_named, engine)
    if compile_after is not None:
        if engine != "fast":
            fail("--compile-after is for the fast engine")
        new_engine = partial(FastEngine, compile_after)
    try:
        for verdicts in sweep(files_of(archive), new_engine, Choice(shard, text, frozenset(forks)), jobs):
            tally.add(verdicts)
            for verdict in verdicts:
                if verdict.outcome == "failed":
                    _tell_failure(verdict, as_json=as_json)
            if time.monotonic() - told > _TELL_EVERY:
                told = time.monotonic()
                click.echo(f"{tally.files} files, {tally.count('passed')} passed, {tally.count('failed')} failed", err=True)
    except FixtureError as error:
        fail(str(error))
    _tell_counts(tally, time.monotonic() - started, as_json=as_json)
    if tally.count("failed"):
        sys.exit(EXIT_DIFFERENT)
    if not tally.tests:
        fail("no test was chosen")


def _tell_failure(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        fields = {"file": verdict.file, "id": verdict.name, "fork": verdict.fork, "index": verdict.index, "problems": verdict.problems}
        click.echo(json.dumps({"failed": fields}))
        return
    click.echo(f"FAILED {verdict.file}\n  {verdict.name}\n  {verdict.fork}, entry {verdict.index}")
    for problem in verdict.problems:
        click.echo(f"    {problem}")


def _tell_counts(tally: Tally, seconds: float, *, as_json: bool) -> None:
    forks = {fork: {outcome: count for (each, outcome), count in tally.tests.items() if each == fork} for fork, _ in sorted(tally.tests)}
    if as_json:
        counts = {"files": tally.files, "passed": tally.count("passed"), "failed": tally.count("failed")}
        excluded = {"excluded": tally.excluded, "excluded_files": tally.missing_files}
        click.echo(json.dumps({**counts, **excluded, "forks": forks, "seconds": round(seconds, 1)}))
        return
    click.echo(f"{tally.files} files, {tally.tests.total()} tests in {seconds:.0f} s: {tally.count('passed')} passed, {tally.count('failed')} failed")
    for fork, counts in forks.items():
        click.echo(f"  {fork}: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    for reasons, what in ((tally.excluded, "tests"), (tally.missing_files, "files")):
        for reason, count in sorted(reasons.items()):
            click.echo(f"  excluded {count} {what} ({reason}): {EXCLUSIONS[reason]}")


if __name__ == "__main__":
    main()
