"""RPCs on a stream (libp2p specifications: pubsub "The RPC"): each has its length, a varint, in front of it."""

from __future__ import annotations

from typing import NamedTuple

import trio
from trio.abc import ReceiveStream, SendStream

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.gossip.params import GossipLimits
from trinode.p2p.gossip.rpc import MAX_RPC_SIZE, Rpc, encode_in_parts
from trinode.p2p.protobuf import encode_varint

_CHUNK = 64 * 1024
_SMALL = 16 * 1024
"""Bytes of a frame up to which one copy costs less than handing its parts to each peer's stream one by one."""
_LONGEST_PREFIX = 4
"""Bytes of a varint that is not beyond MAX_RPC_SIZE."""


class Frame(NamedTuple):
    """An RPC as it goes over a stream, in parts that follow each other. `size`: bytes of all of them."""

    parts: tuple[bytes, ...]
    size: int


def frame_of(rpc: Rpc) -> Frame:
    """An RPC behind its length."""
    parts = encode_in_parts(rpc)
    length = encode_varint(sum(map(len, parts)))
    size = len(length) + sum(map(len, parts))
    if size <= _SMALL:
        return Frame((b"".join((length, *parts)),), size)
    return Frame((length + parts[0], *parts[1:]), size)


async def write_frame(stream: SendStream, frame: Frame) -> None:
    """Sends it. Raises what streams raise."""
    for part in frame.parts:
        await stream.send_all(part)


class FrameReader:
    """Reads frames. Memory is taken only as bytes come, and for large frames only with one of `places`, which all readers share."""

    def __init__(self, stream: ReceiveStream, limits: GossipLimits, places: trio.CapacityLimiter) -> None:
        self._stream, self._limits, self._places = stream, limits, places
        self._buffer = bytearray()

    async def next(self) -> bytes | None:
        """The next frame without its length; None when the peer has ended the stream between two. Raises ProtocolViolation (too long, ends within
        a frame, its length or its body takes longer than `frame_timeout`), and what streams raise.
        """
        if self._buffer:
            await trio.lowlevel.checkpoint()  # what is there already must not keep all others waiting
        elif not await self._receive():
            return None
        try:
            size = await self._size()
            if size < self._limits.large_frame:
                return await self._body(size)
            async with self._places:
                return await self._body(size)
        except trio.TooSlowError as error:
            raise ProtocolViolation(f"an RPC that takes longer than {self._limits.frame_timeout:g} s") from error

    async def _size(self) -> int:
        size = shift = at = 0
        deadline = trio.current_time() + self._limits.frame_timeout
        while True:
            while len(self._buffer) <= at:
                await self._receive_more(deadline)
            byte = self._buffer[at]
            size |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
            if at == _LONGEST_PREFIX:
                raise ProtocolViolation("an RPC whose length does not end")
        if size > MAX_RPC_SIZE:
            raise ProtocolViolation(f"an RPC of {size} bytes")
        del self._buffer[:at]
        return size

    async def _body(self, size: int) -> bytes:
        deadline = trio.current_time() + self._limits.frame_timeout  # anew: waiting for a place was not the peer's fault
        while len(self._buffer) < size:
            await self._receive_more(deadline)
        with memoryview(self._buffer) as view:
            body = bytes(view[:size])
        del self._buffer[:size]
        return body

    async def _receive(self) -> bool:
        chunk = await self._stream.receive_some(_CHUNK)
        self._buffer += chunk
        return bool(chunk)

    async def _receive_more(self, deadline: float) -> None:
        with trio.fail_at(deadline):
            if not await self._receive():
                raise ProtocolViolation("a stream that ends within an RPC")
