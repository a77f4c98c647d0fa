"""Who peers are and who we are, told both ways by identify: asked of each that comes, answered, and pushed when ours changes."""

from __future__ import annotations

import structlog
import trio
from trio.abc import HalfCloseableStream

from trinode.p2p.errors import NegotiationFailed, P2PError, ProtocolViolation
from trinode.p2p.host.host import PeerHost
from trinode.p2p.host.identify import IDENTIFY, PUSH, SECONDS, Identification, believable, receive_identification
from trinode.p2p.host.peerstore import CLAIMED_SECONDS
from trinode.p2p.identity import PeerId, show_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.peers import Connected

PROTOCOL_VERSION = ""
"""op-node says none either."""
_MOST_STREAMS = 2
"""Of a peer at once, of each of both protocols."""

_log = structlog.get_logger()


class Introductions:
    """Keeps in the host's store what peers say. `agent`: what we say we are (`p2p.useragent`). `observed`: where the peer last introduced sees us."""

    def __init__(self, host: PeerHost, *, agent: str) -> None:
        self._host = host
        self._agent = agent
        self._pushed: bytes | None = None
        self._news = trio.Event()
        self._nursery: trio.Nursery | None = None
        self.observed: Multiaddr | None = None
        host.serve(IDENTIFY, self._answer, most_per_peer=_MOST_STREAMS)
        host.serve(PUSH, self._hear, most_per_peer=_MOST_STREAMS)
        host.watch(self)

    def joined(self, peer: Connected) -> None:
        """Asks it."""
        if self._nursery is not None:
            self._nursery.start_soon(self._ask, peer.peer_id)

    def left(self, peer_id: PeerId) -> None:
        """The addresses that it named hold a while longer."""
        known = self._host.store.get(peer_id)
        if known is not None and known.addresses:
            self._host.store.add_addresses(peer_id, self._host.store.addresses(peer_id), CLAIMED_SECONDS)

    def changed(self) -> None:
        """Our addresses or protocols may be others: whoever is there is told, if they are."""
        self._news.set()

    async def run(self) -> None:
        """Asks and tells, until it is cancelled."""
        self._pushed = self._ours(None).encode()
        async with trio.open_nursery() as self._nursery:
            for peer in self._host.connected():
                self._nursery.start_soon(self._ask, peer.peer_id)
            while True:
                await self._news.wait()
                self._news = trio.Event()
                message = self._ours(None).encode()
                if message != self._pushed:
                    self._pushed = message
                    for peer in self._host.connected():
                        self._nursery.start_soon(self._push, peer.peer_id, message)

    def _ours(self, observed: Multiaddr | None) -> Identification:
        host = self._host
        return Identification(self._agent, PROTOCOL_VERSION, host.streams.protocols, tuple(host.addresses), observed, host.identity.public_key)

    async def _answer(self, peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        links = self._host.links.of(peer_id)
        observed = Multiaddr.of_ip(links[-1].ip, links[-1].port) if links else None
        with trio.fail_after(SECONDS):
            await stream.send_all(self._ours(observed).encode())

    async def _hear(self, peer_id: PeerId, protocol: str, stream: HalfCloseableStream) -> None:
        with trio.fail_after(SECONDS):
            self._take(peer_id, await receive_identification(stream))

    async def _ask(self, peer_id: PeerId) -> None:
        try:
            with trio.fail_after(SECONDS):
                _, stream = await self._host.open_stream(peer_id, [IDENTIFY])
                async with stream:
                    await stream.send_eof()
                    self._take(peer_id, await receive_identification(stream))
        except (P2PError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            _log.debug("a peer does not say who it is", peer=show_peer_id(peer_id), why=str(error) or type(error).__name__)

    async def _push(self, peer_id: PeerId, message: bytes) -> None:
        try:
            with trio.fail_after(SECONDS):
                _, stream = await self._host.open_stream(peer_id, [PUSH])
                async with stream:
                    await stream.send_all(message)
        except NegotiationFailed:  # it need not speak it
            return
        except (P2PError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            _log.debug("a peer could not be told", peer=show_peer_id(peer_id), why=str(error) or type(error).__name__)

    def _take(self, peer_id: PeerId, said: Identification) -> None:
        """Raises ProtocolViolation: the key is another peer's."""
        if said.public_key is not None and said.public_key.peer_id != peer_id:
            raise ProtocolViolation("identify: somebody else's key")
        links, store = self._host.links.of(peer_id), self._host.store
        if not links:
            return
        store.identified(peer_id, agent=said.agent, protocol_version=said.protocol_version, protocols=said.protocols)
        own = [address for address in said.addresses or () if address.peer_id in (None, peer_id)]
        store.add_addresses(peer_id, believable(own, links[-1].ip), CLAIMED_SECONDS)
        if said.observed is not None:
            self.observed = said.observed.of(None)
