"""The folder of everything that the node keeps: one process at a time, and usable before anything starts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = "LOCK"


class DatadirError(Exception):
    """The folder cannot be used; one line that says why and what to do."""


@contextmanager
def held(datadir: Path) -> Iterator[None]:
    """The folder, made if it is not there, and nobody else's for the time of the block. Raises DatadirError."""
    path = datadir / _LOCK
    try:
        datadir.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DatadirError(f"{datadir}: cannot be written to: {error.strerror}. Give another folder with --datadir, or mend this one") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise DatadirError(f"{datadir}: another trinode uses it (process {holder}). Stop that one, or give another --datadir") from error
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise DatadirError(f"{datadir}: cannot be written to: {error.strerror}. Make room, or give another folder with --datadir") from error
        yield
    finally:
        os.close(lock)
