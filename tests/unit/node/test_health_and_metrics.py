"""What the node says of its own state: readiness with a reason, progress, and metrics under op-node's names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest
from prometheus_client import generate_latest

from trinode.derive.drops import DropReason
from trinode.derive.events import ConfigProblem, Dropped, HeadsFound, Idle, Subject
from trinode.derive.pipeline import PipelineStatus
from trinode.jsonrpc.endpoint import EndpointError
from trinode.l1.watch import L1Heads, L1Watcher
from trinode.node.driver import Driver
from trinode.node.health import STALLED_AFTER, Health
from trinode.node.metrics import Metrics, Ref
from trinode.node.report import Progress, _duration
from trinode.protocol.block import L1BlockRef
from trinode.protocol.types import BlockId
from trinode.rollup.l2_block import L2BlockRef


def l1_block(number: int) -> L1BlockRef:
    return L1BlockRef(number.to_bytes(32, "big"), number, bytes(32), 12 * number)


def l2_block(number: int) -> L2BlockRef:
    return L2BlockRef(number.to_bytes(32, "big"), number, bytes(32), 2 * number, BlockId(number // 6, bytes(32)), number % 6)


@dataclass
class SomeHeads:
    unsafe: L2BlockRef | None = None
    safe: L2BlockRef | None = None
    finalized: L2BlockRef | None = None


@dataclass
class SomeDriver:
    status: PipelineStatus | None = None
    waits_for: str = "3 blobs of L1 block 12"
    silent_for: float = 0.0
    heads: SomeHeads = field(default_factory=SomeHeads)


@dataclass
class SomeWatcher:
    latest: L1Heads | None = None
    silent_for: float = 0.0
    patience: float = 24.0


class Node:
    """A driver and its L1, in whatever state."""

    def __init__(self) -> None:
        self.driver, self.watcher = SomeDriver(), SomeWatcher()
        self.failure: str | None = None
        self.health = Health(cast(Driver, self.driver), cast(L1Watcher, self.watcher), lambda: self.failure)
        self.progress = Progress(cast(Driver, self.driver), cast(L1Watcher, self.watcher))

    def at(self, origin: int, l1_head: int, safe: int) -> None:
        self.watcher.latest = L1Heads(l1_block(l1_head), None, None, l1_head)
        self.driver.status = PipelineStatus(l1_block(origin), l2_block(safe), l2_block(safe))
        self.driver.heads = SomeHeads(l2_block(safe), l2_block(safe), l2_block(0))


def test_not_ready_says_why() -> None:
    node = Node()
    node.failure = "L1 http://a: eth_getBlockByNumber: no connection"
    assert node.health.not_ready() == "no L1 endpoint has said yet where L1 is (L1 http://a: eth_getBlockByNumber: no connection)"
    node.watcher.latest = L1Heads(l1_block(20), None, None, 20)
    assert node.health.not_ready() == "looking for the place to begin: waits for 3 blobs of L1 block 12"
    node.at(origin=12, l1_head=20, safe=60)
    assert node.health.not_ready() is not None and str(node.health.not_ready()).startswith("syncing: 8 L1 blocks behind, at 12 of 20")
    node.driver.silent_for = STALLED_AFTER
    assert node.health.not_ready() == (
        "stalled: nothing new for 120 s, waits for 3 blobs of L1 block 12 (L1 http://a: eth_getBlockByNumber: no connection)"
    )
    node.driver.silent_for = 0
    node.at(origin=19, l1_head=20, safe=100)
    assert node.health.not_ready() is None
    node.watcher.silent_for = 25
    assert node.health.not_ready() == "L1 has not answered for 25 s (L1 http://a: eth_getBlockByNumber: no connection)"


def test_progress_has_speed_and_remaining_time() -> None:
    node = Node()
    assert node.progress.line(0.0) is None
    node.at(origin=100, l1_head=1000, safe=600)
    assert node.progress.line(0.0) == {"unsafe": 600, "safe": 600, "finalized": 0, "l1": 100, "l1_head": 1000}
    node.at(origin=110, l1_head=1001, safe=660)
    line = node.progress.line(10.0)
    assert line is not None and (line["blocks_per_second"], line["eta"]) == (6.0, "15m")
    node.at(origin=1001, l1_head=1001, safe=6000)
    line = node.progress.line(20.0)
    assert line is not None and "eta" not in line and node.progress.is_synced


@pytest.mark.parametrize(("seconds", "text"), [(20, "20s"), (45, "1m"), (3600 * 3 + 1200, "3h20m"), (86400 * 2 + 3600 * 4, "2d4h")])
def test_durations_are_said_as_people_do(seconds: float, text: str) -> None:
    assert _duration(seconds) == text


def test_metrics_are_scraped_under_op_nodes_names() -> None:
    refs = [Ref("l2", "l2_safe", 7, 1000, b"\x00" * 7 + b"\x05" + b"\x11" * 24)]
    metrics = Metrics(lambda: refs, lambda: 1012.0, buffered=lambda: (3, 4096))
    origin = BlockId(5, bytes(32))
    for notice in (
        Dropped(next(iter(DropReason)), Subject.BATCH, "batch 1", origin),
        ConfigProblem(origin, "odd"),
        HeadsFound(l2_block(3), l2_block(2), l2_block(1), origin),
        Idle(6),
    ):
        metrics.noticed(notice)
    metrics.l1_failed(EndpointError("L1 http://a", "eth_getBlockByNumber", "", "no"))
    metrics.unsafe_payloads.inc()
    text = generate_latest(metrics.registry).decode()
    for line in (
        'op_node_default_refs_number{layer="l2",type="l2_safe"} 7.0',
        'op_node_default_refs_hash{layer="l2",type="l2_safe"} 5.0',
        'op_node_default_refs_latency{layer="l2",type="l2_safe"} 12.0',
        "op_node_default_derivation_idle 1.0",
        "op_node_default_pipeline_resets_total 1.0",
        "op_node_default_derivation_errors_total 1.0",
        "op_node_default_unsafe_payloads_total 1.0",
        "op_node_default_unsafe_payloads_buffer_len 3.0",
        "op_node_default_unsafe_payloads_buffer_mem_size 4096.0",
        'trinode_l1_failures_total{endpoint="L1 http://a",method="eth_getBlockByNumber"} 1.0',
        "trinode_config_problems_total 1.0",
    ):
        assert line in text.splitlines(), line
    assert "process_resident_memory_bytes" in text
