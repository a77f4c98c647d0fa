"""`trinode-harness execute`: execute blocks on their witnesses, or chains from their genesis, and say whether they come out equal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.endings import EXIT_DIFFERENT, fail
from harness.execution.cases import Case, ChainCase, WitnessCase
from harness.execution.chain_files import read_chain_file
from harness.execution.configs import ENGINES, engine_named
from harness.execution.deep_stack import with_deep_stack
from harness.execution.differences import as_json, described
from harness.execution.errors import ExecutionFileError
from harness.execution.files import read_block_file
from harness.execution.run import ExecutionReport, execute_case, execute_witness_chain
from trinode.execution.engine import Engine
from trinode.execution.errors import UnknownFork


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--engine", "engine_name", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True, help="Which engine executes.")
@click.option("--consecutive", is_flag=True, help="The files are blocks that follow one another: the state after one is the state of the next.")
@click.option("--genesis", type=click.Path(path_type=Path), help="The genesis of a chain, where it is not beside the file.")
@click.option("--json", "as_json_lines", is_flag=True, help="Write each verdict as a line of JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar, and no word about files that are equal.")
def execute(
    files: tuple[Path, ...], engine_name: str, consecutive: bool, genesis: Path | None, as_json_lines: bool, quiet: bool
) -> None:
    """Execute FILEs: a block with its witness, a block with its whole state (alloc), or a chain of blocks (.jsonl.gz) with
    the genesis that it names. Every header is held against the expected one, field by field.
    """
    try:
        reports = with_deep_stack(lambda: _execute_all(files, engine_named(engine_name), consecutive, genesis, as_json_lines, quiet))
    except (ExecutionFileError, UnknownFork) as error:
        fail(str(error))
    equal = sum(report.equal for report in reports)
    if not as_json_lines:
        click.echo(f"{equal} of {len(reports)} equal")
    if equal != len(reports):
        sys.exit(EXIT_DIFFERENT)


def _execute_all(
    files: tuple[Path, ...], engine: Engine, consecutive: bool, genesis: Path | None, as_json_lines: bool, quiet: bool
) -> list[ExecutionReport]:
    reports = []
    for report in _reports(files, engine, consecutive, genesis, show_progress=not quiet and sys.stderr.isatty()):
        _tell(report, as_json_line=as_json_lines, quiet=quiet)
        reports.append(report)
    return reports


def _reports(
    files: tuple[Path, ...], engine: Engine, consecutive: bool, genesis: Path | None, *, show_progress: bool
) -> Iterator[ExecutionReport]:
    if consecutive:
        cases = [_witness_case(path) for path in files]
        with _progress(show_progress) as progress:
            yield execute_witness_chain(cases, engine, watch=partial(progress.track, total=len(cases), description="execute"))
        return
    for path in files:
        case: Case = read_chain_file(path, genesis) if ".jsonl" in path.suffixes else read_block_file(path)
        with _progress(show_progress) as progress:
            total = len(case.blocks) if isinstance(case, ChainCase) else 1
            yield execute_case(case, engine, watch=partial(progress.track, total=total, description=path.name))


def _witness_case(path: Path) -> WitnessCase:
    case = read_block_file(path)
    if not isinstance(case, WitnessCase):
        raise ExecutionFileError(path, "", "not a block with its witness, so that it cannot be one of consecutive blocks")
    return case


def _progress(show: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not show)


def _tell(report: ExecutionReport, *, as_json_line: bool, quiet: bool) -> None:
    if as_json_line:
        click.echo(json.dumps(_as_json(report)))
        return
    if report.equal and quiet:
        return
    click.echo(
        f"{report.name}: {report.blocks} of {report.expected} blocks equal, {report.transactions} transactions, {report.gas} gas,"
        f" {report.seconds:.2f} s, {report.megagas_per_second:.2f} Mgas/s{'' if report.equal else ': DIFFERENT'}"
    )
    if report.difference is not None:
        click.echo(described(report.difference))


def _as_json(report: ExecutionReport) -> dict[str, object]:
    return {
        "name": report.name,
        "equal": report.equal,
        "blocks": report.blocks,
        "expected": report.expected,
        "transactions": report.transactions,
        "gas": report.gas,
        "seconds": round(report.seconds, 3),
        "megagas_per_second": round(report.megagas_per_second, 3),
        "difference": None if report.difference is None else as_json(report.difference),
    }
