"""One request to one peer, within its limits of time and memory (specification: rollup-node-p2p, "payload_by_number")."""

from __future__ import annotations

import math
from functools import partial

import trio
from trio.abc import HalfCloseableStream

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import PeerId
from trinode.p2p.peers import Host
from trinode.p2p.sync.codec import MAX_ANSWER_SIZE, PayloadCodec, encode_request
from trinode.p2p.sync.limits import ClientLimits
from trinode.protocol.payload import PayloadEnvelope

_CHUNK = 1 << 16
_SMALL_ANSWER = 1 << 12
"""Bytes of an answer that is read, and its block hashed, so fast that handing it to a thread would take longer."""


class PayloadRequests:
    """Asks the peers of a host for blocks."""

    def __init__(self, host: Host, codec: PayloadCodec, limits: ClientLimits) -> None:
        self._host = host
        self._codec = codec
        self._limits = limits
        self._large_answers = trio.Semaphore(limits.large_answers)
        self._decoding = trio.CapacityLimiter(2)

    async def payload(self, peer_id: PeerId, number: int) -> PayloadEnvelope:
        """The block that the peer says has this number; its hash is that of its contents.

        Raises Refused, ProtocolViolation (WrongBlock: it lies), trio.TooSlowError, trio.BrokenResourceError, NotConnected, NegotiationFailed.
        """
        with trio.fail_after(self._limits.open_seconds):
            _, stream = await self._host.open_stream(peer_id, [self._codec.protocol])
        large = _Place(self._large_answers)
        try:
            answer = await self._exchange(stream, encode_request(number), large)
            if len(answer) <= _SMALL_ANSWER:
                return self._codec.decode_answer(number, answer)
            return await trio.to_thread.run_sync(partial(self._codec.decode_answer, number, answer), limiter=self._decoding)
        finally:
            large.give_back()
            await trio.aclose_forcefully(stream)

    async def _exchange(self, stream: HalfCloseableStream, request: bytes, large: _Place) -> bytes:
        answer = bytearray()
        with trio.fail_after(self._limits.request_seconds) as scope:
            await stream.send_all(request)
            await stream.send_eof()
            while data := await stream.receive_some(_CHUNK):
                answer += data
                if len(answer) > MAX_ANSWER_SIZE:
                    raise ProtocolViolation(f"an answer of more than {MAX_ANSWER_SIZE} bytes")
                if len(answer) > self._limits.large_bytes and not large.is_taken:
                    left, scope.deadline = scope.deadline - trio.current_time(), math.inf  # waiting for our memory is not the peer's time
                    await large.take()
                    scope.deadline = trio.current_time() + left
        return bytes(answer)


class _Place:
    """One of the places for large answers: taken at most once, and given back if it was."""

    def __init__(self, places: trio.Semaphore) -> None:
        self._places = places
        self.is_taken = False

    async def take(self) -> None:
        await self._places.acquire()
        self.is_taken = True

    def give_back(self) -> None:
        if self.is_taken:
            self._places.release()
            self.is_taken = False
