"""What the recorded replies of op-geth do not show: blocks, calls, subscriptions, errors and bounds of the methods that trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from harness.engine_differential.assembler import Assembler
from tests.unit.execution.small_chain import CHAIN_ID
from tests.unit.rpc.debug.trace_chain import Traced
from tests.unit.rpc.eth.eth_chain import NEVER, EthChain, data, hash_at
from trinode.jsonrpc.declared import Declared
from trinode.jsonrpc.fields import InvalidParams
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.header import encode_header
from trinode.protocol.rlp_codec import encode_bytes, encode_list
from trinode.protocol.transaction import transaction_hash
from trinode.rpc.debug.trace_settings import TraceSettings

CALLS: dict[str, Any] = {"tracer": "callTracer"}
TARGET = "0x" + 20 * "77"
FOREVER = "0x5b5f56"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EthChain]:
    made = EthChain(tmp_path_factory.mktemp("traced") / "store")
    with made.store:
        made.extend(4)
        yield made


def raw_block(chain: EthChain, index: int) -> str:
    block = chain.blocks[index]
    transactions = [raw if raw[0] >= 0xC0 else encode_bytes(raw) for raw in block.transactions]
    return data(encode_list([encode_header(block.header), encode_list(transactions), encode_list([]), encode_list([])]))


def with_code(code: str) -> dict[str, Any]:
    return {"stateOverrides": {TARGET: {"code": code}}}


# ---- blocks ----


async def test_a_block_is_the_same_by_each_of_its_names_and_one_by_one(chain: EthChain) -> None:
    debug, block = Traced(chain), chain.blocks[-1]  # some transactions are in each block, and found in the last one
    for options in ({}, CALLS, {"tracer": "prestateTracer"}, {"tracer": "flatCallTracer"}):
        traces = await debug("traceBlockByNumber", hex(block.header.number), options)
        assert await debug("traceBlockByHash", data(block.hash), options) == traces
        assert await debug("traceBlock", raw_block(chain, -1), options) == traces
        names = [data(transaction_hash(raw)) for raw in block.transactions]
        assert traces == [{"txHash": name, "result": await debug("traceTransaction", name, options)} for name in names]
    assert [each["result"]["gas"] for each in await debug("traceBlockByNumber", "0x4")] == [result.gas_used for result in block.results]


async def test_blocks_that_cannot_be_traced(chain: EthChain) -> None:
    debug = Traced(chain)
    assert await debug.error("traceBlockByNumber", "0x99") == "block #153 not found"
    assert await debug.error("traceBlockByHash", NEVER) == f"block {NEVER} not found"
    assert await debug.error("traceBlockByNumber", "earliest") == "genesis is not traceable"
    assert await debug.error("intermediateRoots", data(hash_at(chain.store, 0))) == "genesis is not traceable"
    assert await debug.error("traceTransaction", NEVER) == "transaction not found"
    orphan = raw_block(chain, 2).replace(chain.blocks[1].hash.hex(), NEVER[2:])
    assert await debug.error("traceBlock", orphan) == f"block {NEVER} not found"
    for malformed in ("0x", "0x1234", raw_block(chain, 2)[:-2], raw_block(chain, 2) + "00", "0xc3c0c0c0", "0xc1c0"):
        assert (await debug.error("traceBlock", malformed)).startswith("could not decode block: ")


async def test_a_block_that_is_not_valid(chain: EthChain) -> None:
    block = chain.blocks[2]
    forged = data(encode_list([encode_header(block.header), encode_list([encode_bytes(b"\x7e\x01")]), encode_list([]), encode_list([])]))
    assert (await Traced(chain).error("traceBlock", forged)).startswith("tracing failed: transaction 0: ")


async def test_the_roots_between_transactions(chain: EthChain) -> None:
    block = chain.blocks[1]  # not on the head
    roots = await Traced(chain)("intermediateRoots", data(block.hash))
    assert len(roots) == len(block.transactions) == len(set(roots))
    assert roots[-1] == data(block.header.state_root)


async def test_a_state_that_is_no_longer_there(tmp_path: Path) -> None:
    pruned = EthChain(tmp_path / "store", history=2)
    with pruned.store:
        pruned.extend(6)
        assert (await Traced(pruned).error("traceBlockByNumber", "0x1")).startswith("required historical state unavailable: ")


# ---- calls ----


async def test_a_call_before_a_transaction_of_a_block(chain: EthChain) -> None:
    """The code reads WRITER's slots: what a transaction of the block wrote is seen after it."""
    debug, number = Traced(chain), chain.blocks[1].header.number
    written = chain.blocks[1].changes.storage
    (address, slots), *_ = [(address, slots) for address, slots in written.items() if address == b"\x05" * 20]
    slot = min(slots)
    code = data(bytes(Assembler().push(slot).op("SLOAD", "PUSH0", "MSTORE").push(32).op("PUSH0", "RETURN").assemble()))
    found = []
    for index in ("0x0", "0x1", "0x2", None):
        options: dict[str, Any] = {**CALLS, "stateOverrides": {data(address): {"code": code}}}
        options |= {} if index is None else {"txIndex": index}
        found.append(int((await debug("traceCall", {"to": data(address)}, hex(number), options))["output"], 16))
    assert found[0] == found[1] == chain.tree.states.parent(chain.blocks[0].hash).state.storage(address, slot)
    assert found[2] == found[3] == slots[slot] != found[0]
    message = await debug.error("traceCall", {"to": TARGET}, hex(number), {"txIndex": "0x63"})
    assert message == f"transaction index 99 out of range for block {data(chain.blocks[1].hash)}"
    assert await debug.error("traceCall", {"to": TARGET}, "earliest", {"txIndex": "0x0"}) == "no transaction in genesis"


async def test_a_call_with_overrides(chain: EthChain) -> None:
    debug, last = Traced(chain), chain.blocks[-1]
    number_and_hash = data(bytes(Assembler().op("NUMBER", "PUSH0", "MSTORE").push(4).op("BLOCKHASH").push(32).op("MSTORE").assemble()))
    code = number_and_hash + "60405ff3"
    for number, seen in ((4, bytes(32)), (5, last.hash), (6, bytes(32))):
        options = {**CALLS, **with_code(code), "blockOverrides": {"number": hex(number)}}
        trace = await debug("traceCall", {"to": TARGET}, "latest", options)
        assert trace["output"] == data(number.to_bytes(32, "big") + seen)


async def test_calls_that_are_refused(chain: EthChain) -> None:
    debug = Traced(chain, TraceSettings(gas_cap=1_000_000))
    assert await debug.error("traceCall", {"to": TARGET}, "pending") == "tracing on top of pending is not supported"
    assert await debug.error("traceCall", {"to": TARGET}) == "missing value for required argument 1"
    assert await debug.error("traceCall", {"to": TARGET, "gas": "0x10"}, "latest") == "tracing failed: intrinsic gas too low: have 16, want 21000"
    poor = await debug.error("traceCall", {"from": TARGET, "to": TARGET, "value": "0x1"}, "latest")
    assert poor == f"tracing failed: insufficient funds for gas * price + value: address {TARGET} have 0 want 1"
    both: dict[str, Any] = {"stateOverrides": {TARGET: {"state": {}, "stateDiff": {}}}}
    assert "has both 'state' and 'stateDiff'" in await debug.error("traceCall", {"to": TARGET}, "latest", both)
    assert (await debug("traceCall", {"to": TARGET}, "latest", CALLS))["gas"] == hex(1_000_000)
    assert "chainId does not match" in await debug.error("traceCall", {"to": TARGET, "chainId": hex(CHAIN_ID + 1)}, "latest")


async def test_calls_as_deep_as_they_can_be_on_a_worker_thread(chain: EthChain) -> None:
    debug = Traced(chain, TraceSettings(gas_cap=2**62))
    code = data(bytes(Assembler().op("PUSH0", "PUSH0", "PUSH0", "PUSH0", "PUSH0", "ADDRESS", "GAS", "CALL").assemble()))
    top = await debug("traceCall", {"to": TARGET}, "latest", {**CALLS, **with_code(code)})
    depth = 0
    while "calls" in top:
        depth, (top,) = depth + 1, top["calls"]
    assert (depth, top["error"]) == (1025, "max call depth exceeded")
    flat = await debug("traceCall", {"to": TARGET}, "latest", {"tracer": "flatCallTracer", **with_code(code)})
    assert [len(each["traceAddress"]) for each in flat] == list(range(1026))


async def test_whatever_gas_ran_out_for_parity_calls_it_the_same(chain: EthChain) -> None:
    debug = Traced(chain)
    message, code = {"to": TARGET, "gas": hex(23_200)}, with_code("0x60016000" + "55")
    call = await debug("traceCall", message, "latest", {**CALLS, **code})
    assert call["error"] == "out of gas: not enough gas for reentrancy sentry"
    flat = await debug("traceCall", message, "latest", {"tracer": "flatCallTracer", "tracerConfig": {"convertParityErrors": True}, **code})
    assert flat[0]["error"] == "Out of gas"


# ---- tracers and options ----


async def test_a_tracer_without_a_name_is_none(chain: EthChain) -> None:
    error = await Traced(chain).error("traceCall", {"to": TARGET}, "latest", {"tracer": ""})
    assert error.startswith("unknown tracer ''")


async def test_several_tracers_at_once(chain: EthChain) -> None:
    debug, name = Traced(chain), data(transaction_hash(chain.blocks[0].transactions[1]))
    names = ("callTracer", "prestateTracer", "4byteTracer", "unigramTracer", "opcountTracer", "noopTracer", "keccak256PreimageTracer")
    mux = await debug("traceTransaction", name, {"tracer": "muxTracer", "tracerConfig": {each: {} for each in names}})
    assert mux == {each: await debug("traceTransaction", name, {"tracer": each}) for each in names}
    assert mux["opcountTracer"] == sum(mux["unigramTracer"].values()) > 0 and mux["noopTracer"] == {}


async def test_the_limit_of_opcodes_is_in_bytes(chain: EthChain) -> None:
    debug, name = Traced(chain), data(transaction_hash(chain.blocks[0].transactions[1]))
    everything = (await debug("traceTransaction", name))["structLogs"]
    size = len(msgspec.json.encode(everything[0]))
    for limit, count in ((0, len(everything)), (-1, 0), (1, 1), (size - 1, 1), (size, 2)):
        assert (await debug("traceTransaction", name, {"limit": limit}))["structLogs"] == everything[:count]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tracer": "{result: function() {}}"}, "unknown tracer '{result: function() {}}': tracers in JavaScript are not run here; there are"),
        ({"tracer": "muxTracer", "tracerConfig": {"muxTracer": {}}}, "tracerConfig: at most 16 tracers, and none of them muxTracer"),
        ({"tracer": "muxTracer", "tracerConfig": 5}, "tracerConfig: an object with tracers by name was expected"),
        ({"tracer": "muxTracer", "tracerConfig": {"x": {}}}, "unknown tracer 'x'"),
        ({"tracer": "callTracer", "tracerConfig": {"withLog": 1}}, "tracerConfig.withLog: true or false was expected, not 1"),
        ({"tracer": "prestateTracer", "tracerConfig": {"diffMode": True, "includeEmpty": True}}, "cannot use diffMode with includeEmpty"),
        ({"timeout": "-1s"}, "execution timeout"),
        ({"timeout": "abc"}, 'time: invalid duration "abc"'),
        ({"overrides": {"londonBlock": 5}}, "invalid argument 1: overrides: the rules of a fork cannot be overridden"),
        ({"reexec": "0x5"}, "invalid argument 1: reexec: a number from 0 to"),
        ({"tracer": 5}, "invalid argument 1: tracer: a string was expected, not 5"),
        (7, "invalid argument 1: an object was expected, not 7"),
    ],
)
async def test_options_that_are_refused(chain: EthChain, options: Any, message: str) -> None:
    debug = Traced(chain)
    name = data(transaction_hash(chain.blocks[0].transactions[1]))
    assert (await debug.error("traceTransaction", name, options)).startswith(message)
    assert (await debug.error("traceBlockByNumber", "0x1", options)).startswith(message)
    assert (await debug.error("traceCall", {"to": TARGET}, "latest", options)).startswith(message.replace("argument 1", "argument 2"))


def test_all_methods_are_declared(chain: EthChain) -> None:
    assert all(isinstance(method, Declared) for method in Traced(chain).traces.methods.values())


# ---- bounds ----


async def test_answers_are_bounded(chain: EthChain) -> None:
    endless = with_code(FOREVER)
    for settings, message in ((TraceSettings(entries=100), "more than 100 entries"), (TraceSettings(size=5000), "more than 5000 bytes")):
        for tracer in ({}, {"tracer": "muxTracer", "tracerConfig": {"callTracer": {}, "prestateTracer": {}}}):
            answer = await Traced(chain, settings).reply("traceCall", {"to": TARGET, "gas": "0x10000"}, "latest", {**endless, **tracer})
            assert ("error" in answer) == (not tracer)
            assert tracer or message in answer["error"]["message"]
    small = Traced(chain, TraceSettings(size=2_000))
    assert "2000 bytes in all" in await small.error("traceBlockByNumber", "0x1")
    assert len(await small("traceBlockByNumber", "0x1", CALLS)) == len(chain.blocks[0].transactions)


async def test_a_trace_ends_in_its_time(chain: EthChain) -> None:
    debug = Traced(chain, TraceSettings(gas_cap=2**62, entries=2**62, size=2**62))
    for tracer in ("callTracer", "noopTracer"):
        options = {"tracer": tracer, "timeout": "50ms", **with_code(FOREVER)}
        assert await debug.error("traceCall", {"to": TARGET}, "latest", options) == "execution timeout"
    limited = Traced(chain, TraceSettings(gas_cap=2**62, seconds=0.05))
    assert await limited.error("traceCall", {"to": TARGET}, "latest", {**CALLS, "timeout": "1h", **with_code(FOREVER)}) == "execution timeout"


async def test_a_trace_ends_when_nobody_wants_it_any_more(chain: EthChain) -> None:
    debug = Traced(chain, TraceSettings(gas_cap=2**62, threads=1))
    with trio.move_on_after(0.05) as scope:
        await debug("traceCall", {"to": TARGET}, "latest", {"tracer": "noopTracer", **with_code(FOREVER)})
    assert scope.cancelled_caught
    assert await debug("traceBlockByNumber", "0x1", {"tracer": "noopTracer"})  # its thread has come back


# ---- a subscription ----


async def sent(debug: Traced, *params: Any) -> list[Any]:
    updates = await debug.traces.subscriptions["traceChain"](["traceChain", *params])
    return [msgspec.json.decode(each) async for each in updates]


async def test_a_chain_is_traced_block_by_block(chain: EthChain) -> None:
    debug = Traced(chain)
    found = await sent(debug, "0x1", "latest", CALLS)
    assert [(each["block"], each["hash"]) for each in found] == [(hex(each.header.number), data(each.hash)) for each in chain.blocks[1:]]
    assert [each["traces"] for each in found] == [await debug("traceBlockByNumber", each["block"], CALLS) for each in found]


async def test_chains_that_are_not_traced(chain: EthChain) -> None:
    with pytest.raises(RpcError, match=r"end block \(#2\) needs to come after start block \(#2\)"):
        await sent(Traced(chain), "0x2", "0x2")
    with pytest.raises(RpcError, match="block #9 not found"):
        await sent(Traced(chain), "0x2", "0x9")
    with pytest.raises(RpcError, match="4 blocks, at most 3 are traced"):
        await sent(Traced(chain, TraceSettings(chain_blocks=3)), "0x0", "0x4")
    with pytest.raises(RpcError, match="unknown tracer"):
        await sent(Traced(chain), "0x0", "0x4", {"tracer": "x"})
    with pytest.raises(RpcError, match="missing value for required argument 2"):
        await sent(Traced(chain), "0x0")
    with pytest.raises(InvalidParams, match=r"params\[3\].timeout: a string"):
        await sent(Traced(chain), "0x0", "0x4", {"timeout": 5})


async def test_an_error_stands_at_its_transaction(chain: EthChain) -> None:
    size = len(msgspec.json.encode((await sent(Traced(chain), "0x0", "0x1"))[0]["traces"][0]))
    (found,) = await sent(Traced(chain, TraceSettings(size=size + 10)), "0x0", "0x1")
    first, second = found["traces"]
    assert "result" in first and "more than" in second["error"]


async def test_a_chain_that_is_taken_back_ends_early(tmp_path: Path) -> None:
    made = EthChain(tmp_path / "store")
    with made.store:
        made.extend(4)
        updates = await Traced(made).traces.subscriptions["traceChain"](["traceChain", "0x0", "0x4", CALLS])
        assert msgspec.json.decode(await anext(updates))["block"] == "0x1"
        made.store.rewind(hash_at(made.store, 1))
        assert [each async for each in updates] == []
