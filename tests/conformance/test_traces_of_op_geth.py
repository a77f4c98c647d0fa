"""Traces and calls held against what op-geth replied at blocks of a recorded chain, field by field."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from harness.execution.chain_files import read_chain_file
from harness.execution.run import checked_genesis
from tests.geth_traces import call_json, prestate_json, struct_json
from tests.shared import shared
from trinode.execution.block import BlockExecutor, ExecutedBlock, Parent
from trinode.execution.calls.access_list import create_access_list
from trinode.execution.calls.context import AccountOverride, CallContext, StateOverrides, call_context
from trinode.execution.calls.estimate import MessageFailed, estimate_gas
from trinode.execution.calls.message import InsufficientFunds, Message, call
from trinode.execution.engine import PreparedTransaction
from trinode.execution.evm.engine import FastEngine
from trinode.execution.memory import MemoryState
from trinode.execution.tracing.block import TracingEngine, trace_transaction
from trinode.execution.tracing.call_tracer import CallTracer
from trinode.execution.tracing.prestate import PrestateOptions, PrestateTracer
from trinode.execution.tracing.struct_logs import StructLogger
from trinode.execution.tracing.tracer import Tracer
from trinode.protocol.transaction import transaction_hash
from trinode.rollup.config import RollupConfig

GAS_CAP = 100_000_000
"""Of the node that was asked: it says "supplied gas" in an error."""


@dataclass
class Golden:
    """A request and op-geth's reply."""

    name: str
    method: str
    params: list[Any]
    reply: Mapping[str, Any]


@dataclass
class Replies:
    """What this project replies: JSON by the request's name, and the requests."""

    goldens: dict[str, Golden] = field(default_factory=dict)
    ours: dict[str, Any] = field(default_factory=dict)


def goldens() -> Iterator[Golden]:
    """Requests about transactions and calls that have an answer of the EVM."""
    methods = ("debug_traceTransaction", "debug_traceBlockByNumber", "eth_call", "eth_estimateGas", "eth_createAccessList")
    with gzip.open(shared("recordings/rpc-goldens.json.gz")) as file:
        recorded = json.load(file)["rpc"]
    for each in recorded:
        request = each["request"]
        if isinstance(request, dict) and request["method"] in methods and each["name"] != "error/trace-unknown":
            yield Golden(each["name"], request["method"], request["params"], each["response"])


def traced_as(options: Mapping[str, Any]) -> tuple[Tracer, Callable[[], Any]]:
    """The tracer that a request asks for, and what gives its JSON."""
    config = options.get("tracerConfig", {})
    if options.get("tracer") == "callTracer":
        calls = CallTracer(with_log=config.get("withLog", False))
        return calls, lambda: call_json(calls.call)
    if options.get("tracer") == "prestateTracer":
        prestate = PrestateTracer(PrestateOptions(diff_mode=config.get("diffMode", False)))
        return prestate, lambda: prestate_json(prestate, diff_mode=config.get("diffMode", False))
    logger = StructLogger()
    return logger, lambda: struct_json(logger.trace)


def trace_one(config: RollupConfig, parent: Parent, block: ExecutedBlock, golden: Golden) -> Any:
    """The reply to debug_traceTransaction."""
    wanted = bytes.fromhex(golden.params[0][2:])
    index = [transaction_hash(raw) for raw in block.transactions].index(wanted)
    tracer, reply = traced_as(golden.params[1])
    result = trace_transaction(config, parent, block.header, block.transactions, index, tracer)
    assert result == block.results[index]
    return reply()


def trace_all(config: RollupConfig, parent: Parent, block: ExecutedBlock, golden: Golden) -> Any:
    """The reply to debug_traceBlockByNumber."""
    replies: list[Callable[[], Any]] = []

    def tracer_of(index: int, prepared: PreparedTransaction) -> Tracer:
        tracer, reply = traced_as(golden.params[1])
        replies.append(reply)
        return tracer

    traced = BlockExecutor(config, TracingEngine(tracer_of)).check(parent, block.header, block.transactions)
    assert traced.results == block.results and traced.changes == block.changes
    hashes = ["0x" + transaction_hash(raw).hex() for raw in block.transactions]
    return [{"txHash": name, "result": reply()} for name, reply in zip(hashes, replies, strict=True)]


def message_of(wanted: Mapping[str, str], gas: int) -> Message:
    """The message of a request, with `gas` where it says nothing."""
    to = wanted.get("to")
    return Message(
        gas_limit=int(wanted["gas"], 16) if "gas" in wanted else gas,
        sender=bytes.fromhex(wanted.get("from", "0x" + 40 * "0")[2:]),
        to=None if to is None else bytes.fromhex(to[2:]),
        value=int(wanted.get("value", "0x0"), 16),
        data=bytes.fromhex(wanted.get("data", "0x")[2:]),
    )


def overrides_of(wanted: Mapping[str, Mapping[str, str]]) -> StateOverrides:
    """The state overrides of a request; no recorded one has other than code."""
    assert all(set(override) == {"code"} for override in wanted.values())
    return {bytes.fromhex(name[2:]): AccountOverride(code=bytes.fromhex(each["code"][2:])) for name, each in wanted.items()}


def reverted(data: bytes) -> Any:
    """The error of a call that reverts."""
    return {"code": 3, "message": "execution reverted", "data": "0x" + data.hex()}


def call_at(context: CallContext, golden: Golden) -> Any:
    """The reply to eth_call."""
    message = message_of(golden.params[0], GAS_CAP)
    try:
        result = call(context, message)
    except InsufficientFunds as error:
        cost = f"have {error.balance} want {error.cost} (supplied gas {message.gas_limit})"
        who = f"address {to_checksum_address(error.sender)}"
        return {"code": -32000, "message": f"err: insufficient funds for gas * price + value: {who} {cost}"}
    if result.succeeded:
        return "0x" + result.output.hex()
    if result.failure == "execution reverted":
        return reverted(result.output)
    tracer = CallTracer(only_top_call=True)
    assert call(context, message, tracer=tracer) == result
    return {"code": -32000, "message": tracer.call.error}


def estimate_at(context: CallContext, golden: Golden) -> Any:
    """The reply to eth_estimateGas."""
    try:
        return hex(estimate_gas(context, message_of(golden.params[0], 0), gas_cap=GAS_CAP))
    except MessageFailed as error:
        return reverted(error.output)


def access_list_at(context: CallContext, golden: Golden) -> Any:
    """The reply to eth_createAccessList."""
    created = create_access_list(context, message_of(golden.params[0], GAS_CAP))
    entries = [
        {"address": "0x" + address.hex(), "storageKeys": ["0x" + key.hex() for key in keys]} for address, keys in created.access_list
    ]
    assert created.failure is None
    return {"accessList": entries, "gasUsed": hex(created.gas_used)}


AT_BLOCK: Mapping[str, Callable[[CallContext, Golden], Any]] = {
    "eth_call": call_at,
    "eth_estimateGas": estimate_at,
    "eth_createAccessList": access_list_at,
}


@pytest.fixture(scope="module")
def replies() -> Replies:
    """All replies of this project; the chain is executed once."""
    found = Replies({golden.name: golden for golden in goldens()})
    by_transaction: dict[bytes, list[Golden]] = defaultdict(list)
    by_block: dict[int, list[Golden]] = defaultdict(list)
    for golden in found.goldens.values():
        if golden.method == "debug_traceTransaction":
            by_transaction[bytes.fromhex(golden.params[0][2:])].append(golden)
        else:
            by_block[int(golden.params[0 if golden.method == "debug_traceBlockByNumber" else 1], 16)].append(golden)
    chain = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    state = MemoryState(checked_genesis(chain))
    executor = BlockExecutor(chain.config, FastEngine())
    for expected in chain.blocks:
        parent = state.parent
        block = executor.build(parent, expected.attributes)
        assert block.hash == expected.hash
        for raw in block.transactions:
            for golden in by_transaction[transaction_hash(raw)]:
                found.ours[golden.name] = trace_one(chain.config, parent, block, golden)
        wanted = by_block[block.header.number]
        for golden in wanted:
            if golden.method not in AT_BLOCK:
                found.ours[golden.name] = trace_all(chain.config, parent, block, golden)
        state.apply(block)
        for golden in wanted:
            if golden.method in AT_BLOCK:
                context = call_context(chain.config, block.header, state, overrides_of(golden.params[2] if len(golden.params) > 2 else {}))
                found.ours[golden.name] = AT_BLOCK[golden.method](context, golden)
    return found


def different(replies: Replies, prefix: str) -> list[str]:
    """The names below `prefix` whose replies differ; there must be some."""
    names = [name for name in replies.goldens if name.startswith(prefix)]
    assert names
    return [name for name in names if replies.ours.get(name) != answer(replies.goldens[name])]


def answer(golden: Golden) -> Any:
    """The result of a reply, or its error."""
    return golden.reply.get("result", golden.reply.get("error"))


@pytest.mark.parametrize("kind", ["struct", "callTracer", "prestate/", "prestateDiff"])
def test_traces_of_transactions(replies: Replies, kind: str) -> None:
    assert different(replies, f"traceTransaction/{kind}") == []


def test_traces_of_a_block(replies: Replies) -> None:
    assert different(replies, "traceBlockByNumber/") == []


@pytest.mark.parametrize("prefix", ["call/", "estimateGas/", "createAccessList/"])
def test_calls(replies: Replies, prefix: str) -> None:
    assert different(replies, prefix) == []


def test_all_recorded_requests_are_answered(replies: Replies) -> None:
    assert set(replies.ours) == set(replies.goldens)
