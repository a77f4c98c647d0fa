"""`trinode-harness replay`: derive a recorded L1 again and say whether the result is bit-equal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.derived_lines import derived_line
from harness.endings import EXIT_DIFFERENT, fail
from harness.execution.configs import ENGINES, engine_named
from harness.execution.deep_stack import with_deep_stack
from harness.execution.errors import ExecutionFileError
from harness.execution.replay import ExecutedReport, replay_executed, states_from_genesis
from harness.expectation import Difference
from harness.fake_execution import FakeExecution
from harness.l1_view import UnsupportedRecording
from harness.recording import RecordedItem, RecordedL2Block, RecordingError, RecordingHead, open_recording
from harness.replay import Execution, OnDerived, Replay, Report, replay_recorded
from trinode.derive.errors import CriticalError, UnsupportedChain
from trinode.derive.events import DerivedAttributes
from trinode.execution.errors import UnknownFork
from trinode.rollup.l2_block import L2Block
from trinode.storage.errors import StoreError

DEFAULT_RECORDING = Path(__file__).parent.parent / "fixtures" / "devnet" / "forks-regolith-to-karst.jsonl.gz"


def _numbers(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> frozenset[int]:
    try:
        return frozenset(int(number) for value in values for number in value.split(","))
    except ValueError:
        raise click.BadParameter("give block numbers, with commas between them") from None


@click.command()
@click.argument("recording", type=click.Path(path_type=Path), default=DEFAULT_RECORDING)
@click.option(
    "--fake-execution",
    is_flag=True,
    help="Ignore the recorded L2 blocks: every set of attributes makes a block whose hash is defined by them.",
)
@click.option("--recorded-or-fake", is_flag=True, help="Recorded blocks where the attributes agree, blocks of --fake-execution elsewhere.")
@click.option(
    "--invalid-block",
    "invalid",
    multiple=True,
    metavar="N[,N...]",
    callback=_numbers,
    help="The engine refuses block N if it has batch transactions.",
)
@click.option("--execute", is_flag=True, help="Execute what is derived from the genesis on, and hold every header against the recorded one.")
@click.option("--genesis", type=click.Path(path_type=Path), help="With --execute: the genesis file, where it is not beside RECORDING.")
@click.option("--datadir", type=click.Path(path_type=Path), help="With --execute: keep chain and state in a new store in this folder.")
@click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True, help="With --execute: which engine executes.")
@click.option("--reject-undecodable", is_flag=True, help="The engine refuses blocks with a batch transaction that does not decode, or of blob type.")
@click.option("--print", "print_lines", is_flag=True, help="Write one JSON line for each set of derived attributes.")
@click.option("--json", "as_json", is_flag=True, help="Write the verdict as JSON.")
@click.option("--check/--no-check", default=True, help="Check roots and blobs of the recording while reading it.", show_default=True)
@click.option("--quiet", is_flag=True, help="No progress bar.")
def replay(
    recording: Path,
    fake_execution: bool,
    recorded_or_fake: bool,
    invalid: frozenset[int],
    reject_undecodable: bool,
    execute: bool,
    genesis: Path | None,
    datadir: Path | None,
    engine: str,
    print_lines: bool,
    as_json: bool,
    check: bool,
    quiet: bool,
) -> None:
    """Derive RECORDING again and compare with what it says must come out: attributes, transactions, origins, L1 sources.

    Without RECORDING, the one in fixtures that crosses all forks from Regolith to Karst is replayed.
    """
    if fake_execution + recorded_or_fake + execute > 1:
        raise click.UsageError("--fake-execution, --recorded-or-fake and --execute exclude each other")
    if (genesis or datadir) and not execute:
        raise click.UsageError("--genesis and --datadir are for --execute")
    if (invalid or reject_undecodable) and execute:
        raise click.UsageError("with --execute the engine itself decides which blocks are invalid")
    started = time.perf_counter()
    try:
        with open_recording(recording, check=check) as reader:
            execution = FakeExecution(reader.head.rollup_config, invalid_blocks=invalid, reject_undecodable=reject_undecodable)
            with progress_over(quiet=quiet or print_lines or not sys.stderr.isatty()) as watch:
                on_derived = _print_line if print_lines else None
                if fake_execution:
                    report = _replay_fake(reader.head, watch("derive", reader), execution, on_derived)
                else:
                    items = list(watch("read and check", reader))
                    if not any(isinstance(item, RecordedL2Block) for item in items) and not recorded_or_fake:
                        fail(f"{recording}: no L2 block is recorded, so that there is nothing to compare; try --fake-execution")
                    if execute:
                        report = _replay_executed(
                            recording,
                            reader.head,
                            items,
                            (genesis, datadir, engine),
                            on_derived,
                            lambda source: watch("derive, execute", source, len(items)),
                        )
                    else:
                        report = replay_recorded(
                            reader.head,
                            items,
                            execution,
                            lenient=recorded_or_fake,
                            on_derived=on_derived,
                            watch=lambda source: watch("derive", source, len(items)),
                        )
            head = reader.head
    except (RecordingError, ExecutionFileError, StoreError, UnknownFork) as error:
        fail(str(error))
    except (UnsupportedRecording, UnsupportedChain) as error:
        fail(f"{recording}: {error}")
    except CriticalError as error:
        fail(f"derivation of {recording} stops: {error}", EXIT_DIFFERENT)
    judged = not (fake_execution or recorded_or_fake)
    _tell(head, report, time.perf_counter() - started, judged=judged, as_json=as_json, to_stderr=print_lines)
    if judged and not report.equal:
        sys.exit(EXIT_DIFFERENT)


def _replay_fake(head: RecordingHead, items: Iterable[RecordedItem], execution: Execution, on_derived: OnDerived | None) -> Report:
    replayed = Replay(head, execution, on_derived=on_derived)
    for item in items:
        replayed.feed(item)
    return replayed.finish()


def _replay_executed(
    recording: Path,
    head: RecordingHead,
    items: list[RecordedItem],
    options: tuple[Path | None, Path | None, str],
    on_derived: OnDerived | None,
    watch: Callable[[Iterable[RecordedItem]], Iterator[RecordedItem]],
) -> Report:
    """`options`: genesis file, folder of a store, engine."""
    genesis, datadir, engine = options
    states = states_from_genesis(recording, head, genesis, datadir)
    try:
        return with_deep_stack(lambda: replay_executed(head, items, states, engine_named(engine), on_derived=on_derived, watch=watch))
    finally:
        states.close()


def _print_line(derived: DerivedAttributes, block: L2Block | None) -> None:
    sys.stdout.write(derived_line(derived, block) + "\n")


class progress_over:  # noqa: N801 - used like a function
    """A context that gives a function to wrap iterations with: each becomes a progress bar on stderr, or nothing if `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description:>15}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet,
        )

    def __enter__(self) -> Callable[..., Iterator[RecordedItem]]:
        self._progress.start()
        return self._watch

    def __exit__(self, *_exc: object) -> None:
        self._progress.stop()

    def _watch(self, what: str, items: Iterable[RecordedItem], total: int | None = None) -> Iterator[RecordedItem]:
        if self._quiet:
            yield from items
        else:
            yield from self._progress.track(items, total=total, description=what)


def _tell(head: RecordingHead, report: Report, seconds: float, *, judged: bool, as_json: bool, to_stderr: bool) -> None:
    if as_json:
        click.echo(json.dumps(_as_json(head, report, seconds, judged=judged)), err=to_stderr)
        return
    click.echo(_summary(head, report, seconds), err=to_stderr)
    if isinstance(report, ExecutedReport):
        click.echo(_executed(report), err=to_stderr)
    if not judged:
        return
    if report.difference is not None:
        click.echo(describe_difference(report.difference), err=to_stderr)
    verdict = f"{report.matched} of {report.expected} blocks equal"
    click.echo(verdict if report.equal else f"DIFFERENT: {verdict}", err=to_stderr)


def _summary(head: RecordingHead, report: Report, seconds: float) -> str:
    dropped = sum(report.drops.values())
    return (
        f"{head.name}: {report.l1_blocks} L1 blocks ({report.l1_reorgs} reorgs), {report.derived} L2 blocks derived with"
        f" {report.transactions} transactions, {report.invalid} invalid, {dropped} pieces of data dropped, {report.resets} resets, {seconds:.1f} s"
    )


def _executed(report: ExecutedReport) -> str:
    speed = report.gas / report.seconds / 1e6 if report.seconds else 0.0
    return f"executed {report.executed} blocks with {report.gas} gas in {report.seconds:.1f} s ({speed:.2f} Mgas/s)"


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], bytes):
        return f"{value[0]} 0x{value[1].hex()}"
    return "none" if value is None else str(value)


def describe_difference(difference: Difference) -> str:
    """The first difference for people: block, field, both values."""
    return (
        f"block {difference.number} differs in {difference.field}:\n"
        f"  derived  {_show(difference.derived)}\n  recorded {_show(difference.recorded)}"
    )


def _as_json(head: RecordingHead, report: Report, seconds: float, *, judged: bool) -> dict[str, object]:
    difference = report.difference
    executed = {"executed": report.executed, "gas": report.gas, "execution_seconds": report.seconds} if isinstance(report, ExecutedReport) else {}
    return executed | {
        "recording": head.name,
        "equal": report.equal if judged else None,
        "matched": report.matched,
        "expected": report.expected,
        "derived": report.derived,
        "transactions": report.transactions,
        "invalid": report.invalid,
        "l1_blocks": report.l1_blocks,
        "l1_reorgs": report.l1_reorgs,
        "resets": report.resets,
        "dropped": {reason.name.lower(): count for reason, count in sorted(report.drops.items(), key=lambda item: item[0].name)},
        "difference": None
        if difference is None
        else {
            "number": difference.number,
            "field": difference.field,
            "derived": _show(difference.derived),
            "recorded": _show(difference.recorded),
        },
        "seconds": round(seconds, 3),
    }
