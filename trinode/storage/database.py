"""LevelDB through plyvel: the part that the store uses, with types, and with errors that say what to do.

What LevelDB promises: a batch is written as a whole or not at all, and batches survive in the order in which they were
written. After kill -9 all of them are there, for the operating system has what was handed to it. After a power loss
the last ones may be missing if they were written without `sync`, but never one from the middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakValueDictionary

import plyvel

from trinode.execution.errors import MissingState
from trinode.storage.errors import CorruptStore, StoreError, StoreLocked, StoreMissing

BLOCK_CACHE_BYTES = 64 << 20
"""LevelDB's cache of uncompressed blocks. It is the only cache of values: bounded, and never stale."""

_WRITE_BUFFER_BYTES = 16 << 20
_TABLE_BYTES = 32 << 20  # few files: a store of 100 GB stays far below the limit of open files
_OPEN_FILES = 256
_BULK_BYTES = 4 << 20
_DISK = "Make room on the disk or mend it, and start again."
_BLOOM_BITS = 10  # most reads of keys that are not there end without a look at the disk


class View:
    """What can be read, in the database as it is or in a snapshot of it.

    `get` and `entries` may be called from any thread, `first_from` from one at a time. All raise MissingState once the
    database is closed, and CorruptStore where a checksum of LevelDB's does not match.
    """

    __slots__ = ("_cursor", "_get", "_source")

    def __init__(self, source: Any) -> None:
        self._source = source
        self._get = source.get
        self._cursor: Any = None

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`; None: there is none."""
        try:
            value: bytes | None = self._get(key, verify_checksums=True)
        except (plyvel.Error, RuntimeError) as error:
            raise _unreadable(error) from error
        return value

    def entries(self, prefix: bytes, *, fill_cache: bool = True) -> Iterator[tuple[bytes, bytes]]:
        """All keys that begin with `prefix` and their values, in order. A walk over much should leave the cache to others."""
        try:
            yield from self._source.iterator(prefix=prefix, verify_checksums=True, fill_cache=fill_cache)
        except (plyvel.Error, RuntimeError) as error:
            raise _unreadable(error) from error

    def first_from(self, start: bytes) -> tuple[bytes, bytes] | None:
        """The first key from `start` on with its value; None: there is none."""
        try:
            if self._cursor is None:
                self._cursor = self._source.raw_iterator(verify_checksums=True)
            self._cursor.seek(start)
            item: tuple[bytes, bytes] | None = self._cursor.item() if self._cursor.valid() else None
        except (plyvel.Error, RuntimeError) as error:
            raise _unreadable(error) from error
        return item


class Batch:
    """Changes that become visible and lasting all at once, at the end of a `with` block, or not at all if it fails."""

    __slots__ = ("_batch", "delete", "put")

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self.put = batch.put
        self.delete = batch.delete

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.write()

    def write(self) -> None:
        """Makes the changes. Raises StoreError."""
        try:
            self._batch.write()
        except (plyvel.Error, RuntimeError) as error:
            raise StoreError(f"the store cannot be written to, and is as it was before: {_text(error)}. {_DISK}") from error


class BulkWriter:
    """Writes what does not fit into one batch: batches that are written as they fill. Nothing of it is atomic."""

    __slots__ = ("_batch", "_database", "_size")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batch = database.batch()
        self._size = 0

    def put(self, key: bytes, value: bytes) -> None:
        """Adds a key. It is in the database after `flush` at the latest."""
        self._batch.put(key, value)
        self._size += len(key) + len(value)
        if self._size > _BULK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what is left."""
        self._batch.write()
        self._batch, self._size = self._database.batch(), 0


class Database(View):
    """The database in the folder `path`, made if `create` and if there is none. Only one process can have it open.

    Raises StoreMissing, StoreLocked, CorruptStore, StoreError.
    """

    __slots__ = ("__weakref__", "path")

    def __init__(self, path: Path, *, create: bool, cache_bytes: int = BLOCK_CACHE_BYTES) -> None:
        place = path.resolve()
        if place in _OPEN:
            raise StoreLocked(f"{path}: this process has this store open already.")
        if not create and not (path / "CURRENT").exists():
            raise StoreMissing(f"{path}: there is no store here. Make one with the genesis state, or import a snapshot.")
        try:
            source = plyvel.DB(
                str(path),
                create_if_missing=create,
                paranoid_checks=True,
                write_buffer_size=_WRITE_BUFFER_BYTES,
                max_file_size=_TABLE_BYTES,
                max_open_files=_OPEN_FILES,
                lru_cache_size=cache_bytes,
                bloom_filter_bits=_BLOOM_BITS,
            )
        except plyvel.Error as error:
            raise _unusable(path, error) from error
        super().__init__(source)
        self.path = path
        _OPEN[place] = self

    def snapshot(self) -> View:
        """The database as it is now, whatever is written later; what it needs is held as long as it is referred to."""
        try:
            return View(self._source.snapshot())
        except (plyvel.Error, RuntimeError) as error:
            raise _unreadable(error) from error

    def batch(self, *, sync: bool = False) -> Batch:
        """A new batch. `sync`: it is on the disk, not only with the operating system, when it is written."""
        try:
            return Batch(self._source.write_batch(sync=sync))
        except RuntimeError as error:
            raise StoreError(f"{self.path}: the store is closed") from error

    def close(self) -> None:
        """Ends the use of the database and of all its snapshots. No other thread may be reading."""
        self._source.close()
        _OPEN.pop(self.path.resolve(), None)


_OPEN: WeakValueDictionary[Path, Database] = WeakValueDictionary()
# What this process has open. LevelDB's own lock is no help against a second opening by the same process: that fails,
# but leaves the first one without its lock (it closes the file of a POSIX lock), open to other processes.


def is_database_file(path: Path) -> bool:
    """Whether LevelDB may have made that file."""
    return path.name.startswith(("CURRENT", "LOCK", "LOG", "MANIFEST-")) or path.suffix in (".dbtmp", ".ldb", ".log")


def _unreadable(error: Exception) -> Exception:
    if isinstance(error, plyvel.Error):
        return CorruptStore(f"the store cannot be read: {_text(error)}. Check the disk; restore the folder, or remove it and import a snapshot.")
    return MissingState(f"the store is closed: {error}")


def _unusable(path: Path, error: Exception) -> StoreError:
    text = _text(error)
    if "LOCK" in text:
        return StoreLocked(f"{path}: another process has this store open. End it, or use another folder. ({text})")
    if isinstance(error, plyvel.CorruptionError) or "No such file" in text or "does not exist" in text:
        return CorruptStore(f"{path}: the store is damaged. Restore the folder, or remove it and import a snapshot. ({text})")
    return StoreError(f"{path}: the store cannot be opened. {_DISK} ({text})")


def _text(error: Exception) -> str:
    """What LevelDB says, which comes as bytes."""
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
