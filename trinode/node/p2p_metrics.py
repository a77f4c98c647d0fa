"""Metrics of the peer-to-peer network, under op-node's names where it has them; they are read off when they are scraped.

op-node's `p2p_gossip_events_total` and `p2p_bandwidth_bytes_total` have those very names; its `p2p_dials` and `p2p_accepts` have no `_total`,
which the client library of Prometheus for Python adds to every counter: they are gauges here, with the same values.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from trinode.node.p2p import P2PNode
from trinode.rpc.p2p_view import P2PView, PeerScores

_NAMES = "op_node_default"
_SCORE_BUCKETS = (-100.0, -40.0, -20.0, -10.0, -5.0, -2.0, -1.0, -0.5, -0.05, 0.0, 0.05, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
"""op-node's."""
_SCORES = {
    "total": "total",
    "blocksTimeInMesh": "time_in_mesh",
    "blocksFirstMessage": "first_message_deliveries",
    "blocksMessageDeliveries": "mesh_message_deliveries",
    "blocksInvalidMessageDeliveries": "invalid_message_deliveries",
    "ipColocation": "ip_colocation_factor",
    "behavioralPenalty": "behavioral_penalty",
    "reqRespValidResponses": "valid_responses",
    "reqRespErrorResponses": "error_responses",
    "reqRespRejectedPayloads": "rejected_payloads",
}
"""Labels of scores, and where they stand in PeerScores."""


@dataclass(frozen=True, slots=True)
class P2PFigures:
    """The network at one instant. `accepts`, `dials`: connections that came and were sought, by whether they were let; `events`: of gossip, by
    name; `judgements`: what was said of block messages, by reason; `table`: nodes that discovery knows; `missing`: payloads that wait while
    blocks below them are asked for; `scores`: of the peers that are connected.
    """

    peers: int = 0
    streams: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    accepts: Mapping[bool, int] = field(default_factory=dict)
    dials: Mapping[bool, int] = field(default_factory=dict)
    bans: int = 0
    table: int = 0
    missing: int = 0
    events: Mapping[str, int] = field(default_factory=dict)
    judgements: Mapping[str, int] = field(default_factory=dict)
    scores: Sequence[PeerScores] = ()


def figures_of(p2p: P2PNode, view: P2PView) -> P2PFigures:
    """What the parts of a node's network have counted."""
    network = p2p.network
    host, keeper = network.peers.host, network.peers.keeper
    return P2PFigures(
        peers=len(host.links),
        streams=host.streams.open,
        bytes_in=host.links.bytes_received,
        bytes_out=host.links.bytes_sent,
        accepts={True: host.entrance.accepted, False: host.entrance.turned_away.total()},
        dials={True: host.dials - host.dials_failed, False: host.dials_failed},
        bans=keeper.bans,
        table=0 if p2p.discovery is None else len(p2p.discovery.table()),
        missing=0 if network.sync is None else network.sync.held[0],
        events=p2p.events,
        judgements={reason.value: count for reason, count in p2p.judgements.items()},
        scores=[peer.scores for peer in view.peers(connected=True).values()],
    )


class P2PMetrics:
    """A collector for a registry."""

    def __init__(self, figures: Callable[[], P2PFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """As prometheus_client has it."""
        figures = self._figures()
        yield GaugeMetricFamily(f"{_NAMES}_p2p_peer_count", "peers that are connected", figures.peers)
        yield GaugeMetricFamily(f"{_NAMES}_p2p_stream_count", "streams with peers that are open", figures.streams)
        bandwidth = {"in": figures.bytes_in, "out": figures.bytes_out}
        yield _labelled(GaugeMetricFamily, "p2p_bandwidth_bytes_total", "bytes from and to peers", "direction", bandwidth)
        yield _labelled(GaugeMetricFamily, "p2p_accepts", "connections that came, by whether they were let in", "allow", _words(figures.accepts))
        yield _labelled(GaugeMetricFamily, "p2p_dials", "connections that were sought, by whether they came about", "allow", _words(figures.dials))
        yield _labelled(CounterMetricFamily, "p2p_gossip_events", "what happened in gossip", "type", figures.events)
        yield self._scores(figures.scores)
        yield CounterMetricFamily("trinode_p2p_bans", "peers that were banned for their score", figures.bans)
        yield GaugeMetricFamily("trinode_p2p_discovery_table", "nodes that discovery knows", figures.table)
        yield GaugeMetricFamily("trinode_p2p_sync_payloads", "payloads that wait for blocks that peers are asked for", figures.missing)
        judged = CounterMetricFamily("trinode_p2p_block_messages", "block messages that came, by what was said of them", labels=["reason"])
        for reason, count in figures.judgements.items():
            judged.add_metric([reason], count)
        yield judged

    def _scores(self, scores: Sequence[PeerScores]) -> Metric:
        family = HistogramMetricFamily(f"{_NAMES}_peer_scores", "scores of the peers that are connected", labels=["type"])
        for label, name in _SCORES.items():
            values = [float(getattr(each, name)) for each in scores]
            counts = [0] * (len(_SCORE_BUCKETS) + 1)
            for value in values:
                counts[bisect_left(_SCORE_BUCKETS, value)] += 1
            bounds = [*(f"{bound:g}" for bound in _SCORE_BUCKETS), "+Inf"]
            family.add_metric([label], [(bound, sum(counts[: at + 1])) for at, bound in enumerate(bounds)], sum_value=None)
            # The library has no sum where there are buckets below 0; op-node has.
            family.add_sample(f"{family.name}_sum", {"type": label}, sum(values))
            family.add_sample(f"{family.name}_count", {"type": label}, len(values))
        return family


def _words(counts: Mapping[bool, int]) -> dict[str, int]:
    return {"true" if allowed else "false": count for allowed, count in counts.items()}


def _labelled(kind: type[Any], name: str, help: str, label: str, values: Mapping[str, float]) -> Metric:
    family: Metric = kind(f"{_NAMES}_{name}", help, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)  # type: ignore[attr-defined]
    return family
