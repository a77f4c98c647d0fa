"""What `opp2p_` methods show of the P2P network and do in it (specification: rollup-node-p2p, "Peer management"; JSON as op-node v1.19.6 has it).

The node fills these in from its host, gossip, sync and discovery: none of them knows of JSON, and this room of none of them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Protocol, TypeAlias

IpAddress: TypeAlias = IPv4Address | IPv6Address
IpNetwork: TypeAlias = IPv4Network | IPv6Network


class P2PRefused(Exception):
    """What was asked for cannot be done; why, in one line."""


class NoPeerId(P2PRefused):
    """A text that is no peer's id; why."""


class Connectedness(IntEnum):
    """Of a peer, as libp2p numbers it."""

    NOT_CONNECTED = 0
    CONNECTED = 1


class Direction(IntEnum):
    """Who dialed, as libp2p numbers it; UNKNOWN: there is no connection."""

    UNKNOWN = 0
    INBOUND = 1
    OUTBOUND = 2


@dataclass(frozen=True, slots=True)
class PeerScores:
    """How a peer is scored: by gossip (`total`, and what it is made of; `blocks` is of all block topics), and by requests and responses."""

    total: float = 0.0
    time_in_mesh: float = 0.0
    first_message_deliveries: float = 0.0
    mesh_message_deliveries: float = 0.0
    invalid_message_deliveries: float = 0.0
    ip_colocation_factor: float = 0.0
    behavioral_penalty: float = 0.0
    valid_responses: float = 0.0
    error_responses: float = 0.0
    rejected_payloads: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As op-node writes it."""
        blocks = {
            "timeInMesh": self.time_in_mesh,
            "firstMessageDeliveries": self.first_message_deliveries,
            "meshMessageDeliveries": self.mesh_message_deliveries,
            "invalidMessageDeliveries": self.invalid_message_deliveries,
        }
        gossip = {
            "total": self.total,
            "blocks": blocks,
            "IPColocationFactor": self.ip_colocation_factor,
            "behavioralPenalty": self.behavioral_penalty,
        }
        answers = {"validResponses": self.valid_responses, "errorResponses": self.error_responses, "rejectedPayloads": self.rejected_payloads}
        return {"gossip": gossip, "reqResp": answers}


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A node, another or this one. `node_id`: of discv5, 32 bytes, None for keys that are not secp256k1; `addresses` are multiaddresses with
    the peer's id; `protocols` None: it has not said; `chain_id` is what its ENR says, 0 without one; `latency` in seconds.
    """

    peer_id: str
    node_id: bytes | None
    user_agent: str = ""
    protocol_version: str = ""
    enr: str = ""
    addresses: Sequence[str] = ()
    protocols: Sequence[str] | None = None
    connectedness: Connectedness = Connectedness.NOT_CONNECTED
    direction: Direction = Direction.UNKNOWN
    protected: bool = False
    chain_id: int = 0
    latency: float = 0.0
    gossip_blocks: bool = False
    scores: PeerScores = field(default_factory=PeerScores)

    def to_json(self) -> dict[str, Any]:
        """As op-node writes it: `latency` in nanoseconds."""
        return {
            "peerID": self.peer_id,
            "nodeID": "" if self.node_id is None else self.node_id.hex(),
            "userAgent": self.user_agent,
            "protocolVersion": self.protocol_version,
            "ENR": self.enr,
            "addresses": list(self.addresses),
            "protocols": None if self.protocols is None else list(self.protocols),
            "connectedness": int(self.connectedness),
            "direction": int(self.direction),
            "protected": self.protected,
            "chainID": self.chain_id,
            "latency": round(self.latency * 1e9),
            "gossipBlocks": self.gossip_blocks,
            "scores": self.scores.to_json(),
        }


@dataclass(frozen=True, slots=True)
class PeerStats:
    """How many peers are connected, are subscribed to the block topics (v1 to v4), are banned and are known, and nodes that discovery knows
    (None: there is no discovery).
    """

    connected: int
    table: int | None
    block_topics: tuple[int, int, int, int]
    banned: int
    known: int

    def to_json(self) -> dict[str, Any]:
        """As op-node writes it."""
        names = ("blocksTopic", "blocksTopicV2", "blocksTopicV3", "blocksTopicV4")
        topics = dict(zip(names, self.block_topics, strict=True))
        return {"connected": self.connected, "table": self.table or 0, **topics, "banned": self.banned, "known": self.known}


def subnet_to_json(subnet: IpNetwork) -> dict[str, str]:
    """A network as Go's net.IPNet is written."""
    return {"IP": str(subnet.network_address), "Mask": b64encode(subnet.netmask.packed).decode()}


class P2PView(Protocol):
    """The P2P network as the RPC needs it. Peers are named by their ids in base58. Actions raise P2PRefused, and NoPeerId
    where an id is none.
    """

    def this_node(self) -> PeerInfo:
        """This node."""

    def peers(self, *, connected: bool) -> Mapping[str, PeerInfo]:
        """All peers that are known (this node among them, as in op-node), or those that are connected, by their ids."""

    def stats(self) -> PeerStats:
        """How many there are."""

    def discovery_table(self) -> Sequence[str]:
        """ENRs, in text. Raises P2PRefused: there is no discovery."""

    def blocked_peers(self) -> Sequence[str]:
        """Ids of peers with whom no connection is made."""

    def blocked_addresses(self) -> Sequence[IpAddress]:
        """Likewise, IP addresses."""

    def blocked_subnets(self) -> Sequence[IpNetwork]:
        """Likewise, networks."""

    async def block_peer(self, peer_id: str, blocked: bool) -> None:
        """No more connections with a peer, or again. A connection that is there stays: see `disconnect`."""

    async def block_address(self, address: IpAddress, blocked: bool) -> None:
        """Likewise, with an IP address."""

    async def block_subnet(self, subnet: IpNetwork, blocked: bool) -> None:
        """Likewise, with a network."""

    async def protect(self, peer_id: str, protected: bool) -> None:
        """A protected peer is kept when there are too many."""

    async def connect(self, address: str) -> None:
        """Dials a multiaddress with a peer's id, unless that peer is connected already."""

    async def disconnect(self, peer_id: str) -> None:
        """Ends the connection with a peer, if there is one."""
