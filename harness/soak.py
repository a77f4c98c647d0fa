"""A devnet under a steady load, watched: `python -m harness.soak --minutes 20 --rate 50`.

A line every few seconds: memory, CPU, open files, disk, and how far the heads are behind. At the end a verdict: what memory and files did after
the warm-up, and whether the chain kept up. Exit status: 0 all well, 1 something grew or stood still.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from harness.devnet_load import TransferLoad, grants, more_accounts
from harness.node_process import ANY_PORTS, Ended, NodeProcess, RpcFailed, Usage

ACCOUNTS = 100
MOST_RESIDENT_GROWTH = 60.0
"""MiB an hour after the warm-up. Blocks of a steady load need no more memory than those before them."""
MOST_FILES_GROWTH = 8
MOST_SAFE_LAG = 60
"""Seconds that the safe head may be behind the unsafe one at the end."""
_COLUMNS = {"time": 6, "RSS MiB": 8, "CPU %": 6, "files": 6, "disk MiB": 9, "unsafe": 7, "safe": 7, "final": 7, "sent": 8, "late": 6, "lag s": 6}


class Sample(NamedTuple):
    """The node at one moment. `at`: seconds since the load began; `disk` in bytes; heads are block numbers; `lag`: seconds from the
    unsafe head's time to the node's clock, and from the safe head's to the unsafe one's.
    """

    at: float
    usage: Usage
    disk: int
    unsafe: int
    safe: int
    finalized: int
    lag: float
    safe_lag: int
    sent: int
    late: int


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the straight line that is nearest to the points (least squares); 0 for fewer than two."""
    if len(points) < 2:
        return 0.0
    middle_x, middle_y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


def folder_size(folder: Path) -> int:
    """Bytes of all files below it; those that go meanwhile are left out."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


class Soak:
    """A devnet node in `folder` with a load, and what was seen of it."""

    def __init__(self, node: NodeProcess, load: TransferLoad, folder: Path) -> None:
        self.samples: list[Sample] = []
        self._node = node
        self._load = load
        self._folder = folder
        self._began = time.monotonic()
        self._clock_offset: float | None = None

    def run(self, seconds: float, interval: float, say: Callable[[str], None]) -> None:
        """Watches for that long. Raises Ended, RpcFailed."""
        say(" ".join(f"{name:>{width}}" for name, width in _COLUMNS.items()))
        before = self._node.usage()
        for tick in range(1, int(seconds / interval) + 1):
            time.sleep(max(0.0, self._began + tick * interval - time.monotonic()))
            sample = self._sample()
            percent = 100 * (sample.usage.cpu - before.cpu) / interval
            before = sample.usage
            self.samples.append(sample)
            say(_line(sample, percent))

    def _sample(self) -> Sample:
        status = self._node.call("optimism_syncStatus", server="rpc")
        unsafe, safe, finalized = (status[name] for name in ("unsafe_l2", "safe_l2", "finalized_l2"))
        usage, now = self._node.usage(), time.time()
        if self._clock_offset is None:
            self._clock_offset = now - unsafe["timestamp"]  # the devnet's clock need not be that of the day
        lag = now - unsafe["timestamp"] - self._clock_offset
        return Sample(
            time.monotonic() - self._began,
            usage,
            folder_size(self._folder),
            unsafe["number"],
            safe["number"],
            finalized["number"],
            lag,
            unsafe["timestamp"] - safe["timestamp"],
            self._load.sent,
            self._load.late,
        )


def _line(sample: Sample, percent: float) -> str:
    heads = f"{sample.unsafe:>7} {sample.safe:>7} {sample.finalized:>7}"
    memory = f"{sample.usage.resident / 2**20:>8.1f} {percent:>6.1f} {sample.usage.files:>6} {sample.disk / 2**20:>9.1f}"
    return f"{sample.at:>6.0f} {memory} {heads} {sample.sent:>8} {sample.late:>6} {sample.lag:>6.1f}"


def verdict(samples: Sequence[Sample], warm_up: float) -> tuple[list[str], bool]:
    """What is to be said of the time after the warm-up (seconds), and whether all is well."""
    steady = [sample for sample in samples if sample.at >= warm_up]
    if len(steady) < 3:
        return ["too short for a verdict: there are fewer than three samples after the warm-up"], False
    first, last = steady[0], steady[-1]
    growth = slope([(sample.at / 3600, sample.usage.resident / 2**20) for sample in steady])
    disk = slope([(sample.at / 3600, sample.disk / 2**20) for sample in steady])
    most = max(sample.usage.resident for sample in samples) / 2**20
    seconds = last.at - first.at
    cpu = (last.usage.cpu - first.usage.cpu) / seconds
    rate = (last.sent - first.sent) / seconds
    files = last.usage.files - first.usage.files
    findings = [
        (f"memory: {most:.0f} MiB at most, {growth:+.1f} MiB an hour after the warm-up", growth <= MOST_RESIDENT_GROWTH),
        (f"open files: {first.usage.files} to {last.usage.files}", files <= MOST_FILES_GROWTH),
        (f"heads: unsafe {first.unsafe} to {last.unsafe}, safe {last.safe_lag} s behind it at the end", last.safe_lag <= MOST_SAFE_LAG),
        (f"finalized {first.finalized} to {last.finalized}", last.finalized > first.finalized),
        (f"load: {rate:.1f} transfers a second taken, {100 * cpu:.0f} % of a core, disk {disk:+.0f} MiB an hour", rate > 0),
    ]
    return [f"{'ok  ' if is_well else 'FAIL'} {text}" for text, is_well in findings], all(is_well for _, is_well in findings)


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="How long the load lasts.")
@click.option("--rate", type=click.FloatRange(min=0.1), default=50.0, show_default=True, help="Transfers a second.")
@click.option("--interval", type=click.FloatRange(min=0.5), default=10.0, show_default=True, help="Seconds between two samples.")
@click.option("--warm-up", type=float, default=5.0, show_default=True, help="Minutes that the verdict leaves out.")
@click.option("--idle", is_flag=True, help="No load.")
@click.option("--datadir", type=click.Path(path_type=Path, file_okay=False), help="The node's folder; a temporary one otherwise.")
def main(minutes: float, rate: float, interval: float, warm_up: float, idle: bool, datadir: Path | None) -> None:
    """Run a devnet node under a load of transfers, and say what it takes and whether anything grows."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "data") if datadir is None else datadir
        accounts = more_accounts(ACCOUNTS)
        try:
            with NodeProcess([f"--datadir={folder}", *ANY_PORTS]) as node, TransferLoad(rate, accounts) as load:
                url = node.address("http")
                for raw in [] if idle else grants(accounts):
                    node.call("eth_sendRawTransaction", "0x" + raw.hex())
                load.url = None if idle else url
                soak = Soak(node, load, folder)
                soak.run(minutes * 60, interval, click.echo)
                load.url = None
                status, seconds = node.stop()
        except (Ended, RpcFailed) as error:
            raise click.ClickException(f"the node does not answer: {error}") from error
    lines, is_well = verdict(soak.samples, warm_up * 60)
    click.echo("\n".join(lines))
    click.echo(f"stopped in {seconds:.1f} s with exit status {status}; refused: {dict(load.refused) or 'nothing'}")
    sys.exit(0 if is_well and status == 0 else 1)


if __name__ == "__main__":
    main()
