"""What `opp2p_` methods show and do, from those who know each part of it: the host, gossip, sync, discovery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import TypeVar

from coincurve import PublicKey as Secp256k1PublicKey

from trinode.node.p2p import P2PNode
from trinode.p2p.errors import DialFailed, P2PError
from trinode.p2p.host.introduction import PROTOCOL_VERSION
from trinode.p2p.host.peerstore import KnownPeer
from trinode.p2p.identity import SECP256K1, PeerId, PublicKey, parse_peer_id, show_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.protocol.keccak import keccak256
from trinode.rpc.p2p_view import Connectedness, Direction, IpAddress, IpNetwork, NoPeerId, P2PRefused, PeerInfo, PeerScores, PeerStats

T = TypeVar("T")


class NodeP2PView:
    """The `P2PView` of a node."""

    def __init__(self, p2p: P2PNode, agent: str) -> None:
        self._p2p = p2p
        self._host = p2p.network.peers.host
        self._agent = agent

    def count(self) -> int:
        """How many peers are connected."""
        return len(self._host.links)

    def this_node(self) -> PeerInfo:
        """As P2PView has it."""
        host, discovery = self._host, self._p2p.discovery
        record = None if discovery is None else discovery.local_enr
        return PeerInfo(
            show_peer_id(host.peer_id),
            node_id_of(host.peer_id),
            user_agent=self._agent,
            protocol_version=PROTOCOL_VERSION,
            enr="" if record is None else str(record),
            addresses=[str(address.of(host.peer_id)) for address in host.addresses],
            protocols=host.streams.protocols,
            chain_id=self._p2p.rollup.l2_chain_id,
            gossip_blocks=True,
        )

    def peers(self, *, connected: bool) -> Mapping[str, PeerInfo]:
        """As P2PView has it."""
        there = [peer.peer_id for peer in self._host.connected()]
        gossiping = self._p2p.gossiping_blocks()
        if connected:
            return {show_peer_id(peer_id): self._info(peer_id, peer_id in gossiping) for peer_id in there}
        known = dict.fromkeys([*there, *self._host.store.peers()])
        ours = self.this_node()
        return {ours.peer_id: ours, **{show_peer_id(peer_id): self._info(peer_id, peer_id in gossiping) for peer_id in known}}

    def stats(self) -> PeerStats:
        """As P2PView has it."""
        host, p2p = self._host, self._p2p
        v1, v2, v3, v4 = (len(p2p.network.gossip.router.peers(topic)) for topic in p2p.network.blocks.topics)
        table = None if p2p.discovery is None else len(p2p.discovery.table())
        banned = len({*host.gate.banned_peers, *host.gate.blocked_peers})
        return PeerStats(len(host.links), table, (v1, v2, v3, v4), banned, len(host.store))

    def discovery_table(self) -> Sequence[str]:
        """As P2PView has it."""
        if self._p2p.discovery is None:
            raise P2PRefused("discovery disabled")
        return self._p2p.discovery.table()

    def blocked_peers(self) -> Sequence[str]:
        """As P2PView has it."""
        return [show_peer_id(peer_id) for peer_id in self._host.gate.blocked_peers]

    def blocked_addresses(self) -> Sequence[IpAddress]:
        """As P2PView has it."""
        return [ip_address(ip) for ip in self._host.gate.blocked_addresses]

    def blocked_subnets(self) -> Sequence[IpNetwork]:
        """As P2PView has it."""
        return [ip_network(network) for network in self._host.gate.blocked_networks]

    async def block_peer(self, peer_id: str, blocked: bool) -> None:
        """As P2PView has it."""
        gate = self._host.gate
        await self._change(gate.block_peer if blocked else gate.unblock_peer, _parsed(peer_id))

    async def block_address(self, address: IpAddress, blocked: bool) -> None:
        """As P2PView has it."""
        gate = self._host.gate
        await self._change(gate.block_address if blocked else gate.unblock_address, str(address))

    async def block_subnet(self, subnet: IpNetwork, blocked: bool) -> None:
        """As P2PView has it."""
        gate = self._host.gate
        await self._change(gate.block_network if blocked else gate.unblock_network, str(subnet))

    async def protect(self, peer_id: str, protected: bool) -> None:
        """As P2PView has it."""
        protection = self._host.protection
        (protection.protect if protected else protection.unprotect)(_parsed(peer_id))

    async def connect(self, address: str) -> None:
        """As P2PView has it."""
        try:
            parsed = Multiaddr.parse(address)
        except ValueError as error:
            raise P2PRefused(f"bad peer address: {error}") from error
        if parsed.peer_id is None:
            raise P2PRefused(f"bad peer address: {address} does not say which peer is there (/p2p/ID at its end)")
        try:
            await self._host.connect(parsed.peer_id, [parsed])
        except DialFailed as error:
            raise P2PRefused(str(error)) from error

    async def disconnect(self, peer_id: str) -> None:
        """As P2PView has it."""
        await self._host.disconnect(_parsed(peer_id))

    async def _change(self, change: Callable[[T], None], what: T) -> None:
        """Changes who is blocked; done when it would be so after a restart."""
        try:
            change(what)
            await self._host.gate.saved()
        except ValueError as error:
            raise P2PRefused(str(error)) from error
        except OSError as error:
            raise P2PRefused(f"it is so now, but was not written down: {error.strerror or error}") from error

    def _info(self, peer_id: PeerId, gossips: bool) -> PeerInfo:
        host = self._host
        links, known = host.links.of(peer_id), host.store.get(peer_id) or KnownPeer()
        direction = Direction.UNKNOWN
        if links:
            direction = Direction.OUTBOUND if links[0].outbound else Direction.INBOUND
        return PeerInfo(
            show_peer_id(peer_id),
            node_id_of(peer_id),
            user_agent=known.agent,
            protocol_version=known.protocol_version,
            enr=known.enr,
            addresses=[str(address.of(peer_id)) for address in host.store.addresses(peer_id)],
            protocols=known.protocols or None,
            connectedness=Connectedness.CONNECTED if links else Connectedness.NOT_CONNECTED,
            direction=direction,
            protected=peer_id in host.protection,
            chain_id=known.chain_id,
            latency=known.latency or 0.0,
            gossip_blocks=gossips,
            scores=self._scores(peer_id),
        )

    def _scores(self, peer_id: PeerId) -> PeerScores:
        counts = self._p2p.network.app_scores.counts(peer_id)
        found = self._p2p.network.scores.detail(peer_id)
        answers = {"valid_responses": counts.valid, "error_responses": counts.errors, "rejected_payloads": counts.rejected}
        if found is None:
            return PeerScores(**answers)
        topics = found.topics.values()
        return PeerScores(
            total=found.total,
            time_in_mesh=sum(topic.time_in_mesh for topic in topics),
            first_message_deliveries=sum(topic.first_message_deliveries for topic in topics),
            mesh_message_deliveries=sum(topic.mesh_message_deliveries for topic in topics),
            invalid_message_deliveries=sum(topic.invalid_message_deliveries for topic in topics),
            ip_colocation_factor=found.ip_colocation_factor,
            behavioral_penalty=found.behavioural_penalty,
            **answers,
        )


def _parsed(peer_id: str) -> PeerId:
    try:
        return parse_peer_id(peer_id)
    except ValueError as error:
        raise NoPeerId(str(error)) from error


def node_id_of(peer_id: PeerId) -> bytes | None:
    """Discovery's id of who holds the same key (EIP-778: keccak256 of the uncompressed key); None where the peer id does not tell such a key."""
    if peer_id[:1] != b"\x00":
        return None
    try:
        key = PublicKey.decode(peer_id[2:])
        return keccak256(Secp256k1PublicKey(key.data).format(compressed=False)[1:]) if key.key_type == SECP256K1 else None
    except (P2PError, ValueError):
        return None
