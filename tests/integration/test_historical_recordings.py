"""A node that has the second half of a recorded chain, over HTTP, with a real HTTP server in the place of Legacy Geth that answers recorded
requests as op-geth did, and others from the first half: together they must answer as op-geth, which had all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from harness.execution.chain_files import read_chain_file
from harness.execution.run import checked_genesis
from tests.conformance.test_rpc_eth_goldens import FINALIZED, GAS_CAP, NOT_HERE, OWN_WORDS, differences, goldens
from tests.shared import shared
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.execution.state import StateReader
from trinode.execution.trie.state_tries import StateTries
from trinode.jsonrpc.declared import Declared
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.header import Header
from trinode.protocol.receipt import Receipt
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rpc.dispatch import Dispatcher, Namespace
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace
from trinode.rpc.historical.here import Here
from trinode.rpc.historical.legacy import open_legacy
from trinode.rpc.historical.routes import HistoricalRpc, RoutedNamespace
from trinode.rpc.historical.start import check_legacy
from trinode.rpc.server import RpcServer, ServerSettings
from trinode.storage.blocks import TransactionPlace
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

BEDROCK = 0x80
LIMITS = EthLimits(gas_cap=GAS_CAP)
REFUSED = {"eth_simulateV1": "came after geth 1.9.10"}


class _LaterBlocks:
    """The blocks of a store from BEDROCK on."""

    def __init__(self, store: Store) -> None:
        self._all = store.blocks

    def header(self, block_hash: Hash32) -> Header | None:
        header = self._all.header(block_hash)
        return header if header is not None and header.number >= BEDROCK else None

    def transactions(self, block_hash: Hash32) -> tuple[bytes, ...] | None:
        return None if self.header(block_hash) is None else self._all.transactions(block_hash)

    def receipts(self, block_hash: Hash32) -> tuple[Receipt, ...] | None:
        return None if self.header(block_hash) is None else self._all.receipts(block_hash)

    def canonical_hash(self, number: int) -> Hash32 | None:
        return self._all.canonical_hash(number) if number >= BEDROCK else None

    def canonical_number(self, block_hash: Hash32) -> int | None:
        return None if self.header(block_hash) is None else self._all.canonical_number(block_hash)

    def find_transaction(self, hash: Hash32) -> TransactionPlace | None:
        place = self._all.find_transaction(hash)
        return place if place is not None and place.block.number >= BEDROCK else None


class Later:
    """A store of which nothing is known before BEDROCK."""

    def __init__(self, store: Store) -> None:
        self.blocks = _LaterBlocks(store)
        self._store = store

    @property
    def head(self) -> BlockId:
        return self._store.head

    @property
    def oldest_state(self) -> int:
        return BEDROCK

    def label(self, name: str) -> Hash32 | None:
        return self._store.label(name)

    def state_at(self, block_hash: Hash32) -> StateReader:
        assert self.blocks.header(block_hash) is not None
        return self._store.state_at(block_hash)

    def tries_at(self, block_hash: Hash32) -> StateTries:
        assert self.blocks.header(block_hash) is not None
        return self._store.tries_at(block_hash)


@dataclass(frozen=True)
class Recorded:
    """The whole chain, and the config of one that begins with Bedrock in its middle."""

    whole: EthNamespace
    later: EthNamespace
    here: Here
    config: RollupConfig
    bedrock_parent: Hash32


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    chain = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = checked_genesis(chain)
    executor = BlockExecutor(chain.config, FastEngine())
    identity = ChainIdentity(chain.config.l2_chain_id, genesis.hash)
    with Store.create(_folder(tmp_path_factory), identity, genesis, history=None) as store:
        for expected in chain.blocks:
            store.append(executor.build(store.parent_for(store.head.hash), expected.attributes))
        store.set_label("safe", store.head.hash)
        finalized, bedrock = store.blocks.canonical_hash(FINALIZED), store.blocks.canonical_hash(BEDROCK)
        assert finalized is not None and bedrock is not None
        store.set_label("finalized", finalized)
        header = store.blocks.header(bedrock)
        assert header is not None
        config = replace(chain.config, genesis=replace(chain.config.genesis, l2=BlockId(BEDROCK, bedrock)))
        whole = EthNamespace(chain.config, store, progress=lambda: None, limits=LIMITS)
        later = Later(store)
        namespace = EthNamespace(config, later, progress=lambda: None, limits=LIMITS)
        yield Recorded(whole, namespace, Here(config, later), config, header.parent_hash)


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("historical") / "store"


class Replies:
    """Answers requests that were recorded as op-geth did, others as the whole chain does. `asked`: what came, and whether it was recorded."""

    def __init__(self, whole: EthNamespace) -> None:
        self.asked: list[tuple[str, list[Any], bool]] = []
        self._recorded = {
            msgspec.json.encode([golden.request["method"], golden.request["params"]]): golden.reply
            for golden in goldens()
            if "latest" not in str(golden.request)
        }
        self.namespace = RoutedNamespace("eth", {name: self._answered(name, method) for name, method in whole.methods.items()}, {})

    def _answered(self, name: str, method: Declared) -> Declared:
        replies = self

        class Answering(Declared):
            def begin(self, params: list[Any]) -> Any:
                reply = replies._recorded.get(msgspec.json.encode([name, params]))
                replies.asked.append((name, params, reply is not None))
                if reply is None:
                    return method.begin(params)
                if "error" in reply:
                    error = reply["error"]
                    raise RpcError(error["code"], error["message"], data=error.get("data"))
                return reply["result"]

        return Answering(method.handler, method.summary, method.params, method.result)


class _Ready:
    def not_ready(self) -> str | None:
        return None


@asynccontextmanager
async def served(namespace: Namespace) -> AsyncIterator[str]:
    """Its URL."""
    server = RpcServer(Dispatcher([namespace], [namespace.name]), _Ready(), ServerSettings(port=0), version="0")
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(lambda task_status: server.run(task_status=task_status))
        yield address
        nursery.cancel_scope.cancel()


class Node:
    """The node with the second half, and what stands for Legacy Geth."""

    def __init__(self, url: str, client: httpx.AsyncClient, replies: Replies) -> None:
        self.replies = replies
        self._url = url
        self._client = client

    async def __call__(self, request: Any) -> Any:
        return (await self._client.post(self._url, json=request)).json()


@asynccontextmanager
async def node(recorded: Recorded) -> AsyncIterator[Node]:
    """It, with the check at its start."""
    replies = Replies(recorded.whole)
    async with served(replies.namespace) as url, open_legacy(url, seconds=10.0) as legacy:
        assert await check_legacy(legacy, recorded.config, recorded.bedrock_parent) is None
        replies.asked.clear()
        historical = HistoricalRpc(legacy, recorded.here, LIMITS)
        async with served(historical.over(recorded.later)) as ours, httpx.AsyncClient(timeout=30.0, trust_env=False) as client:
            yield Node(ours, client, replies)


def _comparable(golden_method: str, result: Any) -> Any:
    """Legacy Geth's blocks have no base fees: of those here, that have some, eth_feeHistory knows only what was used."""
    if golden_method != "eth_feeHistory" or "gasUsedRatio" not in result:
        return result
    return {name: result[name] for name in ("oldestBlock", "gasUsedRatio")}


async def test_both_halves_answer_as_op_geth_did(recorded: Recorded) -> None:
    found: list[str] = []
    compared = 0
    async with node(recorded) as ask:
        for golden in goldens():
            method = golden.request["method"]
            if method in NOT_HERE or method in REFUSED:
                continue
            reply, theirs = await ask(golden.request), golden.reply
            if golden.name in OWN_WORDS:
                reply, theirs = reply["error"]["code"], theirs["error"]["code"]
            elif "result" in reply and "result" in theirs:
                reply, theirs = _comparable(method, reply["result"]), _comparable(method, theirs["result"])
            compared += 1
            found += [f"{golden.name}{difference}" for difference in differences(reply, theirs)]
        asked = ask.replies.asked
    forwarded = Counter(method for method, _, _ in asked)
    print(compared, "compared;", len(asked), "forwarded,", sum(known for _, _, known in asked), "of them recorded;", dict(forwarded))
    assert found == []
    assert compared > 500
    assert len(forwarded) > 10
    for method, params, _ in asked:
        for value in params:
            if isinstance(value, str) and value.startswith("0x") and method.endswith("ByNumber"):
                assert int(value, 16) < BEDROCK


async def test_every_range_of_logs_and_a_batch(recorded: Recorded) -> None:
    async with node(recorded) as ask:
        batch: list[dict[str, Any]] = []
        for index, (first, last) in enumerate([(0, 0xFF), (0x7F, 0x80), (0x40, 0x7F), (0x80, 0x90), (0, 0x80), (0x7E, 0x102)]):
            logs_of = [{"fromBlock": hex(first), "toBlock": hex(last)}]
            batch.append({"jsonrpc": "2.0", "id": index, "method": "eth_getLogs", "params": logs_of})
        together = await ask(batch)
        counts = []
        for request, reply in zip(batch, together, strict=True):
            whole = msgspec.json.decode(msgspec.json.encode(await recorded.whole.methods["eth_getLogs"](request["params"])))
            assert reply == {"jsonrpc": "2.0", "id": request["id"], "result": whole}
            counts.append(len(whole))
        assert min(counts[0], counts[2], counts[5]) > 0
        for beyond in ("0x1000", "pending"):
            refused = [
                await ask({"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [{"fromBlock": first, "toBlock": beyond}]})
                for first in ("0x7e", "0x80")
            ]
            assert refused[0]["error"]["code"] == -32602 and refused[0] == refused[1]
        for number in (0, 1, 0x7F, 0x80, 0x81):
            for method, params in (("eth_getBlockReceipts", []), ("eth_getHeaderByNumber", []), ("eth_getBlockByNumber", [True])):
                request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [hex(number), *params]}
                whole = msgspec.json.decode(msgspec.json.encode(await recorded.whole.methods[method]([hex(number), *params])))
                assert (await ask(request))["result"] == whole
