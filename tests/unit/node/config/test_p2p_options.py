"""The options of the peer-to-peer network: op-node's, and where it is off by itself."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from trinode.node.config import ConfigError, NodeConfig, import_settings, read_config
from trinode.node.config.toml_file import ConfigFile
from trinode.node.config.values_p2p import MEMORY

CHAIN = {"network": ["op-mainnet"], "l1": ["http://a"], "l1.beacon": ["http://b"]}
ENR = "enr:-J24QJDnIQNJy_YEtGuImTR-YVKdHZbkNSz2IPYCFFK5iR1MPzyV6lo-BOxVqZRy_BHjEO-VcQ_bqnTl9yXC-Sjt_JWGAaIIvTgegmlkgnY0gmlwhH8AAAGHb3BzdGFja4OF"
PEER = "/ip4/127.0.0.1/tcp/45077/p2p/16Uiu2HAmPhi8ejk4kixBmgMMEvwp1aBGoognKKx3i3w3YSYo7WHb"
KEY = "2b1063270ced210d888d3617a743f004e11e22054925a29e2709891565621535"
OP_NODE = f"""OP_NODE_NETWORK=op-mainnet
OP_NODE_L1_ETH_RPC=http://a
OP_NODE_L1_BEACON=http://b
OP_NODE_P2P_LISTEN_IP=::
OP_NODE_P2P_LISTEN_TCP_PORT=9003
OP_NODE_P2P_LISTEN_UDP_PORT=9004
OP_NODE_P2P_PEER_SCORING=none
OP_NODE_P2P_PEER_BANNING=false
OP_NODE_P2P_PEER_BANNING_THRESHOLD=-20.5
OP_NODE_P2P_PEER_BANNING_DURATION=10m
OP_NODE_P2P_BOOTNODES={ENR},{ENR}
OP_NODE_P2P_STATIC={PEER}
OP_NODE_P2P_NETRESTRICT=10.0.0.0/8,fd00::/8
OP_NODE_P2P_PEERSTORE_PATH=memory
OP_NODE_P2P_DISCOVERY_PATH=/data/discovery
OP_NODE_P2P_ADVERTISE_IP=node.example.org
OP_NODE_P2P_GOSSIP_TIMESTAMP_THRESHOLD=90s
OP_NODE_P2P_SYNC_REQ_RESP=false
OP_NODE_P2P_NAT=true
OP_NODE_P2P_SECURITY=noise
"""


def read(**more: str) -> NodeConfig:
    return read_config(CHAIN | {name: [text] for name, text in more.items()}, {})


def test_it_is_on_for_a_chain_as_in_op_node() -> None:
    p2p = read().p2p
    assert not p2p.disabled and not p2p.no_discovery
    assert (p2p.listen_ip, p2p.listen_tcp, p2p.listen_udp) == ("0.0.0.0", 9222, 0)
    assert (p2p.peers_low, p2p.peers_high, p2p.peers_grace) == (20, 30, 30.0)
    assert (p2p.ban, p2p.ban_threshold, p2p.ban_duration, p2p.scoring) == (True, -100.0, 3600.0, "light")
    assert (p2p.mesh_d, p2p.mesh_low, p2p.mesh_high, p2p.mesh_lazy, p2p.flood_publish) == (8, 6, 12, 6, False)
    assert (p2p.muxers, p2p.user_agent, p2p.ping, p2p.gossip_age) == (("yamux", "mplex"), "optimism", True, 60.0)
    assert (p2p.serve_requests, p2p.ask_static_only, p2p.key_file, p2p.peerstore) == (True, False, None, None)
    assert read(**{"p2p.disable": "true", "p2p.static": PEER}).p2p.disabled
    assert not read_config({"rollup.config": ["r.json"], "l1": ["http://a"]}, {}).p2p.disabled


def test_it_is_off_for_the_devnet_unless_asked_for() -> None:
    assert read_config({}, {}).p2p.disabled
    assert not read_config({"p2p.disable": ["false"]}, {}).p2p.disabled
    with pytest.raises(ConfigError, match=r"p2p.static is set, but there is no P2P because it is a devnet: add p2p.disable=false, or leave it out"):
        read_config({"p2p.static": [PEER]}, {})
    assert read_config({"p2p.static": [PEER], "p2p.disable": ["false"]}, {}).p2p.static == (PEER,)


def test_it_is_off_where_another_rollup_node_drives_the_engine() -> None:
    driven = {"rollup.config": ["r.json"], "authrpc": ["true"]}
    assert read_config(driven, {}).p2p.disabled
    with pytest.raises(ConfigError, match=r"p2p.peers.lo is set, but there is no P2P because authrpc is set: leave it out"):
        read_config(driven | {"p2p.peers.lo": ["3"]}, {})
    with pytest.raises(ConfigError, match=r"p2p.disable is false and authrpc is set"):
        read_config(driven | {"p2p.disable": ["false"]}, {})


def test_op_nodes_variables_are_imported() -> None:
    text = import_settings([OP_NODE])
    p2p = read_config({}, {}, ConfigFile("f", text)).p2p
    assert (p2p.listen_ip, p2p.listen_tcp, p2p.listen_udp) == ("::", 9003, 9004)
    assert (p2p.scoring, p2p.ban, p2p.ban_threshold, p2p.ban_duration) == ("none", False, -20.5, 600.0)
    assert (p2p.bootnodes, p2p.static, p2p.netrestrict) == ((ENR, ENR), (PEER,), (ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
    assert (p2p.peerstore, p2p.discovery_store, p2p.advertise_ip) == (MEMORY, Path("/data/discovery"), "node.example.org")
    assert (p2p.gossip_age, p2p.serve_requests) == (90.0, False)
    assert "#   OP_NODE_P2P_NAT: no router is asked; discovery learns the address from peers, or set p2p.advertise.ip\n" in text
    assert "#   OP_NODE_P2P_SECURITY: connections are secured by Noise" in text


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("p2p.listen.ip", "localhost", "is not an IP address"),
        ("p2p.listen.ip", "fe80::1%eth0", "is not an IP address"),
        ("p2p.bootnodes", "enode://ab@1.2.3.4:5", "is not a node record, which begins with enr:"),
        ("p2p.bootnodes", "enr:" + "a" * 5000, "is not a node record"),
        ("p2p.static", "/ip4/1.2.3.4/udp/9/quic", "is not a peer's address such as"),
        ("p2p.static", "/ip4/1.2.3.4/tcp/9222", "is not a peer's address such as"),
        ("p2p.netrestrict", "10.0.0.1/8", "is not a network such as 10.0.0.0/8"),
        ("p2p.ban.threshold", "1e3", "is not a score such as -100"),
        ("p2p.ban.threshold", "1", "above 0: every new peer would be banned"),
        ("p2p.scoring", "heavy", "is none of none, light"),
        ("p2p.mux", "quic", "is none of yamux, mplex"),
        ("p2p.mux", ",", "p2p.mux is empty"),
        ("p2p.useragent", "op node", "is not a name"),
        ("p2p.peers.lo", "31", "p2p.peers.lo is 31, more than p2p.peers.hi, 30"),
        ("p2p.gossip.mesh.d", "13", "are 6, 13 and 12: they must not descend"),
        ("p2p.gossip.mesh.dhi", "1001", "is not a whole number from 1 to 1000"),
        ("p2p.listen.tcp", "65536", "is not a whole number from 0 to 65535"),
    ],
)
def test_what_cannot_be_meant(name: str, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        read(**{name: text})
    assert len(str(caught.value)) < 300


def test_keys() -> None:
    config = read(**{"p2p.priv.raw": "0x" + KEY})
    assert config.p2p.key == bytes.fromhex(KEY)
    assert KEY not in repr(config)
    with pytest.raises(ConfigError, match="this looks like the secret itself"):
        read(**{"p2p.priv.path": KEY})
    with pytest.raises(ConfigError, match=r"p2p.priv.raw and p2p.priv.path are both set"):
        read(**{"p2p.priv.raw": KEY, "p2p.priv.path": "key.txt"})


def test_its_port_is_its_own() -> None:
    with pytest.raises(ConfigError, match=r"p2p and rpc both listen at 127.0.0.1:9545"):
        read(**{"p2p.listen.ip": "127.0.0.1", "p2p.listen.tcp": "9545"})
