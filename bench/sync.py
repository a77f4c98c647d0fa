"""Whole nodes that derive recordings from an L1 behind HTTP, as near as loopback and 50 ms away, turn by turn in the same run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.recordings import load
from bench.workloads import SHARED
from harness.node_process import ANY_PORTS, NodeProcess
from harness.recording import RecordedL2Block, RecordingHead
from harness.served import ServedRecording, node_options, served

LATENCIES = (0.0, 0.05)
"""Seconds before each answer."""
_RECORDINGS = ("forks-regolith-to-karst", "steady-karst")
_LONGEST = 600.0
_POLL = 0.1


class Sync(NamedTuple):
    """What one took: seconds of wall time and of CPU, and resident MiB at the end."""

    wall: float
    cpu: float
    resident: float


def main(rounds: int) -> None:
    """Print a table: medians of several turns."""
    print(f"sync: `trinode` derives and executes from an L1 in another process, median of {rounds}; from the node's start to the recorded head")
    print(f"{'recording':26} {'blocks':>6} {'latency':>8} {'wall s':>8} {'CPU s':>7} {'blocks/s':>9} {'ratio':>6} {'MiB':>6}")
    for name in _RECORDINGS:
        path = SHARED / "recordings" / f"{name}.jsonl.gz"
        if path.is_file():
            _measure(path, rounds)
        else:
            print(f"{name}: skipped, {path} is absent")
    load_now = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"  on {os.cpu_count()} cores with a load of {load_now}: what others do takes its time too")


def _measure(path: Path, rounds: int) -> None:
    head, items = load(path)
    last = [item for item in items if isinstance(item, RecordedL2Block)][-1]
    turns: dict[float, list[Sync]] = {latency: [] for latency in LATENCIES}
    with served(path) as l1:
        for _ in range(rounds):
            for latency, done in turns.items():
                l1.set_latency(latency)
                done.append(_sync(path, head, last, l1))
    base = median(each.wall for each in turns[LATENCIES[0]])
    for latency, done in turns.items():
        wall, cpu, resident = (median(column) for column in zip(*done, strict=True))
        figures = f"{wall:8.1f} {cpu:7.1f} {last.header.number / wall:9.1f} {wall / base:6.2f} {resident:6.0f}"
        print(f"{path.name.removesuffix('.jsonl.gz'):26} {last.header.number:6} {latency * 1000:5.0f} ms {figures}", flush=True)


def _sync(path: Path, head: RecordingHead, last: RecordedL2Block, l1: ServedRecording) -> Sync:
    """From when the node has its genesis state until its safe head is the last recorded block."""
    with TemporaryDirectory(prefix="trinode-bench-") as folder:
        options = node_options(head, l1, Path(folder)) | {"genesis": path.parent / str(head.l2_genesis), "datadir": Path(folder) / "data"}
        with NodeProcess([*[f"--{name}={value}" for name, value in options.items()], *ANY_PORTS]) as node:
            node.address("rpc")
            started, before = time.monotonic(), node.usage().cpu
            while True:
                safe = node.call("optimism_syncStatus", server="rpc")["safe_l2"]
                wall = time.monotonic() - started
                if safe["number"] >= last.header.number:
                    break
                assert wall < _LONGEST, "\n".join(node.lines)
                time.sleep(_POLL)
            assert safe["hash"] == "0x" + last.block.ref.hash.hex()
            usage = node.usage()
            return Sync(wall, usage.cpu - before, usage.resident / 2**20)
