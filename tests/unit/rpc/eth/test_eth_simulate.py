"""eth_simulateV1 where no op-geth is needed to say what must come: limits, times, what it does better."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.execution.small_chain import TARGET, senders
from tests.unit.rpc.eth.eth_chain import EthChain, data
from trinode.jsonrpc.fields import InvalidParams
from trinode.rpc.eth.limits import EthLimits

SENDER, TO = data(senders()[0]), data(TARGET)
AT = "0x" + "ca" * 20
ENDLESS = "0x5b5f56"
FEES = {"maxFeePerGas": "0x1000", "maxPriorityFeePerGas": "0x1"}


def payload(*blocks: dict[str, Any], **options: bool) -> dict[str, Any]:
    return {"blockStateCalls": list(blocks), **options}


def running(code: str, **call: str) -> dict[str, Any]:
    """A block with a call of code."""
    return {"stateOverrides": {AT: {"code": code}}, "calls": [{"to": AT, **call}]}


async def test_blocks_follow_the_base_block_and_change_nothing(chain: EthChain) -> None:
    chain.extend(2)
    eth = chain.eth()
    head = await eth("getBlockByNumber", "latest", False)
    pay = {"from": SENDER, "to": TO, "value": "0x5"}
    first, second = await eth("simulateV1", payload({"calls": [pay]}, {"calls": [pay, pay]}))
    assert (first["parentHash"], second["parentHash"]) == (head["hash"], first["hash"])
    assert [call["status"] for call in second["calls"]] == ["0x1", "0x1"]
    assert int(second["timestamp"], 16) == int(head["timestamp"], 16) + 24
    assert await eth("getBalance", TO) == "0x0"
    assert await eth("getBlockByHash", first["hash"], False) is None


async def test_two_validated_blocks_have_the_base_fees_of_the_base_blocks_parameters(chain: EthChain) -> None:
    """op-geth crashes at the second."""
    chain.extend(1)
    blocks = await chain.eth()("simulateV1", payload({}, {}, {}, validation=True))
    fees = [int(block["baseFeePerGas"], 16) for block in blocks]
    assert fees[0] > fees[1] > fees[2] > 0


async def test_an_older_block_with_its_own_state(chain: EthChain) -> None:
    chain.extend(3)
    base = await chain.eth()("getBlockByNumber", "0x1", False)
    (block,) = await chain.eth()("simulateV1", payload({}), {"blockHash": base["hash"], "requireCanonical": True})
    assert (block["number"], block["parentHash"]) == ("0x2", base["hash"])


async def test_gas_of_all_calls_together_is_bounded(chain: EthChain) -> None:
    eth = chain.eth(limits=EthLimits(gas_cap=100_000))
    burn = running(ENDLESS, gas=hex(90_000))
    error = await eth.error("simulateV1", payload(burn, {"calls": [{"to": TO}]}))
    assert error == {"code": -38013, "message": "err: intrinsic gas too low: have 10000, want 21000 (supplied gas 10000)"}


async def test_time_is_bounded(chain: EthChain) -> None:
    eth = chain.eth(limits=EthLimits(gas_cap=10**15, call_seconds=0.2))
    block = running(ENDLESS) | {"blockOverrides": {"gasLimit": hex(10**15)}}
    assert await eth.error("simulateV1", payload(block)) == {"code": -32000, "message": "execution aborted (timeout = 0.2s)"}


async def test_what_comes_back_is_bounded(chain: EthChain) -> None:
    megabyte = {"to": AT, "gas": "0x300000"}
    block = {"stateOverrides": {AT: {"code": "0x621000005ff3"}}, "calls": [megabyte] * 40, "blockOverrides": {"gasLimit": hex(10**9)}}
    error = await chain.eth(limits=EthLimits(gas_cap=10**9)).error("simulateV1", payload(block))
    assert error["code"] == -38026
    assert "too much data" in error["message"]


@pytest.mark.parametrize("traces", [False, True])
async def test_failures_have_geths_words_and_leave_nothing(chain: EthChain, traces: bool) -> None:
    block = running("0x60016000550001", gas="0x20000") | {"stateOverrides": {AT: {"code": "0x600160005501"}}}
    read = {"stateOverrides": {AT: {"code": "0x60005460005260206000f3"}}, "calls": [{"to": AT}]}
    first, second = await chain.eth()("simulateV1", payload(block, read, traceTransfers=traces))
    assert first["calls"][0]["error"] == {"code": -32015, "message": "stack underflow (0 <=> 2)"}
    assert first["calls"][0]["gasUsed"] == "0x20000"
    assert int(second["calls"][0]["returnData"], 16) == 0


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"blockStateCalls": [{"blockOverrides": {"difficulty": "0x1"}}]}, "params[0].blockStateCalls[0].blockOverrides.difficulty"),
        ({"blockStateCalls": [{"blockOverrides": {"withdrawals": [{}]}}]}, "params[0].blockStateCalls[0].blockOverrides.withdrawals"),
        ({"blockStateCalls": [{"calls": [{"to": "0x"}]}]}, "params[0].blockStateCalls[0].calls[0].to"),
        ({"blockStateCalls": [{"calls": {}}]}, "params[0].blockStateCalls[0].calls"),
        ({"blockStateCalls": [{"calls": [{}] * 10_001}]}, "params[0].blockStateCalls"),
        ({"blockStateCalls": [{}], "validation": 1}, "params[0].validation"),
    ],
)
async def test_what_is_no_simulation(chain: EthChain, value: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        await chain.eth()("simulateV1", value)
    assert caught.value.field == where


async def test_a_validated_transfer_is_a_transaction_with_its_fees(chain: EthChain) -> None:
    call = {"from": SENDER, "to": TO, "value": "0x7", **FEES}
    (block,) = await chain.eth()("simulateV1", payload({"calls": [call]}, validation=True, returnFullTransactions=True, traceTransfers=True))
    (transaction,), (outcome,) = block["transactions"], block["calls"]
    assert int(transaction["gasPrice"], 16) == int(block["baseFeePerGas"], 16) + 1
    assert outcome["logs"][0]["topics"][1:] == ["0x" + each[2:].rjust(64, "0") for each in (SENDER, TO)]
    assert int(outcome["logs"][0]["data"], 16) == 7


LOGS_TWICE_AROUND_A_CALL = "0x60006000a0" + "60006000600060006000" + "73" + "cb" * 20 + "5af150" + "60006000a000"
LOGS_AND_REVERTS = "0x60006000a060006000fd"


@pytest.mark.parametrize(
    ("transfers", "places"),
    [
        (False, [["0x0", "0x2"], [], ["0x4", "0x6"], [], ["0x8", "0xa"]]),
        (True, [["0x0", "0x2"], [], ["0x4", "0x5", "0x7"], [], ["0x9", "0xb"]]),
    ],
)
async def test_logs_that_are_gone_count(chain: EthChain, transfers: bool, places: list[list[str]]) -> None:
    """As op-geth (on geth 1.17.2) gave them: an inner call that logs and reverts, alone and inside, and one whose gas ends after its first log."""
    reverting = "0x" + "cb" * 20
    overrides = {AT: {"code": LOGS_TWICE_AROUND_A_CALL}, reverting: {"code": LOGS_AND_REVERTS}}
    calls = [{"to": AT}, {"to": reverting}, {"from": SENDER, "to": AT, "value": "0x1"}, {"to": AT, "gas": "0x5600"}, {"to": AT}]
    [first, second] = await chain.eth()(
        "simulateV1", payload({"stateOverrides": overrides, "calls": calls}, {"calls": [{"to": AT}]}, traceTransfers=transfers)
    )
    assert [[log["logIndex"] for log in call["logs"]] for call in first["calls"]] == places
    assert [log["logIndex"] for log in second["calls"][0]["logs"]] == ["0x0", "0x2"]
