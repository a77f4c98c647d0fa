"""`trinode` itself: a chain of its own configuration derived from a recorded L1 behind real HTTP, stopped, started again; and what it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.fake_endpoints import FakeEndpoints, RecordedChains, running
from tests.shared import shared

RECORDING = "forks-regolith-to-karst"
TIMEOUT = 120
L1 = ["--l1=http://127.0.0.1:1", "--l1.beacon=http://127.0.0.1:1"]
ANY_PORTS = [*(f"--{name}.port=0" for name in ("http", "ws", "rpc", "devnet.l1")), "--p2p.disable=true"]


@pytest.fixture(scope="module")
def chains() -> RecordedChains:
    return RecordedChains(shared(f"recordings/{RECORDING}.jsonl.gz"))


def arguments(chains: RecordedChains, server: FakeEndpoints, folder: Path) -> list[str]:
    rollup, l1 = folder / "rollup.json", folder / "l1.json"
    rollup.write_text(json.dumps(chains.head.rollup_config.to_json()))
    l1.write_text(json.dumps(chains.head.l1_chain_config.to_json()))
    genesis = shared("recordings/forks-genesis.json.gz")
    words: dict[str, object] = {"rollup.config": rollup, "rollup.l1-chain-config": l1, "genesis": genesis, "datadir": folder / "data"}
    words |= {"l1": server.url("l1"), "l1.beacon": server.url("beacon"), "l1.http-poll-interval": "1s", "l1.epoch-poll-interval": "1s"}
    return [f"--{name}={value}" for name, value in words.items()] + ANY_PORTS


@contextmanager
def started(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The node, until the end of the block at the latest."""
    with subprocess.Popen([sys.executable, "-m", "trinode.cli", *words], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """The lines up to one that has `text`."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError("it ended: " + "".join(lines))


def test_it_derives_stops_and_goes_on(chains: RecordedChains, tmp_path: Path) -> None:
    last = max(chains.l2)
    with running(chains) as server:
        words = arguments(chains, server, tmp_path)
        with started(words) as process:
            read_until(process, f"safe={last}")
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT) == 0
        with started(words) as process:
            assert f"head={last}" in read_until(process, "chain=")[-1]
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) == 0


def test_kill_9_loses_nothing(chains: RecordedChains, tmp_path: Path) -> None:
    last = max(chains.l2)
    with running(chains) as server:
        words = arguments(chains, server, tmp_path)
        for seconds in (1.0, 2.5):
            with started(words) as process:
                read_until(process, "chain=")
                with suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                process.kill()
        with started(words) as process:
            read_until(process, f"safe={last}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--network=op-sepolia"], "l1 is missing"),
        (["--network=op-sepoliaa", *L1], "op-sepolia"),
        (["--network=op-sepolia", *L1], "give the chain's genesis.json with --genesis"),
        (["--network=op-sepolia", *L1, "--rollup.halt=major"], "rollup.halt is set, but nothing tells this node of protocol versions"),
        (["--network=op-sepolia", *L1, "--rollup.historicalrpc=http://127.0.0.1:1"], "rollup.historicalrpc: chain 11155420 has no history"),
        (["--network=op-sepolia", *L1, "--genesis=/nowhere.json"], "/nowhere.json: No such file"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trinode.cli", *words, f"--datadir={tmp_path / 'data'}"], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "data" / "chain").exists()


def test_an_l1_of_another_chain_is_refused(chains: RecordedChains, tmp_path: Path) -> None:
    with running(chains) as server:
        words = arguments(chains, server, tmp_path)
        rollup = json.loads((tmp_path / "rollup.json").read_text())
        rollup["genesis"]["l1"]["hash"] = "0x" + "11" * 32
        (tmp_path / "rollup.json").write_text(json.dumps(rollup))
        done = subprocess.run([sys.executable, "-m", "trinode.cli", *words], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 2
    assert "but the rollup's genesis is 0x1111" in done.stderr
