"""One run of the recorder: endpoints opened, the request completed by what they say, everything fetched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from harness.recorder.journal import Journal
from harness.recorder.l1_source import L1Source
from harness.recorder.l2_source import L2Source, RollupNode
from harness.recorder.plan import RecordError, RecordPlan, Task
from harness.recorder.run import Sources, fetch_all
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, EndpointError, Retries
from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.l1.beacon import Beacon
from trinode.l1.blob_hasher import BlobHasher
from trinode.rollup.config import RollupConfig, parse_rollup_config
from trinode.rollup.json_fields import RollupConfigError
from trinode.rollup.l1_chain import L1_CHAINS, L1ChainConfig


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the endpoints are, and how hard to press them. `timeout` in seconds; `concurrency` per endpoint."""

    l1: str
    l2: str
    beacon: str | None = None
    rollup_node: str | None = None
    concurrency: int = 8
    timeout: float = 20.0
    retries: Retries = field(default_factory=Retries)
    seconds_per_slot: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for; None is found out."""

    name: str
    source: str
    rollup_config: RollupConfig | None = None
    l1_chain_config: L1ChainConfig | None = None
    l1_first: int | None = None
    l1_last: int | None = None
    l2_start: int | None = None
    l2_last: int | None = None
    all_receipts: bool = False
    l2_genesis: str | None = None


class _Clients:
    """The endpoints of one run."""

    def __init__(self, connection: Connection) -> None:
        self.opened: list[Endpoint] = []
        self.l1 = JsonRpc(self._open("L1", connection.l1, connection))
        self.l2 = JsonRpc(self._open("L2", connection.l2, connection))
        self.beacon = None if connection.beacon is None else self._open("beacon", connection.beacon, connection)
        node = connection.rollup_node
        self.node = None if node is None else RollupNode(JsonRpc(self._open("rollup node", node, connection)))

    def _open(self, role: str, url: str, connection: Connection) -> Endpoint:
        endpoint = Endpoint(
            role, url, concurrency=connection.concurrency, timeout=connection.timeout, retries=connection.retries
        )
        self.opened.append(endpoint)
        return endpoint


@asynccontextmanager
async def _clients(connection: Connection) -> AsyncIterator[_Clients]:
    clients = _Clients(connection)
    try:
        yield clients
    finally:
        with trio.move_on_after(5, shield=True):
            for endpoint in clients.opened:
                await endpoint.close()


async def fetch_recording(
    connection: Connection,
    request: Request,
    journal_path: Path,
    *,
    planned: Callable[[RecordPlan], None],
    done: Callable[[Task], None],
) -> tuple[RecordPlan, Journal]:
    """Fetch everything into the journal; the caller assembles and removes it. `planned` is called before the first `done`.

    Raises RecordError (the request, or the journal, is wrong) or EndpointError.
    """
    async with _clients(connection) as clients:
        plan = await make_plan(clients.l1, clients.l2, clients.node, request)
        planned(plan)
        journal = Journal(journal_path, plan.key())
        try:
            with BlobHasher() as hasher:
                beacon = None if clients.beacon is None else Beacon([clients.beacon], hasher, connection.seconds_per_slot)
                config = plan.rollup_config
                l1 = L1Source(clients.l1, beacon, config, all_receipts=plan.all_receipts)
                sources = Sources(l1, L2Source(clients.l2, config, clients.node), clients.node)
                await fetch_all(plan, sources, journal, concurrency=connection.concurrency, done=done)
        except BaseException:
            journal.close()
            raise
        return plan, journal


async def make_plan(l1: JsonRpc, l2: JsonRpc, node: RollupNode | None, request: Request) -> RecordPlan:
    """The request with what was left open: the chain, the ranges. Also holds the endpoints' chain ids against the chain's."""
    config = request.rollup_config or await _rollup_config(node)
    await _check_chain_id(l1, config.l1_chain_id)
    await _check_chain_id(l2, config.l2_chain_id)
    l1_chain_config = request.l1_chain_config or L1_CHAINS.get(config.l1_chain_id)
    if l1_chain_config is None:
        raise RecordError(f"L1 chain {config.l1_chain_id} is not a known one: say --l1-chain-config")
    l2_start = config.genesis.l2.number if request.l2_start is None else request.l2_start
    l1_last = await _finalized(l1) if request.l1_last is None else request.l1_last
    l1_first = await _l1_first(l2, config, l2_start) if request.l1_first is None else request.l1_first
    l2_last = await _l2_last(node, l1_last) if request.l2_last is None else request.l2_last
    return RecordPlan(
        name=request.name,
        source=request.source,
        rollup_config=config,
        l1_chain_config=l1_chain_config,
        l1_first=l1_first,
        l1_last=l1_last,
        l2_start=l2_start,
        l2_last=l2_last,
        all_receipts=request.all_receipts,
        safe_heads=node is not None,
        l2_genesis=request.l2_genesis,
    )


async def _rollup_config(node: RollupNode | None) -> RollupConfig:
    if node is None:
        raise RecordError("which chain? say --network, --rollup-config or --rollup-node")
    try:
        return parse_rollup_config(await node.rollup_config())
    except RollupConfigError as error:
        raise RecordError(f"the rollup node's configuration: {error}") from error


async def _check_chain_id(rpc: JsonRpc, expected: int) -> None:
    def read(result: Any) -> int:
        return JsonObject({"chainId": result}, "").quantity("chainId")

    found = await rpc.call("eth_chainId", [], read)
    if found != expected:
        raise EndpointError(rpc.name, "eth_chainId", "", f"{found}, but the rollup config has {expected}")


async def _finalized(l1: JsonRpc) -> int:
    def read(result: Any) -> int:
        if result is None:
            raise RpcJsonError("", "no finalized block: say --l1-to")
        return JsonObject(result, "").quantity("number")

    return await l1.call("eth_getBlockByNumber", ["finalized", False], read)


async def _l1_first(l2: JsonRpc, config: RollupConfig, l2_start: int) -> int:
    """A channel timeout before the L1 origin of the start: a reset reads from there."""
    origin = (await L2Source(l2, config).block(l2_start)).block.ref.l1_origin.number
    return max(config.genesis.l1.number, origin - config.channel_timeout)


async def _l2_last(node: RollupNode | None, l1_last: int) -> int:
    head = None if node is None else await node.safe_head_at(l1_last)
    if head is None:
        raise RecordError(f"which L2 blocks are derived from L1 up to {l1_last}? say --l2-to, or --rollup-node with a safe head database")
    return head.l2.number
