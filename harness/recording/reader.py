"""Reads a recording as a stream: decompress, parse, check, hand out.

Nothing is trusted: the line length is bounded before JSON is parsed, each header is hashed, each root recomputed, each blob
committed to. KZG runs on a few threads some lines ahead of what is handed out, so a consumer that computes hides it.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from harness.recording.decode import decode_head, decode_l1_block, decode_l2_block
from harness.recording.errors import FieldError, RecordingError
from harness.recording.format import RecordedItem, RecordedLabels, RecordingHead
from harness.recording.links import L1Links, L2Links
from harness.recording.wire import HeadWire, L1BlockWire, L2BlockWire, decode_line
from trinode.kzg.commitments import KzgError
from trinode.l1.blob_hasher import BlobHasher
from trinode.protocol.types import Hash32

# The largest line that an L1 can fill: 10 MiB of block, 12 MB of logs and 6 MiB of blobs, in hex, twice over.
MAX_LINE_BYTES = 128 * 1024 * 1024
_READ_SIZE = 1 << 18
_LINES_AHEAD = 64
_BYTES_AHEAD = 32 * 1024 * 1024


def open_recording(path: Path, *, check: bool = True, max_line_bytes: int = MAX_LINE_BYTES) -> RecordingReader:
    """Open a recording and read its first line; raises `RecordingError`.

    `check=False` leaves out roots, blooms, attributes and KZG (for benchmarks); headers are hashed and linked all the same.
    """
    return RecordingReader(path, check=check, max_line_bytes=max_line_bytes)


class RecordingReader:
    """A recording: `head`, then what iteration gives, in the file's order. It can be iterated more than once.

    Iteration raises `RecordingError` at the first line that is wrong, after handing out the lines before it.
    """

    def __init__(self, path: Path, *, check: bool = True, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self.path = path
        self.check = check
        self._max_line_bytes = max_line_bytes
        self._hasher = BlobHasher()
        lines = self._lines()
        try:
            self._first = next(lines, None)
        finally:
            lines.close()
        if self._first is None:
            raise RecordingError(path, 0, "", "the file is empty")
        self.head = self._read_head(*self._first)

    def close(self) -> None:
        """End the threads."""
        self._hasher.close()

    def __enter__(self) -> RecordingReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[RecordedItem]:
        return self._read_ahead(self._pending_items())

    def _read_ahead(self, pending: Iterator[_Pending]) -> Iterator[RecordedItem]:
        """Keep the blob threads busy with the next lines while the consumer has the first; an error waits for its turn."""
        queue: deque[_Pending] = deque()
        failure: RecordingError | None = None
        ahead_bytes = blobs = 0
        done = False
        while True:
            while not done and len(queue) < _LINES_AHEAD and ahead_bytes < _BYTES_AHEAD and blobs <= 2 * self._hasher.threads:
                try:
                    item = next(pending, None)
                except RecordingError as error:
                    failure, item = error, None
                if item is None:
                    done = True
                else:
                    queue.append(item)
                    ahead_bytes, blobs = ahead_bytes + item.size, blobs + len(item.blobs)
            if not queue:
                break
            first = queue.popleft()
            ahead_bytes, blobs = ahead_bytes - first.size, blobs - len(first.blobs)
            self._check_blobs(first)
            yield first.item
        if failure is not None:
            raise failure

    def _check_blobs(self, pending: _Pending) -> None:
        for expected, future in pending.blobs:
            field = f"blobs[0x{expected.hex()}]"
            try:
                actual = future.result()
            except KzgError as error:
                raise RecordingError(self.path, pending.item.line, field, str(error)) from error
            if actual != expected:
                raise RecordingError(self.path, pending.item.line, field, f"the blob has versioned hash 0x{actual.hex()}")

    def _pending_items(self) -> Iterator[_Pending]:
        l1_links, l2_links = L1Links(), L2Links(self.head)
        lines = self._lines()
        if next(lines, None) != self._first:
            raise RecordingError(self.path, 1, "", "the file changed while it was read")
        for number, line in lines:
            try:
                yield self._read_item(number, line, l1_links, l2_links)
            except FieldError as error:
                raise RecordingError(self.path, number, error.field, error.message) from error

    def _read_item(self, number: int, line: bytes, l1_links: L1Links, l2_links: L2Links) -> _Pending:
        wire = decode_line(line)
        config = self.head.rollup_config
        item: RecordedItem
        if isinstance(wire, L1BlockWire):
            item = decode_l1_block(wire, number, config, check=self.check)
            l1_links.add(item)
            blobs = item.blobs.items() if self.check else ()
            return _Pending(item, len(line), [(name, self._hasher.submit(blob)) for name, blob in blobs])
        if isinstance(wire, L2BlockWire):
            item = decode_l2_block(wire, number, config, check=self.check)
            l2_links.add(item)
            if item.derived_from is not None:
                l1_links.check_shown(item.derived_from, "derived_from")
        elif isinstance(wire, HeadWire):
            raise FieldError("type", "a second line `recording`")
        else:
            item = RecordedLabels(number, wire.safe, wire.finalized)
            l1_links.check_labels(item)
        return _Pending(item, len(line), [])

    def _read_head(self, number: int, line: bytes) -> RecordingHead:
        try:
            wire = decode_line(line)
            if not isinstance(wire, HeadWire):
                raise FieldError("type", "the first line is not `recording`")
            return decode_head(wire, check=self.check)
        except FieldError as error:
            raise RecordingError(self.path, number, error.field, error.message) from error

    def _lines(self) -> Generator[tuple[int, bytes], None, None]:
        """The lines that are not blank, with their numbers."""
        number = 0
        try:
            with gzip.open(self.path, "rb") as file, io.BufferedReader(file, _READ_SIZE) as stream:
                while line := stream.readline(self._max_line_bytes + 1):
                    number += 1
                    if len(line) > self._max_line_bytes:
                        raise RecordingError(self.path, number, "", f"the line is longer than {self._max_line_bytes} bytes")
                    if not line.isspace():
                        yield number, line
        except EOFError as error:
            raise RecordingError(self.path, number + 1, "", "the file is cut off in the middle") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise RecordingError(self.path, number + 1 if number else 0, "", f"not intact gzip data: {error}") from error
        except OSError as error:
            raise RecordingError(self.path, 0, "", error.strerror or str(error)) from error


class _Pending(NamedTuple):
    """A line whose blobs are being hashed."""

    item: RecordedItem
    size: int
    blobs: list[tuple[Hash32, Future[Hash32]]]

