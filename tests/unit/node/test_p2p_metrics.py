"""Metrics of the network: names and labels are those that op-node v1.19.6 serves (`NAMES`: seen on a running one)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from trinode.node.p2p_metrics import P2PFigures, P2PMetrics
from trinode.rpc.p2p_view import PeerScores

NAMES = """op_node_default_p2p_accepts{allow="true"} 3
op_node_default_p2p_bandwidth_bytes_total{direction="in"} 811
op_node_default_p2p_bandwidth_bytes_total{direction="out"} 704
op_node_default_p2p_dials{allow="true"} 2
op_node_default_p2p_gossip_events_total{type="GRAFT"} 4
op_node_default_p2p_gossip_events_total{type="RECV_RPC"} 3
op_node_default_p2p_peer_count 1
op_node_default_p2p_stream_count 0
op_node_default_peer_scores_bucket{type="behavioralPenalty",le="-0.05"} 0
op_node_default_peer_scores_bucket{type="behavioralPenalty",le="0"} 1
op_node_default_peer_scores_bucket{type="behavioralPenalty",le="+Inf"} 1
op_node_default_peer_scores_sum{type="behavioralPenalty"} 0
op_node_default_peer_scores_count{type="blocksFirstMessage"} 1
op_node_default_peer_scores_count{type="blocksInvalidMessageDeliveries"} 1
op_node_default_peer_scores_count{type="blocksMessageDeliveries"} 1
op_node_default_peer_scores_count{type="blocksTimeInMesh"} 1
op_node_default_peer_scores_count{type="ipColocation"} 1
op_node_default_peer_scores_count{type="reqRespErrorResponses"} 1
op_node_default_peer_scores_count{type="reqRespRejectedPayloads"} 1
op_node_default_peer_scores_count{type="reqRespValidResponses"} 1
op_node_default_peer_scores_count{type="total"} 1
op_node_default_peer_scores_count{type="behavioralPenalty"} 1"""


def served(figures: P2PFigures) -> dict[str, float]:
    """Values by name and labels, in one order of the labels."""
    registry = CollectorRegistry()
    registry.register(P2PMetrics(lambda: figures))
    return read(generate_latest(registry).decode())


def read(text: str) -> dict[str, float]:
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            name, _, labels = name.rstrip("}").partition("{")
            found[f"{name} {sorted(labels.split(','))}"] = float(value)
    return found


def test_names_of_op_node() -> None:
    figures = P2PFigures(
        peers=1, bytes_in=811, bytes_out=704, accepts={True: 3}, dials={True: 2}, events={"GRAFT": 4, "RECV_RPC": 3}, scores=[PeerScores()]
    )
    found = served(figures)
    expected = read(NAMES)
    assert {name: found.get(name) for name in expected} == expected


def test_scores_by_bucket() -> None:
    found = served(P2PFigures(scores=[PeerScores(total=-250.0), PeerScores(total=-40.0), PeerScores(total=3.5, valid_responses=1)]))

    def below(bound: str) -> float:
        return found[f'op_node_default_peer_scores_bucket {sorted([chr(34).join(("le=", bound, "")), "type=" + chr(34) + "total" + chr(34)])}']

    assert [below(bound) for bound in ("-100", "-40", "2", "5", "+Inf")] == [1, 2, 2, 3, 3]


def test_our_own() -> None:
    found = served(P2PFigures(bans=2, table=7, judgements={"valid": 5, "too_old": 1}))
    assert found["trinode_p2p_bans_total ['']"] == 2 and found["trinode_p2p_discovery_table ['']"] == 7
    assert found["trinode_p2p_block_messages_total ['reason=\"too_old\"']"] == 1
