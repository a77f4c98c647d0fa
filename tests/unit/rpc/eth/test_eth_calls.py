"""eth_call and its kin: limits, errors, overrides. What op-geth answers is in tests/conformance/test_rpc_eth_goldens.py."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from harness.engine_differential.assembler import Assembler
from tests.unit.engine.block_tree import WRITER, write
from tests.unit.execution.calls.call_cases import word_of
from tests.unit.execution.small_chain import TARGET, senders
from tests.unit.rpc.eth.eth_chain import Eth, EthChain, data
from trinode.execution.calls import message as calls_message
from trinode.jsonrpc.fields import InvalidParams
from trinode.jsonrpc.requests import RpcError
from trinode.rpc.eth.call_params import parse_message
from trinode.rpc.eth.limits import EthLimits

AT = "0x" + 20 * "ab"
ENDLESS = "0x5b5f56"  # JUMPDEST PUSH0 JUMP
COUNT_DOWN = "0x6104005b6001900380600357600160005260206000f3"
"""1,024 times around a loop, then returns 1."""


def code(value: bytes | Assembler | str) -> dict[str, Any]:
    """An override that puts code at AT."""
    if isinstance(value, Assembler):
        value = bytes(value.assemble())
    return {AT: {"code": value if isinstance(value, str) else data(value)}}


async def run(eth: Eth, value: bytes | Assembler | str, **fields: str) -> Any:
    return await eth("call", {"to": AT, **fields}, "latest", code(value))


@pytest.mark.parametrize("method", ["call", "estimateGas", "createAccessList"])
async def test_calls_end_in_time(chain: EthChain, method: str) -> None:
    eth = chain.eth(limits=EthLimits(gas_cap=10**15, call_seconds=0.05))
    message = {"to": AT, "gas": hex(10**15)}
    if method == "estimateGas":  # which is bound to the block's gas limit otherwise
        message["value"] = "0x0"
    for _ in range(3):
        error = await eth.error(method, message, "latest", code(ENDLESS))
        assert error == {"code": -32000, "message": "execution aborted (timeout = 0.05s)"}
    assert await run(eth, word_of("GAS")) != "0x"


async def test_gas_is_capped(chain: EthChain) -> None:
    eth = chain.eth(limits=EthLimits(gas_cap=100_000))
    for asked in (None, hex(100_001), hex(2**64 - 1)):
        fields = {} if asked is None else {"gas": asked}
        assert int(await run(eth, word_of("GAS"), **fields), 16) == 100_000 - 21_000 - 2
    assert int(await run(eth, word_of("GAS"), gas=hex(50_000)), 16) == 50_000 - 21_000 - 2
    assert (await eth.error("call", {"to": AT}, "latest", code(ENDLESS)))["message"] == "out of gas"


async def test_a_failure_after_many_opcodes_is_not_looked_at_again(chain: EthChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opcode by opcode 50,000,000 gas take half a minute, and a caller would hear of a timeout."""
    monkeypatch.setattr(calls_message, "_MOST_STEPS", 100)
    invalid = "0x" + "5f50" * 200 + "fe"
    assert (await chain.eth().error("call", {"to": AT}, "latest", code(ENDLESS)))["message"] == "out of gas"
    assert "invalid" in (await chain.eth().error("call", {"to": AT}, "latest", code(invalid)))["message"]


async def test_calls_nest_as_deep_as_the_protocol_lets_them(chain: EthChain) -> None:
    """Code that calls itself with all its gas, and returns how deep that went: 1024 calls below the first, gas provided."""
    again = Assembler().push(32).op("PUSH0", "PUSH0", "PUSH0", "PUSH0", "ADDRESS", "GAS", "CALL", "PUSH0", "MLOAD", "ADD")
    deep = bytes(again.op("PUSH0", "MSTORE").push(32).op("PUSH0", "RETURN").assemble())
    eth = chain.eth(limits=EthLimits(gas_cap=10**13))
    assert int(await run(eth, deep), 16) == 1024


async def test_reverts_say_why(chain: EthChain) -> None:
    reason = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"nope".ljust(32, b"\x00")
    revert = bytes.fromhex("6064600c5f3960645ffd") + bytes(2) + reason
    expected = {"code": 3, "message": "execution reverted: nope", "data": data(reason)}
    eth = chain.eth()
    assert await eth.error("call", {"to": AT}, "latest", code(revert)) == expected
    assert await eth.error("estimateGas", {"to": AT}, "latest", code(revert)) == expected
    assert (await eth("createAccessList", {"to": AT}, "latest", code(revert)))["error"] == "execution reverted"


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        ("0xfe", "invalid opcode: INVALID"),
        ("0xb7", "invalid opcode: opcode 0xb7 not defined"),
        ("0x01", "stack underflow (0 <=> 2)"),
        ("0x5f56", "invalid jump destination"),
    ],
)
async def test_failures_have_geths_words(chain: EthChain, failing: str, words: str) -> None:
    eth = chain.eth()
    assert await eth.error("call", {"to": AT}, "latest", code(failing)) == {"code": -32000, "message": words}
    assert await eth.error("estimateGas", {"to": AT}, "latest", code(failing)) == {"code": -32000, "message": words}
    assert (await eth("createAccessList", {"to": AT}, "latest", code(failing)))["error"] == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"value": "0x1"}, "insufficient funds for gas * price + value: address 0x0000000000000000000000000000000000000000 have 0 want 1"),
        ({"gas": "0x5207"}, "intrinsic gas too low: have 20999, want 21000"),
        ({"gas": "0x0"}, "intrinsic gas too low: have 0, want 21000"),
        ({"gas": "0x7530", "data": "0x" + 250 * "11"}, "insufficient gas for floor data gas cost: have 30000, want 31000"),
        ({"maxFeePerGas": "0x1", "gas": "0x5208"}, "max fee per gas less than block base fee: address 0x0"),
        ({"maxPriorityFeePerGas": "0x1"}, "max priority fee per gas higher than max fee per gas: address 0x0"),
    ],
)
async def test_messages_that_cannot_begin(chain: EthChain, fields: dict[str, str], words: str) -> None:
    error = await chain.eth().error("call", {"to": AT, **fields}, "latest")
    assert error["code"] == -32000
    assert error["message"].startswith(f"err: {words}")
    assert error["message"].endswith(f"(supplied gas {int(fields.get('gas', hex(50_000_000)), 16)})")


async def test_estimates(chain: EthChain) -> None:
    eth, sender = chain.eth(), data(senders()[0])
    assert await eth("estimateGas", {"from": sender, "to": data(TARGET), "value": "0x1"}) == "0x5208"
    assert (await eth.error("estimateGas", {"to": AT}, "latest", code(ENDLESS)))["message"] == "gas required exceeds allowance (30000000)"
    error = await eth.error("estimateGas", {"to": AT, "value": "0x1"})
    assert error["message"].startswith("failed with 30000000 gas: insufficient funds for gas * price + value: address 0x0")
    error = await eth.error("estimateGas", {"to": AT, "gas": "0x5207", "maxPriorityFeePerGas": "0x1"})
    assert error["message"].startswith("failed with 30000000 gas: max priority fee per gas higher than max fee per gas")
    error = await eth.error("estimateGas", {"to": AT, "gas": "0x7530", "data": "0x" + 250 * "11"})
    assert error["message"] == "failed with 30000 gas: insufficient gas for floor data gas cost: have 30000, want 31000"
    error = await eth.error("estimateGas", {"gas": "0x186a0", "data": "0x6110005ff3"})  # 4 KiB of code, 200 gas each
    assert error["message"] == "contract creation code storage out of gas"
    for value in ("0x0", "0x1"):
        error = await eth.error("estimateGas", {"from": AT, "to": AT, "value": value, "maxFeePerGas": "0x3b9aca00"})
        assert error["message"] == "insufficient funds for transfer"


async def test_an_access_list_must_be_paid_for_itself(chain: EthChain) -> None:
    slots = code("0x5f54600154")
    error = await chain.eth().error("createAccessList", {"to": AT, "gas": hex(26_000)}, "latest", slots)
    assert error["message"].endswith("err: intrinsic gas too low: have 26000, want 27200")


async def test_overrides_of_state_and_block(chain: EthChain) -> None:
    chain.add(write(1, 5))
    eth = chain.eth()
    slot = {AT: {"code": data(word_of("PUSH0", "SLOAD")), "stateDiff": {f"0x{0:064x}": f"0x{7:064x}"}}}
    assert int(await eth("call", {"to": AT}, "latest", slot), 16) == 7
    number = code(word_of("NUMBER"))
    assert int(await eth("call", {"to": AT}, "latest", number), 16) == 1
    assert int(await eth("call", {"to": AT}, "0x0", number), 16) == 0
    assert int(await eth("call", {"to": AT}, "latest", number, {"number": "0x99"}), 16) == 0x99
    both: dict[str, Any] = {AT: {"state": {}, "stateDiff": {}}}
    assert "has both 'state' and 'stateDiff'" in (await eth.error("call", {"to": AT}, "latest", both))["message"]
    with pytest.raises(InvalidParams, match="storage"):
        await eth("call", {"to": AT}, "latest", {AT: {"storage": {}}})


async def test_an_access_list_names_what_is_touched(chain: EthChain) -> None:
    created = await chain.eth()("createAccessList", {"to": data(WRITER), "data": data((5).to_bytes(32, "big"))})
    keys = [f"0x{5:064x}", f"0x{0x63:064x}"]
    assert created["accessList"] == [{"address": data(WRITER), "storageKeys": keys}]


async def test_calls_beside_each_other(chain: EthChain) -> None:
    """More of them than have turns, with code that becomes hot."""
    eth = chain.eth()
    results: list[str] = []

    async def one() -> None:
        results.append(await run(eth, COUNT_DOWN))

    async with trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(one)
    assert results == [f"0x{1:064x}"] * 12


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"data": "0x01", "input": "0x02"}, 'both "data" and "input" are set'),
        ({"gasPrice": "0x1", "maxFeePerGas": "0x1"}, "both gasPrice and"),
        ({"chainId": "0x1"}, "chainId does not match"),
    ],
)
def test_messages_that_contradict_themselves(fields: dict[str, str], words: str) -> None:
    with pytest.raises(RpcError, match=words):
        parse_message(fields, "params[0]", 901)


def test_a_message_with_all_its_fields() -> None:
    authorization = {"chainId": "0x0", "address": AT, "nonce": "0x1", "yParity": "0x1", "r": "0x2", "s": "0x3"}
    message, gas = parse_message(
        {
            "from": AT,
            "to": AT,
            "gas": "0x7",
            "gasPrice": "0x9",
            "value": "0x1",
            "nonce": "0x5",
            "input": "0x01",
            "data": "0x01",
            "type": "0x4",
            "chainId": "0x385",
            "accessList": [{"address": AT, "storageKeys": ["0x" + 64 * "1"]}],
            "authorizationList": [authorization],
        },
        "params[0]",
        901,
    )
    assert (gas, message.max_fee, message.max_priority_fee, message.data) == (7, 9, 9, b"\x01")
    assert message.access_list[0].storage_keys == (b"\x11" * 32,)
    assert message.authorizations is not None and message.authorizations[0].y_parity == 1
    with pytest.raises(InvalidParams, match="blob"):
        parse_message({"blobVersionedHashes": []}, "params[0]", 901)
    assert parse_message({"maxFeePerBlobGas": "0x1"}, "params[0]", 901) == parse_message({}, "params[0]", 901)
