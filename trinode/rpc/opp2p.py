"""`opp2p_` methods, as op-node v1.19.6 has them, and kona-node's `opp2p_peerCount`. Without P2P none is available, as with op-node's
`p2p.disable`, and the error says why.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any, NamedTuple, NoReturn

from trinode.jsonrpc.declared import Declared, Param, Schema, declare
from trinode.jsonrpc.fields import InvalidParams, kind
from trinode.jsonrpc.kinds import BOOLEAN, BOOLEAN_RESULT, NULL_RESULT, STRING_RESULT, custom, list_of, or_null, record_of
from trinode.jsonrpc.requests import METHOD_NOT_FOUND, SERVER_ERROR, RpcError
from trinode.rpc.p2p_view import IpAddress, IpNetwork, NoPeerId, P2PRefused, P2PView, subnet_to_json

_LONGEST_ID, _LONGEST_IP, _LONGEST_ADDRESS = 128, 64, 1024
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]+", re.ASCII)

_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number"}
_STRINGS = list_of(STRING_RESULT)
_SUBNET = record_of("Subnet", {"IP": STRING_RESULT, "Mask": STRING_RESULT})
_SUBNETS = list_of(_SUBNET)


def _numbers(title: str, *names: str) -> Schema:
    return record_of(title, dict.fromkeys(names, _NUMBER))


_BLOCKS = _numbers("BlockTopicScores", "timeInMesh", "firstMessageDeliveries", "meshMessageDeliveries", "invalidMessageDeliveries")
_GOSSIP = record_of("GossipScores", {"total": _NUMBER, "blocks": _BLOCKS, "IPColocationFactor": _NUMBER, "behavioralPenalty": _NUMBER})
_ANSWERS = _numbers("ReqRespScores", "validResponses", "errorResponses", "rejectedPayloads")
_PEER = record_of(
    "PeerInfo",
    {
        **dict.fromkeys(("peerID", "nodeID", "userAgent", "protocolVersion", "ENR"), STRING_RESULT),
        "addresses": _STRINGS,
        "protocols": or_null(_STRINGS),
        **dict.fromkeys(("connectedness", "direction", "chainID", "latency"), _COUNT),
        "protected": BOOLEAN_RESULT,
        "gossipBlocks": BOOLEAN_RESULT,
        "scores": record_of("PeerScores", {"gossip": _GOSSIP, "reqResp": _ANSWERS}),
    },
)
_PEERS = record_of(
    "PeerDump",
    {
        "totalConnected": _COUNT,
        "peers": {"type": "object", "additionalProperties": _PEER},
        "bannedPeers": _STRINGS,
        "bannedIPS": _STRINGS,
        "bannedSubnets": _SUBNETS,
    },
)
_STATS = record_of(
    "PeerStats",
    dict.fromkeys(("connected", "table", "blocksTopic", "blocksTopicV2", "blocksTopicV3", "blocksTopicV4", "banned", "known"), _COUNT),
)
_PEER_COUNT = record_of("PeerCount", {"connectedDiscovery": or_null(_COUNT), "connectedGossip": _COUNT})


def _parse_peer(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidParams(path, f"a peer id was expected, not {kind(value)}")
    if len(value) > _LONGEST_ID or not _BASE58.fullmatch(value):
        raise InvalidParams(path, "failed to parse peer ID: not base58")
    return value


def _parse_ip(value: object, path: str) -> IpAddress:
    if not isinstance(value, str):
        raise InvalidParams(path, f"an IP address was expected, not {kind(value)}")
    try:
        found = ip_address(value if len(value) <= _LONGEST_IP and "%" not in value else "")  # Python takes zones, Go does not
    except ValueError:
        raise InvalidParams(path, f"invalid IP address: {value[:_LONGEST_IP]}") from None
    return found if isinstance(found, IPv4Address) else found.ipv4_mapped or found


def _parse_subnet(value: object, path: str) -> IpNetwork:
    """Go's object, `{"IP": "10.0.0.0", "Mask": "/wAAAA=="}`, or CIDR notation. Bits beyond the mask do not count."""
    try:
        if isinstance(value, str):
            return ip_network(value[:_LONGEST_IP], strict=False)
        if isinstance(value, Mapping):
            address, mask = value.get("IP"), value.get("Mask")
            if isinstance(address, str) and isinstance(mask, str):
                found = ip_address(address[:_LONGEST_IP])
                return ip_network((found.packed, _mask_bits(b64decode(mask[:_LONGEST_IP], validate=True), found.max_prefixlen)), strict=False)
    except ValueError as error:
        raise InvalidParams(path, f"invalid network: {error}") from error
    raise InvalidParams(path, 'a network was expected, as {"IP": "10.0.0.0", "Mask": "/wAAAA=="} or "10.0.0.0/8"')


def _mask_bits(mask: bytes, size: int) -> int:
    """How many leading bits of a mask of `size` bits are set. Raises ValueError: others are too, or it is not of that size."""
    number = int.from_bytes(mask, "big")
    bits = number.bit_count()
    if 8 * len(mask) != size or number != (1 << size) - (1 << size - bits):
        raise ValueError(f"0x{mask.hex()} is no mask")
    return bits


def _parse_address(value: object, path: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_ADDRESS:
        raise InvalidParams(path, f"a multiaddress was expected, not {'a longer text' if isinstance(value, str) else kind(value)}")
    return value


_TEXT: Schema = {"type": "string"}
_ID = Param("id", custom(_TEXT, _parse_peer))
_IP = Param("ip", custom(_TEXT, _parse_ip))
_NET = Param("subnet", custom({"anyOf": [_SUBNET, _TEXT]}, _parse_subnet))
_ADDRESS = Param("address", custom(_TEXT, _parse_address))
_CONNECTED = Param("connected", BOOLEAN, required=False, default=False)


def _self(p2p: P2PView) -> dict[str, Any]:
    return p2p.this_node().to_json()


def _peers(p2p: P2PView, connected: bool) -> dict[str, Any]:
    return {
        "totalConnected": p2p.stats().connected,
        "peers": {peer_id: peer.to_json() for peer_id, peer in p2p.peers(connected=connected).items()},
        "bannedPeers": _blocked_peers(p2p),
        "bannedIPS": _blocked_addresses(p2p),
        "bannedSubnets": _blocked_subnets(p2p),
    }


def _peer_stats(p2p: P2PView) -> dict[str, int]:
    return p2p.stats().to_json()


def _peer_count(p2p: P2PView) -> dict[str, int | None]:
    stats = p2p.stats()
    return {"connectedDiscovery": stats.table, "connectedGossip": stats.connected}


def _discovery_table(p2p: P2PView) -> list[str]:
    return list(p2p.discovery_table())


def _blocked_peers(p2p: P2PView) -> list[str]:
    return list(p2p.blocked_peers())


def _blocked_addresses(p2p: P2PView) -> list[str]:
    return [str(each) for each in p2p.blocked_addresses()]


def _blocked_subnets(p2p: P2PView) -> list[dict[str, str]]:
    return [subnet_to_json(each) for each in p2p.blocked_subnets()]


class _Row(NamedTuple):
    """A method. `handler` is given the network and the parameters."""

    handler: Callable[..., Any]
    summary: str
    params: tuple[Param, ...]
    result: Schema


_METHODS = {
    "self": _Row(_self, "What the node is in the network", (), _PEER),
    "peers": _Row(_peers, "The peers that are known, or only those that are connected", (_CONNECTED,), _PEERS),
    "peerStats": _Row(_peer_stats, "How many peers there are of each kind", (), _STATS),
    "peerCount": _Row(_peer_count, "How many nodes discovery knows, and how many peers are connected", (), _PEER_COUNT),
    "discoveryTable": _Row(_discovery_table, "The nodes that discovery knows", (), _STRINGS),
    "listBlockedPeers": _Row(_blocked_peers, "Peers that are not connected with", (), _STRINGS),
    "listBlockedAddrs": _Row(_blocked_addresses, "IP addresses that are not connected with", (), _STRINGS),
    "listBlockedSubnets": _Row(_blocked_subnets, "Networks that are not connected with", (), _SUBNETS),
    "blockPeer": _Row(lambda p2p, peer: p2p.block_peer(peer, True), "Does not connect with a peer any more", (_ID,), NULL_RESULT),
    "unblockPeer": _Row(lambda p2p, peer: p2p.block_peer(peer, False), "May connect with a peer again", (_ID,), NULL_RESULT),
    "blockAddr": _Row(lambda p2p, ip: p2p.block_address(ip, True), "Does not connect with an IP address any more", (_IP,), NULL_RESULT),
    "unblockAddr": _Row(lambda p2p, ip: p2p.block_address(ip, False), "May connect with an IP address again", (_IP,), NULL_RESULT),
    "blockSubnet": _Row(lambda p2p, net: p2p.block_subnet(net, True), "Does not connect with a network any more", (_NET,), NULL_RESULT),
    "unblockSubnet": _Row(lambda p2p, net: p2p.block_subnet(net, False), "May connect with a network again", (_NET,), NULL_RESULT),
    "protectPeer": _Row(lambda p2p, peer: p2p.protect(peer, True), "Keeps a peer when there are too many", (_ID,), NULL_RESULT),
    "unprotectPeer": _Row(lambda p2p, peer: p2p.protect(peer, False), "Takes back that a peer is kept", (_ID,), NULL_RESULT),
    "connectPeer": _Row(lambda p2p, address: p2p.connect(address), "Connects with a peer", (_ADDRESS,), NULL_RESULT),
    "disconnectPeer": _Row(lambda p2p, peer: p2p.disconnect(peer), "Ends the connection with a peer", (_ID,), NULL_RESULT),
}


class Opp2pNamespace:
    """op-node's methods. `p2p`: the network, or why there is none, in a few words."""

    name = "opp2p"

    def __init__(self, p2p: P2PView | str) -> None:
        self.methods: dict[str, Declared] = {}
        for short, (handler, summary, params, result) in _METHODS.items():
            name = f"opp2p_{short}"
            do = _refusal(name, p2p) if isinstance(p2p, str) else partial(_done, handler, p2p)
            self.methods[name] = declare(do, summary, *params, result=result)


async def _done(handler: Callable[..., Any], p2p: P2PView, *params: Any) -> Any:
    try:
        found = handler(p2p, *params)
        return await found if isinstance(found, Awaitable) else found
    except NoPeerId as error:
        raise InvalidParams("params[0]", f"failed to parse peer ID: {error}") from error
    except P2PRefused as error:
        raise RpcError(SERVER_ERROR, str(error)) from error


def _refusal(name: str, why: str) -> Callable[..., Awaitable[NoReturn]]:
    async def refuse(*_: Any) -> NoReturn:
        raise RpcError(METHOD_NOT_FOUND, f"the method {name} does not exist/is not available", why)

    return refuse
