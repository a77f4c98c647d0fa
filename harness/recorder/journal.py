"""What has been fetched, kept beside the output until the recording is whole, so that an interrupted run goes on.

A file of entries, each `length, CRC-32 (4 bytes each, big endian), zlib data`; the first entry is the request itself. An entry counts
once it is synced; a torn one at the end (a crash while it was written) is cut off when the journal is opened again.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import msgspec
import trio

from harness.recorder.plan import RecordError, Task

_FRAME = struct.Struct(">II")
_MAX_ENTRY = 256 << 20


class Journal:
    """The journal of one request. Not for two processes at once: it is locked while it is open."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Open or begin it. Raises RecordError if it is another request's, another process's, or cannot be written."""
        self.path = path
        self._places: dict[Task, tuple[int, int]] = {}
        self._lock = trio.Lock()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise RecordError(f"{path}: {error.strerror}") from error
        try:
            _lock_file(self._file, path)
            self._end = self._synced = 0
            self._scan(key)
        except BaseException:
            os.close(self._file)
            raise

    def close(self) -> None:
        """Let go of the file; it stays."""
        os.close(self._file)

    def remove(self) -> None:
        """The recording is whole: delete the journal and close it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def __contains__(self, task: Task) -> bool:
        return task in self._places

    def read(self, task: Task) -> bytes:
        """The data of a task that is in it. Raises RecordError if the file no longer holds it."""
        at, size = self._places[task]
        data = _decompress(os.pread(self._file, size, at))
        if data is None:
            raise RecordError(f"{self.path} was changed while it was in use: remove it and start again")
        return data[len(_head(task)) :]

    async def append(self, task: Task, data: bytes) -> None:
        """Keep what was fetched; returns once it is on the disk. Raises RecordError where it cannot be."""
        payload = zlib.compress(_head(task) + data, 1)
        try:
            place = self._end + _FRAME.size, len(payload)
            self._write(payload)
            end = self._end
            async with self._lock:
                # One sync serves all that was written before it began.
                if self._synced < end:
                    covered = self._end
                    await trio.to_thread.run_sync(os.fsync, self._file)
                    self._synced = covered
        except OSError as error:
            raise RecordError(f"{self.path}: {error.strerror}") from error
        self._places[task] = place

    def _write(self, payload: bytes) -> None:
        entry = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        written = 0
        while written < len(entry):
            written += os.pwrite(self._file, entry[written:], self._end + written)
        self._end += len(entry)

    def _scan(self, key: bytes) -> None:
        """Find the entries, and cut off what is torn."""
        end = first = 0
        while (payload := self._entry_at(end)) is not None:
            data = _decompress(payload)
            if data is None:
                break
            if not first:
                if data != key:
                    raise RecordError(f"{self.path} is the journal of another request: remove it, or choose another output")
                first = 1
            else:
                self._places[_task(data)] = end + _FRAME.size, len(payload)
            end += _FRAME.size + len(payload)
        if not first and os.fstat(self._file).st_size > _FRAME.size + len(zlib.compress(key, 1)):
            raise RecordError(f"{self.path} is no journal of this program: remove it, or choose another output")
        os.ftruncate(self._file, end)
        self._end = end
        if not first:
            self._write(zlib.compress(key, 1))

    def _entry_at(self, at: int) -> bytes | None:
        frame = os.pread(self._file, _FRAME.size, at)
        if len(frame) < _FRAME.size:
            return None
        size, checksum = _FRAME.unpack(frame)
        if size > _MAX_ENTRY:
            return None
        payload = os.pread(self._file, size, at + _FRAME.size)
        return payload if len(payload) == size and zlib.crc32(payload) == checksum else None


def _head(task: Task) -> bytes:
    return msgspec.json.encode(task) + b"\n"


def _task(data: bytes) -> Task:
    return msgspec.json.decode(data[: data.index(b"\n")], type=Task)


def _decompress(payload: bytes) -> bytes | None:
    try:
        return zlib.decompress(payload)
    except zlib.error:
        return None


def _lock_file(file: int, path: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on every system; without it two runs at once are the user's fault
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise RecordError(f"{path} is in use by another run") from error
