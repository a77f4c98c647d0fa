"""The part of the table of options that is about the peer-to-peer network: op-node's p2p flags."""

from __future__ import annotations

from trinode.node.config.option import Option
from trinode.node.config.values import BOOLEAN, COUNT, DURATION, HOST, KEY, PORT, SECRET_FILE, Kind, one_of, whole
from trinode.node.config.values_p2p import AGENT, ENR, IP, MULTIADDRESS, SCORE, STORE_PATH, SUBNET

_MESH = whole("NUMBER", 1, 1000)  # op-node's bounds


def _option(name: str, field: str, kind: Kind, help: str, default: str | None = None, *, unset: str = "-", many: bool = False) -> Option:
    """One that op-node has by the same name."""
    return Option(f"p2p.{name}", f"p2p.{field}", kind, help, default=default, unset=unset, many=many, op_node=(f"p2p.{name}",))


P2P = (
    _option(
        "disable",
        "disabled",
        BOOLEAN,
        "no peer-to-peer network; implied by the embedded devnet, unless it is false, and by authrpc",
        "false",
    ),
    _option("no-discovery", "no_discovery", BOOLEAN, "look for no peers: only static ones, and those that come", "false"),
    _option(
        "priv.path",
        "key_file",
        SECRET_FILE,
        "file of the private key that other nodes know this one by, 64 hex digits",
        unset="p2p_priv.txt in the datadir, made if it is not there",
    ),
    _option("priv.raw", "key", KEY, "that private key itself; better in the environment than in a flag"),
    _option("listen.ip", "listen_ip", IP, "address to listen at, for peers and for discovery", "0.0.0.0"),
    _option("listen.tcp", "listen_tcp", PORT, "TCP port for peers; 0: any free one", "9222"),
    _option("listen.udp", "listen_udp", PORT, "UDP port for discovery; 0: as the TCP port", "0"),
    _option("advertise.ip", "advertise_ip", HOST, "address, or a host's name, that others are told", unset="as most peers see it"),
    _option("advertise.tcp", "advertise_tcp", PORT, "TCP port that others are told; 0: where it listens", "0"),
    _option("advertise.udp", "advertise_udp", PORT, "UDP port that others are told; 0: where it listens", "0"),
    _option("bootnodes", "bootnodes", ENR, "nodes that discovery begins with", unset="those of the network, built in", many=True),
    _option("static", "static", MULTIADDRESS, "peers that are connected with at all times, and trusted", many=True),
    _option("netrestrict", "netrestrict", SUBNET, "connect within these networks only", unset="anywhere", many=True),
    _option("peers.lo", "peers_low", COUNT, "with fewer peers, more are looked for", "20"),
    _option("peers.hi", "peers_high", COUNT, "with more peers, those of the lowest scores are let go", "30"),
    _option("peers.grace", "peers_grace", DURATION, "how long a new peer is kept, whatever their number", "30s"),
    _option("ban.peers", "ban", BOOLEAN, "ban peers that misbehave", "true"),
    _option("ban.threshold", "ban_threshold", SCORE, "score below which a peer is banned", "-100"),
    _option("ban.duration", "ban_duration", DURATION, "for how long", "1h"),
    _option("scoring", "scoring", one_of("none", "light"), "how peers are scored", "light"),
    _option(
        "peerstore.path", "peerstore", STORE_PATH, "file that keeps known peers, bans and blocks; memory: none", unset="p2p/peers.json in the datadir"
    ),
    _option(
        "discovery.path",
        "discovery_store",
        STORE_PATH,
        "file that keeps what discovery knows; memory: none",
        unset="p2p/discovery.json in the datadir",
    ),
    _option("mux", "muxers", one_of("yamux", "mplex"), "how streams share a connection, best first", "yamux,mplex", many=True),
    _option("useragent", "user_agent", AGENT, "what peers are told that this node is", "optimism"),
    _option("ping", "ping", BOOLEAN, "ask peers for signs of life, and measure how long they take", "true"),
    _option("gossip.mesh.d", "mesh_d", _MESH, "peers that blocks are passed on to, in each topic", "8"),
    _option("gossip.mesh.lo", "mesh_low", _MESH, "with fewer, others are added", "6"),
    _option("gossip.mesh.dhi", "mesh_high", _MESH, "with more, some are let go", "12"),
    _option("gossip.mesh.dlazy", "mesh_lazy", _MESH, "other peers that are told which blocks there are", "6"),
    _option("gossip.mesh.floodpublish", "flood_publish", BOOLEAN, "send our own blocks to all peers, not only to those of the mesh", "false"),
    _option("gossip.timestamp.threshold", "gossip_age", DURATION, "blocks older than this are refused when they are gossiped", "1m"),
    _option("sync.req-resp", "serve_requests", BOOLEAN, "give peers the blocks that they ask for, and ask peers for missing ones", "true"),
    _option("sync.onlyreqtostatic", "ask_static_only", BOOLEAN, "ask only static peers for missing blocks", "false"),
)
