"""Writes a recording whole or not at all: a temporary name in the same folder, fsync, then an atomic rename."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from types import TracebackType

from harness.recording.encode import encode_head, encode_item
from harness.recording.errors import RecordingError
from harness.recording.format import RecordedItem, RecordingHead

_LEVEL = 9


class RecordingWriter:
    """A context manager: a file stands at `path` (replacing another) only after the block ended without an exception.

    The bytes depend on head and items alone (no time, no file name in the gzip header). Raises `RecordingError` where the
    file system refuses; then, and on any other exception, nothing is left behind.
    """

    def __init__(self, path: Path, head: RecordingHead) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._lines = 0
        try:
            self._raw = self._temporary.open("xb")
        except OSError as error:
            raise self._error(error) from error
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._raw, mtime=0)
        self._put(encode_head(head))

    def write(self, item: RecordedItem) -> None:
        """Add the next line (its `line` is not looked at)."""
        self._put(encode_item(item))

    def _put(self, line: bytes) -> None:
        self._lines += 1
        try:
            self._gzip.write(line)
        except OSError as error:
            self.abort()
            raise self._error(error) from error

    def commit(self) -> None:
        """Make the file durable and give it its name."""
        try:
            self._gzip.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
            self._raw.close()
            os.replace(self._temporary, self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            self.abort()
            raise self._error(error) from error

    def abort(self) -> None:
        """Drop what was written."""
        self._raw.close()
        self._temporary.unlink(missing_ok=True)

    def _error(self, error: OSError) -> RecordingError:
        return RecordingError(self.path, self._lines, "", f"cannot be written: {error.strerror or error}")

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
