"""eth_feeHistory before Bedrock, after it, and over it."""

from __future__ import annotations

from tests.unit.rpc.historical.bedrock_chain import BedrockChain, client_of, client_over
from tests.unit.rpc.historical.legacy_geth import BEDROCK, BUSY, LegacyGeth
from trinode.rpc.eth.limits import EthLimits

ONE = 21_000 / 0xE4E1C0


async def test_over_bedrock(chain: BedrockChain, server: LegacyGeth) -> None:
    alone = await client_of(chain, None)("eth_feeHistory", "0x4", "latest", [0, 100])
    assert alone["oldestBlock"] == hex(BEDROCK)
    async with client_over(chain, server) as client:
        merged = await client("eth_feeHistory", "0x9", "latest", [0, 100])
        assert merged["oldestBlock"] == hex(BEDROCK - 5)
        assert merged["baseFeePerGas"] == ["0x0"] * 5 + alone["baseFeePerGas"]
        assert merged["gasUsedRatio"] == [ONE, 3 * ONE, ONE, ONE, ONE, *alone["gasUsedRatio"]]
        old = ["0xf4240", "0xf4240"]
        assert merged["reward"] == [old, ["0xf4240", "0x2dc6c0"], old, old, old, *alone["reward"]]
        assert {len(merged[key]) for key in ("baseFeePerGas", "baseFeePerBlobGas")} == {10}
        assert {len(merged[key]) for key in ("gasUsedRatio", "blobGasUsedRatio", "reward")} == {9}
        assert server.posts == 2  # the blocks, and the receipts of the busy one
        server.asked.clear()
        assert await client("eth_feeHistory", "0x4", "latest", [0, 100]) == alone
        assert await client("eth_feeHistory", "0x2", hex(BEDROCK + 1)) == await client_of(chain, None)("eth_feeHistory", "0x2", hex(BEDROCK + 1))
        assert await client("eth_feeHistory", "0x0", "latest") == {"oldestBlock": "0x0", "gasUsedRatio": None}
        assert not server.asked


async def test_before_bedrock(chain: BedrockChain, server: LegacyGeth) -> None:
    async with client_over(chain, server) as client:
        found = await client("eth_feeHistory", "0x3", hex(BUSY), [50])
        assert found == {
            "oldestBlock": hex(BUSY - 2),
            "baseFeePerGas": ["0x0"] * 4,
            "gasUsedRatio": [ONE, ONE, 3 * ONE],
            "baseFeePerBlobGas": ["0x0"] * 4,
            "blobGasUsedRatio": [0, 0, 0],
            "reward": [["0xf4240"], ["0xf4240"], ["0x1e8480"]],
        }
        last = await client("eth_feeHistory", "0x400", hex(BEDROCK - 1))
        assert (last["oldestBlock"], len(last["gasUsedRatio"])) == ("0x0", BEDROCK)
        assert last["baseFeePerGas"] == ["0x0"] * BEDROCK + ["0x3e8"]  # the next one is Bedrock's first
        first = await client("eth_feeHistory", "0x2", "earliest", [10])
        assert (first["oldestBlock"], first["reward"]) == ("0x0", [["0x0"]])
        assert await client("eth_feeHistory", "0x0", "0x1") == {"oldestBlock": "0x0", "gasUsedRatio": None}
        assert (await client("eth_feeHistory", "0x2", "0x1", [101]))["message"].startswith("invalid reward percentile")


async def test_limits_and_no_endpoint(chain: BedrockChain, server: LegacyGeth) -> None:
    async with client_over(chain, server, limits=EthLimits(fee_blocks=6)) as client:
        assert (await client("eth_feeHistory", "0x400", "latest"))["oldestBlock"] == hex(BEDROCK - 2)
        assert (await client("eth_feeHistory", "0x400", "0xf"))["oldestBlock"] == "0xa"
    refused = {"code": -32801, "message": "no historical RPC is available for this historical (pre-bedrock) request"}
    alone = client_of(chain, None)
    assert await alone("eth_feeHistory", "0x1", "0x1") == refused
    assert (await alone("eth_feeHistory", "0x1", "earliest"))["oldestBlock"] == hex(BEDROCK)
