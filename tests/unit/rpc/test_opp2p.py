"""`opp2p_` methods beside what op-node answered (fixtures/op-node-p2p)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.declared_schemas import checked
from trinode.jsonrpc.requests import answer
from trinode.rpc.opp2p import Opp2pNamespace
from trinode.rpc.p2p_view import Connectedness, Direction, IpAddress, IpNetwork, NoPeerId, P2PRefused, PeerInfo, PeerScores, PeerStats

RECORDED = json.loads((Path(__file__).resolve().parents[3] / "fixtures" / "op-node-p2p" / "opp2p.json").read_bytes())
PEER = "16Uiu2HAmPhi8ejk4kixBmgMMEvwp1aBGoognKKx3i3w3YSYo7WHb"
REFUSING = "16Uiu2HAky6aTJxQpW9DS8CPs5P54Jdi5N1BwQWxYNSfMWQHSjU9q"
"""The node that was asked for what it refused."""
ADDRESS = f"/ip4/127.0.0.1/tcp/45077/p2p/{PEER}"
NOT_THE_SAME_WORDS = ("cannot unmarshal", "must begin with /", "invalid p2p multiaddr", "dial to self", "cid too short", "invalid request")
"""Of Go's JSON reader and of libp2p: the code has to be the same, the words need not."""


def info_of(peer: Mapping[str, Any]) -> PeerInfo:
    """The peer that op-node tells of."""
    gossip, answers = peer["scores"]["gossip"], peer["scores"]["reqResp"]
    blocks = gossip["blocks"]
    numbers = [gossip["total"]]
    numbers += [blocks[name] for name in ("timeInMesh", "firstMessageDeliveries", "meshMessageDeliveries", "invalidMessageDeliveries")]
    numbers += [gossip["IPColocationFactor"], gossip["behavioralPenalty"]]
    numbers += [answers[name] for name in ("validResponses", "errorResponses", "rejectedPayloads")]
    return PeerInfo(
        peer["peerID"],
        bytes.fromhex(peer["nodeID"]),
        peer["userAgent"],
        peer["protocolVersion"],
        peer["ENR"],
        peer["addresses"],
        peer["protocols"],
        Connectedness(peer["connectedness"]),
        Direction(peer["direction"]),
        peer["protected"],
        peer["chainID"],
        peer["latency"] / 1e9,
        peer["gossipBlocks"],
        PeerScores(*numbers),
    )


class ScriptedP2P:
    """What op-node was, and what it was told to do."""

    def __init__(self) -> None:
        recorded = {(each["method"], *each["params"]): each["result"] for each in RECORDED["answered"]}
        self._self = info_of(recorded["opp2p_self",])
        self._peers = {connected: recorded["opp2p_peers", connected]["peers"] for connected in (True, False)}
        self._table: list[str] = recorded["opp2p_discoveryTable",]
        stats = recorded["opp2p_peerStats",]
        topics = (stats["blocksTopic"], stats["blocksTopicV2"], stats["blocksTopicV3"], stats["blocksTopicV4"])
        self.numbers = PeerStats(stats["connected"], stats["table"], topics, stats["banned"], stats["known"])
        self.blocked: list[Any] = []
        self.done: list[tuple[Any, ...]] = []

    def this_node(self) -> PeerInfo:
        return self._self

    def peers(self, *, connected: bool) -> Mapping[str, PeerInfo]:
        return {peer_id: info_of(peer) for peer_id, peer in self._peers[connected].items()}

    def stats(self) -> PeerStats:
        return self.numbers

    def discovery_table(self) -> Sequence[str]:
        if self.numbers.table is None:
            raise P2PRefused("discovery is off")
        return self._table

    def blocked_peers(self) -> Sequence[str]:
        return [each for each in self.blocked if isinstance(each, str)]

    def blocked_addresses(self) -> Sequence[IpAddress]:
        return [each for each in self.blocked if isinstance(each, type(ip_address("::1")) | type(ip_address("1.2.3.4")))]

    def blocked_subnets(self) -> Sequence[IpNetwork]:
        return [each for each in self.blocked if isinstance(each, type(ip_network("::/8")) | type(ip_network("10.0.0.0/8")))]

    async def block_peer(self, peer_id: str, blocked: bool) -> None:
        if len(peer_id) < 40:
            raise NoPeerId("too short")
        self._block(peer_id, blocked)

    async def block_address(self, address: IpAddress, blocked: bool) -> None:
        self._block(address, blocked)

    async def block_subnet(self, subnet: IpNetwork, blocked: bool) -> None:
        self._block(subnet, blocked)

    def _block(self, what: Any, blocked: bool) -> None:
        self.done.append((what, blocked))
        self.blocked = [each for each in self.blocked if each != what] + [what] * blocked

    async def protect(self, peer_id: str, protected: bool) -> None:
        if len(peer_id) < 40:
            raise NoPeerId("too short")
        self.done.append(("protect", peer_id, protected))

    async def connect(self, address: str) -> None:
        if not address.startswith("/") or REFUSING in address or "/p2p/" not in address:
            raise P2PRefused("bad peer address")
        self.done.append(("connect", address))

    async def disconnect(self, peer_id: str) -> None:
        if len(peer_id) < 40:
            raise NoPeerId("too short")
        self.done.append(("disconnect", peer_id))


@pytest.fixture
def p2p() -> ScriptedP2P:
    return ScriptedP2P()


async def ask(p2p: ScriptedP2P, method: str, *params: Any) -> Any:
    methods = Opp2pNamespace(p2p).methods
    request = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    found = msgspec.json.decode(await answer(request, methods))
    if "result" in found:
        assert checked(methods[method]).result(found["result"]) == []
    return found


@pytest.mark.parametrize("each", RECORDED["answered"], ids=lambda each: f"{each['method']}{each['params']}")
async def test_the_network_is_told_of_as_op_node_does(p2p: ScriptedP2P, each: dict[str, Any]) -> None:
    assert (await ask(p2p, each["method"], *each["params"]))["result"] == each["result"]


async def test_who_is_blocked_is_told_of_as_op_node_does(p2p: ScriptedP2P) -> None:
    for method, param in (("Peer", PEER), ("Addr", "::1"), ("Subnet", {"IP": "10.0.0.0", "Mask": "/wAAAA=="})):
        assert (await ask(p2p, f"opp2p_block{method}", param))["result"] is None
    told, expected = (await ask(p2p, "opp2p_peers", True))["result"], RECORDED["blocked"][0]["result"]
    for name in ("bannedPeers", "bannedIPS", "bannedSubnets"):
        assert told[name] == expected[name] != []
    for method in ("Peers", "Addrs", "Subnets"):
        recorded = [each["result"] for each in RECORDED["blocked"] if each["method"] == f"opp2p_listBlocked{method}"]
        assert (await ask(p2p, f"opp2p_listBlocked{method}"))["result"] in recorded
    for method, param in (("Peer", PEER), ("Addr", "::1"), ("Subnet", "10.9.9.9/8")):
        assert (await ask(p2p, f"opp2p_unblock{method}", param))["result"] is None
    assert p2p.blocked == []


@pytest.mark.parametrize("each", RECORDED["refused"], ids=lambda each: f"{each['method']}{each['params']}")
async def test_what_op_node_refuses(p2p: ScriptedP2P, each: dict[str, Any]) -> None:
    ours, theirs = await ask(p2p, each["method"], *each["params"]), each["error"]
    if (each["method"].endswith("Subnet") and isinstance((each["params"] or [None])[0], str)) or each["method"] == "opp2p_peerCount":
        assert "result" in ours  # op-node has no CIDR notation, and not kona-node's method
        return
    if theirs["code"] == -32000 and theirs["message"] == "invalid request":
        theirs = {**theirs, "code": -32602}  # null for a value: we say which parameter
    assert ours["error"]["code"] == theirs["code"]
    if not any(words in theirs["message"] for words in NOT_THE_SAME_WORDS):
        assert ours["error"]["message"] == theirs["message"]


async def test_peers_are_protected_connected_and_disconnected(p2p: ScriptedP2P) -> None:
    for method, param in (("protectPeer", PEER), ("unprotectPeer", PEER), ("connectPeer", ADDRESS), ("disconnectPeer", PEER)):
        assert (await ask(p2p, f"opp2p_{method}", param))["result"] is None
    assert p2p.done == [("protect", PEER, True), ("protect", PEER, False), ("connect", ADDRESS), ("disconnect", PEER)]


async def test_without_discovery(p2p: ScriptedP2P) -> None:
    assert (await ask(p2p, "opp2p_peerCount"))["result"] == {"connectedDiscovery": 1, "connectedGossip": 1}
    p2p.numbers = replace(p2p.numbers, table=None)
    assert (await ask(p2p, "opp2p_peerCount"))["result"] == {"connectedDiscovery": None, "connectedGossip": 1}
    assert (await ask(p2p, "opp2p_peerStats"))["result"]["table"] == 0
    assert (await ask(p2p, "opp2p_discoveryTable"))["error"] == {"code": -32000, "message": "discovery is off"}


@pytest.mark.parametrize(
    ("subnet", "expected"),
    [
        ("fd00::/8", "fd00::/8"),
        ({"IP": "fd00::", "Mask": "/wAAAAAAAAAAAAAAAAAAAA=="}, "fd00::/8"),
        ({"IP": "10.1.2.3", "Mask": "//8AAA=="}, "10.1.0.0/16"),
        ("1.2.3.4", "1.2.3.4/32"),
        ({"IP": "10.1.2.3", "Mask": "/wD/AA=="}, None),
        ({"IP": "10.1.2.3", "Mask": "/w=="}, None),
        ({"IP": "10.1.2.3", "Mask": "/wAAAAAAAAAAAAAAAAAAAA=="}, None),
        ({"IP": "fd00::", "Mask": "/wAAAA=="}, None),
        ({"IP": "10.1.2.3"}, None),
        ({"IP": "x", "Mask": "/wAAAA=="}, None),
        ("10.0.0.0/33", None),
        ("9" * 5000, None),
        (7, None),
    ],
)
async def test_networks(p2p: ScriptedP2P, subnet: Any, expected: str | None) -> None:
    found = await ask(p2p, "opp2p_blockSubnet", subnet)
    if expected is None:
        assert found["error"]["code"] == -32602 and len(found["error"]["message"]) < 200
    else:
        assert p2p.done == [(ip_network(expected), True)]


@pytest.mark.parametrize("ip", ["::ffff:1.2.3.4", "1.2.3.4"])
async def test_addresses(p2p: ScriptedP2P, ip: str) -> None:
    await ask(p2p, "opp2p_blockAddr", ip)
    assert p2p.done == [(ip_address("1.2.3.4"), True)]
    for wrong in ("fe80::1%eth0", "1" * 5000, ""):
        found = await ask(p2p, "opp2p_blockAddr", wrong)
        assert found["error"]["code"] == -32602 and len(found["error"]["message"]) < 200


@pytest.mark.parametrize("method", ["blockPeer", "protectPeer", "disconnectPeer", "connectPeer"])
async def test_what_cannot_be_a_peer(p2p: ScriptedP2P, method: str) -> None:
    for wrong in ("0OIl" * 10, "1" * 5000, 7):
        assert (await ask(p2p, f"opp2p_{method}", wrong))["error"]["code"] in (-32602, -32000)
    assert p2p.done == []
