"""What is forwarded to Legacy Geth, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rpc.historical.bedrock_chain import NEVER, BedrockChain, client_of, client_over
from tests.unit.rpc.historical.legacy_geth import BEDROCK, BUSY, HOLDER, LegacyGeth, block, name, receipt, transaction
from trinode.rpc.historical.routes import HistoricalRpc

WHO = HOLDER
MESSAGE = {"to": WHO, "input": "0x1234"}
OLD = hex(BEDROCK - 1)
OLD_HASH = name("block 7")
NO_ENDPOINT = {"code": -32801, "message": "no historical RPC is available for this historical (pre-bedrock) execution request"}
NO_ENDPOINT_LOOKUP = {"code": -32801, "message": "no historical RPC is available for this historical (pre-bedrock) request"}


@pytest.mark.parametrize(
    ("method", "before", "after", "answer"),
    [
        ("eth_getBalance", [WHO], [], "0x3fb"),
        ("eth_getCode", [WHO], [], "0x60"),
        ("eth_getStorageAt", [WHO, "0x0"], [], f"0x{19:064x}"),
        ("eth_getTransactionCount", [WHO], [], "0x13"),
        ("eth_getProof", [WHO, []], [], {"address": WHO, "balance": "0x3fb", "accountProof": [], "storageProof": []}),
        ("eth_call", [MESSAGE], [], "0x1234"),
        ("eth_call", [MESSAGE], [{}], "0x1234"),
        ("eth_estimateGas", [MESSAGE], [], "0x5208"),
    ],
)
async def test_states_before_bedrock_are_forwarded(
    chain: BedrockChain, server: LegacyGeth, method: str, before: list[Any], after: list[Any], answer: Any
) -> None:
    async with client_over(chain, server) as client:
        assert await client(method, *before, OLD, *after) == answer
        ((asked, params),) = server.asked
        assert asked == method
        assert params[len(before) :] == [OLD, *after]
        server.asked.clear()
        for newer in (hex(BEDROCK), "latest", "pending", {"blockNumber": hex(BEDROCK)}, {"blockHash": "0x" + chain.store.head.hash.hex()}):
            assert await client(method, *before, newer, *after) == await client_of(chain, None)(method, *before, newer, *after)
        assert not server.asked
    assert await client_of(chain, None)(method, *before, OLD, *after) == NO_ENDPOINT
    assert await client_of(chain, None)(method, *before, "earliest", *after) == NO_ENDPOINT


async def test_every_way_to_name_a_block(chain: BedrockChain, server: LegacyGeth) -> None:
    async with client_over(chain, server) as client:
        for value, balance in (
            ("0x7", 1007),
            ("earliest", 1000),
            ({"blockNumber": "0x7"}, 1007),
            ({"blockNumber": "earliest"}, 1000),
            (OLD_HASH, 1007),
            ({"blockHash": OLD_HASH, "requireCanonical": True}, 1007),
        ):
            assert await client("eth_getBalance", WHO, value) == hex(balance)
            assert server.asked.pop() == ("eth_getBalance", [WHO, value])
        assert await client("eth_getBalance", WHO, NEVER) == {"code": -32000, "message": "header for hash not found"}
        server.asked.clear()
        wrongs: tuple[Any, ...] = ("0x", "0x07", "old", 7, {"blockNumber": "0x7", "blockHash": OLD_HASH}, {}, [])
        for wrong in wrongs:
            assert (await client("eth_getBalance", WHO, wrong))["code"] == -32602
        assert (await client("eth_getBalance", "0x12", "0x7"))["code"] == -32602
        assert (await client("eth_getBalance", WHO, "0x7", "0x7"))["code"] == -32602
        assert not server.asked  # what is malformed goes nowhere


async def test_blocks_by_number_and_by_unknown_hash(chain: BedrockChain, server: LegacyGeth) -> None:
    async with client_over(chain, server) as client:
        for whole in (False, True):
            assert await client("eth_getBlockByNumber", "0x7", whole) == block(7, whole=whole)
            assert await client("eth_getBlockByHash", OLD_HASH, whole) == block(7, whole=whole)
        assert await client("eth_getBlockByNumber", "earliest", False) == block(0, whole=False)
        assert await client("eth_getBlockByHash", NEVER, False) is None
        header = {key: value for key, value in block(7, whole=False).items() if key not in {"size", "totalDifficulty", "transactions", "uncles"}}
        assert await client("eth_getHeaderByNumber", "0x7") == await client("eth_getHeaderByHash", OLD_HASH) == header
        assert await client("eth_getHeaderByHash", NEVER) is None
        assert await client("eth_getBlockTransactionCountByNumber", hex(BUSY)) == "0x3"
        assert await client("eth_getBlockTransactionCountByHash", OLD_HASH) == "0x1"
        assert await client("eth_getUncleCountByBlockNumber", "0x7") == "0x0"
        assert await client("eth_getTransactionByBlockNumberAndIndex", hex(BUSY), "0x2") == transaction(BUSY, 2)
        for named in (hex(BUSY), name(f"block {BUSY}"), {"blockHash": name(f"block {BUSY}")}):
            assert await client("eth_getBlockReceipts", named) == [receipt(BUSY, index) for index in range(3)]
        assert await client("eth_getBlockReceipts", NEVER) is None
        server.asked.clear()
        alone = client_of(chain, None)
        for number in (BEDROCK, BEDROCK + 2, BEDROCK + 50):
            assert await client("eth_getBlockByNumber", hex(number), True) == await alone("eth_getBlockByNumber", hex(number), True)
        head = "0x" + chain.store.head.hash.hex()
        assert (await client("eth_getBlockByHash", head, False))["number"] == hex(BEDROCK + 3)
        assert await client("eth_getTransactionByBlockHashAndIndex", head, "0x99") is None
        assert not server.asked
        assert await alone("eth_getBlockByNumber", "0x7", False) == NO_ENDPOINT_LOOKUP
        assert (await alone("eth_getBlockByNumber", "earliest", False))["number"] == hex(BEDROCK)
        assert await alone("eth_getBlockByHash", OLD_HASH, False) is None


async def test_transactions_by_unknown_hash(chain: BedrockChain, server: LegacyGeth) -> None:
    old = name(f"transaction {BUSY} 1")
    async with client_over(chain, server) as client:
        assert await client("eth_getTransactionByHash", old) == transaction(BUSY, 1)
        assert await client("eth_getTransactionReceipt", old) == receipt(BUSY, 1)
        assert await client("eth_getRawTransactionByHash", old) == "0x1001"
        assert await client("eth_getTransactionReceipt", NEVER) is None
        assert await client("eth_getRawTransactionByHash", NEVER) == "0x"
        assert (await client("eth_getTransactionReceipt", "0x12"))["code"] == -32602
        server.asked.clear()
        newer = (await client("eth_getBlockByNumber", "latest", False))["transactions"][1]
        assert (await client("eth_getTransactionReceipt", newer))["blockNumber"] == hex(BEDROCK + 3)
        assert not server.asked
    assert await client_of(chain, None)("eth_getTransactionByHash", old) is None


async def test_another_block_or_transaction_than_asked_for_is_refused(chain: BedrockChain, server: LegacyGeth) -> None:
    async with client_over(chain, server) as client:
        server.changed = {
            "eth_getBlockByNumber": lambda params: block(8, whole=False),
            "eth_getBlockByHash": lambda params: block(8, whole=False),
            "eth_getTransactionReceipt": lambda params: receipt(8),
        }
        for method, params in (
            ("eth_getBlockByNumber", ["0x7", False]),
            ("eth_getBlockByHash", [OLD_HASH, False]),
            ("eth_getTransactionReceipt", [name("transaction 7 0")]),
            ("eth_getBlockReceipts", ["0x7"]),
        ):
            error = await client(method, *params)
            assert error["code"] == -32000
            assert error["message"].startswith("historical backend error: Legacy Geth http://127.0.0.1:")
            assert "it is another" in error["message"]
        server.changed = {"eth_getBlockByNumber": lambda params: None}
        assert "there is no block 7, which is before Bedrock" in (await client("eth_getBlockByNumber", "0x7", False))["message"]


async def test_declarations_stay(chain: BedrockChain, server: LegacyGeth) -> None:
    eth = chain.eth()
    routed = HistoricalRpc(None, chain.here()).over(eth)
    assert list(routed.methods) == list(eth.methods)
    for method, declared in eth.methods.items():
        other = routed.methods[method]
        assert (other.summary, other.params, other.result) == (declared.summary, declared.params, declared.result)
