"""Whatever is sent to the JSON-RPC server, a right JSON-RPC answer comes, never that of a crash; and nothing stays behind.

Requests are bytes, JSON, and calls drawn from the OpenRPC document: as it allows them, and damaged.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import event, given, seed, settings
from hypothesis import strategies as st

from tests.property.schema_values import ANY_JSON, SchemaValues, damaged
from tests.unit.engine.block_tree import PEOPLE, WRITER
from tests.unit.execution.small_chain import CHAIN_ID, senders, transfer
from tests.unit.rpc.eth.eth_chain import EthChain, data
from tests.unit.rpc.scripted_node import CLIENT_VERSION, ScriptedAdmin, ScriptedRollup, decode_payload
from trinode.engine.pool.limits import PoolLimits
from trinode.engine.pool.pool import TransactionPool
from trinode.jsonrpc.requests import INTERNAL_ERROR
from trinode.node.submission import ToPool
from trinode.protocol.transaction import transaction_hash
from trinode.rpc.admin import AdminNamespace
from trinode.rpc.debug.namespace import DebugNamespace
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.dispatch import Dispatcher, Namespace
from trinode.rpc.eth.events import EthEvents
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace, Pooled
from trinode.rpc.eth.subscriptions import Sources
from trinode.rpc.eth.workers import Workers
from trinode.rpc.execution_admin import ExecutionAdminNamespace
from trinode.rpc.net import NetNamespace
from trinode.rpc.node import SyncStatus
from trinode.rpc.opp2p import Opp2pNamespace
from trinode.rpc.optimism import OptimismNamespace
from trinode.rpc.subscriptions.chain_events import ChainEvents, PendingTransactions
from trinode.rpc.txpool import TxPoolNamespace
from trinode.rpc.web3 import Web3Namespace

LIMITS = EthLimits(gas_cap=1_000_000, call_seconds=2.0, log_range=20, fee_blocks=16, cache_bytes=100_000)
BLOCKS = 5
ROUND = 150
KEPT = {"eth_newFilter", "eth_newBlockFilter", "eth_newPendingTransactionFilter"}
"""Filters are kept, up to a number that has a test of its own."""
GROWTH = 500
"""Objects that may be more after many rounds than after the first: interpreters keep some for themselves."""


class Served:
    """A dispatcher over a chain, its document, and what may be asked of it."""

    def __init__(self, dispatcher: Dispatcher, document: dict[str, Any], values: SchemaValues) -> None:
        self.dispatcher = dispatcher
        self.document = document
        self.values = values

    def ask(self, *bodies: bytes) -> list[bytes]:
        """The answers, one after the other."""

        async def answer_all() -> list[bytes]:
            return [await self.dispatcher.answer(body) for body in bodies]

        return trio.run(answer_all)


async def namespaces_over(chain: EthChain) -> list[Namespace]:
    """All that are served, over a chain or over scripted parts."""
    config, store = chain.tree.config, chain.store
    pool = TransactionPool(config, store, PoolLimits(), clock=lambda: 0.0)
    pool.add(transfer(1, 0))
    to_pool, pooled = ToPool(pool), Pooled(pool.get, pool.pending_nonce)
    eth = EthNamespace(
        config,
        store,
        progress=lambda: None,
        taker=to_pool,
        pooled=pooled,
        limits=LIMITS,
        conditional=True,
        keep=to_pool.send_conditional,
    )
    return [
        eth,
        EthEvents(Sources(ChainEvents(), PendingTransactions(), lambda: None), eth.methods["eth_getLogs"].handler),
        NetNamespace(901, lambda: 3),
        Web3Namespace(CLIENT_VERSION),
        TxPoolNamespace(pool, Workers(LIMITS)),
        DebugNamespace(config, store, traces=TraceSettings(seconds=2.0)),
        Opp2pNamespace("P2P is off"),
        AdminNamespace(ScriptedAdmin(), decode_payload),
        ExecutionAdminNamespace(config, CLIENT_VERSION, "/data", lambda: store.head),
        OptimismNamespace(ScriptedRollup(SyncStatus(), {}, []), config, "v0.1.0"),
    ]


def familiar_to(chain: EthChain) -> list[str]:
    """Strings of that chain."""
    blocks = [data(block.hash) for block in chain.blocks[-2:]]
    transactions = [data(transaction_hash(raw)) for block in chain.blocks[-2:] for raw in block.transactions]
    accounts = [data(address) for address in (WRITER, *senders()[:2], PEOPLE[0], bytes(20))]
    numbers = [hex(number) for number in (0, 1, 2, CHAIN_ID, BLOCKS, BLOCKS + 1, 21_000, 2**64 - 1, 2**256 - 1)]
    return [*blocks, *transactions, *accounts, *numbers, "0x", data(bytes(32)), data(transfer(0, 0)), data(transfer(0, 1)), data(bytes(range(96)))]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    chain = EthChain(tmp_path_factory.mktemp("fuzz") / "store")
    with chain.store:
        chain.extend(BLOCKS)
        chain.add(transfer(0, 0))
        namespaces = trio.run(namespaces_over, chain)
        dispatcher = Dispatcher(namespaces, [each.name for each in namespaces])
        (found,) = Served(dispatcher, {}, SchemaValues({"components": {"schemas": {}}}, ())).ask(request("rpc.discover", []))
        document = msgspec.json.decode(found)["result"]
        yield Served(dispatcher, document, SchemaValues(document, familiar_to(chain)))


def request(method: str, params: list[Any]) -> bytes:
    """A call."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


@st.composite
def calls(draw: st.DrawFn, served: Served) -> tuple[str, list[Any]]:
    """A method with parameters; half of them are damaged."""
    method = draw(st.sampled_from(served.document["methods"]))
    required = sum(param["required"] for param in method["params"])
    count = draw(st.integers(required, len(method["params"])))
    params = [draw(served.values.of(param["schema"])) for param in method["params"][:count]]
    return method["name"], list(draw(_list_of(damaged(params)))) if draw(st.booleans()) else params


def _list_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return values.map(lambda value: value if isinstance(value, list) else [value])


def check_response(response: Any) -> None:
    """One that JSON-RPC 2.0 allows, and no internal error."""
    assert isinstance(response, dict)
    assert response["jsonrpc"] == "2.0"
    assert response.keys() - {"jsonrpc"} in ({"id", "result"}, {"id", "error"})
    if "error" in response:
        error = response["error"]
        assert error.keys() <= {"code", "message", "data"}
        assert isinstance(error["code"], int)
        assert isinstance(error["message"], str)
        assert error["code"] != INTERNAL_ERROR, response


def check_answer(answer: bytes) -> None:
    """That to a request or a batch; notifications have none."""
    if not answer:
        return
    decoded = msgspec.json.decode(answer)
    for response in decoded if isinstance(decoded, list) else [decoded]:
        check_response(response)


@given(body=st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(served: Served, body: bytes) -> None:
    (answer,) = served.ask(body)
    assert answer
    check_answer(answer)


names = st.sampled_from(["jsonrpc", "id", "method", "params", "x"])
any_request = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | ANY_JSON,
        "id": ANY_JSON,
        "method": st.sampled_from(["eth_chainId", "eth_getBalance", "rpc_modules", "eth_", "rpc.discover"]) | ANY_JSON,
        "params": ANY_JSON,
    },
)


@given(value=ANY_JSON | any_request | st.lists(any_request | ANY_JSON, max_size=4))
def test_any_json(served: Served, value: Any) -> None:
    (answer,) = served.ask(msgspec.json.encode(value))
    check_answer(answer)


@given(drawn=st.data())
def test_calls_as_the_document_has_them_and_damaged_ones(served: Served, drawn: st.DataObject) -> None:
    from tests.declared_schemas import checked  # noqa: PLC0415 - skips where there is no validator

    asked = drawn.draw(st.lists(calls(served), min_size=1, max_size=4))
    for (method, params), answer in zip(asked, served.ask(*(request(*each) for each in asked)), strict=True):
        check_answer(answer)
        response = msgspec.json.decode(answer)
        event(f"{method}: {'a result' if 'result' in response else response['error']['code']}")
        if "result" in response:
            schemas = checked(served.dispatcher.methods[method])
            assert schemas.result(response["result"]) == [], (method, params)
            assert schemas.params(params) == [], (method, params)


def test_nothing_stays_behind(served: Served) -> None:
    """Neither what was asked nor what was answered, and no thread that works on."""
    bodies: list[bytes] = []

    @seed(1)
    @settings(max_examples=ROUND, database=None)
    @given(call=calls(served))
    def draw(call: tuple[str, list[Any]]) -> None:
        if call[0] not in KEPT:
            bodies.append(request(*call))

    draw()

    def held() -> int:
        served.ask(*bodies)
        gc.collect()
        return len(gc.get_objects())

    held()
    first = held()
    for _ in range(3):
        last = held()
    assert last - first < GROWTH
    assert threading.active_count() <= 1 + LIMITS.read_threads + LIMITS.call_threads + 1
