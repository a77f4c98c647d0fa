"""Subscriptions and filters beside op-geth's: the same blocks by the same fork choices, and what both tell of them, over WebSocket.

Where more than one block is added at once, op-geth's `newHeads` and its block filters tell of the last alone; ours tell of each, as geth's
documentation says ("all new headers for the new chain").
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from harness.engine_differential.chain import fork_times, make_chain
from harness.engine_differential.op_geth import SECRET, OpGeth, find_geth
from harness.execution.states import MemoryStates, genesis_parent
from tests.unit.engine.block_tree import ZERO, forkchoice
from tests.unit.execution.small_chain import l1_attributes
from tests.unit.rpc.eth.event_chain import logging_deposit
from trinode.engine.api.codec import encode_forkchoice_state, encode_payload
from trinode.engine.api.jwt import make_token
from trinode.engine.core import EngineCore
from trinode.engine.payloads import built_payload
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.execution.genesis import build_genesis, parse_genesis
from trinode.protocol.l1_info import L1InfoFormat
from trinode.protocol.payload import PayloadAttributes
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.eth.events import EthEvents
from trinode.rpc.eth.namespace import EthNamespace
from trinode.rpc.eth.subscriptions import Sources
from trinode.rpc.server import RpcServer, ServerSettings
from trinode.rpc.subscriptions.chain_events import ChainEvents, PendingTransactions
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

pytestmark = pytest.mark.peers

SUBSCRIPTIONS: dict[str, list[Any]] = {
    "heads": ["newHeads"],
    "all": ["logs", {}],
    "null": ["logs", None],
    "two": ["logs", {"topics": [f"0x{2:064x}"]}],
    "range": ["logs", {"fromBlock": "0x2", "toBlock": "0x2"}],
    "later": ["logs", {"fromBlock": "0x3"}],
}
LOG_FILTERS: dict[str, Any] = {"all": {}, "two": {"topics": [[f"0x{2:064x}"]]}, "range": {"fromBlock": "0x2", "toBlock": "0x9"}}
WRONG: list[tuple[str, list[Any]]] = [
    ("eth_subscribe", []),
    ("eth_subscribe", ["foo"]),
    ("eth_subscribe", [None]),
    ("eth_subscribe", [5]),
    ("eth_subscribe", ["newHeads", {}]),
    ("eth_subscribe", ["logs"]),
    ("eth_subscribe", ["logs", {"fromBlock": "0x5", "toBlock": "0x1"}]),
    ("eth_subscribe", ["logs", {"fromBlock": "pending"}]),
    ("eth_subscribe", ["logs", {"toBlock": "earliest"}]),
    ("eth_subscribe", ["logs", {"fromBlock": "safe"}]),
    ("eth_subscribe", ["syncing", 1]),
    ("eth_unsubscribe", []),
    ("eth_unsubscribe", ["0x1"]),
    ("eth_unsubscribe", ["0x1", 2]),
    ("eth_subscription", []),
    ("eth_newFilter", []),
    ("eth_newFilter", [{"fromBlock": "latest", "toBlock": "0x1"}]),
    ("eth_newFilter", [{"fromBlock": "pending"}]),
    ("eth_newBlockFilter", [1]),
    ("eth_getFilterChanges", ["0x1"]),
    ("eth_getFilterLogs", ["0x1"]),
    ("eth_uninstallFilter", ["0x1"]),
    ("eth_getFilterChanges", []),
]


class Client:
    """One side, over WebSocket. `told`: what came of each of SUBSCRIPTIONS."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket
        self._number = 0
        self._names: dict[str, str] = {}
        self.told: dict[str, list[Any]] = {name: [] for name in SUBSCRIPTIONS}

    async def call(self, method: str, *params: object) -> Any:
        """The result, or the error object."""
        self._number += 1
        request = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": list(params)}
        await self._socket.send_message(msgspec.json.encode(request).decode())
        while True:
            message = msgspec.json.decode(await self._socket.get_message())
            if message.get("id") == self._number:
                return message.get("result", message.get("error"))
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        assert (set(message), message["method"]) == ({"jsonrpc", "method", "params"}, "eth_subscription")
        assert set(message["params"]) == {"subscription", "result"}
        self.told[self._names[message["params"]["subscription"]]].append(message["params"]["result"])

    async def subscribe(self) -> None:
        for name, params in SUBSCRIPTIONS.items():
            self._names[await self.call("eth_subscribe", *params)] = name

    async def hear(self, last: dict[str, Any]) -> None:
        """Until a head is told of, and then all that is on its way."""
        with trio.fail_after(20):
            while last["hash"] not in [head["hash"] for head in self.told["heads"]][-1:]:
                self._note(msgspec.json.decode(await self._socket.get_message()))
        while True:
            with trio.move_on_after(0.3) as patience:
                self._note(msgspec.json.decode(await self._socket.get_message()))
            if patience.cancelled_caught:
                return


class Blocks:
    """Blocks that neither side knows."""

    def __init__(self) -> None:
        chain = make_chain(fork_times("isthmus", 10, Random(1)), Random(1))
        self.config, self.genesis_json = chain.config, chain.genesis
        self.genesis = build_genesis(parse_genesis(chain.genesis), chain.config)
        self.executor = BlockExecutor(chain.config, FastEngine())
        self._states = MemoryStates(genesis_parent(self.genesis))
        self._salt = 0

    def make(self, parent: bytes, *topics: int) -> ExecutedBlock:
        """A block on another; for each topic it has a transaction with two logs."""
        transactions = [l1_attributes(L1InfoFormat.ISTHMUS)]
        for topic in topics:
            self._salt += 1
            transactions.append(logging_deposit(self._salt, topic))
        self._salt += 1
        attributes = PayloadAttributes(
            timestamp=self._states.parent(parent).header.timestamp + 2,
            prev_randao=self._salt.to_bytes(32, "big"),
            suggested_fee_recipient=bytes.fromhex("4200000000000000000000000000000000000011"),
            withdrawals=(),
            parent_beacon_block_root=ZERO,
            transactions=tuple(transactions),
            no_tx_pool=True,
            gas_limit=30_000_000,
            eip1559_params=bytes(8),
        )
        block = self.executor.build(self._states.parent(parent), attributes)
        self._states.add(block)
        return block


class Both:
    """op-geth and our engine, with a client of each."""

    def __init__(self, geth: OpGeth, core: EngineCore, theirs: Client, ours: Client) -> None:
        self._geth, self._core = geth, core
        self.theirs, self.ours = theirs, ours

    def send(self, block: ExecutedBlock) -> None:
        envelope = built_payload(block).envelope
        self._core.new_payload(envelope)
        self._geth.call("engine_newPayloadV4", encode_payload(envelope.payload), [], "0x" + ZERO.hex(), [])

    async def choose(self, block: ExecutedBlock) -> None:
        """Makes it the head, and waits until both have told of it."""
        await trio.to_thread.run_sync(self._core.forkchoice_updated, forkchoice(block.hash), None)
        answer = await trio.to_thread.run_sync(self._geth.call, "engine_forkchoiceUpdatedV3", encode_forkchoice_state(forkchoice(block.hash)), None)
        assert answer["payloadStatus"]["status"] == "VALID"
        for client in (self.theirs, self.ours):
            await client.hear({"hash": "0x" + block.hash.hex()})

    async def same(self, method: str, *params: object) -> Any:
        """What both answer."""
        theirs, ours = await self.theirs.call(method, *params), await self.ours.call(method, *params)
        assert ours == theirs, (method, params)
        return ours

    def compare(self, *, heads: bool = True) -> dict[str, list[Any]]:
        """What both told since the last time, which is the same; without `heads`, theirs may be fewer."""
        for name in SUBSCRIPTIONS:
            if name != "heads" or heads:
                assert self.ours.told[name] == self.theirs.told[name], name
        assert all(head in self.ours.told["heads"] for head in self.theirs.told["heads"])
        told = self.ours.told
        for client in (self.theirs, self.ours):
            client.told = {name: [] for name in SUBSCRIPTIONS}
        return told


@asynccontextmanager
async def both_sides(blocks: Blocks, folder: Path) -> AsyncIterator[Both]:
    program = find_geth()
    if program is None:
        pytest.skip("geth (op-geth) is not in TRINODE_PEERS or on PATH")
    async with AsyncExitStack() as stack:
        geth = stack.enter_context(OpGeth(program, blocks.genesis_json))
        identity = ChainIdentity(blocks.config.l2_chain_id, blocks.genesis.hash)
        store = stack.enter_context(Store.create(folder / "store", identity, blocks.genesis, history=None))
        events = ChainEvents()
        core = EngineCore(store, blocks.executor, on_head_moved=events.publish)
        eth = EthNamespace(blocks.config, store, progress=lambda: None)
        sources = Sources(events, PendingTransactions(), lambda: None)
        dispatcher = Dispatcher([eth, EthEvents(sources, eth.methods["eth_getLogs"].handler)], ["eth"])
        server = RpcServer(dispatcher, _Ready(), ServerSettings(port=0, websocket=True), version="0")
        nursery = await stack.enter_async_context(trio.open_nursery())
        (address,) = await nursery.start(lambda task_status: server.run(task_status=task_status))
        bearer = [(b"Authorization", b"Bearer " + make_token(SECRET, time.time()).encode())]
        theirs = await stack.enter_async_context(open_websocket_url(geth.engine_url.replace("http", "ws"), extra_headers=bearer))
        ours = await stack.enter_async_context(open_websocket_url(address.replace("http", "ws")))
        yield Both(geth, core, Client(theirs), Client(ours))
        nursery.cancel_scope.cancel()


class _Ready:
    def not_ready(self) -> str | None:
        return None


async def test_notifications_and_filters(tmp_path: Path) -> None:
    blocks = Blocks()
    genesis = blocks.genesis.hash
    async with both_sides(blocks, tmp_path) as both:
        for method, params in WRONG:
            await both.same(method, *params)
        sides = (both.theirs, both.ours)
        for client in sides:
            await client.subscribe()
        filters = {name: [await client.call("eth_newFilter", wanted) for client in sides] for name, wanted in LOG_FILTERS.items()}
        block_filter = [await client.call("eth_newBlockFilter") for client in sides]

        a1 = blocks.make(genesis, 1)
        a2 = blocks.make(a1.hash, 2, 3)
        for block in (a1, a2):
            both.send(block)
            await both.choose(block)
            both.compare()
        for index, client in enumerate(sides):
            logs = await client.call("eth_getFilterLogs", filters["all"][index])
            assert [log["blockNumber"] for log in logs] == ["0x2"] * 4

        b1 = blocks.make(genesis, 2)
        b2 = blocks.make(b1.hash, 2)
        b3 = blocks.make(b2.hash, 5)
        for block in (b1, b2, b3):
            both.send(block)
        await both.choose(b3)
        told = both.compare(heads=False)
        assert [head["hash"] for head in told["heads"]] == ["0x" + block.hash.hex() for block in (b1, b2, b3)]
        assert [log["removed"] for log in told["all"]] == [True] * 6 + [False] * 6

        c3 = blocks.make(b2.hash)
        both.send(c3)
        await both.choose(c3)
        assert [log["removed"] for log in both.compare()["all"]] == [True] * 2
        await both.choose(a2)
        assert [log["removed"] for log in both.compare(heads=False)["two"]] == [True] * 4 + [False] * 2

        for name, ids in filters.items():
            theirs, ours = [await client.call("eth_getFilterChanges", ids[index]) for index, client in enumerate(sides)]
            assert ours == theirs, name
            assert ours
            for index, client in enumerate(sides):
                assert await client.call("eth_getFilterChanges", ids[index]) == []
                assert [await client.call("eth_uninstallFilter", ids[index]) for _ in range(2)] == [True, False]
        theirs, ours = [await client.call("eth_getFilterChanges", block_filter[index]) for index, client in enumerate(sides)]
        assert set(theirs) <= set(ours)
