"""The steady recording, derived and executed into a plyvel store on disk."""

from __future__ import annotations

import cProfile
import gzip
import json
import os
import pstats
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.recordings import load
from bench.workloads import SHARED
from harness.engine_differential.op_geth import OpGeth, find_geth
from harness.engine_differential.op_geth_chain import OpGethChain
from harness.execution.deep_stack import with_deep_stack
from harness.execution.replay import ExecutedReport, replay_executed, states_from_genesis
from harness.recording import RecordedItem, RecordedL2Block, RecordingHead
from trinode.execution.evm.engine import FastEngine

_PEERS = "op-node + op-geth, measured once on another day (../shared/peers.md, G): 28 s wall, 7.1 + 38.6 CPU s, RSS 81 + 279 MiB"
_PROFILED_LINES = 30


def main(profiled: bool) -> None:
    """Print wall and CPU seconds of one pass, or where they go."""
    path = SHARED / "recordings" / "steady-karst.jsonl.gz"
    if not path.is_file():
        print(f"steady: skipped, {path} is absent")
        return
    head, items = load(path)
    before = _peak_mib()
    with TemporaryDirectory(prefix="trinode-bench-") as folder:
        started, cpu = time.perf_counter(), time.process_time()
        report = with_deep_stack(lambda: _replay(path, head, items, Path(folder) / "store", profiled))
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        stored = sum(file.stat().st_size for file in (Path(folder) / "store").iterdir())
    verdict = "equal" if report.equal else f"NOT EQUAL: {report.difference}"
    print(f"steady: derived and executed into a store: {verdict}")
    print(f"  {report.executed} blocks, {report.transactions} transactions, {report.gas / 1e6:.0f} Mgas")
    print(f"  with the genesis state  {wall:6.1f} s wall, {cpu:6.1f} CPU s, {report.gas / 1e6 / wall:6.1f} Mgas/s of wall")
    print(f"  execution and storing   {report.seconds:6.1f} s wall, {report.gas / 1e6 / report.seconds:6.1f} Mgas/s")
    print(f"  store {stored / 2**20:.0f} MiB; peak memory {_peak_mib():.0f} MiB, {before:.0f} of them with the recording loaded")
    print(f"  {_PEERS}")
    _beside_op_geth(path, head, items)


def _beside_op_geth(path: Path, head: RecordingHead, items: list[RecordedItem]) -> None:
    """op-geth on the same blocks, driven as op-node drives it: built from the attributes, then imported, then made the head."""
    program = find_geth()
    if program is None:
        print("  op-geth beside it: skipped, there is no geth in TRINODE_PEERS or on PATH")
        return
    genesis = json.loads(gzip.decompress((path.parent / str(head.l2_genesis)).read_bytes()))
    with OpGeth(program, genesis) as geth:
        chain = OpGethChain(geth, head.rollup_config)
        started, cpu = time.perf_counter(), _cpu_seconds(geth.pid)
        for item in items:
            if isinstance(item, RecordedL2Block) and item.attributes is not None:
                block = chain.build(item.attributes)
                assert block.hash == item.block.ref.hash
                chain.adopt(block)
        wall, cpu = time.perf_counter() - started, _cpu_seconds(geth.pid) - cpu
    print(f"  op-geth beside it, execution alone: {wall:.1f} s wall, {cpu:.1f} CPU s")


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process (Linux: proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _replay(path: Path, head: RecordingHead, items: list[RecordedItem], datadir: Path, profiled: bool) -> ExecutedReport:
    """In the thread that does the work, which alone a profile shows."""
    profile = cProfile.Profile()
    if profiled:
        profile.enable()
    states = states_from_genesis(path, head, None, datadir)
    try:
        return replay_executed(head, items, states, FastEngine())
    finally:
        states.close()
        if profiled:
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(_PROFILED_LINES)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
