"""The node in the P2P network (specification: rollup-node-p2p): unsafe blocks heard, passed on, asked for, served and, when sequencing, published."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import SystemRandom

import structlog
import trio

from trinode.l1.unsafe_block_signer import L1UnsafeBlockSigner
from trinode.node.clock_warning import ClockWarning
from trinode.node.config import NodeConfig
from trinode.node.config.model import P2PSettings
from trinode.node.config.values_p2p import MEMORY
from trinode.node.l1_client import L1Client
from trinode.node.p2p_addresses import listening, read_bootnodes, read_static, resolved
from trinode.node.p2p_key import read_identity
from trinode.node.services import start
from trinode.node.start import StartError
from trinode.node.unsafe_blocks import UnsafeBlocks
from trinode.p2p.addresses import parse_ip
from trinode.p2p.block_network import BlockNetwork, BlockNetworkSettings, Notes, light_scoring, no_scoring
from trinode.p2p.blocks.block_gossip import BlockGossipSettings
from trinode.p2p.blocks.envelope import SequencerKey
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.discovery.bootnodes import BOOTNODES
from trinode.p2p.discovery.contact import parse_node
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr
from trinode.p2p.discovery.local_record import Advertised
from trinode.p2p.discovery.service import Discovery, DiscoverySettings
from trinode.p2p.gossip.events import GossipEvent
from trinode.p2p.gossip.params import GossipParams
from trinode.p2p.host.gate import GateDamaged
from trinode.p2p.host.host import HostSettings
from trinode.p2p.host.keeper import KeeperSettings
from trinode.p2p.host.limits import HostLimits
from trinode.p2p.host.service import PeersSettings
from trinode.p2p.identity import Identity, PeerId, show_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.transport.mplex import MPLEX
from trinode.p2p.transport.yamux import YAMUX
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig

_FOLDER = "p2p"
_PEERSTORE, _GATE, _DISCOVERY = "peers.json", "gate.json", "discovery.json"
_SPARE_PLACES = 20
"""For peers that come: above the high mark, some are parted with after their grace."""
_MUXERS = {"yamux": YAMUX, "mplex": MPLEX}

_log = structlog.get_logger()


class P2PNode:
    """All parts of the network, and how they know of each other. `clock`: Unix time in seconds. `judgements`, `events`: how often each was, of
    block messages and of gossip.
    """

    def __init__(
        self,
        config: NodeConfig,
        rollup: RollupConfig,
        l1: L1Client,
        unsafe: UnsafeBlocks,
        payload_by_number: Callable[[int], Awaitable[PayloadEnvelope | None]],
        sequencer_key: bytes | None,
        clock: Callable[[], float],
    ) -> None:
        """Raises StartError."""
        settings = config.p2p
        self.rollup = rollup
        self._settings = settings
        self._folder = config.general.datadir / _FOLDER
        self._bootnodes = read_bootnodes(settings.bootnodes)
        self._usual_bootnodes = () if config.chain.is_devnet else BOOTNODES
        self.judgements: Counter[Reason] = Counter()
        self.events: Counter[str] = Counter()
        self._clock_warning = ClockWarning(time.monotonic)
        self._unsafe = unsafe
        self._key = None if sequencer_key is None else SequencerKey(sequencer_key)
        self._is_mute = config.sequencer.enabled and sequencer_key is None
        self._is_behind = False  # the last block of ours could not be published
        self.network = self._open_network(config, read_identity(config), clock)
        if settings.serve_requests:
            self.network.answer_with(payload_by_number)
            self.network.fill(unsafe, may_ask=self._may_ask)
        self.discovery: Discovery | None = None
        self._signer = L1UnsafeBlockSigner(
            l1.endpoints, rollup.l1_chain_id, rollup.l1_system_config_address, l1.watcher, changed=self._signer_named, notice=l1.notice
        )

    def _open_network(self, config: NodeConfig, identity: Identity, clock: Callable[[], float]) -> BlockNetwork:
        settings = BlockNetworkSettings(
            scoring=(light_scoring if config.p2p.scoring == "light" else no_scoring)(self.rollup),
            peers=_peers_settings(config),
            gossip=_gossip_params(config.p2p),
            blocks=BlockGossipSettings(oldest=int(config.p2p.gossip_age)),
        )
        notes = Notes(self._accepted, self._judged, self._noted)
        try:
            self._folder.mkdir(exist_ok=True)
            return BlockNetwork(self.rollup, identity, settings, notes, clock=clock, wall=time.time, random=SystemRandom())
        except GateDamaged as error:
            raise StartError(f"p2p: {error}") from error
        except OSError as error:
            raise StartError(f"p2p: {error.filename}: {error.strerror}. Mend or remove it; what is known of peers is kept there") from error

    # ---- running ----

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Until it is cancelled; started when it listens. Raises StartError."""
        settings = self._settings
        if self._is_mute:
            _log.warning("sequencer.enabled without p2p.sequencer.key: blocks are made here, and not published to peers")
        async with trio.open_nursery() as nursery:
            run = partial(listening, "tcp", settings.listen_ip, settings.listen_tcp, self.network.run)
            await start(nursery, "peers, gossip and sync", run)
            await start(nursery, "the watch for the unsafe block signer", self._signer.run)
            await self._start_discovery(nursery)
            for address in self.network.peers.host.addresses:
                _log.info(f"P2P at {address.of(self.network.peers.host.peer_id)}")
            task_status.started()

    async def _start_discovery(self, nursery: trio.Nursery) -> None:
        settings = self._settings
        advertised = await resolved(settings.advertise_ip)
        port = self.network.peers.host.ports[0][1]
        if advertised is not None:
            self.network.peers.host.advertise([Multiaddr.of_ip(advertised, settings.advertise_tcp or port)])
            self.network.peers.introductions.changed()
        if settings.no_discovery:
            return
        networks = settings.netrestrict
        discovery = Discovery(
            self.network.peers.host.identity,
            DiscoverySettings(
                listen=Endpoint(parse_ip(settings.listen_ip), settings.listen_udp or port),
                advertised=Advertised(
                    None if advertised is None else parse_ip(advertised), settings.advertise_tcp or port, settings.advertise_udp
                ),
                chain_id=self.rollup.l2_chain_id,
                bootnodes=self._bootnodes or [parse_node(text) for text in self._usual_bootnodes],
                path=_file(self._settings.discovery_store, self._folder / _DISCOVERY),
                permits=lambda ip: not networks or any(ip.version == network.version and ip in network for network in networks),
            ),
            found=self._found,
            wanted=lambda: self.network.peers.keeper.wanted > 0,
        )
        await start(nursery, "discovery", partial(listening, "udp", settings.listen_ip, settings.listen_udp or port, discovery.run))
        self.discovery = discovery

    # ---- blocks ----

    @property
    def can_publish(self) -> bool:
        """Whether there is a key to sign blocks with."""
        return self._key is not None

    async def publish(self, envelope: PayloadEnvelope) -> None:
        """Signs a block of ours and sends it to the peers; it does not wait for them."""
        assert self._key is not None
        try:
            message = await trio.to_thread.run_sync(self.network.blocks.encode, envelope, self._key.sign)
            recipients = self.network.gossip.publish(*message)
        except ValueError as error:
            (_log.debug if self._is_behind else _log.warning)(f"block {envelope.payload.block_number} is not published: {error}")
            self._is_behind = True
            return
        self._is_behind = False
        _log.debug("block published", number=envelope.payload.block_number, peers=recipients)

    def _accepted(self, peer: PeerId, envelope: PayloadEnvelope) -> None:
        payload = envelope.payload
        refusal = self._unsafe.post(envelope)
        block_hash = "0x" + payload.block_hash.hex()
        _log.debug("unsafe block heard", number=payload.block_number, hash=block_hash, peer=show_peer_id(peer), kept=refusal or "yes")

    def _judged(self, peer: PeerId, judgement: Judgement) -> None:
        self.judgements[judgement.reason] += 1
        self._clock_warning.judged(judgement)
        if judgement.reason not in (Reason.VALID, Reason.SEEN):
            _log.debug("gossip is not taken", reason=judgement.reason.value, detail=judgement.detail, peer=show_peer_id(peer))

    def _noted(self, event: GossipEvent, _topic: str) -> None:
        self.events[event.value] += 1

    def _signer_named(self, signer: Address | None) -> None:
        self.network.signers.name(signer)
        shown = "nobody" if signer is None else "0x" + signer.hex()
        _log.info(f"unsafe blocks are signed by {shown}")
        if self._key is not None and signer != self._key.address:
            _log.warning(f"p2p.sequencer.key is of 0x{self._key.address.hex()}, but L1 names {shown}: peers will not take our blocks")

    # ---- peers ----

    def gossiping_blocks(self) -> set[PeerId]:
        """The peers that are on a topic of blocks."""
        return {peer for topic in self.network.blocks.topics for peer in self.network.gossip.router.peers(topic)}

    def _may_ask(self, peer: PeerId) -> bool:
        return not self._settings.ask_static_only or peer in self.network.peers.host.protection

    def _found(self, record: Enr) -> None:
        endpoints = [endpoint for endpoint in (record.tcp(4), record.tcp(6)) if endpoint is not None]
        addresses = [Multiaddr.of_ip(str(endpoint.ip), endpoint.port) for endpoint in endpoints]
        self.network.peers.keeper.found(record.peer_id, addresses, enr=str(record), chain_id=self.rollup.l2_chain_id)


def _peers_settings(config: NodeConfig) -> PeersSettings:
    settings, folder = config.p2p, config.general.datadir / _FOLDER
    return PeersSettings(
        host=HostSettings(
            listen=[(settings.listen_ip, settings.listen_tcp)],
            muxers=[_MUXERS[name] for name in settings.muxers],
            limits=HostLimits(most_peers=2 * settings.peers_high + _SPARE_PLACES),
        ),
        keeper=KeeperSettings(
            low=settings.peers_low,
            high=settings.peers_high,
            grace=settings.peers_grace,
            static=read_static(settings.static),
            ban=settings.ban,
            ban_threshold=settings.ban_threshold,
            ban_seconds=settings.ban_duration,
        ),
        agent=settings.user_agent,
        ping=settings.ping,
        restricted_to=settings.netrestrict,
        peerstore=_file(settings.peerstore, folder / _PEERSTORE),
        gate=_file(settings.peerstore, folder / _PEERSTORE, _GATE),
    )


def _file(given: Path | str | None, otherwise: Path, beside: str | None = None) -> Path | None:
    """Where something is kept; None: nowhere. `beside`: a second file, in the folder of the first."""
    if given == MEMORY:
        return None
    path = otherwise if given is None else Path(given)
    return path if beside is None else path.with_name(f"{path.stem}-{beside}" if given else beside)


def _gossip_params(settings: P2PSettings) -> GossipParams:
    """A mesh that is made small by an operator has fewer places of a kind too."""
    usual = GossipParams()
    return GossipParams(
        mesh=settings.mesh_d,
        mesh_low=settings.mesh_low,
        mesh_high=settings.mesh_high,
        mesh_score=min(usual.mesh_score, settings.mesh_d),
        mesh_outbound=min(usual.mesh_outbound, settings.mesh_low - 1, settings.mesh_d // 2),
        lazy=settings.mesh_lazy,
        flood_publish=settings.flood_publish,
    )
