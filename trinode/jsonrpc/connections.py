"""TCP connections with clients that are slow, silent, or gone: nothing that they do, or leave undone, keeps the server waiting for ever."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio

MAX_HEAD = 16 << 10
"""Bytes of a request's line and headers."""

HEAD_SECONDS = 30.0
"""For the first request's head, from the connection on."""

SEND_SECONDS = 30.0
"""For each piece of a response to be taken."""

_PIECE = 256 << 10
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_log = structlog.get_logger()


class Connection(trio.abc.HalfCloseableStream):
    """A stream whose first request can be looked at before anybody reads it, and whose client must read what is sent to it.

    `ahead`: what was read of it already. `address`: the client's. `most_unread`: bytes that may come between two calls of `took_message`,
    where it is used. `closed`: by us.
    """

    def __init__(self, stream: trio.SocketStream, ahead: bytes = b"", address: str = "") -> None:
        self.socket = stream.socket
        self.address = address
        self._stream = stream
        self._ahead = bytearray(ahead)
        self._since_message = 0
        self.most_unread: int | None = None
        self.closed = trio.Event()

    async def first_head(self) -> bytes | None:
        """The first request's head as it came, to be read again; None where the client is gone, too slow or sends too much of it."""
        with trio.move_on_after(HEAD_SECONDS):
            while (end := _BLANK_LINE.search(self._ahead)) is None and len(self._ahead) <= MAX_HEAD:
                data = await self._stream.receive_some()
                if not data:
                    return None
                self._ahead += data
            return None if end is None else bytes(self._ahead[: end.end()])
        return None

    def took_message(self) -> None:
        """A whole message was read: counting for `most_unread` begins again."""
        self._since_message = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Raises trio.BrokenResourceError beyond `most_unread`."""
        if self._ahead:
            await trio.lowlevel.checkpoint()
            size = max_bytes or len(self._ahead)
            data = bytes(self._ahead[:size])
            del self._ahead[:size]
        else:
            data = bytes(await self._stream.receive_some(max_bytes))
        self._since_message += len(data)
        if self.most_unread is not None and self._since_message > self.most_unread:
            self.socket.close()
            raise trio.BrokenResourceError("too much came that makes no message")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Raises trio.BrokenResourceError if the client does not read."""
        if not data:
            await trio.lowlevel.checkpoint()
        with memoryview(data) as view:
            for start in range(0, len(view), _PIECE):
                with trio.move_on_after(SEND_SECONDS) as patience:
                    await self._stream.send_all(view[start : start + _PIECE])
                if patience.cancelled_caught:
                    self.socket.close()
                    raise trio.BrokenResourceError("the client does not read")

    async def wait_send_all_might_not_block(self) -> None:
        """As in trio."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """As in trio."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """As in trio."""
        self.closed.set()
        await self._stream.aclose()

    async def close_when_cancelled(self) -> None:
        """Closes it as soon as this is cancelled, so that whoever sends or receives, shielded or not, comes back."""
        try:
            await trio.sleep_forever()
        finally:
            self.socket.close()


@asynccontextmanager
async def attended(connection: Connection) -> AsyncIterator[trio.Nursery]:
    """A nursery for what is done with a connection: cancelled at the end of the block, and the connection is closed when it is cancelled. That the
    client is gone ends the block, and so does any other failure: of this connection, and of no more.
    """
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.close_when_cancelled)
            yield nursery
            nursery.cancel_scope.cancel()
    except* (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
        pass
    except* Exception as error:  # noqa: BLE001
        _log.debug("a connection failed", exc_info=error)
