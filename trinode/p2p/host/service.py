"""The host with all that belongs to it, as one service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import trio

from trinode.p2p.addresses import IpNetwork
from trinode.p2p.host.gate import Gate
from trinode.p2p.host.host import HostSettings, PeerHost
from trinode.p2p.host.introduction import Introductions
from trinode.p2p.host.keeper import Keeper, KeeperSettings
from trinode.p2p.host.network import Network
from trinode.p2p.host.peerstore import Peerstore
from trinode.p2p.host.ping import MOST_STREAMS, PING, Pinger, answer_pings
from trinode.p2p.identity import Identity, PeerId


@dataclass(frozen=True, slots=True)
class PeersSettings:
    """`agent`: `p2p.useragent`. `ping`: whether peers are asked for round trips (they are always answered). `restricted_to`: `p2p.netrestrict`.
    `peerstore`, `gate`: files in the datadir; None: nothing is kept over a restart.
    """

    host: HostSettings = field(default_factory=HostSettings)
    keeper: KeeperSettings = field(default_factory=KeeperSettings)
    agent: str = "optimism"
    ping: bool = True
    restricted_to: tuple[IpNetwork, ...] = ()
    peerstore: Path | None = None
    gate: Path | None = None


class Peers:
    """`host` is what gossip and sync are given; protocols are served and peers watched before `run`. `wall`: Unix time in seconds."""

    def __init__(
        self,
        identity: Identity,
        settings: PeersSettings,
        *,
        wall: Callable[[], float],
        score_of: Callable[[PeerId], float],
        random: Random,
        network: Network | None = None,
    ) -> None:
        """Reads what was kept. Raises GateDamaged, OSError."""
        self.gate = Gate(settings.gate, wall, networks=settings.restricted_to)
        self.store = Peerstore(settings.peerstore, wall)
        self.host = PeerHost(identity, self.gate, self.store, settings.host, network=network)
        self.host.serve(PING, answer_pings, most_per_peer=MOST_STREAMS)
        self.introductions = Introductions(self.host, agent=settings.agent)
        self.keeper = Keeper(self.host, settings.keeper, score_of=score_of, random=random)
        self._pinger = Pinger(self.host, self.store.measured) if settings.ping else None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until it is cancelled; started once all ports are open. Raises OSError: a port is taken."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.gate.run)
            nursery.start_soon(self.store.run)
            await nursery.start(self.host.run)
            nursery.start_soon(self.introductions.run)
            if self._pinger is not None:
                nursery.start_soon(self._pinger.run)
            nursery.start_soon(self.keeper.run)
            task_status.started()
