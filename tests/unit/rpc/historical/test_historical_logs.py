"""eth_getLogs before Bedrock, after it, and over it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rpc.historical.bedrock_chain import NEVER, BedrockChain, client_of, client_over
from tests.unit.rpc.historical.legacy_geth import BEDROCK, BUSY, MOVED, TOKEN, LegacyGeth, log, name, transactions_in
from trinode.rpc.eth.limits import EthLimits


def places(logs: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(int(each["blockNumber"], 16), int(each["logIndex"], 16)) for each in logs]


def expected(first: int, last: int) -> list[tuple[int, int]]:
    """One log of each transaction before Bedrock, and one of each block after its first."""
    older = [(number, index) for number in range(first, min(last, BEDROCK - 1) + 1) for index in range(transactions_in(number))]
    return older + [(number, 0) for number in range(max(first, BEDROCK + 1), min(last, BEDROCK + 3) + 1)]


@pytest.mark.parametrize(
    ("first", "last", "forwarded"),
    [
        (0, 5, ("0x0", "0x5")),
        (BEDROCK - 1, BEDROCK - 1, ("0x13", "0x13")),
        (BUSY, BEDROCK, ("0x10", "0x13")),
        (0, BEDROCK + 2, ("0x0", "0x13")),
        (BEDROCK - 1, BEDROCK + 3, ("0x13", "0x13")),
        (BEDROCK, BEDROCK + 3, None),
    ],
)
async def test_ranges_are_split_and_merged_in_order(
    chain: BedrockChain, server: LegacyGeth, first: int, last: int, forwarded: tuple[str, str] | None
) -> None:
    async with client_over(chain, server) as client:
        found = await client("eth_getLogs", {"fromBlock": hex(first), "toBlock": hex(last)})
        assert places(found) == expected(first, last)
        assert [(params[0]["fromBlock"], params[0]["toBlock"]) for _, params in server.asked] == ([forwarded] if forwarded else [])


async def test_tags_and_filters(chain: BedrockChain, server: LegacyGeth) -> None:
    async with client_over(chain, server) as client:
        assert places(await client("eth_getLogs", {"fromBlock": "earliest"})) == expected(0, BEDROCK + 3)
        assert places(await client("eth_getLogs", {"fromBlock": "earliest", "toBlock": "earliest"})) == []
        assert places(await client("eth_getLogs", {"fromBlock": "0x12", "toBlock": "latest"})) == expected(18, BEDROCK + 3)
        for first in ("0x12", hex(BEDROCK)):
            for last, words in (("pending", "pending logs are not supported"), (hex(BEDROCK + 4), "block range extends beyond current head block")):
                assert await client("eth_getLogs", {"fromBlock": first, "toBlock": last}) == {"code": -32602, "message": words}
        only_old = {"fromBlock": "0x0", "toBlock": "latest", "address": TOKEN, "topics": [[MOVED, NEVER]]}
        assert places(await client("eth_getLogs", only_old)) == expected(0, BEDROCK - 1)
        assert server.asked[-1][1] == [{"address": [TOKEN], "topics": [sorted([MOVED, NEVER])], "fromBlock": "0x0", "toBlock": "0x13"}]
        assert await client("eth_getLogs", only_old | {"topics": [None, MOVED]}) == [log(*place) for place in expected(0, BEDROCK - 1)]
        assert server.asked[-1][1][0]["topics"] == [None, [MOVED]]
        assert await client("eth_getLogs", {"fromBlock": "0x5", "toBlock": "0x4"}) == {"code": -32602, "message": "invalid block range params"}
        assert (await client("eth_getLogs", {"fromBlock": "0x5", "address": "0x"}))["code"] == -32602


async def test_by_block_hash(chain: BedrockChain, server: LegacyGeth) -> None:
    async with client_over(chain, server) as client:
        assert await client("eth_getLogs", {"blockHash": name("block 7")}) == [log(7)]
        server.asked.clear()
        assert places(await client("eth_getLogs", {"blockHash": "0x" + chain.store.head.hash.hex()})) == [(BEDROCK + 3, 0)]
        assert not server.asked
        assert await client("eth_getLogs", {"blockHash": NEVER}) == {"code": -32000, "message": "unknown block"}
        server.changed = {"eth_getLogs": lambda params: [log(8)]}
        assert "of another block" in (await client("eth_getLogs", {"blockHash": name("block 7")}))["message"]


async def test_limits_hold_over_both_parts(chain: BedrockChain, server: LegacyGeth) -> None:
    limits = EthLimits(log_range=8, logs=4)
    async with client_over(chain, server, limits=limits) as client:
        assert "9 blocks are asked for, 8 at once" in (await client("eth_getLogs", {"fromBlock": "0xf", "toBlock": "0x17"}))["message"]
        assert not server.asked
        assert places(await client("eth_getLogs", {"fromBlock": "0x12", "toBlock": "0x16"})) == expected(18, 22)
        for first, last in ((15, 18), (18, 23)):
            error = await client("eth_getLogs", {"fromBlock": hex(first), "toBlock": hex(last)})
            assert error["code"] == -32005
            assert error["message"].startswith("query returns too much: more than 4 logs were found")


@pytest.mark.parametrize("wrong", [{}, [log(8), log(7)], [log(7), log(7)], [log(10)], [log(1)], [{"blockNumber": "0x7"}], ["x"], None])
async def test_logs_that_were_not_asked_for_are_refused(chain: BedrockChain, server: LegacyGeth, wrong: Any) -> None:
    server.changed = {"eth_getLogs": lambda params: wrong}
    async with client_over(chain, server) as client:
        error = await client("eth_getLogs", {"fromBlock": "0x5", "toBlock": "0x9"})
    assert error["code"] == -32000
    assert error["message"].startswith("historical backend error: Legacy Geth ")


async def test_without_an_endpoint_nothing_is_left_out(chain: BedrockChain) -> None:
    client = client_of(chain, None)
    refused = {"code": -32801, "message": "no historical RPC is available for this historical (pre-bedrock) request"}
    assert await client("eth_getLogs", {"fromBlock": "0x13", "toBlock": "latest"}) == refused
    assert await client("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x2"}) == refused
    assert places(await client("eth_getLogs", {"fromBlock": "earliest"})) == expected(BEDROCK, BEDROCK + 3)
