"""Derivation of whole recordings, beside op-node's own pipeline (`op-node-derive`) in the same run."""

from __future__ import annotations

import gc
import json
import subprocess
import time
from pathlib import Path
from statistics import median

from bench.recordings import l1_bytes, load, recordings
from harness.differential import find_program
from harness.fake_execution import FakeExecution
from harness.replay import Report, replay_recorded

RUNS = 9


def main() -> None:
    """Print a table; times are CPU milliseconds of one pass, the median of several."""
    program = find_program()
    print(f"derivation: CPU ms for one pass, median of {RUNS}; op-node is {'beside it' if program else 'not there (TRINODE_PEERS)'}")
    print(f"{'recording':34} {'blocks':>6} {'txs':>6} {'CPU ms':>7} {'blocks/s':>9} {'L1 MB/s':>8} {'op-node ms':>11} {'ratio':>6}")
    for path in recordings():
        _measure(path, program)


def _measure(path: Path, program: Path | None) -> None:
    head, items = load(path)
    name = path.name.removesuffix(".jsonl.gz")
    times = []
    report = Report()
    for _ in range(RUNS):
        gc.collect()
        started = time.process_time()
        report = replay_recorded(head, items, FakeExecution(head.rollup_config))
        times.append(time.process_time() - started)
    if not report.equal:
        print(f"{name}: NOT EQUAL, no figure")
        return
    seconds = median(times)
    theirs = _op_node_ms(program, path) if program else None
    beside = f"{theirs:11.1f} {seconds * 1000 / theirs:6.2f}" if theirs else f"{'-':>11} {'-':>6}"
    rates = f"{report.derived / seconds:9.0f} {l1_bytes(items) / 1e6 / seconds:8.1f}"
    print(f"{name:34} {report.derived:6} {report.transactions:6} {seconds * 1000:7.1f} {rates} {beside}")


def _op_node_ms(program: Path, path: Path) -> float:
    command = [str(program), "--no-verify", "--repeat", str(RUNS), str(path)]
    result = subprocess.run(command, capture_output=True, check=False)
    figures = [json.loads(line) for line in result.stderr.decode().splitlines() if line.startswith("{")]
    return float(next(line["cpu_ms_median"] for line in figures if "cpu_ms_median" in line))
