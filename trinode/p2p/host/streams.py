"""Streams that peers open: which protocol each is for, and who serves it, with limits of each peer and of all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import structlog
import trio

from trinode.p2p.errors import P2PError
from trinode.p2p.host.limits import HostLimits, counted
from trinode.p2p.identity import PeerId, show_peer_id
from trinode.p2p.peers import StreamHandler
from trinode.p2p.transport.multistream import handle
from trinode.p2p.transport.muxed_stream import MuxedStream

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Service:
    handler: StreamHandler
    most_per_peer: int


class Streams:
    """Protocols that we speak, and their streams that are open."""

    def __init__(self, limits: HostLimits) -> None:
        self._limits = limits
        self._services: dict[str, _Service] = {}
        self._of_peer: Counter[PeerId] = Counter()
        self._of_protocol: Counter[tuple[PeerId, str]] = Counter()
        self.refused = 0  # streams that were one too many

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those that are spoken."""
        return tuple(self._services)

    @property
    def open(self) -> int:
        """Streams that peers have opened and that have not ended."""
        return self._of_peer.total()

    def serve(self, protocol: str, handler: StreamHandler, *, most_per_peer: int) -> None:
        """Speaks a protocol from now on."""
        self._services[protocol] = _Service(handler, most_per_peer)

    async def accept(self, peer_id: PeerId, stream: MuxedStream) -> None:
        """Serves a stream from its negotiation to its end. Raises nothing: what fails in it resets it, and no more."""
        if self.open >= self._limits.streams or self._of_peer[peer_id] >= self._limits.streams_per_peer:
            self.refused += 1
            stream.reset()
            return
        with counted(self._of_peer, peer_id):
            try:
                with trio.fail_after(self._limits.negotiate_seconds):
                    protocol = await handle(stream, self._services)
                await self._serve(peer_id, protocol, stream)
                with trio.fail_after(self._limits.negotiate_seconds):
                    await stream.aclose()
            except (P2PError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                _log.debug("a peer's stream is broken off", peer=show_peer_id(peer_id), why=str(error) or type(error).__name__)
            except Exception:  # noqa: BLE001 - a stranger may not end the node by finding a bug
                _log.exception("a peer's stream failed: this is a bug of trinode", peer=show_peer_id(peer_id))
            finally:
                stream.reset()

    async def _serve(self, peer_id: PeerId, protocol: str, stream: MuxedStream) -> None:
        service = self._services[protocol]
        if self._of_protocol[peer_id, protocol] >= service.most_per_peer:
            self.refused += 1
            raise P2PError(f"too many streams of {protocol}")
        with counted(self._of_protocol, (peer_id, protocol)):
            await service.handler(peer_id, protocol, stream)
