"""Suggestions and history of fees. What op-geth answers is in tests/conformance/test_rpc_eth_goldens.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.execution.small_chain import CHAIN_ID, KEYS, TARGET
from tests.unit.rpc.eth.eth_chain import EthChain
from trinode.jsonrpc.fields import InvalidParams
from trinode.protocol.transaction import DynamicFeeTransaction, encode_transaction, sign_transaction
from trinode.rpc.eth.limits import EthLimits


def tipping(key: int, nonce: int, tip: int, *, gas_limit: int = 100_000, initcode: bytes = b"") -> bytes:
    """A transfer, or a creation with that initcode, that tips so many wei."""
    to = None if initcode else TARGET
    unsigned = DynamicFeeTransaction(CHAIN_ID, nonce, tip, tip + 10_000, gas_limit, to, 0, initcode)
    return encode_transaction(sign_transaction(unsigned, KEYS[key]))


async def test_the_least_tip_while_there_is_room(chain: EthChain) -> None:
    chain.add(tipping(0, 0, 5_000_000), tipping(1, 0, 7_000_000))
    eth = chain.eth()
    base_fee = int((await eth("getBlockByNumber", "latest", False))["baseFeePerGas"], 16)
    assert await eth("maxPriorityFeePerGas") == hex(1_000_000)
    assert await eth("gasPrice") == hex(1_000_000 + base_fee)
    assert await chain.eth(limits=EthLimits(min_suggested_tip=3))("maxPriorityFeePerGas") == "0x3"


async def test_a_tenth_above_the_median_when_the_block_is_full(chain: EthChain) -> None:
    """INVALID takes all gas: 20 of 30 million, so that no second one would have fit."""
    chain.add(tipping(0, 0, 5_000_000, gas_limit=20_000_000, initcode=b"\xfe"), tipping(1, 0, 7_000_000), tipping(2, 0, 9_000_000))
    assert await chain.eth()("maxPriorityFeePerGas") == hex(7_700_000)
    assert await chain.eth(limits=EthLimits(max_suggested_tip=7_500_000))("maxPriorityFeePerGas") == hex(7_500_000)


async def test_history(chain: EthChain) -> None:
    """In each block a deposit uses 1.1 % of the gas, the transfer 1 %, the creation the rest."""
    for nonce in range(3):
        chain.add(tipping(0, nonce, 5), tipping(1, nonce, 7, gas_limit=2_000_000, initcode=b"\xfe"))
    eth = chain.eth()
    history = await eth("feeHistory", "0x2", "latest", [0, 1.5, 99.9, 100])
    assert history["oldestBlock"] == "0x2"
    assert history["reward"] == [["0x0", "0x5", "0x7", "0x7"]] * 2
    assert history["baseFeePerGas"][:2] == [(await eth("getBlockByNumber", number, False))["baseFeePerGas"] for number in ("0x2", "0x3")]
    assert await eth("baseFee") == history["baseFeePerGas"][-1]
    whole = await eth("feeHistory", 1000, "pending", None)
    assert (whole["oldestBlock"], len(whole["gasUsedRatio"]), len(whole["baseFeePerGas"])) == ("0x0", 4, 5)
    assert "reward" not in whole
    earlier = await eth("feeHistory", "0x1", "0x1", [])
    assert earlier["baseFeePerGas"] == whole["baseFeePerGas"][1:3]
    for nothing in ("0x0", 0, "0"):
        assert await eth("feeHistory", nothing, "latest", [5, 1]) == {"oldestBlock": "0x0", "gasUsedRatio": None}
    for two in ("0x2", 2, "2", "0x02", "0X2"):
        assert await eth("feeHistory", two, "latest", [0, 1.5, 99.9, 100]) == history
    limited = await chain.eth(limits=EthLimits(fee_blocks=2))("feeHistory", "0x4", "latest", [])
    assert limited["oldestBlock"] == "0x2"


@pytest.mark.parametrize(
    ("percentiles", "words"),
    [
        ([-1], "invalid reward percentile: -1.000000"),
        ([100.5], "invalid reward percentile: 100.500000"),
        ([50, 10], "invalid reward percentile: #0:50.000000 >= #1:10.000000"),
        ([1] * 101, "invalid reward percentile: over the query limit 100"),
    ],
)
async def test_percentiles_that_are_none(chain: EthChain, percentiles: list[Any], words: str) -> None:
    assert await chain.eth().error("feeHistory", "0x1", "latest", percentiles) == {"code": -32000, "message": words}


async def test_history_that_is_not_there(chain: EthChain) -> None:
    eth = chain.eth()
    assert (await eth.error("feeHistory", "0x1", "0x5", []))["message"] == "request beyond head block: requested 5, head 0"
    with pytest.raises(InvalidParams):
        await eth("feeHistory", "0x1", "latest", ["10"])
    with pytest.raises(InvalidParams):
        await eth("feeHistory", -1, "latest", [])
