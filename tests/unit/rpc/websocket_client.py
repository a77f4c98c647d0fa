"""A WebSocket's client whose TCP socket is closed whoever ends the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream


@asynccontextmanager
async def websocket_to(port: int, *, queue: int = 1, headers: tuple[tuple[bytes, bytes], ...] = ()) -> AsyncIterator[WebSocketConnection]:
    """trio_websocket's `open_websocket` leaves its socket to the garbage collector where the server was first to close."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
        extra = list(headers)
        socket = await wrap_client_stream(nursery, stream, f"127.0.0.1:{port}", "/", message_queue_size=queue, extra_headers=extra)
        try:
            yield socket
        finally:
            with trio.move_on_after(5):
                await socket.aclose()
        nursery.cancel_scope.cancel()
