"""A recording behind several fake L1 and beacon endpoints in one trio run, and an `L1Source` over them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from tests.fake_endpoints import FakeEndpoints, Fault, FaultChooser, RecordedChains
from trinode.jsonrpc.endpoint import Endpoint, EndpointError, Retries
from trinode.l1.beacon import Beacon
from trinode.l1.blob_hasher import BlobHasher
from trinode.l1.source import L1Source
from trinode.protocol.block import L1Block
from trinode.protocol.bloom import bloom_may_contain
from trinode.protocol.types import Address

FIXTURE = Path(__file__).resolve().parents[3] / "fixtures" / "devnet" / "steady-karst.jsonl.gz"
ONCE = Retries(1)


class Network:
    """Two L1 servers (each an execution and a beacon endpoint), the source over both, and what it was told."""

    def __init__(self, chains: RecordedChains) -> None:
        self.chains = chains
        self.servers = [FakeEndpoints(chains), FakeEndpoints(chains)]
        self.notices: list[EndpointError] = []
        config = chains.head.rollup_config
        self.contracts: tuple[Address, ...] = (config.deposit_contract_address, config.l1_system_config_address)
        self.endpoints: list[Endpoint] = []
        self.hasher = BlobHasher()

    def open(self, server: int, service: str, **options: Any) -> Endpoint:
        settings: dict[str, Any] = {"concurrency": 8, "timeout": 5, "retries": ONCE} | options
        role = "L1" if service == "l1" else service
        endpoint = Endpoint(role, self.servers[server].url(service), **settings)
        self.endpoints.append(endpoint)
        return endpoint

    def source(self, *, servers: tuple[int, ...] = (0, 1), beacons: tuple[int, ...] = (0, 1), timeout: float = 5, **options: Any) -> L1Source:
        beacon = Beacon([self.open(index, "beacon") for index in beacons], self.hasher, notice=self.notices.append)
        settings: dict[str, Any] = {"rounds": Retries(2), "notice": self.notices.append} | options
        return L1Source([self.open(index, "l1", timeout=timeout) for index in servers], beacon, self.contracts, **settings)

    def name(self, server: int, role: str = "L1") -> str:
        return f"{role} http://127.0.0.1:{self.servers[server].port}"

    def calls(self, server: int, method: str, service: str = "l1") -> int:
        return self.servers[server].calls[service, method]

    def expected(self, number: int) -> L1Block:
        block = self.chains.l1[number].block
        if any(bloom_may_contain(block.header.logs_bloom, address) for address in self.contracts):
            return block
        return L1Block(block.hash, block.header, block.transactions, None)

    def with_receipts(self) -> list[int]:
        return [number for number in self.chains.l1 if self.expected(number).receipts]

    def with_blobs(self) -> list[int]:
        return [number for number, item in self.chains.l1.items() if item.blobs]


def on(method: str, fault: Fault, times: int = 1 << 30) -> FaultChooser:
    """The fault at each call of the method, or only at the first ones."""
    left = times

    def choose(_service: str, called: str, _params: list[Any]) -> Fault | None:
        nonlocal left
        if called != method or left <= 0:
            return None
        left -= 1
        return fault

    return choose


@asynccontextmanager
async def network(chains: RecordedChains) -> AsyncIterator[Network]:
    chains.has_blobs_route = chains.has_sidecars_route = chains.has_block_receipts = True
    chains.other_receipts_methods = set()
    chains.labels = dict.fromkeys(("latest", "safe", "finalized"), max(chains.l1))
    result = Network(chains)
    async with trio.open_nursery() as nursery:
        for server in result.servers:
            await nursery.start(server.serve)
        try:
            with result.hasher:
                yield result
        finally:
            with trio.CancelScope(shield=True):
                for endpoint in result.endpoints:
                    await endpoint.close()
        nursery.cancel_scope.cancel()
