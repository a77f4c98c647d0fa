"""What is remembered over restarts: a small file that is replaced as a whole, in a worker thread, and not more often than it may be.

A file is written beside the old one, synced and renamed: a process that is killed at any point leaves the old or the new one, whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import structlog
import trio

MOST_BYTES = 16 << 20
"""Of a file that is read."""

_log = structlog.get_logger()


Snapshot = Callable[[], Callable[[], bytes]]
"""Copies the state, on the trio thread; what it gives encodes the copy, in a worker thread."""


class StateFile:
    """Writes a snapshot after `changed`: at once if the last write is `seconds` ago, else then. `path` None: nothing is kept, and `saved` returns
    at once.
    """

    def __init__(self, path: Path | None, snapshot: Snapshot, *, seconds: float) -> None:
        self._path = path
        self._snapshot = snapshot
        self._seconds = seconds
        self._version = 0
        self._tried = 0  # the version of the last attempt, and how it ended
        self._failure: OSError | None = None
        self._news = trio.Event()
        self._attempt = trio.Event()

    def changed(self) -> None:
        """There is something new to write."""
        self._version += 1
        self._news.set()

    async def saved(self) -> None:
        """Until what was changed before is on the disk; `run` must be running. Raises OSError if it could not be written; it is tried again."""
        version = self._version
        while self._path is not None and self._tried < version:
            await self._attempt.wait()
        if self._failure is not None:
            raise self._failure

    async def run(self) -> None:
        """Writes until it is cancelled; then once more, if there is something new."""
        if self._path is None:
            await trio.sleep_forever()
            return
        try:
            while True:
                if self._version == self._tried and self._failure is None:
                    self._news = trio.Event()
                    await self._news.wait()
                await self._write(self._path)
                await trio.sleep(self._seconds)
        finally:
            if self._version != self._tried or self._failure is not None:
                with trio.CancelScope(shield=True):
                    await self._write(self._path)

    async def _write(self, path: Path) -> None:
        version, encode = self._version, self._snapshot()
        try:
            await trio.to_thread.run_sync(lambda: write_whole(path, encode()))
            self._failure = None
        except OSError as error:
            self._failure = error
            _log.warning(f"{path}: cannot be written: {error.strerror}")
        self._tried = version
        self._attempt.set()
        self._attempt = trio.Event()


def write_whole(path: Path, data: bytes) -> None:
    """Replaces a file by another, durably, for its owner alone. Raises OSError, with the old one still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_whole(path: Path | None) -> bytes | None:
    """What was written last; None where nothing was. Raises OSError, also for a file that is larger than any of ours."""
    if path is None or not path.exists():
        return None
    if path.stat().st_size > MOST_BYTES:
        raise OSError(27, "larger than it can be", str(path))
    return path.read_bytes()
