"""L1 as it is configured: endpoints, what is asked of them, and how its progress is followed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import structlog
import trio

from trinode.jsonrpc.endpoint import Endpoint, EndpointError, Retries
from trinode.jsonrpc.server import App
from trinode.l1.beacon import Beacon
from trinode.l1.blob_hasher import BlobHasher
from trinode.l1.prefetch import Prefetcher
from trinode.l1.source import L1Source
from trinode.l1.watch import L1Watcher, WatchSettings
from trinode.node.config import NodeConfig
from trinode.node.config.model import L1Settings
from trinode.rollup.config import RollupConfig

_PREFETCHED_BLOCKS = 32
_TIMEOUT = 30.0
_ONCE = Retries(1)
"""At one endpoint; another endpoint is the second attempt."""
_DEVNET_INTERVALS = (0.5, 1.0)
"""Seconds between two questions for the head, and for the labels, of an L1 in this process."""
_DEVNET_CACHE_BYTES = 4 << 20
"""It is asked for nothing twice, and has all of it at hand."""
_RECENT = 150.0
"""Seconds for which a failure explains why nothing goes on."""

_log = structlog.get_logger()


@dataclass(slots=True)
class _Failure:
    text: str
    at: float


class L1Client:
    """L1 for the whole node. `endpoints` are those of the execution clients: who sends transactions asks them too."""

    def __init__(self, rollup: RollupConfig, settings: L1Settings, opened: _Opened) -> None:
        self.on_failure: Callable[[EndpointError], None] | None = None
        self._failure: _Failure | None = None
        self.endpoints = opened.nodes
        beacon = Beacon(opened.beacons, opened.hasher, notice=self.notice) if opened.beacons else None
        contracts = (rollup.deposit_contract_address, rollup.l1_system_config_address)
        self.source = L1Source(
            opened.nodes, beacon, contracts, cache_bytes=opened.cache_bytes, batch=settings.max_batch_size, notice=self.notice
        )
        watch = WatchSettings(
            interval=opened.head_interval, label_interval=opened.label_interval, confirmation_depth=settings.confirmations
        )
        self.watcher = L1Watcher(self.source, watch, websocket=settings.websocket, notice=self.notice)
        self.prefetcher = Prefetcher(self.source, ahead=_PREFETCHED_BLOCKS, inbox=rollup.batch_inbox_address)

    def last_failure(self) -> str | None:
        """What an endpoint said last; None: nothing of late."""
        failure = self._failure
        return None if failure is None or trio.current_time() - failure.at > _RECENT else failure.text

    def notice(self, error: EndpointError) -> None:
        """An endpoint has failed."""
        self._failure = _Failure(str(error), trio.current_time())
        if self.on_failure is not None:
            self.on_failure(error)
        _log.warning(str(error))


@dataclass(frozen=True, slots=True)
class _Opened:
    nodes: list[Endpoint]
    beacons: list[Endpoint]
    hasher: BlobHasher
    head_interval: float
    label_interval: float
    cache_bytes: int  # of blocks, and once more of blobs


@asynccontextmanager
async def open_l1(
    config: NodeConfig, rollup: RollupConfig, hasher: BlobHasher, app: App | None = None
) -> AsyncIterator[L1Client]:
    """The L1 of the configuration, or `app`: an L1 with its beacon in this process. Closes its connections at the end of the block."""
    settings = config.l1
    transport = None if app is None else httpx.ASGITransport(app)
    headers = None if settings.beacon_header is None else dict([settings.beacon_header])

    def endpoint(role: str, url: str, headers: dict[str, str] | None = None) -> Endpoint:
        return Endpoint(
            role,
            url,
            concurrency=settings.max_concurrency,
            timeout=_TIMEOUT,
            retries=_ONCE,
            rate=settings.rate_limit,
            headers=headers,
            transport=transport,
        )

    if app is not None:
        opened = _Opened([endpoint("L1", "http://devnet")], [endpoint("beacon", "http://devnet")], hasher, *_DEVNET_INTERVALS, _DEVNET_CACHE_BYTES)
    else:
        urls = [] if settings.beacon is None else [settings.beacon]
        nodes = [endpoint("L1", url) for url in settings.endpoints]
        beacons = [endpoint("beacon", url, headers) for url in urls] + [endpoint("beacon", url) for url in settings.beacon_fallbacks]
        opened = _Opened(nodes, beacons, hasher, settings.head_interval, settings.epoch_interval, settings.cache_bytes // 2)
    try:
        yield L1Client(rollup, settings, opened)
    finally:
        with trio.CancelScope(shield=True):
            for each in (*opened.nodes, *opened.beacons):
                await each.close()
