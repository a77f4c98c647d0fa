"""Round trips (libp2p specification: ping): 32 bytes come back as they were sent. Each peer is asked when it comes, and every three minutes, as
op-node does.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import structlog
import trio
from trio.abc import HalfCloseableStream, ReceiveStream

from trinode.p2p.errors import NegotiationFailed, P2PError, ProtocolViolation
from trinode.p2p.identity import PeerId, show_peer_id
from trinode.p2p.peers import Connected, Host

PING = "/ipfs/ping/1.0.0"
ROUND_SECONDS = 180.0
_PAUSE_SECONDS = 0.1
"""Between two peers in a round."""
ANSWER_SECONDS = 10.0
_SILENCE_SECONDS = 60.0
"""A peer that opened a stream and says nothing for so long loses it."""
_LEAST_INTERVAL = 0.05
"""Seconds between two answers: nobody keeps us busy with this."""
MOST_STREAMS = 2
"""Of a peer at once."""
_MOST_FAILURES = 2
"""Unanswered pings in a row that end the connections with a peer."""
_SIZE = 32

_log = structlog.get_logger()


async def answer_pings(peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
    """The handler of the protocol. Raises ProtocolViolation, and what streams raise."""
    while True:
        with trio.move_on_after(_SILENCE_SECONDS) as patience:
            ping = await _receive_ping(stream)
            if not ping:
                return
            await stream.send_all(ping)
        if patience.cancelled_caught:
            raise ProtocolViolation("ping: silence")
        await trio.sleep(_LEAST_INTERVAL)


async def _receive_ping(stream: ReceiveStream) -> bytes:
    """32 bytes; b"" at the end of the stream."""
    data = b""
    while len(data) < _SIZE:
        piece = await stream.receive_some(_SIZE - len(data))
        if not piece:
            if data:
                raise ProtocolViolation("ping: it ends early")
            return b""
        data += piece
    return data


class Pinger:
    """Asks peers. `measured` is told of each round trip, in seconds."""

    def __init__(self, host: Host, measured: Callable[[PeerId, float], None]) -> None:
        self._host = host
        self._measured = measured
        self._nursery: trio.Nursery | None = None
        self._failures: dict[PeerId, int] = {}  # in a row, of the peers that are there
        host.watch(self)

    def joined(self, peer: Connected) -> None:
        """Asks it."""
        self._failures[peer.peer_id] = 0
        if self._nursery is not None:
            self._nursery.start_soon(self._ask, peer.peer_id)

    def left(self, peer_id: PeerId) -> None:
        """Its failures are forgotten."""
        del self._failures[peer_id]

    async def run(self) -> None:
        """Rounds, until it is cancelled."""
        async with trio.open_nursery() as self._nursery:
            while True:
                for peer in self._host.connected():
                    self._nursery.start_soon(self._ask, peer.peer_id)
                    await trio.sleep(_PAUSE_SECONDS)
                await trio.sleep(ROUND_SECONDS)

    async def _ask(self, peer_id: PeerId) -> None:
        try:
            seconds = await ping(self._host, peer_id)
        except NegotiationFailed:  # it need not speak it
            return
        except trio.TooSlowError:
            failures = self._failed(peer_id)
            if failures >= _MOST_FAILURES:
                _log.info("a peer does not answer any more", peer=show_peer_id(peer_id))
                await self._host.disconnect(peer_id)
        except (P2PError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            _log.debug("a ping failed", peer=show_peer_id(peer_id), why=str(error) or type(error).__name__)
        else:
            if peer_id in self._failures:
                self._failures[peer_id] = 0
                self._measured(peer_id, seconds)

    def _failed(self, peer_id: PeerId) -> int:
        """How often in a row by now; a peer that has left has not failed."""
        if peer_id not in self._failures:
            return 0
        self._failures[peer_id] += 1
        return self._failures[peer_id]


async def ping(host: Host, peer_id: PeerId) -> float:
    """Seconds of one round trip. Raises trio.TooSlowError, NotConnected, NegotiationFailed, ProtocolViolation, and what streams raise."""
    with trio.fail_after(ANSWER_SECONDS):
        _, stream = await host.open_stream(peer_id, [PING])
        async with stream:
            sent = secrets.token_bytes(_SIZE)
            begun = trio.current_time()
            await stream.send_all(sent)
            if await _receive_ping(stream) != sent:
                raise ProtocolViolation("ping: other bytes came back")
            return trio.current_time() - begun
