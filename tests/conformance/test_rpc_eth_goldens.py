"""The `eth_` namespace over a store of a recorded chain, held against what op-geth replied for that chain, field by field."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from harness.execution.chain_files import read_chain_file
from harness.execution.run import checked_genesis
from tests.shared import shared
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.requests import answer
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.namespace import EthNamespace
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

GAS_CAP = 100_000_000
"""Of the node that was asked: it says "supplied gas" in an error."""
FINALIZED = 0xFC
"""When it was asked; all blocks were safe."""

NOT_HERE = {
    "eth_config": "op-geth itself crashes at it (-32603), and it is not served here yet",
    "eth_sendRawTransaction": "the pool's errors: held against these in its own tests",
}
OWN_WORDS = {
    "error/bad-address": "the message names the parameter and what is wrong with it, not a type of Go",
    "error/bad-quantity": "the same",
    "error/bad-tag": "the same",
}
"""Only the error's code is op-geth's."""


@dataclass(frozen=True)
class Golden:
    """A request and op-geth's reply."""

    name: str
    request: dict[str, Any]
    reply: dict[str, Any]


def goldens() -> Iterator[Golden]:
    with gzip.open(shared("recordings/rpc-goldens.json.gz")) as file:
        recorded = json.load(file)["rpc"]
    for each in recorded:
        request = each["request"]
        if each["server"] == "op-geth" and isinstance(request, dict) and request["method"].startswith("eth_"):
            yield Golden(each["name"], request, each["response"])


@dataclass(frozen=True)
class Served:
    """The methods over the chain, and the blocks as they were executed."""

    namespace: EthNamespace
    blocks: list[ExecutedBlock]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    chain = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = checked_genesis(chain)
    executor = BlockExecutor(chain.config, FastEngine())
    identity = ChainIdentity(chain.config.l2_chain_id, genesis.hash)
    with Store.create(tmp_path_factory.mktemp("goldens") / "store", identity, genesis, history=None) as store:
        blocks = []
        for expected in chain.blocks:
            blocks.append(executor.build(store.parent_for(store.head.hash), expected.attributes))
            store.append(blocks[-1])
        store.set_label("safe", store.head.hash)
        finalized = store.blocks.canonical_hash(FINALIZED)
        assert finalized is not None
        store.set_label("finalized", finalized)
        yield Served(EthNamespace(chain.config, store, progress=lambda: None, limits=EthLimits(gas_cap=GAS_CAP)), blocks)


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, and how."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(name, "(missing)"), theirs.get(name, "(missing)"), f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif ours != theirs:
        yield f"{path}: {str(ours)[:200]}, op-geth: {str(theirs)[:200]}"


async def test_every_recorded_request_is_answered_as_op_geth_answered_it(served: Served) -> None:
    found: list[str] = []
    asked: set[str] = set()
    compared = 0
    for golden in goldens():
        method = golden.request["method"]
        if method in NOT_HERE:
            continue
        asked.add(method)
        reply = msgspec.json.decode(await answer(msgspec.json.encode(golden.request), served.namespace.methods))
        theirs = golden.reply
        if golden.name in OWN_WORDS:
            reply, theirs = reply["error"]["code"], theirs["error"]["code"]
        compared += 1
        found += [f"{golden.name}{difference}" for difference in differences(reply, theirs)]
    assert found == []
    assert compared == 568
    assert len(asked) == 25


async def test_answers_and_requests_are_as_they_are_declared(served: Served) -> None:
    """op-geth's answers, which ours equal. What it took has the parameters that are declared."""
    from tests.declared_schemas import checked  # noqa: PLC0415 - skips where there is no validator

    found: list[str] = []
    compared = 0
    for golden in goldens():
        method = golden.request["method"]
        if method in NOT_HERE or "result" not in golden.reply:
            continue
        schemas = checked(served.namespace.methods[method])
        problems = schemas.result(golden.reply["result"]) + schemas.params(golden.request["params"])
        found += [f"{golden.name} {problem}" for problem in problems]
        compared += 1
    for block in served.blocks:
        for method, params in (("eth_getBlockByNumber", [True]), ("eth_getBlockByNumber", [False]), ("eth_getBlockReceipts", [])):
            result = msgspec.json.decode(await served.namespace.methods[method]([hex(block.header.number), *params]))
            found += [f"{method} {problem}" for problem in checked(served.namespace.methods[method]).result(result)]
    assert found == []
    assert compared == 547


async def test_receipts_of_all_blocks_say_what_execution_took(served: Served) -> None:
    """The L1 fee that a receipt shows is computed from the L1 attributes, the one that was paid from the state of L1Block."""
    signed = 0
    for block in served.blocks:
        receipts = await served.namespace.methods["eth_getBlockReceipts"]([hex(block.header.number)])
        footprint = 0
        for shown, result in zip(msgspec.json.decode(receipts), block.results, strict=True):
            assert int(shown["gasUsed"], 16) == result.gas_used
            assert int(shown.get("l1Fee", "0x0"), 16) == result.l1_fee
            footprint += int(shown.get("blobGasUsed", "0x0"), 16)
            signed += "l1Fee" in shown
        assert footprint == (block.header.blob_gas_used or 0)
    assert (len(served.blocks), signed) == (258, 1757)
