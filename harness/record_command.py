"""`trinode-harness record`: the command around `harness.recorder`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from harness.endings import EXIT_BAD_INPUT
from harness.recorder.assemble import assemble
from harness.recorder.journal import Journal
from harness.recorder.plan import ChainError, RecordError, RecordPlan
from harness.recorder.session import Connection, Request, fetch_recording
from harness.recording import RecordedItem, RecordedL1Block, RecordedL2Block, RecordingError
from trinode.jsonrpc.endpoint import EndpointError, Retries
from trinode.rollup.chains import UnknownChainError, chain_by_name
from trinode.rollup.config import RollupConfig, parse_rollup_config
from trinode.rollup.json_fields import RollupConfigError
from trinode.rollup.l1_chain import parse_l1_chain_config

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def _url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"{value.split('@')[-1]!r} is no http(s) URL")
    return value


@click.command()
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--l1", required=True, callback=_url, metavar="URL", help="L1 execution endpoint (JSON-RPC).")
@click.option("--l2", required=True, callback=_url, metavar="URL", help="L2 execution endpoint (JSON-RPC).")
@click.option("--beacon", callback=_url, metavar="URL", help="L1 beacon endpoint; needed where the range has blobs.")
@click.option("--rollup-node", callback=_url, metavar="URL", help="op-node endpoint: output roots, safe heads, the rollup config.")
@click.option("--network", metavar="NAME", help="Chain of the superchain registry, by name or id.")
@click.option("--rollup-config", type=click.Path(path_type=Path), help="rollup.json of the chain (default: --rollup-node's).")
@click.option("--l1-chain-config", type=click.Path(path_type=Path), help="JSON with the L1's chain_id and blob_schedule, for a private L1.")
@click.option("--l1-from", type=click.IntRange(0), help="First L1 block (default: a channel timeout before the start's L1 origin).")
@click.option("--l1-to", type=click.IntRange(0), help="Last L1 block (default: the finalized one).")
@click.option("--l2-from", type=click.IntRange(0), help="L2 block that derivation starts from (default: genesis).")
@click.option("--l2-to", type=click.IntRange(0), help="Last L2 block (default: --rollup-node's safe head as of the last L1 block).")
@click.option("--name", help="The recording's name (default: that of the file).")
@click.option("--source", default="", help="Free text about where this comes from.")
@click.option("--all-receipts", is_flag=True, help="Receipts of every L1 block, not only of those with logs of the rollup's contracts.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Requests under way, per endpoint.")
@click.option("--timeout", type=click.FloatRange(0.1), default=20.0, show_default=True, help="Seconds to wait for an answer.")
@click.option("--attempts", type=click.IntRange(1), default=8, show_default=True, help="Tries for a request whose failure may pass.")
@click.option("--seconds-per-slot", type=click.IntRange(1), help="Where the beacon endpoint does not say.")
@click.option("--force", is_flag=True, help="Replace OUTPUT.")
@click.option("--quiet", is_flag=True, help="No progress bar, no summary.")
def record(output: Path, force: bool, quiet: bool, **options: Any) -> None:
    """Record a range of L1 blocks and the L2 blocks derived from it into OUTPUT (a .jsonl.gz), for `replay`.

    Everything is checked as it comes: block hashes, roots, receipts, blobs. What was fetched is kept in OUTPUT.journal until the
    recording is whole; after an interruption the same command goes on from there. Reorgs and labels of L1 are not recorded, and
    deposits_only is not known: these take an eyewitness.

    Exit status: 0 done, 1 an endpoint failed or gave wrong data, 2 bad input, 130 interrupted.
    """
    if output.exists() and not force:
        _fail(f"{output} exists: say --force to replace it", EXIT_BAD_INPUT)
    try:
        connection, request = _connection(options), _request(output, options)
        counts = _run(connection, request, output, quiet=quiet or not sys.stderr.isatty())
    except (EndpointError, ChainError) as error:
        _fail(str(error), EXIT_FAILED)
    except (RecordError, RecordingError) as error:
        _fail(str(error), EXIT_BAD_INPUT)
    except _InterruptedRun:
        _fail("interrupted; the same command goes on from here", EXIT_INTERRUPTED)
    if not quiet:
        click.echo(f"{output}: {counts['l1']} L1 blocks, {counts['blobs']} blobs, {counts['l2']} L2 blocks", err=True)


class _InterruptedRun(Exception):
    """A signal asked to stop."""


def _fail(message: str, status: int) -> None:
    click.echo(f"trinode-harness record: {' '.join(message.split())}", err=True)
    sys.exit(status)


def _connection(options: dict[str, Any]) -> Connection:
    return Connection(
        l1=options["l1"],
        l2=options["l2"],
        beacon=options["beacon"],
        rollup_node=options["rollup_node"],
        concurrency=options["concurrency"],
        timeout=options["timeout"],
        retries=Retries(attempts=options["attempts"]),
        seconds_per_slot=options["seconds_per_slot"],
    )


def _request(output: Path, options: dict[str, Any]) -> Request:
    l1_chain_config: Path | None = options["l1_chain_config"]
    try:
        return Request(
            name=options["name"] or output.name.removesuffix(".gz").removesuffix(".jsonl"),
            source=options["source"],
            rollup_config=_rollup_config(options["network"], options["rollup_config"]),
            l1_chain_config=None if l1_chain_config is None else parse_l1_chain_config(_read_json(l1_chain_config)),
            l1_first=options["l1_from"],
            l1_last=options["l1_to"],
            l2_start=options["l2_from"],
            l2_last=options["l2_to"],
            all_receipts=options["all_receipts"],
        )
    except (RollupConfigError, UnknownChainError) as error:
        raise RecordError(str(error)) from error


def _rollup_config(network: str | None, path: Path | None) -> RollupConfig | None:
    if network is not None and path is not None:
        raise RecordError("--network and --rollup-config exclude each other")
    if network is not None:
        return chain_by_name(network)
    return None if path is None else parse_rollup_config(_read_json(path))


def _read_json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"{path}: not JSON: {error}") from error


def _run(connection: Connection, request: Request, output: Path, *, quiet: bool) -> dict[str, int]:
    counts = {"l1": 0, "l2": 0, "blobs": 0}

    def wrote(item: RecordedItem) -> None:
        if isinstance(item, RecordedL1Block):
            counts["l1"] += 1
            counts["blobs"] += len(item.blobs)
        elif isinstance(item, RecordedL2Block):
            counts["l2"] += 1
        bars.advance("write")

    with _bars(quiet=quiet) as bars:
        plan, journal = trio.run(_fetch, connection, request, output.with_name(output.name + ".journal"), bars)
        try:
            bars.begin("write", plan.l1_last - plan.l1_first + 1 + plan.l2_last - plan.l2_start)
            assemble(plan, journal, output, wrote)
        except BaseException:
            journal.close()
            raise
        journal.remove()
    return counts


async def _fetch(connection: Connection, request: Request, journal: Path, bars: _Bars) -> tuple[RecordPlan, Journal]:
    result: tuple[RecordPlan, Journal] | None = None
    failure: EndpointError | RecordError | None = None

    async def stop_on_signal(scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                scope.cancel()
                return

    async with trio.open_nursery() as nursery:
        await nursery.start(stop_on_signal, nursery.cancel_scope)
        try:
            result = await fetch_recording(connection, request, journal, planned=bars.plan, done=lambda task: bars.advance(task.kind))
        except (EndpointError, RecordError) as error:
            failure = error  # raised in here it would come out as a group
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if result is None:
        raise _InterruptedRun
    return result


class _Bars:
    """Progress bars on standard error, by kind of work."""

    _NAMES = {"l1": "L1 blocks", "l2": "L2 blocks", "safe": "safe heads", "write": "writing"}  # noqa: RUF012 - a constant

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def plan(self, plan: RecordPlan) -> None:
        """Show what is to be fetched."""
        tasks = plan.tasks()
        for kind in ("l1", "l2", "safe"):
            if total := sum(task.kind == kind for task in tasks):
                self.begin(kind, total)

    def begin(self, kind: str, total: int) -> None:
        """Show one more kind of work."""
        self._tasks[kind] = self._progress.add_task(self._NAMES[kind], total=total)

    def advance(self, kind: str) -> None:
        """One more of that kind is done."""
        self._progress.advance(self._tasks[kind])


@contextmanager
def _bars(*, quiet: bool) -> Iterator[_Bars]:
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        yield _Bars(progress)
