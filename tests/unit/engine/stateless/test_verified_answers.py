"""The `eth_` methods over headers and a remote's proofs answer as those over a store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.unit.engine.block_tree import HASH_SLOT, PEOPLE, SLOTS, WRITER
from tests.unit.engine.stateless.verified_node import Verified, headers_of
from tests.unit.execution.small_chain import TARGET, senders
from tests.unit.rpc.eth.eth_chain import NEVER, EthChain, data
from trinode.engine.stateless.headers import KeptBlocks
from trinode.engine.stateless.verified_state import VerifiedSettings
from trinode.execution.evm.calls import create_address

BLOCKS = 8
PLACES: list[Any] = ["latest", "safe", "finalized", "earliest", "pending", "0x3", "0x8", "0x9", NEVER, {"blockNumber": "0x2"}]
ADDRESSES = [data(address) for address in (WRITER, *senders()[:2], *PEOPLE[:6], TARGET, bytes(20), b"\x0e" * 20, create_address(b"\x0e" * 20, 0))]


@pytest.fixture
def full(tmp_path: Path) -> Iterator[EthChain]:
    made = EthChain(tmp_path / "store")
    with made.store:
        made.extend(BLOCKS)
        yield made


@pytest.fixture
async def verified(full: EthChain, tmp_path: Path) -> AsyncIterator[Verified]:
    chain = headers_of(full, tmp_path / "headers")
    yield Verified(full, chain)
    chain.close()


async def test_states(verified: Verified) -> None:
    for place in PLACES:
        for address in ADDRESSES:
            for method in ("getBalance", "getTransactionCount", "getCode"):
                await verified.same(method, address, place)
            slots = [hex(slot) for slot in (*SLOTS, HASH_SLOT, 2**256 - 1)]
            for slot in slots:
                await verified.same("getStorageAt", address, slot, place)
            await verified.same("getProof", address, slots, place)
    assert not verified.notices
    assert verified.node.asked["eth_getCode"] == 2, "each code once: WRITER's, and that of what was created"


async def test_calls(verified: Verified) -> None:
    message = {"from": data(senders()[0]), "to": data(WRITER)}
    words = "".join(f"{word:064x}" for word in (7, 9, 3))
    failing = {"from": data(PEOPLE[0]), "to": data(WRITER), "value": hex(10**20)}
    creation = {"from": data(senders()[0]), "input": "0x60015ff3"}
    for method in ("call", "estimateGas", "createAccessList"):
        for place in PLACES:
            for each in (message, message | {"input": "0x" + words}, failing, creation, message | {"gas": "0x5"}):
                await verified.same(method, each, place)
            overrides = {data(WRITER): {"stateDiff": {"0x" + 64 * "0": "0x" + 64 * "1"}}}
            await verified.same(method, message, place, overrides)


async def test_simulations(verified: Verified) -> None:
    """Blocks that are none have a state root, too: of what the calls read and write, all is proved."""
    words = "".join(f"{word:064x}" for word in (1, 9, 3))
    calls = [{"from": data(senders()[0]), "to": data(WRITER), "input": "0x" + words}, {"from": data(PEOPLE[3]), "to": NEVER[:42], "value": "0x1"}]
    for place in ("latest", "0x3"):
        found = await verified.same("simulateV1", {"blockStateCalls": [{"calls": calls}, {"calls": calls[:1]}]}, place)
        assert [call["status"] for call in found[0]["calls"]] == ["0x1", "0x1"]


async def test_blocks_transactions_receipts_and_logs(verified: Verified) -> None:
    for place in PLACES[:-2]:
        for whole in (True, False):
            await verified.same("getBlockByNumber", place, whole)
        for method in ("getHeaderByNumber", "getBlockReceipts", "getBlockTransactionCountByNumber"):
            await verified.same(method, place)
        await verified.same("getTransactionByBlockNumberAndIndex", place, "0x1")
        block = await verified.full("getBlockByNumber", place, False)
        if block is not None:
            await verified.same("getHeaderByHash", block["hash"])
            await verified.same("getLogs", {"blockHash": block["hash"]})
            for transaction in block["transactions"]:
                for method in ("getTransactionByHash", "getRawTransactionByHash", "getTransactionReceipt"):
                    await verified.same(method, transaction)
    for method in ("getBlockByHash", "getHeaderByHash", "getTransactionByHash", "getTransactionReceipt"):
        await verified.same(method, *([NEVER, False] if method == "getBlockByHash" else [NEVER]))
    for method in ("blockNumber", "chainId", "syncing", "gasPrice", "maxPriorityFeePerGas", "blobBaseFee"):
        await verified.same(method)
    await verified.same("feeHistory", "0x5", "latest", [10, 50])
    await verified.same("getLogs", {"fromBlock": "0x1", "toBlock": "latest"})


async def test_bodies_that_are_no_longer_here_come_from_the_remote(full: EthChain, tmp_path: Path) -> None:
    chain = headers_of(full, tmp_path / "pruned", KeptBlocks(headers=6, bodies=2))
    verified = Verified(full, chain)
    for number in range(3, BLOCKS + 1):
        await verified.same("getBlockByNumber", hex(number), True)
    assert 0 < verified.node.asked["eth_getBlockByHash"] <= 4
    error = await verified.eth.error("getBlockByNumber", "0x1", False)
    assert error["code"] == 4444
    chain.close()


async def test_a_second_question_needs_no_request(verified: Verified) -> None:
    message = {"from": data(senders()[0]), "to": data(WRITER), "input": "0x" + "".join(f"{word:064x}" for word in (1, 2, 0))}
    await verified.same("call", message, "latest")
    requests = verified.node.requests
    assert requests <= 4
    for method in ("call", "estimateGas", "createAccessList"):
        await verified.same(method, message, "latest")
    assert verified.node.requests == requests
    assert verified.node.asked["eth_createAccessList"] <= 1


async def test_what_a_request_may_ask_is_bounded(full: EthChain, tmp_path: Path) -> None:
    chain = headers_of(full, tmp_path / "headers")
    verified = Verified(full, chain, VerifiedSettings(requests=1))
    verified.node.lacks.add("eth_createAccessList")
    assert await verified.eth("getBalance", data(WRITER), "latest") == "0x0"
    message = {"to": data(WRITER), "input": "0x" + 192 * "1"}
    assert await verified.error("call", message, "0x2") == "too much of the state is needed: a request may ask a remote 1 times"
    chain.close()


@pytest.fixture
async def patient(full: EthChain, tmp_path: Path) -> AsyncIterator[Verified]:
    """Its remote answers no proofs, and it would wait for them for an hour."""
    chain = headers_of(full, tmp_path / "headers")
    made = Verified(full, chain, VerifiedSettings(seconds=3600))
    made.node.silent.add("eth_getProof")
    yield made
    chain.close()


async def test_an_interrupted_call_waits_for_no_remote(patient: Verified) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patient.eth, "call", {"to": data(WRITER)}, "latest")
        await patient.node.keeps_waiting.wait()
        nursery.cancel_scope.cancel()
    patient.node.silent.clear()
    assert await patient.same("call", {"to": data(WRITER)}, "latest") == "0x"


async def test_nothing_waits_for_a_remote_when_the_node_ends(patient: Verified) -> None:
    """Reads are not interrupted, so that they must be given up."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patient.chain.run)
        nursery.start_soon(patient.error, "getBalance", data(WRITER), "latest")
        await patient.node.keeps_waiting.wait()
        nursery.cancel_scope.cancel()
    assert await patient.error("getBalance", data(WRITER), "latest") == "the node is stopping"
