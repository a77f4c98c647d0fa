"""`debug_` methods before Bedrock, methods that Legacy Geth does not have, and transactions that were sent from here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.execution.small_chain import transfer
from tests.unit.rpc.historical.bedrock_chain import NEVER, SOON, BedrockChain, Client
from tests.unit.rpc.historical.legacy_geth import BEDROCK, BUSY, HOLDER, LegacyGeth, name
from trinode.jsonrpc.declared import Param, declare
from trinode.jsonrpc.kinds import STRING_RESULT
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Hash32
from trinode.rpc.debug.namespace import DebugNamespace
from trinode.rpc.eth.block_names import LATEST
from trinode.rpc.eth.kinds import BLOCK_NAME
from trinode.rpc.eth.namespace import EthNamespace
from trinode.rpc.historical.here import Here
from trinode.rpc.historical.legacy import Legacy, open_legacy
from trinode.rpc.historical.routes import HistoricalRpc, RoutedNamespace


def debug_of(chain: BedrockChain, legacy: Legacy | None) -> Client:
    return Client(HistoricalRpc(legacy, chain.here()).over(DebugNamespace(chain.tree.config, chain.store)))


@asynccontextmanager
async def opened(server: LegacyGeth) -> AsyncIterator[Legacy]:
    async with open_legacy(server.url, seconds=5.0, retries=SOON) as legacy:
        yield legacy


async def test_traces(chain: BedrockChain, server: LegacyGeth) -> None:
    options = {"tracer": "callTracer"}
    async with opened(server) as legacy:
        client = debug_of(chain, legacy)
        assert await client("debug_traceBlockByNumber", "0x7", options) == [{"result": {"number": 7}}]
        assert server.asked[-1] == ("debug_traceBlockByNumber", ["0x7", options])
        assert await client("debug_traceBlockByHash", name("block 7")) == [{"result": {"number": 7}}]
        assert (await client("debug_traceTransaction", name(f"transaction {BUSY} 2")))["gas"] == 21000
        assert await client("debug_traceTransaction", NEVER) == {"code": -32000, "message": f"transaction {NEVER} not found"}
        assert await client("debug_getRawTransaction", name(f"transaction {BUSY} 2")) == "0x1002"
        server.asked.clear()
        assert len(await client("debug_traceBlockByNumber", hex(BEDROCK + 1), options)) == 2
        here = "0x" + chain.store.head.hash.hex()
        traced = await client("debug_traceBlockByHash", here, options)
        assert (await client("debug_traceTransaction", traced[1]["txHash"], options)) == traced[1]["result"]
        assert not server.asked


@pytest.mark.parametrize("with_endpoint", [True, False])
async def test_what_legacy_geth_does_not_have(chain: BedrockChain, server: LegacyGeth, with_endpoint: bool) -> None:
    async with opened(server) as legacy:
        client = debug_of(chain, legacy if with_endpoint else None)
        for method, params in (
            ("debug_traceCall", [{"to": HOLDER}, "0x7"]),
            ("debug_executionWitness", ["0x7"]),
            ("debug_getRawBlock", ["0x7"]),
            ("debug_getRawHeader", ["earliest"]),
            ("debug_getRawReceipts", ["0x7"]),
            ("debug_accountRange", ["0x7", "0x", 10, True, True, False]),
        ):
            assert await client(method, *params) == {"code": -32000, "message": f"l2geth does not have a {method} method"}
        assert (await client("debug_getRawHeader", NEVER))["message"].endswith("not found")
        assert (await client("debug_chainConfig"))["bedrockBlock"] == BEDROCK
    assert not server.asked


async def test_a_method_that_is_new_here_is_refused_before_bedrock(chain: BedrockChain, server: LegacyGeth) -> None:
    async def answer(block: Any) -> str:
        return "here"

    new = declare(answer, "New", Param("block", BLOCK_NAME, required=False, default=LATEST), result=STRING_RESULT)
    async with opened(server) as legacy:
        client = Client(HistoricalRpc(legacy, chain.here()).over(RoutedNamespace("eth", {"eth_new": new}, {})))
        assert await client("eth_new", "0x7") == {"code": -32000, "message": "l2geth does not have a eth_new method"}
        for params in ([], ["latest"], [hex(BEDROCK)], [None]):
            assert await client("eth_new", *params) == "here"


class Taker:
    """Takes every transaction."""

    async def send_raw_transaction(self, raw: bytes) -> Hash32:
        return keccak256(raw)


async def test_transactions_that_were_sent_or_wait_here_are_not_asked_for(chain: BedrockChain, server: LegacyGeth) -> None:
    sent, waiting = transfer(0, 0), transfer(1, 0)
    eth = EthNamespace(chain.tree.config, chain.store, progress=lambda: None, taker=Taker())
    here = Here(chain.tree.config, chain.store, pooled=lambda hash: hash == keccak256(waiting))
    async with opened(server) as legacy:
        client = Client(HistoricalRpc(legacy, here).over(eth))
        hash = await client("eth_sendRawTransaction", "0x" + sent.hex())
        assert hash == "0x" + keccak256(sent).hex()
        for each in (hash, "0x" + keccak256(waiting).hex()):
            assert await client("eth_getTransactionReceipt", each) is None
            assert await client("eth_getTransactionByHash", each) is None
        assert not server.asked
        assert await client("eth_getTransactionReceipt", NEVER) is None
        assert server.methods_asked() == ["eth_getTransactionReceipt"]
