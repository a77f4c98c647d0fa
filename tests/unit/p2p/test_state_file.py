"""What is remembered over restarts: whole at any moment, in time on the disk, and not written too often."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from trinode.p2p.state_file import MOST_BYTES, StateFile, read_whole, write_whole

SECONDS = 10.0

WRITER = """
import sys
from pathlib import Path
from trinode.p2p.state_file import write_whole
path = Path(sys.argv[1])
number = 0
while True:
    number += 1
    write_whole(path, b"[" + b",".join([b"%d" % number] * 20_000) + b"]")
    if number == 1:
        print("begun", flush=True)
"""


class Counted:
    """A snapshot of a number, and how often it was taken."""

    def __init__(self) -> None:
        self.value = self.taken = 0

    def __call__(self) -> Callable[[], bytes]:
        self.taken += 1
        return str(self.value).encode


async def test_what_changed_is_written_at_once_and_then_not_too_often(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    path, counted = tmp_path / "new" / "state", Counted()
    file = StateFile(path, counted, seconds=SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.run)
        counted.value = 1
        file.changed()
        await file.saved()
        assert path.read_bytes() == b"1"
        for counted.value in range(2, 50):
            file.changed()
            mock_clock.jump(SECONDS / 100)
            await trio.testing.wait_all_tasks_blocked()
        assert (path.read_bytes(), counted.taken) == (b"1", 1)
        mock_clock.jump(SECONDS)
        await file.saved()
        assert (path.read_bytes(), counted.taken) == (b"49", 2)
        nursery.cancel_scope.cancel()
    assert counted.taken == 2
    assert [entry.name for entry in path.parent.iterdir()] == ["state"]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_the_last_change_is_written_at_the_end(tmp_path: Path) -> None:
    path, counted = tmp_path / "state", Counted()
    file = StateFile(path, counted, seconds=SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.run)
        file.changed()
        await file.saved()
        counted.value = 7
        file.changed()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert read_whole(path) == b"7"


async def test_nothing_is_kept_without_a_path() -> None:
    counted = Counted()
    file = StateFile(None, counted, seconds=SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.run)
        file.changed()
        await file.saved()
        nursery.cancel_scope.cancel()
    assert counted.taken == 0 and read_whole(None) is None


async def test_what_cannot_be_written_is_said_and_tried_again(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    folder = tmp_path / "folder"
    folder.write_text("in the way")
    file = StateFile(folder / "state", Counted(), seconds=SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.run)
        file.changed()
        with pytest.raises(OSError, match=r"exists|directory"):
            await file.saved()
        folder.unlink()
        for _ in range(1000):
            mock_clock.jump(SECONDS)
            await trio.testing.wait_all_tasks_blocked(0.01)
            with suppress(OSError):
                await file.saved()
                break
        assert (folder / "state").read_bytes() == b"0"
        nursery.cancel_scope.cancel()


def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for pause in (0.01, 0.05):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        with writer:
            assert writer.stdout is not None and writer.stdout.readline() == b"begun\n"
            try:
                writer.wait(pause)
            except subprocess.TimeoutExpired:
                os.kill(writer.pid, signal.SIGKILL)
        data = read_whole(path)
        assert data is not None
        assert len(set(json.loads(data))) == 1


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_whole(path, b"x")
    os.truncate(path, MOST_BYTES + 1)
    with pytest.raises(OSError, match="larger than it can be"):
        read_whole(path)
