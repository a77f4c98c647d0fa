"""Reading exactly so many bytes from a stream: what negotiations need that must leave the rest to whoever comes after them."""

from __future__ import annotations

import trio
from trio.abc import ReceiveStream


async def receive_exactly(stream: ReceiveStream, size: int) -> bytes:
    """So many bytes, and none more taken. Raises trio.BrokenResourceError: the stream ended before."""
    received = b""
    while len(received) < size:
        part = await stream.receive_some(size - len(received))
        if not part:
            raise trio.BrokenResourceError(f"the stream ended {size - len(received)} bytes too early")
        received += part
    return received
