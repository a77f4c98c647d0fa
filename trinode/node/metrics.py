"""Metrics for Prometheus, under op-node's names where it has them (`op_node_default_*`), else `trinode_*`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, make_asgi_app
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from trinode.derive.events import ConfigProblem, Dropped, HeadsFound, Idle, Notice, Subject
from trinode.jsonrpc.endpoint import EndpointError
from trinode.jsonrpc.server import App
from trinode.node.version import trinode_version
from trinode.protocol.types import Hash32

_NAMES = "op_node_default"


class Ref(NamedTuple):
    """A block that a layer's label stands on. `timestamp` in seconds."""

    layer: str
    label: str
    number: int
    timestamp: int
    hash: Hash32


class Metrics:
    """What is counted. `refs` is asked at each scrape for the blocks that labels stand on, `clock` for Unix time, which is the
    devnet's own there. `buffered`: payloads that wait for their parents, and their bytes.
    """

    def __init__(self, refs: Callable[[], Iterable[Ref]], clock: Callable[[], float], *, buffered: Callable[[], tuple[int, int]]) -> None:
        self.registry = CollectorRegistry()
        self._refs = refs
        self._clock = clock
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        Info(f"{_NAMES}", "version", registry=self.registry).info({"version": trinode_version()})
        self.up = Gauge(f"{_NAMES}_up", "1 while the node runs", registry=self.registry)
        self._idle = Gauge(f"{_NAMES}_derivation_idle", "1 while derivation waits for L1", registry=self.registry)
        self._resets = Counter(f"{_NAMES}_pipeline_resets", "how often derivation began again", registry=self.registry)
        self._config_problems = Counter("trinode_config_problems", "malformed system config updates on L1", registry=self.registry)
        self._dropped = Counter("trinode_dropped", "data from L1 that came to nothing", ["subject", "reason"], registry=self.registry)
        self._derivation_errors = Counter(f"{_NAMES}_derivation_errors", "batches that came to nothing", registry=self.registry)
        self._l1_failures = Counter("trinode_l1_failures", "requests that an L1 endpoint failed", ["endpoint", "method"], registry=self.registry)
        self.unsafe_payloads = Counter(f"{_NAMES}_unsafe_payloads", "unsafe payloads that came", registry=self.registry)
        self.l1_reorg_depth = Gauge(f"{_NAMES}_l1_reorg_depth", "L1 blocks that the last reorg took back", registry=self.registry)
        length = Gauge(f"{_NAMES}_unsafe_payloads_buffer_len", "unsafe payloads that wait for their parents", registry=self.registry)
        size = Gauge(f"{_NAMES}_unsafe_payloads_buffer_mem_size", "bytes of them", registry=self.registry)
        length.set_function(lambda: float(buffered()[0]))
        size.set_function(lambda: float(buffered()[1]))

    def app(self) -> App:
        """The ASGI app that serves them at `/metrics`, and anywhere else."""
        app: App = make_asgi_app(self.registry)
        return app

    def noticed(self, notice: Notice) -> None:
        """Counts a notice of the pipeline."""
        self._idle.set(isinstance(notice, Idle))
        match notice:
            case Dropped():
                self._dropped.labels(notice.subject.value, notice.reason.name.lower()).inc()
                if notice.subject is Subject.BATCH and not notice.reason.is_repetition:
                    self._derivation_errors.inc()
            case ConfigProblem():
                self._config_problems.inc()
            case HeadsFound():
                self._resets.inc()
            case _:
                pass

    def l1_failed(self, error: EndpointError) -> None:
        """Counts a failure of an L1 endpoint."""
        self._l1_failures.labels(error.endpoint, error.method).inc()

    def collect(self) -> Iterable[Metric]:
        """The blocks under their labels, as op-node names them (for the registry)."""
        labels = ["layer", "type"]
        families = {
            "number": GaugeMetricFamily(f"{_NAMES}_refs_number", "number of the block", labels=labels),
            "time": GaugeMetricFamily(f"{_NAMES}_refs_time", "time of the block, in Unix seconds", labels=labels),
            "hash": GaugeMetricFamily(f"{_NAMES}_refs_hash", "first 8 bytes of the block's hash", labels=labels),
            "latency": GaugeMetricFamily(f"{_NAMES}_refs_latency", "seconds since the block's time", labels=labels),
        }
        for ref in self._refs():
            names = [ref.layer, ref.label]
            families["number"].add_metric(names, ref.number)
            families["time"].add_metric(names, ref.timestamp)
            families["hash"].add_metric(names, int.from_bytes(ref.hash[:8], "big"))
            families["latency"].add_metric(names, self._clock() - ref.timestamp)
        return families.values()
