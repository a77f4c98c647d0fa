"""A disk that is full or that cannot be written to ends the node with one line that explains it, and what was told before is there afterwards."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.devnet_load import TransferLoad
from harness.node_process import ANY_PORTS, Ended, NodeProcess, RpcFailed

TIMEOUT = 120.0
RATE = 50
FILE_LIMIT = ["sh", "-c", 'ulimit -f 700; exec "$@"', "sh"]
"""No file may be larger than a few hundred KiB: a full disk for everybody who is not root."""
DISK_LINE = "Error: the store cannot be written to, and is as it was before: "
REMEDY = ". Make room on the disk or mend it, and start again."


def run_until_full(words: list[str], wrapper: list[str]) -> tuple[dict[int, str], str]:
    """A node under load until it ends: the blocks that it told of, and its last line."""
    seen: dict[int, str] = {}
    end = time.monotonic() + TIMEOUT
    with NodeProcess(words, wrapper=wrapper) as node, TransferLoad(RATE) as load:
        with suppress(RpcFailed, Ended):
            load.url = node.address("http")
            while time.monotonic() < end:
                block = node.call("eth_getBlockByNumber", "latest", False)
                seen[int(block["number"], 16)] = block["hash"]
                time.sleep(0.05)
        load.url = None
        assert node.wait(TIMEOUT) == 1
        assert "Traceback" not in "\n".join(node.lines), "\n".join(node.lines)
        return seen, node.lines[-1]


def check_nothing_is_lost(words: list[str], seen: dict[int, str]) -> None:
    """With room again the node has every block that it told of, and makes more."""
    with NodeProcess(words) as node:
        assert seen
        for number, block_hash in seen.items():
            assert node.call("eth_getBlockByNumber", hex(number), False)["hash"] == block_hash
        end = time.monotonic() + TIMEOUT
        while int(node.call("optimism_syncStatus", server="rpc")["safe_l2"]["number"]) <= max(seen):
            assert time.monotonic() < end, "\n".join(node.lines)
            time.sleep(0.2)


def test_files_that_cannot_grow(tmp_path: Path) -> None:
    words = [f"--datadir={tmp_path}", "--block-time=1s", *ANY_PORTS]
    seen, line = run_until_full(words, FILE_LIMIT)
    assert line.startswith(DISK_LINE), line
    assert "File too large" in line, line
    assert line.endswith(REMEDY), line
    check_nothing_is_lost(words, seen)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB; skips the test where nobody may mount one."""
    mount = shutil.which("mount")
    done = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)], capture_output=True, check=False)
    if not done or done.returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def remount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)


@pytest.mark.long
def test_a_full_disk(small_disk: Path) -> None:
    words = [f"--datadir={small_disk / 'data'}", "--block-time=1s", *ANY_PORTS]
    seen, line = run_until_full(words, [])
    assert line.startswith(DISK_LINE), line
    assert "No space left on device" in line, line
    assert line.endswith(REMEDY), line
    with NodeProcess(words) as node:  # it is full still
        assert node.wait(TIMEOUT) in (1, 2)
        assert "No space left on device" in node.lines[-1], node.lines
        assert "Traceback" not in "\n".join(node.lines), "\n".join(node.lines)
    remount(small_disk, "size=100m")
    check_nothing_is_lost(words, seen)


def test_a_disk_that_is_read_only(small_disk: Path) -> None:
    words = [f"--datadir={small_disk / 'data'}", *ANY_PORTS]
    with NodeProcess(words) as node:
        node.wait_for("derivation begins")
        node.stop()
    remount(small_disk, "ro")
    with NodeProcess(words) as node:
        assert node.wait(TIMEOUT) == 2
        remedy = "Give another folder with --datadir, or mend this one"
        assert node.lines == [f"Error: {small_disk}/data: cannot be written to: Read-only file system. {remedy}"]
