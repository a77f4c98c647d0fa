"""Our derivation beside op-node's own, on the same recordings: both print what they derive, line by line.

op-node's pipeline is the program `op-node-derive` (`TRINODE_PEERS` names the folder that it is in, or it is on PATH). It also makes up
L1s, with chaos: damaged, lost, doubled and late frames, batches that break a rule, overlapping spans, configuration updates, reorgs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from harness.derived_lines import derived_line
from harness.fake_execution import FakeExecution
from harness.recording import open_recording
from harness.replay import Replay
from trinode.derive.errors import CriticalError
from trinode.derive.events import DerivedAttributes
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.l2_block import L2Block

PROGRAM = "op-node-derive"
TIMEOUT = 60
"""Seconds for one run of the program."""
OWN_STOPS = ("temporary:", "unsupported:", "reset_loop:", "unknown batch validity type: 4", "invalid FlushChannel call")
"""Why the program stops although derivation could go on: its limits on repetition, what its simulated L1 lacks, and a defect of op-node:
with Holocene in the same L1 gap as Granite its old batch queue stays, which does not know the verdict "past", nor how to flush a channel."""
GENERATE_TIMEOUT = 10
"""Seconds for its generator: some specifications make it build without end."""


def find_program() -> Path | None:
    """The reference program, if it is there."""
    folder = os.environ.get("TRINODE_PEERS")
    found = shutil.which(PROGRAM, path=folder) if folder else shutil.which(PROGRAM)
    return Path(found) if found else None


@dataclass(frozen=True, slots=True)
class Derivation:
    """Lines of derived attributes, and why derivation stopped before the end of L1 (None: it did not)."""

    lines: list[str]
    stopped: str | None


def derive_here(recording: Path, invalid: Sequence[int] = (), *, reject_undecodable: bool = False) -> Derivation:
    """What our pipeline derives with fake execution."""
    lines: list[str] = []

    def on_derived(derived: DerivedAttributes, block: L2Block | None) -> None:
        lines.append(derived_line(derived, block))

    with open_recording(recording, check=False) as reader:
        execution = FakeExecution(reader.head.rollup_config, invalid_blocks=frozenset(invalid), reject_undecodable=reject_undecodable)
        replay = Replay(reader.head, execution, on_derived=on_derived)
        try:
            for item in reader:
                replay.feed(item)
            replay.finish()
        except CriticalError as error:
            return Derivation(lines, f"critical: {error}")
    return Derivation(lines, None)


def derive_there(program: Path, recording: Path, invalid: Sequence[int] = (), *, reject_undecodable: bool = False) -> Derivation:
    """What op-node's pipeline derives with fake execution. Raises subprocess.CalledProcessError where the program refuses the recording."""
    command = [str(program), "--fake-execution", "--no-verify"]
    if invalid:
        command += ["--invalid-block", ",".join(map(str, invalid))]
    if reject_undecodable:
        command.append("--reject-undecodable")
    result = subprocess.run([*command, str(recording)], capture_output=True, timeout=TIMEOUT, check=False)
    panic = next((line for line in result.stderr.decode().splitlines() if line.startswith("panic:")), None)
    if panic is not None:
        return Derivation([], panic)  # what it had derived until then is lost with it
    if result.returncode not in (0, 1):
        raise subprocess.CalledProcessError(result.returncode, command, result.stdout, result.stderr)
    lines, stopped = [], None
    for line in result.stdout.decode().splitlines():
        if '"event":' not in line[:12]:
            lines.append(line)
            continue
        event = json.loads(line)
        if event["event"] in ("error", "critical", "temporary", "reset_loop", "unsupported"):
            stopped = f"{event['event']}: {event.get('error')}"
    if result.returncode == 1 and stopped is None:
        stopped = result.stderr.decode().strip() or "stopped"
    return Derivation(lines, stopped)


def first_difference(ours: Derivation, theirs: Derivation) -> str | None:
    """Where two derivations part; None if they are equal, or if theirs stopped for reasons of its own and agreed until then."""
    for index, (here, there) in enumerate(zip(ours.lines, theirs.lines, strict=False)):
        if here != there:
            return f"line {index + 1}: {_field_difference(json.loads(here), json.loads(there))}"
    if theirs.stopped is not None and any(reason in theirs.stopped for reason in OWN_STOPS):
        return None
    if len(ours.lines) != len(theirs.lines):
        return f"{len(ours.lines)} lines here, {len(theirs.lines)} there (stopped here: {ours.stopped}, there: {theirs.stopped})"
    if (ours.stopped is None) != (theirs.stopped is None):
        return f"stopped here: {ours.stopped}, there: {theirs.stopped}"
    return None


def _field_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    if list(ours) != list(theirs):
        return f"fields {list(ours)} here, {list(theirs)} there"
    field = next(name for name in ours if ours[name] != theirs[name])
    return f"block {ours['number']}, {field}: {str(ours[field])[:200]} here, {str(theirs[field])[:200]} there"


def random_spec(seed: int) -> dict[str, Any]:
    """What the program's generator is to make up for a seed: every fork or the boundaries between them, every encoding, more or less chaos."""
    random = Random(seed)
    l1_blocks = random.choice([40, 80, 120])
    deepest = random.randint(0, len(SCHEDULED_FORKS) - 1)
    spec: dict[str, Any] = {
        "name": f"differential-{seed}",
        "seed": seed,
        "l1_blocks": l1_blocks,
        "forks": _random_forks(random, deepest, l1_blocks * 12),
        "seq_window": random.choice([8, 15, 30, 60]),
        "channel_timeout": random.choice([2, 5, 10, 20]),
        "txs_per_block": random.choice([0, 1, 3, 8]),
        "tx_bytes": random.choice([0, 100, 2000]),
        "span_blocks": random.choice([0, 0, 2, 5, 10, 20]),
        "brotli": random.random() < 0.5,
        "blobs": random.random() < 0.5,
        "frame_size": random.choice([150, 500, 3000, 100_000]),
        "submit_every": random.choice([1, 2, 3, 6]),
        "deposits_every": random.choice([1, 3, 10]),
        "chaos": random.choice([0, 0, 0.03, 0.1, 0.3]),
        "batch_chaos": random.choice([0, 0, 0.05, 0.2]),
        "config_every": random.choice([0, 4, 9]),
        "invalid_blocks": sorted(random.sample(range(1, l1_blocks * 6), random.choice([0, 0, 3, 10]))),
    }
    if random.random() < 0.4:
        spec |= {"reorg_every": random.choice([5, 11, 23]), "reorg_depth": random.choice([1, 3, 8])}
    return spec


def _random_forks(random: Random, deepest: int, seconds: int) -> dict[str, int]:
    """Activation times: all at genesis up to some fork, the rest spread, close together, or never."""
    at_genesis = random.randint(0, deepest)
    times = sorted(random.randint(1, seconds) for _ in SCHEDULED_FORKS)
    if random.random() < 0.3:
        times = sorted(random.choice(times[:3]) + random.randint(0, 14) for _ in SCHEDULED_FORKS)
    forks: dict[str, int] = {}
    for index, fork in enumerate(SCHEDULED_FORKS[: deepest + 1]):
        if fork is not Fork.LAGOON:
            forks[fork.label] = 0 if index <= at_genesis else times[index]
    return forks


def generate_there(program: Path, spec: dict[str, Any], recording: Path) -> None:
    """Let the program make up a recording. Raises subprocess.CalledProcessError where it cannot."""
    spec_file = recording.with_suffix(".spec.json")
    spec_file.write_text(json.dumps(spec))
    command = [str(program), "--generate", str(spec_file), str(recording)]
    subprocess.run(command, capture_output=True, timeout=GENERATE_TIMEOUT, check=True)
