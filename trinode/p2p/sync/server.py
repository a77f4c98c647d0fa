"""Answers peers that ask for blocks by number (specification: rollup-node-p2p, "payload_by_number").

A request waits for its turn before it is read, as with op-node: first among those of its peer, then among all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
import trio
from trio.abc import HalfCloseableStream

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import PeerId, show_peer_id
from trinode.p2p.peers import Host
from trinode.p2p.sync.codec import REQUEST_SIZE, PayloadCodec, Result, decode_request
from trinode.p2p.sync.limits import INLINE_SIZE, ServerLimits
from trinode.p2p.token_bucket import TokenBucket
from trinode.protocol.payload import PayloadEnvelope
from trinode.rollup.config import RollupConfig

PayloadByNumber = Callable[[int], Awaitable[PayloadEnvelope | None]]
"""The canonical block with a number, or None: it is not there."""
Answered = Callable[[int | None, int, float], None]
"""Told of each request: its number (None: it was not read), its result, and the seconds that it took."""

_log = structlog.get_logger()


class _NoAnswer(Exception):
    """The request gets a result and no block; why, in one line."""

    def __init__(self, result: Result, why: str) -> None:
        super().__init__(why)
        self.result = result


class PayloadServer:
    """`payload_by_number`: where blocks are; `unix_time`: the wall clock; `answered`: for metrics."""

    def __init__(
        self,
        config: RollupConfig,
        payload_by_number: PayloadByNumber,
        unix_time: Callable[[], float],
        *,
        answered: Answered = lambda *_: None,
        limits: ServerLimits | None = None,
    ) -> None:
        self._codec = PayloadCodec(config)
        self._payload_by_number = payload_by_number
        self._unix_time = unix_time
        self._answered = answered
        self._limits = limits = limits or ServerLimits()
        self._all = TokenBucket(limits.rate, limits.burst)
        self._of_peer: OrderedDict[PeerId, TokenBucket] = OrderedDict()
        self._look_ups = trio.CapacityLimiter(limits.look_ups)
        self._requests = 0
        self._bytes = 0

    @property
    def protocol(self) -> str:
        """Its name among libp2p's."""
        return self._codec.protocol

    def serve(self, host: Host) -> None:
        """Answers the peers of a host from now on."""
        host.serve(self.protocol, self.handle, most_per_peer=self._limits.per_peer)

    async def handle(self, peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        """Answers the one request of a stream (a `StreamHandler`). Raises what streams raise."""
        began = trio.current_time()
        number, result = None, Result.OTHER_ERROR
        self._requests += 1
        try:
            await self._wait_for_turn(peer_id)
            number = await self._read(stream)
            answer = await self._answer_of(number)
            await self._write(stream, answer)
            result = Result.SUCCESS
        except _NoAnswer as error:
            result = error.result
            _log.debug("a request for a block is refused", peer=show_peer_id(peer_id), number=number, why=str(error))
            with trio.move_on_after(self._limits.write_seconds):
                await stream.send_all(bytes([result]))
        finally:
            self._requests -= 1
            self._answered(number, result, trio.current_time() - began)

    async def _wait_for_turn(self, peer_id: PeerId) -> None:
        limits, now = self._limits, trio.current_time()
        if self._requests > limits.requests:
            raise _NoAnswer(Result.OTHER_ERROR, f"{limits.requests} requests are waiting already")
        of_peer = self._of_peer.pop(peer_id, None) or TokenBucket(limits.peer_rate, limits.peer_burst)
        self._of_peer[peer_id] = of_peer
        if len(self._of_peer) > limits.peers:
            self._of_peer.popitem(last=False)
        wait = max(of_peer.wait(now), self._all.wait(now))
        if wait > limits.longest_wait:
            raise _NoAnswer(Result.OTHER_ERROR, f"its turn would come in {wait:.1f} seconds")
        of_peer.take(now)
        self._all.take(now)
        if wait:
            await trio.sleep(wait)

    async def _read(self, stream: HalfCloseableStream) -> int:
        request = b""
        with trio.move_on_after(self._limits.read_seconds):
            while len(request) < REQUEST_SIZE:
                data = await stream.receive_some(REQUEST_SIZE - len(request))
                if not data:
                    break
                request += data
        try:
            return decode_request(request)
        except ProtocolViolation as error:
            raise _NoAnswer(Result.INVALID_REQUEST, str(error)) from error

    async def _answer_of(self, number: int) -> bytes:
        if not self._codec.is_possible(number, self._unix_time()):
            raise _NoAnswer(Result.INVALID_REQUEST, "the chain has no such block, or not yet")
        with trio.move_on_after(self._limits.look_up_seconds):
            async with self._look_ups:
                envelope = await self._payload_by_number(number)
                if envelope is None:
                    raise _NoAnswer(Result.UNAVAILABLE, "it is not here")
                if sum(map(len, envelope.payload.transactions)) <= INLINE_SIZE:
                    return self._encode(envelope)
                return await trio.to_thread.run_sync(partial(self._encode, envelope))
        raise _NoAnswer(Result.OTHER_ERROR, "it was not found in time")

    def _encode(self, envelope: PayloadEnvelope) -> bytes:
        try:
            return self._codec.encode_answer(envelope)
        except ValueError as error:
            raise _NoAnswer(Result.UNAVAILABLE, f"it cannot be sent: {error}") from error

    async def _write(self, stream: HalfCloseableStream, answer: bytes) -> None:
        if self._bytes + len(answer) > self._limits.answer_bytes:
            raise _NoAnswer(Result.OTHER_ERROR, "too many answers are being written")
        self._bytes += len(answer)
        try:
            with trio.fail_after(self._limits.write_seconds):
                await stream.send_all(answer)
        except trio.TooSlowError as error:
            raise trio.BrokenResourceError("the peer does not read its answer") from error
        finally:
            self._bytes -= len(answer)
