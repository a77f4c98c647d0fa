"""JSON of real nodes (recorded replies of op-geth and op-node, of L1 and OP endpoints) into consensus bytes that hash right."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from harness.recorder.l2_source import read_output
from harness.recording import RecordedL2Block, open_recording
from tests.shared import SHARED, shared
from trinode.jsonrpc.replies import RpcJsonError
from trinode.l1.rpc_block import RpcBlock, read_block, read_receipts

L1_GOERLI = SHARED / "data" / "rpc" / "l1_goerli" / "blocks"


@pytest.fixture(scope="module")
def goldens() -> list[tuple[str, list[Any], Any]]:
    """Method, parameters and result of every recorded call that succeeded, at blocks of `recorded`."""
    with gzip.open(shared("recordings/rpc-goldens.json.gz")) as file:
        exchanges = json.load(file)["rpc"]
    calls = []
    for exchange in exchanges:
        request, response = exchange["request"], exchange["response"]
        if isinstance(request, dict) and isinstance(response, dict) and response.get("result") is not None:
            calls.append((request["method"], request.get("params", []), response["result"]))
    return calls


@pytest.fixture(scope="module")
def recorded() -> dict[int, RecordedL2Block]:
    with open_recording(shared("recordings/forks-regolith-to-karst.jsonl.gz"), check=False) as reader:
        return {item.header.number: item for item in reader if isinstance(item, RecordedL2Block)}


def test_blocks_of_op_geth(goldens: list[tuple[str, list[Any], Any]], recorded: dict[int, RecordedL2Block]) -> None:
    seen = 0
    for method, params, result in goldens:
        if method in {"eth_getBlockByNumber", "eth_getBlockByHash"} and params[1] is True:
            number = int(result["number"], 16)
            block = recorded[number]
            assert read_block(result, number) == (block.block.ref.hash, block.header, block.block.transactions)
            seen += 1
    assert seen >= 10


def test_receipts_of_op_geth(goldens: list[tuple[str, list[Any], Any]], recorded: dict[int, RecordedL2Block]) -> None:
    seen = 0
    for method, _, result in goldens:
        if method == "eth_getBlockReceipts":
            block = recorded[int(result[0]["blockNumber"], 16)]
            whole = RpcBlock(block.block.ref.hash, block.header, block.block.transactions)
            assert len(read_receipts(result, whole)) == len(block.block.transactions)
            seen += 1
    assert seen >= 10


def test_output_roots_of_op_node(goldens: list[tuple[str, list[Any], Any]], recorded: dict[int, RecordedL2Block]) -> None:
    seen = 0
    for method, params, result in goldens:
        if method == "optimism_outputAtBlock" and params[0] != "0x0":
            block = recorded[int(params[0], 16)]
            assert read_output(result, block.header, block.block.ref.hash) == block.output_root
            seen += 1
    assert seen >= 10


@pytest.mark.parametrize("path", sorted(L1_GOERLI.glob("*_data.json")), ids=lambda path: path.name.removesuffix("_data.json"))
def test_blocks_of_l1_goerli(path: Any) -> None:
    result = json.loads(path.read_text())
    fails = json.loads(path.with_name(path.name.replace("_data", "_metadata")).read_text()).get("fail", False)
    number = int(result["number"], 16)
    # Withdrawals are not read: L1's concern, and no part of a recording.
    if fails and "withdrawals" not in path.name:
        with pytest.raises(RpcJsonError):
            read_block(result, number)
    elif not fails:
        assert len(read_block(result, number).transactions) == len(result["transactions"])


@pytest.mark.parametrize("number", [5003318, 5003322])
def test_blocks_of_op_goerli(number: int) -> None:
    """Before Regolith: deposits that are system transactions."""
    result = json.loads(shared(f"data/rpc/rosetta_goerli_bedrock_block_{number}.json").read_text())
    block = read_block(result, number)
    assert block.transactions[0][0] == 0x7E
    if number == 5003318:
        paths = [shared(f"data/rpc/rosetta_goerli_bedrock_tx_receipt_{number}_{index}.json") for index in (1, 2)]
        assert len(read_receipts([json.loads(path.read_text()) for path in paths], block)) == 2
