"""Versioned hashes of many blobs on a few threads, each blob computed once.

A replay and a node meet the same blob more than once (a reset, a reorg, two endpoints): what was computed is kept by the
blob's SHA-256, which costs a thousandth of its commitment.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from types import TracebackType

from trinode.kzg.commitments import BlobMismatchError, KzgError, blob_versioned_hash
from trinode.protocol.types import Hash32

_MAX_REMEMBERED = 8192  # 32 + 32 bytes and a future each: a few MB


class BlobHasher:
    """A pool of threads that turns blobs into versioned hashes; a context manager. Thread-safe.

    `threads`: how many blobs at a time (default: the cores, at most 4). Threads start at the first blob.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or min(4, os.cpu_count() or 1)
        self._pool: ThreadPoolExecutor | None = None
        self._known: OrderedDict[bytes, Future[Hash32]] = OrderedDict()
        self._lock = Lock()

    def submit(self, blob: bytes) -> Future[Hash32]:
        """Begin to hash a blob; the future gives its versioned hash, or raises `KzgError` where it has none."""
        key = hashlib.sha256(blob).digest()
        with self._lock:
            future = self._known.get(key)
            if future is not None and not future.cancelled():
                self._known.move_to_end(key)
                return future
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="kzg")
            future = self._known[key] = self._pool.submit(blob_versioned_hash, blob)
            if len(self._known) > _MAX_REMEMBERED:
                self._known.popitem(last=False)
            return future

    def versioned_hash(self, blob: bytes) -> Hash32:
        """The versioned hash of one blob; raises `KzgError` where it has none."""
        return self.submit(blob).result()

    def check(self, hashes: Sequence[Hash32], blobs: Sequence[bytes]) -> None:
        """Like `kzg.check_blobs`, on all threads: raises `BlobMismatchError` for the first that differs, or `KzgError`."""
        if len(hashes) != len(blobs):
            raise KzgError(f"{len(blobs)} blobs for {len(hashes)} versioned hashes")
        futures = [self.submit(blob) for blob in blobs]
        for index, (expected, future) in enumerate(zip(hashes, futures, strict=True)):
            actual = future.result()
            if actual != expected:
                raise BlobMismatchError(index, expected, actual)

    def close(self) -> None:
        """Give up what has not begun and end the threads; does not wait for them (a running blob takes 60 ms)."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = None

    def __enter__(self) -> BlobHasher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
