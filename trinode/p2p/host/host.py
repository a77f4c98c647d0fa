"""Connections with peers, whoever opened them, and streams over them (specification: rollup-node-p2p, "LibP2P")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio
from trio.abc import HalfCloseableStream, Stream

from trinode.p2p.errors import DialFailed, NotConnected, ProtocolViolation
from trinode.p2p.host.arrival import Entrance
from trinode.p2p.host.dialing import Dialer, close
from trinode.p2p.host.gate import Gate
from trinode.p2p.host.limits import Arrivals, HostLimits
from trinode.p2p.host.links import Link, Links
from trinode.p2p.host.network import Network, TcpNetwork
from trinode.p2p.host.peerstore import Peerstore
from trinode.p2p.host.protection import Protection
from trinode.p2p.host.streams import Streams
from trinode.p2p.identity import Identity, PeerId, show_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.peers import Connected, PeerEvents, StreamHandler
from trinode.p2p.transport.connection import Connection
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.mplex import MPLEX
from trinode.p2p.transport.multistream import select
from trinode.p2p.transport.upgrade import upgrade
from trinode.p2p.transport.yamux import YAMUX

_DISCONNECT_SECONDS = 5.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HostSettings:
    """`listen`: IP addresses and ports (0: any); none: we only dial. `muxers`: those that are spoken, the best first."""

    listen: Sequence[tuple[str, int]] = ()
    muxers: Sequence[str] = (YAMUX, MPLEX)
    limits: HostLimits = field(default_factory=HostLimits)
    transport: TransportLimits = field(default_factory=TransportLimits)


class _Dial:
    """One dial of a peer, for all who want it. `failure`: None once there is a connection."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.failure: str | None = "the host ends"


class PeerHost:
    """The `Host` of `trinode.p2p.peers`, over TCP. Nothing happens before `run`.

    `links`, `streams`, `entrance`: what there is, for metrics. `protection`: peers that always have a place.
    """

    def __init__(self, identity: Identity, gate: Gate, store: Peerstore, settings: HostSettings, *, network: Network | None = None) -> None:
        self.identity = identity
        self.gate = gate
        self.store = store
        self.protection = Protection()
        self.links = Links()
        self.streams = Streams(settings.limits)
        self._settings = settings
        self._network = TcpNetwork() if network is None else network
        self._arrivals = Arrivals(settings.limits)
        self.entrance = Entrance(gate, self._arrivals, self._upgrade, self._came)
        self._dialer = Dialer(self._network, self._upgrade, gate, settings.limits)
        self._dials: dict[PeerId, _Dial] = {}
        self._dial_places = trio.CapacityLimiter(settings.limits.dials)
        self._ports: list[tuple[str, int]] = []
        self._advertised: tuple[Multiaddr, ...] = ()
        self._nursery: trio.Nursery | None = None
        self.dials = self.dials_failed = self.rule_breakers = 0

    @property
    def peer_id(self) -> PeerId:
        """Who we are."""
        return self.identity.peer_id

    @property
    def ports(self) -> Sequence[tuple[str, int]]:
        """Where it listens: IP addresses (may be 0.0.0.0) and ports, while it runs."""
        return tuple(self._ports)

    @property
    def addresses(self) -> Sequence[Multiaddr]:
        """Where others may dial us: what was given to `advertise`, else what we listen at."""
        if self._advertised:
            return self._advertised
        return [Multiaddr.of_ip(own, port) for ip, port in self._ports for own in self._network.own_addresses(ip)]

    def advertise(self, addresses: Sequence[Multiaddr]) -> None:
        """Others are told these addresses from now on."""
        self._advertised = tuple(address.of(None) for address in addresses)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listens, and keeps connections, until it is cancelled; started once all ports are open. Raises OSError: a port is taken."""
        try:
            async with trio.open_nursery() as self._nursery:
                for ip, port in self._settings.listen:
                    listening = await self._network.listen(ip, port)
                    self._ports.append((listening.ip, listening.port))
                    self._nursery.start_soon(self.entrance.run, listening)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            self._ports.clear()

    def serve(self, protocol: str, handler: StreamHandler, *, most_per_peer: int) -> None:
        """As Host has it."""
        self.streams.serve(protocol, handler, most_per_peer=most_per_peer)

    def watch(self, events: PeerEvents) -> None:
        """As Host has it."""
        self.links.watch(events)

    def connected(self) -> Sequence[Connected]:
        """As Host has it."""
        return [link.connected for link in self.links.first()]

    async def connect(self, peer_id: PeerId, addresses: Sequence[Multiaddr] = ()) -> None:
        """Until there is a connection with that peer, at one of these addresses or of those that are known. At once if there is one.

        Who wants the same peer at the same time waits for the same dial. Raises DialFailed.
        """
        while peer_id not in self.links:
            dial = self._dials.get(peer_id)
            is_ours = dial is None
            if dial is None:
                dial = self._begin_dial(peer_id, addresses)
            await dial.done.wait()
            if dial.failure is None:
                return
            if is_ours or not addresses:
                raise DialFailed(dial.failure)

    def _begin_dial(self, peer_id: PeerId, addresses: Sequence[Multiaddr]) -> _Dial:
        if self._nursery is None:
            raise DialFailed("the host does not run")
        refusal = "that is ourselves" if peer_id == self.peer_id else self.gate.refuses_peer(peer_id)
        if refusal is not None:
            raise DialFailed(refusal)
        known = list(dict.fromkeys([*(address.of(None) for address in addresses), *self.store.addresses(peer_id)]))
        if not known:
            raise DialFailed("no address of it is known")
        dial = self._dials[peer_id] = _Dial()
        self._nursery.start_soon(self._dial, self._nursery, peer_id, known, dial)
        return dial

    async def _dial(self, nursery: trio.Nursery, peer_id: PeerId, addresses: Sequence[Multiaddr], dial: _Dial) -> None:
        try:
            async with self._dial_places:
                self.dials += 1
                dialed = await self._dialer.dial(peer_id, addresses)
            link = Link(dialed.connection, dialed.ip, dialed.port, True, trio.current_time())
            await self._check(link)
            await nursery.start(self._attend, link)
            self.store.reached(peer_id, dialed.address)
            dial.failure = None
        except DialFailed as error:
            self.dials_failed += 1
            dial.failure = str(error)
        finally:
            del self._dials[peer_id]
            dial.done.set()

    async def _came(self, connection: Connection, ip: str, port: int) -> None:
        link = Link(connection, ip, port, False, trio.current_time())
        try:
            await self._check(link)
        except DialFailed as error:
            self.entrance.turned_away[str(error)] += 1
        else:
            await self._attend(link)

    async def _check(self, link: Link) -> None:
        """Raises DialFailed, with the connection closed: there is no place for who is there."""
        peer_id, most = link.peer_id, self._settings.limits.most_peers
        refusal = "that is ourselves" if peer_id == self.peer_id else self.gate.refuses_peer(peer_id)
        if not link.outbound and peer_id not in self.links and len(self.links) >= most and peer_id not in self.protection:
            refusal = refusal or "there are as many peers as may be"
        if refusal is not None:
            await close(link.connection)
            raise DialFailed(refusal)

    async def _attend(self, link: Link, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carries a connection to its end, whatever ends it."""
        with self._arrivals.connected(link.ip):
            self.store.held.add(link.peer_id)
            self.links.add(link)
            task_status.started()
            try:
                async with trio.open_nursery() as nursery:
                    links = self.links.of(link.peer_id)
                    for old in links[: -self._settings.limits.links_per_peer]:
                        nursery.start_soon(close, old.connection)
                    await link.connection.run(partial(self.streams.accept, link.peer_id))
                    nursery.cancel_scope.cancel()
            except* ProtocolViolation as group:
                self.rule_breakers += 1
                _log.debug("a peer broke the rules", peer=show_peer_id(link.peer_id), address=link.ip, why=str(group.exceptions[0]))
            except* Exception:  # noqa: BLE001 - a stranger may not end the node by finding a bug
                _log.exception("a connection failed: this is a bug of trinode", peer=show_peer_id(link.peer_id))
            finally:
                self.links.remove(link)
                if link.peer_id not in self.links:
                    self.store.held.discard(link.peer_id)
                await close(link.connection)

    async def _upgrade(self, raw: Stream, outbound: bool, expected: PeerId | None) -> Connection:
        settings = self._settings
        return await upgrade(raw, self.identity, outbound=outbound, expected=expected, muxers=settings.muxers, limits=settings.transport)

    async def open_stream(self, peer_id: PeerId, protocols: Sequence[str]) -> tuple[str, HalfCloseableStream]:
        """As Host has it, over the peer's newest connection: an older one may be dead."""
        links = self.links.of(peer_id)
        if not links:
            raise NotConnected(f"{show_peer_id(peer_id)} is not connected")
        with trio.fail_after(self._settings.limits.negotiate_seconds):
            stream = await links[-1].connection.open_stream()
            try:
                return await select(stream, protocols), stream
            except BaseException:
                stream.reset()
                raise

    async def disconnect(self, peer_id: PeerId) -> None:
        """As Host has it; the peer has left when it returns, if it does not take long."""
        with trio.move_on_after(_DISCONNECT_SECONDS):
            for link in self.links.of(peer_id):
                await close(link.connection)
                await link.ended.wait()
