"""Keeps the number of peers between two marks (specification: rollup-node-p2p, "Peer management"): dials when there are few, parts with the worst
when there are many, always returns to static peers, and bans whose score falls too low.

Who only waits to be dialed cannot fill us: a part of the peers are always of our own choice, so that nobody who comes with many identities is all
that we hear of the network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import structlog
import trio

from trinode.p2p.addresses import Reach, reach_of
from trinode.p2p.errors import DialFailed
from trinode.p2p.host.host import PeerHost
from trinode.p2p.host.protection import STATIC
from trinode.p2p.host.retries import Retries
from trinode.p2p.identity import PeerId, show_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.peers import Connected

MOST_CANDIDATES = 256
"""Found peers that wait to be dialed; the oldest goes."""
_WORKERS = 4
"""Found peers that are dialed at once."""
_SEEK_SECONDS = 5.0
_LEAST_SECONDS = 0.25
"""Between two looks for whom to dial, at most and at least."""
_WATCH_SECONDS = 1.0
_SWEEP_SECONDS = 60.0
_SHORT_SECONDS = 60.0
"""A connection that ended sooner counts as a dial that failed: the peer has no place for us."""
_STATIC_RETRIES = (1.0, 60.0)
_FOUND_RETRIES = (30.0, 3600.0)
"""Seconds before the second dial, and at most between two."""
_BANS_OF_ADDRESS = 3
"""So many banned peers at one public address, and the address is banned too."""
_MOST_STRIKES = 1_024
_GOSSIP = "/meshsub/"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """`low`, `high`: peers (`p2p.peers.lo`, `p2p.peers.hi`). `grace`: seconds in which a new one is not parted with. `static`: peers that are
    always wanted, and where they are. `ban`: below `ban_threshold` of score, for `ban_seconds`.
    """

    low: int = 20
    high: int = 30
    grace: float = 30.0
    static: Mapping[PeerId, Sequence[Multiaddr]] = field(default_factory=dict)
    ban: bool = True
    ban_threshold: float = -100.0
    ban_seconds: float = 3600.0


class Keeper:
    """`score_of`: what gossip and sync say of a peer, 0 for one that is like others. `random`: spreads retries.

    `bans`, `pruned`: how many there were.
    """

    def __init__(self, host: PeerHost, settings: KeeperSettings, *, score_of: Callable[[PeerId], float], random: Random) -> None:
        self._host = host
        self._settings = settings
        self._score_of = score_of
        self._candidates: dict[PeerId, None] = {}
        self._under_way: set[PeerId] = set()
        self._found_retries = Retries(*_FOUND_RETRIES, random)
        self._static_retries = Retries(*_STATIC_RETRIES, random)
        self._since: dict[PeerId, float] = {}
        self._strikes: Counter[str] = Counter()
        self._news = trio.Event()
        self._static_left = {peer_id: trio.Event() for peer_id in settings.static}
        self.bans = self.pruned = 0
        for peer_id in settings.static:
            host.protection.protect(peer_id, STATIC)
        host.watch(self)

    @property
    def wanted(self) -> int:
        """How many more peers are to be found: to the low mark, and half of that of our own choice."""
        connected = self._host.connected()
        chosen = sum(peer.outbound for peer in connected)
        return max(self._settings.low - len(connected), self._settings.low // 2 - chosen, 0)

    def found(self, peer_id: PeerId, addresses: Sequence[Multiaddr], *, enr: str = "", chain_id: int = 0) -> None:
        """Discovery has found a peer of our chain. What is outside of `p2p.netrestrict` is left aside."""
        gate = self._host.gate
        usable = [address for address in addresses if not (address.is_ip and gate.is_restricted(address.host))]
        if peer_id == self._host.peer_id or not usable:
            return
        self._host.store.found(peer_id, usable, enr=enr, chain_id=chain_id)
        self._candidates.pop(peer_id, None)
        self._candidates[peer_id] = None
        if len(self._candidates) > MOST_CANDIDATES:
            del self._candidates[next(iter(self._candidates))]
        self._news.set()

    def joined(self, peer: Connected) -> None:
        """It has its time of grace from now on."""
        self._since[peer.peer_id] = trio.current_time()

    def left(self, peer_id: PeerId) -> None:
        """Another is sought for it; a static one is dialed again."""
        now = trio.current_time()
        if now - self._since.pop(peer_id) < _SHORT_SECONDS:
            self._found_retries.failed(peer_id, now)
        else:
            self._found_retries.succeeded(peer_id)
        self._news.set()
        if peer_id in self._static_left:
            self._static_left[peer_id].set()

    async def run(self) -> None:
        """Keeps, until it is cancelled."""
        async with trio.open_nursery() as nursery:
            for peer_id, addresses in self._settings.static.items():
                if peer_id != self._host.peer_id:
                    nursery.start_soon(self._keep_static, peer_id, addresses)
            nursery.start_soon(self._watch)
            nursery.start_soon(self._sweep)
            await self._seek(nursery)

    async def _keep_static(self, peer_id: PeerId, addresses: Sequence[Multiaddr]) -> None:
        retries, shown = self._static_retries, show_peer_id(peer_id)
        while True:
            try:
                await self._host.connect(peer_id, addresses)
            except DialFailed as error:
                seconds = retries.failed(peer_id, trio.current_time())
                _log.info("a static peer is not there", peer=shown, why=str(error), again=f"{seconds:.0f}s")
                await trio.sleep(seconds)
                continue
            begun = trio.current_time()
            while peer_id in self._host.links:
                left = self._static_left[peer_id] = trio.Event()
                await left.wait()
            if trio.current_time() - begun >= _SHORT_SECONDS:
                retries.succeeded(peer_id)
            await trio.sleep(retries.failed(peer_id, trio.current_time()))

    async def _seek(self, nursery: trio.Nursery) -> None:
        while True:
            with trio.move_on_after(_SEEK_SECONDS):
                await self._news.wait()
            self._news = trio.Event()
            for peer_id in self._choose(min(_WORKERS, self.wanted) - len(self._under_way)):
                self._under_way.add(peer_id)
                nursery.start_soon(self._dial, peer_id)
            await trio.sleep(_LEAST_SECONDS)

    def _choose(self, most: int) -> Sequence[PeerId]:
        """Peers to dial: what was just found, then what is known from before, those first that were reached then."""
        store, now = self._host.store, trio.current_time()
        chosen: list[PeerId] = []
        if most <= 0:
            return chosen
        known = [*reversed(store.peers())]
        known.sort(key=self._is_unproven)
        for peer_id in dict.fromkeys([*reversed(self._candidates), *known]):
            if len(chosen) >= most:
                break
            may_be = self._found_retries.is_due(peer_id, now) and self._host.gate.refuses_peer(peer_id) is None
            if may_be and peer_id not in self._host.links and peer_id not in self._under_way and self._open_addresses(peer_id):
                chosen.append(peer_id)
        return chosen

    def _is_unproven(self, peer_id: PeerId) -> bool:
        known = self._host.store.get(peer_id)
        return known is None or not known.reached

    def _open_addresses(self, peer_id: PeerId) -> Sequence[Multiaddr]:
        gate = self._host.gate
        return [address for address in self._host.store.addresses(peer_id) if not (address.is_ip and gate.is_restricted(address.host))]

    async def _dial(self, peer_id: PeerId) -> None:
        self._candidates.pop(peer_id, None)
        try:
            await self._host.connect(peer_id)
        except DialFailed as error:
            self._found_retries.failed(peer_id, trio.current_time())
            _log.debug("a found peer is not there", peer=show_peer_id(peer_id), why=str(error))
        finally:
            self._under_way.discard(peer_id)
            self._news.set()

    async def _watch(self) -> None:
        while True:
            await trio.sleep(_WATCH_SECONDS)
            connected = self._host.connected()
            if self._settings.ban:
                for peer in connected:
                    if peer.peer_id not in self._host.protection and self._score_of(peer.peer_id) < self._settings.ban_threshold:
                        await self._ban(peer)
            for peer in self._surplus():
                self.pruned += 1
                _log.debug("a peer is parted with: there are many", peer=show_peer_id(peer.peer_id))
                await self._host.disconnect(peer.peer_id)

    async def _ban(self, peer: Connected) -> None:
        settings, gate = self._settings, self._host.gate
        self.bans += 1
        _log.info("a peer is banned for its score", peer=show_peer_id(peer.peer_id), score=self._score_of(peer.peer_id), seconds=settings.ban_seconds)
        gate.ban_peer(peer.peer_id, settings.ban_seconds)
        if reach_of(peer.address) is Reach.WORLD:
            if len(self._strikes) >= _MOST_STRIKES:
                self._strikes.clear()
            self._strikes[peer.address] += 1
            if self._strikes[peer.address] >= _BANS_OF_ADDRESS:
                del self._strikes[peer.address]
                gate.ban_address(peer.address, settings.ban_seconds)
        await self._host.disconnect(peer.peer_id)

    def _surplus(self) -> Sequence[Connected]:
        """Peers above the high mark, the worst first: those that do not gossip, then by score, then those that came last. The peers of our own
        choice that we want at least stay.
        """
        connected, now = self._host.connected(), trio.current_time()
        over = len(connected) - self._settings.high
        if over <= 0:
            return ()
        may_go = [peer for peer in connected if peer.peer_id not in self._host.protection and now - self._since[peer.peer_id] >= self._settings.grace]
        chosen, least = sum(peer.outbound for peer in connected), self._settings.low // 2
        surplus: list[Connected] = []
        for peer in sorted(may_go, key=self._worth):
            if len(surplus) == over:
                break
            if peer.outbound and chosen <= least:
                continue
            chosen -= peer.outbound
            surplus.append(peer)
        return surplus

    def _worth(self, peer: Connected) -> tuple[bool, float, float]:
        known = self._host.store.get(peer.peer_id)
        gossips = known is not None and any(protocol.startswith(_GOSSIP) for protocol in known.protocols)
        return gossips, self._score_of(peer.peer_id), -self._since[peer.peer_id]

    async def _sweep(self) -> None:
        while True:
            self._host.store.sweep()
            await trio.sleep(_SWEEP_SECONDS)
