"""Whole recordings through `trinode-harness record`: equal to the original, also after being killed in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.recording import RecordedItem, RecordedL2Block, RecordedLabels, open_recording
from tests.fake_endpoints import FakeEndpoints, Fault, RecordedChains, running
from trinode.rollup.fork import Fork

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "devnet"


def original_items(chains: RecordedChains) -> list[RecordedItem]:
    """The final chains of the original, without labels, and what an eyewitness knows: deposits_only."""
    l2 = [replace(item, line=0, deposits_only=False) for item in chains.recorded_l2.values()]
    return [*(replace(item, line=0) for item in chains.l1.values()), *l2]


def comparable(path: Path, chains: RecordedChains) -> tuple[list[RecordedItem], list[RecordedItem]]:
    """Ours and the original's items; output roots before Isthmus are made up by the fake endpoint, so they are left out."""

    def known(item: RecordedItem) -> RecordedItem:
        config = chains.head.rollup_config
        if isinstance(item, RecordedL2Block) and not config.is_active(Fork.ISTHMUS, l2_timestamp=item.header.timestamp):
            return replace(item, output_root=None)
        return item

    with open_recording(path) as reader:
        ours = [replace(item, line=0) for item in reader]
    return [known(item) for item in ours], [known(item) for item in original_items(chains)]


def command(endpoints: FakeEndpoints, folder: Path) -> list[str]:
    config = folder / "l1.json"
    config.write_text(json.dumps(endpoints.chains.head.l1_chain_config.to_json()))
    program = "from harness.record_command import record; record()"
    urls = [word for name in ("l1", "l2", "beacon") for word in (f"--{name}", endpoints.url(name))]
    options = ["--rollup-node", endpoints.url("node"), "--l1-chain-config", str(config), "--all-receipts"]
    return [sys.executable, "-c", program, str(folder / "out.jsonl.gz"), *urls, *options]


@contextmanager
def started(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["forks-regolith-to-karst", "window-expiry-and-garbage"])
def test_a_recorded_recording_is_equal(name: str, tmp_path: Path) -> None:
    """Every fork, every transaction type and batcher setting; and a chain with reorgs, of which the final chain is recorded."""
    chains = RecordedChains(FIXTURES / f"{name}.jsonl.gz")
    with running(chains) as endpoints:
        result = subprocess.run(command(endpoints, tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    ours, theirs = comparable(tmp_path / "out.jsonl.gz", chains)
    assert ours == theirs
    assert not any(isinstance(item, RecordedLabels) for item in ours)


def wait_for_entries(journal: Path, size: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if journal.exists() and journal.stat().st_size > size:
            return
        time.sleep(0.01)
    raise AssertionError("the journal does not grow")


def test_killed_again_and_again_it_goes_on_and_the_result_is_the_same(tmp_path: Path) -> None:
    chains = RecordedChains(FIXTURES / "window-expiry-and-garbage.jsonl.gz")
    journal = tmp_path / "out.jsonl.gz.journal"
    fetched = 0
    with running(chains) as endpoints:
        arguments = command(endpoints, tmp_path)
        for how in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
            size = journal.stat().st_size if journal.exists() else 0
            with started(arguments) as process:
                wait_for_entries(journal, size + 30_000)
                process.send_signal(how)
                _, output = process.communicate(timeout=30)
            assert not (tmp_path / "out.jsonl.gz").exists()
            if how is signal.SIGKILL:
                # What a kill leaves of an entry that was being written.
                with journal.open("ab") as file:
                    file.write(b"\0\0\1\0torn")
            else:
                assert process.returncode == 130
                assert output == "trinode-harness record: interrupted; the same command goes on from here\n"
        fetched = endpoints.calls["l1", "eth_getBlockByNumber"]
        with started(arguments) as process:
            _, output = process.communicate(timeout=120)
        assert process.returncode == 0, output
        # What was in the journal was not fetched again: each run repeats at most what was under way.
        assert fetched > 0
        assert endpoints.calls["l1", "eth_getBlockByNumber"] <= len(chains.l1) + 5 * (8 + 1)
    ours, theirs = comparable(tmp_path / "out.jsonl.gz", chains)
    assert ours == theirs
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l1.json", "out.jsonl.gz"]


def test_a_rate_limited_endpoint_is_waited_for(tmp_path: Path) -> None:
    """The first requests are refused; Retry-After holds all workers back, and nothing is lost."""
    chains = RecordedChains(FIXTURES / "window-expiry-and-garbage.jsonl.gz")
    with running(chains) as endpoints:
        limited = 12

        def limit(service: str, method: str, params: list[object]) -> Fault | None:
            nonlocal limited
            if service != "l1" or method == "eth_chainId" or not limited:
                return None
            limited -= 1
            return Fault(status=429, retry_after="1")

        endpoints.fault = limit
        began = time.monotonic()
        arguments = [*command(endpoints, tmp_path), "--l1-to", "40", "--l2-to", "20"]
        result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - began >= 1
    assert limited == 0
