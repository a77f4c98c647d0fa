"""A whole node whose chain begins at Bedrock, with a real HTTP server in the place of Legacy Geth (`--rollup.historicalrpc`).

The recorded L1 of another chain serves it: none of its batches fit, as they name other parents, so that the node derives the blocks that must
come of deposits alone, once the sequencing windows are over.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness.node_process import NodeProcess, RpcFailed
from tests.fake_endpoints import running
from tests.recorded_node import forks_chains, verifier_words
from tests.shared import shared
from tests.unit.rpc.historical.legacy_geth import BEDROCK, HOLDER, LegacyGeth, block, log, name, receipt, transaction
from trinode.execution.genesis import build_genesis, parse_genesis
from trinode.protocol.types import BlockId

TIMEOUT = 120
FIRST = hex(BEDROCK)


@pytest.fixture(scope="module")
def legacy() -> Iterator[LegacyGeth]:
    with LegacyGeth() as served:
        yield served


@pytest.fixture(scope="module")
def node(legacy: LegacyGeth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """When it has derived blocks."""
    folder = tmp_path_factory.mktemp("node")
    chains = forks_chains()
    genesis = json.loads(gzip.decompress(shared("recordings/forks-genesis.json.gz").read_bytes()))
    genesis |= {"number": FIRST, "parentHash": name(f"block {BEDROCK - 1}")}
    config = chains.head.rollup_config
    config = replace(config, genesis=replace(config.genesis, l2=BlockId(BEDROCK, bytes(32))))
    made = build_genesis(parse_genesis(genesis), config)
    config = replace(config, genesis=replace(config.genesis, l2=BlockId(BEDROCK, made.hash)))
    (folder / "genesis.json").write_text(json.dumps(genesis))
    (folder / "bedrock.json").write_text(json.dumps(config.to_json()))
    with running(chains) as server:
        words = verifier_words(
            chains,
            server,
            folder,
            genesis=folder / "genesis.json",
            rollup_config=folder / "bedrock.json",
            rollup_historicalrpc=legacy.url,
            http_api="eth,debug",
        )
        with NodeProcess(words) as process:
            process.wait_for(rf"safe=(?!{BEDROCK}\b)\d\d", TIMEOUT)
            yield process
            status, _ = process.stop()
            assert status == 0


def forwarded(legacy: LegacyGeth, node: NodeProcess, method: str, *params: Any) -> Any:
    """What is answered, which must come from Legacy Geth."""
    before = len(legacy.asked)
    result = node.call(method, *params)
    assert legacy.methods_asked()[before:], f"{method} was answered here"
    return result


def test_what_was_before_is_legacy_geths(legacy: LegacyGeth, node: NodeProcess) -> None:
    said = forwarded(legacy, node, "eth_getBlockByNumber", "0x5", True)
    assert said["hash"] == block(5, whole=True)["hash"]
    assert [each["hash"] for each in said["transactions"]] == [transaction(5)["hash"]]
    assert forwarded(legacy, node, "eth_getBlockByHash", name("block 7"), False)["number"] == "0x7"
    assert forwarded(legacy, node, "eth_getBalance", HOLDER, hex(BEDROCK - 1)) == hex(1000 + BEDROCK - 1)
    assert forwarded(legacy, node, "eth_call", {"to": HOLDER, "data": "0x1234"}, "0x3") == "0x1234"
    assert forwarded(legacy, node, "eth_getTransactionByHash", transaction(9)["hash"])["blockNumber"] == "0x9"
    assert forwarded(legacy, node, "eth_getTransactionReceipt", transaction(9)["hash"])["transactionHash"] == receipt(9)["transactionHash"]
    assert forwarded(legacy, node, "debug_traceTransaction", transaction(9)["hash"])["gas"] == 21_000


def test_what_came_after_is_ours(legacy: LegacyGeth, node: NodeProcess) -> None:
    before = len(legacy.asked)
    first, second = (node.call("eth_getBlockByNumber", hex(BEDROCK + offset), True) for offset in (0, 1))
    assert first["parentHash"] == name(f"block {BEDROCK - 1}")
    assert second["parentHash"] == first["hash"]
    assert [each["type"] for each in second["transactions"]][:1] == ["0x7e"]
    assert int(node.call("eth_blockNumber"), 16) > BEDROCK
    assert node.call("eth_getBalance", HOLDER, "latest") == "0x0"
    assert legacy.methods_asked()[before:] == []


def test_logs_of_both(legacy: LegacyGeth, node: NodeProcess) -> None:
    found = forwarded(legacy, node, "eth_getLogs", {"fromBlock": hex(BEDROCK - 2), "toBlock": hex(BEDROCK + 1)})
    assert [each for each in found if int(each["blockNumber"], 16) < BEDROCK] == [log(number) for number in (BEDROCK - 2, BEDROCK - 1)]
    assert found == sorted(found, key=lambda each: int(each["blockNumber"], 16))


def test_without_legacy_geth_the_rest_is_served(legacy: LegacyGeth, node: NodeProcess) -> None:
    legacy.status, legacy.body = 503, b"gone"
    try:
        with pytest.raises(RpcFailed) as caught:
            node.call("eth_getBalance", HOLDER, "0x3")
        assert "historical backend" in str(caught.value)
        assert node.call("eth_getBlockByNumber", FIRST, False)["number"] == FIRST
    finally:
        legacy.status, legacy.body = 200, None
    assert node.call("eth_getBalance", HOLDER, "0x3") == hex(1003)
