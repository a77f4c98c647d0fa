"""`python -m harness.engine_differential`: random blocks on our engines and on op-geth, for as long as you like."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

import click

from harness.endings import EXIT_DIFFERENT, fail
from harness.engine_differential.assembler import OPCODES
from harness.engine_differential.chain import SCHEDULES
from harness.engine_differential.comparison import Comparison, Difference
from harness.engine_differential.coverage import Coverage
from harness.engine_differential.op_geth import find_geth
from harness.execution.configs import ENGINES, engine_named
from harness.execution.deep_stack import with_deep_stack

_TELL_EVERY = 60
"""Seconds between two lines of progress."""


def _seeds(_context: click.Context, _parameter: click.Parameter, value: str) -> range:
    first, _, end = value.partition(":")
    if not first.isdigit() or (end and not end.isdigit()):
        raise click.BadParameter("must be A:B, seeds A to B - 1, or one seed")
    return range(int(first), int(end) if end else int(first) + 1)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seeds", default="0:10", show_default=True, callback=_seeds, metavar="A:B", help="Seeds A to B - 1; each is a chain.")
@click.option("--fork", "schedules", multiple=True, type=click.Choice(SCHEDULES), help="Forks of the chain. [default: each]")
@click.option("--blocks", default=200, show_default=True, help="Blocks of a chain.")
@click.option("--engine", type=click.Choice(ENGINES), default="fast", show_default=True, help="Our side.")
@click.option("--go-on", is_flag=True, help="Go on with the next chain after a difference.")
def main(seeds: range, schedules: tuple[str, ...], blocks: int, engine: str, go_on: bool) -> None:
    """Execute random blocks here and with op-geth (`geth` in TRINODE_PEERS or on PATH), and report every difference.

    Prints what differs, a line of counts now and then, and in the end what the blocks were made of. Exit status 1 if anything differed.
    """
    program = find_geth()
    if program is None:
        fail("geth is not in TRINODE_PEERS or on PATH")
    schedules = schedules or SCHEDULES
    counts = with_deep_stack(lambda: _compare_all(program, engine, [(seed, schedule) for seed in seeds for schedule in schedules], blocks, go_on))
    sys.exit(EXIT_DIFFERENT if counts["differences"] else 0)


def _compare_all(program: Path, engine: str, chains: list[tuple[int, str]], blocks: int, go_on: bool) -> Counter[str]:
    counts: Counter[str] = Counter()
    coverage = Coverage()
    started = told = time.monotonic()
    for seed, schedule in chains:
        comparison = Comparison(program, engine_named(engine), schedule, seed, blocks)
        try:
            for number in comparison.run():
                if time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    done = counts["blocks"] + number
                    click.echo(json.dumps({"fork": schedule, "seed": seed, "blocks": done, "seconds": round(told - started)}))
        except Difference as difference:
            counts["differences"] += 1
            click.echo(f"DIFFERENCE {difference}\n")
        counts.update(comparison.counts)
        coverage.add(comparison.coverage)
        if counts["differences"] and not go_on:
            break
    _tell(counts, coverage, time.monotonic() - started)
    return counts


def _tell(counts: Counter[str], coverage: Coverage, seconds: float) -> None:
    click.echo(json.dumps({**dict(sorted(counts.items())), "seconds": round(seconds)}))
    missing = sorted(name for name in OPCODES if name not in coverage.opcodes)
    click.echo(json.dumps({"opcodes": dict(coverage.opcodes.most_common()), "never": missing}))
    click.echo(json.dumps({"ends": dict(coverage.ends.most_common()), "deepest": coverage.deepest}))


if __name__ == "__main__":
    main()
