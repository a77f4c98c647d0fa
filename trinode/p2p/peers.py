"""What gossip and sync know of the host that connects us: who is there, and streams to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trio.abc import HalfCloseableStream

from trinode.p2p.identity import PeerId

StreamHandler = Callable[[PeerId, str, HalfCloseableStream], Awaitable[None]]
"""Serves a stream that a peer has opened, for the protocol that it named. It runs in a task of its own; when it returns the stream is closed,
and when it raises ProtocolViolation or what streams raise, the stream is reset.
"""


@dataclass(frozen=True, slots=True)
class Connected:
    """A peer that is there now. `address`: its IP; `outbound`: we dialed."""

    peer_id: PeerId
    address: str
    outbound: bool


class PeerEvents(Protocol):
    """Who wants to know of peers. Both are called on the trio thread, must not wait, and are called once a peer (not once a connection)."""

    def joined(self, peer: Connected) -> None:
        """A peer is there."""

    def left(self, peer_id: PeerId) -> None:
        """A peer's last connection is over."""


class Host(Protocol):
    """Connections with peers (`trinode.p2p.host` has the real one; tests and the simulated network have others)."""

    @property
    def peer_id(self) -> PeerId:
        """Who we are."""

    def serve(self, protocol: str, handler: StreamHandler, *, most_per_peer: int) -> None:
        """Speaks a protocol; streams of a peer beyond `most_per_peer` at once are reset."""

    def watch(self, events: PeerEvents) -> None:
        """Tells of peers from now on, and of those that are there already."""

    def connected(self) -> Sequence[Connected]:
        """The peers that are there."""

    async def open_stream(self, peer_id: PeerId, protocols: Sequence[str]) -> tuple[str, HalfCloseableStream]:
        """A stream for the first of these protocols that the peer speaks. Raises NotConnected, NegotiationFailed, trio.TooSlowError, and what
        streams raise.
        """

    async def disconnect(self, peer_id: PeerId) -> None:
        """Ends the connections with a peer, if there are any."""
