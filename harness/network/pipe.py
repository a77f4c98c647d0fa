"""One TCP connection of the simulated network: bytes arrive late, in order, or not at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import index
from typing import Protocol

import trio
from trio.abc import HalfCloseableStream

WINDOW = 256 * 1024
"""Bytes that are on their way, or not read, when a sender has to wait."""
SEGMENT = 32 * 1024
DEAD_AFTER = 30.0
"""Seconds without a way through, after which a connection that has something to bring is over."""


class Path(Protocol):
    """From one machine to another."""

    def delay(self) -> float | None:
        """Seconds that what is sent now takes; None: it is lost so often that the connection breaks."""

    @property
    def is_cut(self) -> bool:
        """Whether nothing gets through now."""

    async def mended(self) -> None:
        """Returns when that may be another."""


@dataclass(frozen=True, slots=True)
class _Segment:
    arrives: float
    data: bytes
    """Empty: the end."""


class Pipe:
    """One direction of a connection. `carried`: told of each byte count that is read."""

    def __init__(self, path: Path, carried: Callable[[int], None]) -> None:
        self._path, self._carried = path, carried
        self._segments: deque[_Segment] = deque()
        self.size = 0
        self._last_arrival = 0.0
        self._ended = self._refused = self._broken = self._closed = False
        self._news = trio.Event()

    async def put(self, data: bytes | bytearray | memoryview) -> None:
        """Sends; waits while the window is full. Raises BrokenResourceError, ClosedResourceError."""
        view = memoryview(data)
        while view:
            while self.size >= WINDOW and not (self._broken or self._refused or self._ended):
                await self._news.wait()
            self.check_sender()
            self._push(bytes(view[:SEGMENT]))
            view = view[SEGMENT:]
        await trio.lowlevel.checkpoint()
        self.check_sender()

    def end(self) -> None:
        """Nothing more comes; what is on its way arrives first."""
        if not self._ended:
            self._ended = True
            if not self._broken:
                self._push(b"")
            self._tell()

    def refuse(self) -> None:
        """The reader has closed: whoever sends finds the connection broken, whoever reads still finds it closed."""
        self._refused = self._closed = True
        self._segments.clear()
        self.size = 0
        self._tell()

    def break_off(self) -> None:
        """It is over, for both."""
        self._broken = True
        self._tell()

    async def get(self, most: int) -> bytes:
        """Bytes that have arrived, or none at the end. Raises BrokenResourceError, ClosedResourceError."""
        await trio.lowlevel.checkpoint()
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            if self._broken:
                raise trio.BrokenResourceError
            if not self._segments:
                await self._news.wait()
            elif self._segments[0].arrives > trio.current_time():
                with trio.move_on_at(self._segments[0].arrives):
                    await self._news.wait()
            elif self._path.is_cut:
                await self._wait_until_mended()
            else:
                return self._read(most)

    def _read(self, most: int) -> bytes:
        segment = self._segments[0]
        if not segment.data:
            return b""
        found = segment.data[:most]
        if len(found) == len(segment.data):
            self._segments.popleft()
        else:
            self._segments[0] = _Segment(segment.arrives, segment.data[most:])
        self.size -= len(found)
        self._carried(len(found))
        self._tell()
        return found

    async def _wait_until_mended(self) -> None:
        with trio.move_on_after(DEAD_AFTER) as scope:
            while self._path.is_cut and not (self._broken or self._closed):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_first, nursery, self._path.mended)
                    nursery.start_soon(_first, nursery, self._news.wait)
        if scope.cancelled_caught:
            self.break_off()

    def _push(self, data: bytes) -> None:
        delay = self._path.delay()
        if delay is None:
            self.break_off()
            return
        self._last_arrival = max(self._last_arrival, trio.current_time() + delay)
        self._segments.append(_Segment(self._last_arrival, data))
        self.size += len(data)
        self._tell()

    def check_sender(self) -> None:
        """Raises what `put` would raise now."""
        if self._ended:
            raise trio.ClosedResourceError
        if self._broken or self._refused:
            raise trio.BrokenResourceError

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()


async def _first(nursery: trio.Nursery, wait: Callable[[], object]) -> None:
    await wait()  # type: ignore[misc]
    nursery.cancel_scope.cancel()


class SimStream(HalfCloseableStream):
    """One end of a connection."""

    def __init__(self, outgoing: Pipe, incoming: Pipe, closed: Callable[[], object]) -> None:
        self._outgoing, self._incoming, self._on_close = outgoing, incoming, closed
        self._is_closed = False
        self._busy: set[str] = set()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As trio has it."""
        with self._alone("send"):
            await self._outgoing.put(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As trio has it: `send_all` waits itself."""
        with self._alone("send"):
            self._outgoing.check_sender()
            await trio.lowlevel.checkpoint()

    async def send_eof(self) -> None:
        """As trio has it."""
        with self._alone("send"):
            if self._is_closed:
                raise trio.ClosedResourceError
            self._outgoing.end()
            await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As trio has it."""
        most = SEGMENT if max_bytes is None else index(max_bytes)
        if most < 1:
            raise ValueError("max_bytes must be at least 1")
        with self._alone("receive"):
            return await self._incoming.get(most)

    async def aclose(self) -> None:
        """As trio has it."""
        if not self._is_closed:
            self._is_closed = True
            self._outgoing.end()
            self._incoming.refuse()
            self._on_close()
        await trio.lowlevel.checkpoint()

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Raises BusyResourceError: another task does the same."""
        if what in self._busy:
            raise trio.BusyResourceError(f"another task is in {what}")
        self._busy.add(what)
        try:
            yield
        finally:
            self._busy.discard(what)

    def break_off(self) -> None:
        """The connection is over for both ends, without a word."""
        self._outgoing.break_off()
        self._incoming.break_off()
