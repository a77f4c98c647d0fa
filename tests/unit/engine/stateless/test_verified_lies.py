"""A remote that lies to who asks for it: each altered node, code, account, value, block and receipt is an error that names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.engine.block_tree import PEOPLE, WRITER
from tests.unit.engine.stateless.verified_node import LyingNode, Verified, headers_of
from tests.unit.execution.small_chain import senders
from tests.unit.rpc.eth.eth_chain import EthChain, data
from trinode.engine.stateless.headers import HeaderChain, KeptBlocks
from trinode.engine.stateless.verified_state import VerifiedSettings

BLOCKS = 6
REMOTE = "L2 http://full.example"
WHO = data(WRITER)
CALL = {"from": data(senders()[0]), "to": WHO, "input": "0x" + "".join(f"{word:064x}" for word in (1, 2, 0))}
WORD = "0x" + 64 * "6"


@pytest.fixture
def full(tmp_path: Path) -> Iterator[EthChain]:
    made = EthChain(tmp_path / "store")
    with made.store:
        made.extend(BLOCKS)
        yield made


@pytest.fixture
def headers(full: EthChain, tmp_path: Path) -> Iterator[HeaderChain]:
    chain = headers_of(full, tmp_path / "headers", KeptBlocks(headers=8, bodies=1))
    yield chain
    chain.close()


@pytest.fixture
async def verified(full: EthChain, headers: HeaderChain) -> Verified:
    return Verified(full, headers)


def place_of(headers: HeaderChain, number: int = BLOCKS) -> str:
    block_hash = headers.canonical_hash(number)
    assert block_hash is not None
    return f"L2 block {number} {data(block_hash)}"


def flipped(text: str, digit: int) -> str:
    """Hex with another digit."""
    index = digit % (len(text) - 2) + 2
    return text[:index] + ("1" if text[index] == "0" else "0") + text[index + 1 :]


def damaged(name: str, index: int, digit: int) -> Callable[[list[Any], Any], Any]:
    """A proof with another digit in one node."""

    def lie(params: list[Any], proof: Any) -> Any:
        nodes = proof[name] if name == "accountProof" else proof["storageProof"][0]["proof"]
        if params[0] == WHO and index < len(nodes):
            nodes[index] = flipped(nodes[index], digit)
        return proof

    return lie


async def length_of(verified: Verified, name: str) -> int:
    proof = await verified.full("getProof", WHO, ["0x1"], "latest")
    nodes: list[str] = proof[name] if name == "accountProof" else proof["storageProof"][0]["proof"]
    return len(nodes)


@pytest.mark.parametrize("name", ["accountProof", "storageProof"])
async def test_each_node(full: EthChain, headers: HeaderChain, name: str) -> None:
    count = await length_of(Verified(full, headers), name)
    assert count
    root = "the state root" if name == "accountProof" else "slot 0x1: does not lead to the storage root"
    for index in range(count):
        for digit in (0, 1, 5, 17, 40, -1):
            verified = Verified(full, headers)  # which has proved nothing yet
            verified.node.lies["eth_getProof"] = damaged(name, index, digit)
            error = await verified.error("getStorageAt", WHO, "0x1", "latest")
            where = "accountProof: " if name == "accountProof" else "storageProof[0].proof: "
            assert error.startswith(f"{REMOTE}: eth_getProof: {where}{place_of(headers)}: account {WHO}: ")
            assert root in error
            assert verified.notices == [error]


@pytest.mark.parametrize("name", ["accountProof", "storageProof"])
async def test_each_node_that_is_left_out(full: EthChain, headers: HeaderChain, name: str) -> None:
    for index in range(await length_of(Verified(full, headers), name)):
        verified = Verified(full, headers)

        def lie(params: list[Any], proof: Any, index: int = index) -> Any:
            nodes = proof[name] if name == "accountProof" else proof["storageProof"][0]["proof"]
            del nodes[index]
            return proof

        verified.node.lies["eth_getProof"] = lie
        for method, *params in (("getStorageAt", WHO, "0x1"), ("getProof", WHO, ["0x1"])):
            error = await verified.error(method, *params, "latest")
            assert "eth_getProof" in error and f"account {WHO}" in error and "is not in it" in error


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("balance", "0x1", "balance: {place}: account {who}: 1 is told, 0 is proved"),
        ("nonce", "0x7", "nonce: {place}: account {who}: 7 is told, 1 is proved"),
        ("codeHash", WORD, "codeHash: {place}: account {who}: 0x6666"),
        ("storageHash", WORD, "storageHash: {place}: account {who}: 0x6666"),
        ("balance", "12", "balance: {place}: "),
        ("accountProof", None, "accountProof: {place}: missing"),
        ("storageProof", [], "storageProof: {place}: account {who}: 0 slots, 1 were asked for"),
    ],
)
async def test_each_value_beside_the_nodes(verified: Verified, headers: HeaderChain, field: str, value: Any, words: str) -> None:
    verified.node.lies["eth_getProof"] = lambda params, proof: proof | {field: value}
    error = await verified.error("getProof", WHO, ["0x1"], "latest")
    assert error.startswith(f"{REMOTE}: eth_getProof: " + words.format(place=place_of(headers), who=WHO))


async def test_a_storage_value(verified: Verified, headers: HeaderChain) -> None:
    def lie(params: list[Any], proof: Any) -> Any:
        for slot in proof["storageProof"]:
            slot["value"] = "0x99"
        return proof

    verified.node.lies["eth_getProof"] = lie
    proved = int(await verified.full("getStorageAt", WHO, "0x1", "latest"), 16)
    expected = f"{REMOTE}: eth_getProof: storageProof[0].value: {place_of(headers)}: account {WHO}: slot 0x1: 153 is told, {proved} is proved"
    assert await verified.error("getStorageAt", WHO, "0x1", "latest") == expected


async def test_the_proof_of_another_account_or_block(verified: Verified, headers: HeaderChain) -> None:
    other = await verified.full("getProof", data(PEOPLE[3]), [], "latest")
    verified.node.lies["eth_getProof"] = lambda params, proof: other
    assert "accountProof: " in await verified.error("getBalance", WHO, "latest")
    older = await verified.full("getProof", WHO, [], "0x2")
    verified.node.lies["eth_getProof"] = lambda params, proof: older
    error = await verified.error("getBalance", WHO, "latest")
    assert f"{place_of(headers)}: account {WHO}: does not lead to the state root" in error


async def test_code(verified: Verified, headers: HeaderChain) -> None:
    for value in ("0x", "0x00", "0x6001"):
        verified.node.lies["eth_getCode"] = lambda params, code, value=value: value  # type: ignore[misc]
        for method, params in (("getCode", [WHO, "latest"]), ("call", [CALL, "latest"]), ("estimateGas", [CALL, "latest"])):
            error = await verified.error(method, *params)
            assert error.startswith(f"{REMOTE}: eth_getCode: result: {place_of(headers)}: account {WHO}: its {len(value) // 2 - 1} bytes hash to 0x")


async def test_a_call_is_not_answered_from_a_lie(verified: Verified) -> None:
    verified.node.lies["eth_getProof"] = damaged("accountProof", 0, 30)
    for method in ("call", "estimateGas", "createAccessList"):
        assert f"account {WHO}" in await verified.error(method, CALL, "latest")
    verified.node.lies.clear()
    for method in ("call", "estimateGas", "createAccessList"):
        await verified.same(method, CALL, "latest")


async def test_a_hint_decides_nothing(verified: Verified) -> None:
    junk = [{"address": data(bytes([index]) * 20), "storageKeys": [WORD]} for index in range(200)]
    hints: tuple[Any, ...] = ({"accessList": []}, {"accessList": junk}, {"accessList": 5}, None)
    for hint in hints:
        verified.node.lies["eth_createAccessList"] = lambda params, result, hint=hint: hint  # type: ignore[misc]
        await verified.same("call", CALL, hex(BLOCKS - 1))


async def test_blocks_and_transactions(full: EthChain, headers: HeaderChain, verified: Verified) -> None:
    block = await verified.full("getBlockByNumber", "0x3", True)

    def without_the_last(params: list[Any], result: Any) -> Any:
        return result | {"transactions": result["transactions"][:-1]}

    verified.node.lies["eth_getBlockByHash"] = without_the_last
    assert "eth_getBlockByHash: transactions: L2 block 0x" in await verified.error("getBlockByNumber", "0x3", True)
    verified.node.lies["eth_getBlockByHash"] = lambda params, result: None
    assert "the remote does not have it" in await verified.error("getBlockByNumber", "0x3", True)
    verified.node.lies.clear()
    wanted = block["transactions"][1]["hash"]
    for field, value in (("transactionIndex", "0x0"), ("transactionIndex", "0x77"), ("blockHash", data(full.blocks[4].hash))):
        verified.node.lies["eth_getTransactionByHash"] = lambda params, result, field=field, value=value: result | {field: value}  # type: ignore[misc]
        for method in ("getTransactionByHash", "getTransactionReceipt"):
            error = await verified.error(method, wanted)
            assert error.startswith(f"{REMOTE}: eth_getTransactionByHash: transactionIndex: L2 block ")
            assert f"does not hold transaction {wanted}" in error
    verified.node.lies["eth_getTransactionByHash"] = lambda params, result: result | {"blockHash": WORD}
    assert await verified.eth("getTransactionByHash", wanted) is None, "a block that is not ours, or not yet"
    del verified.node.lies["eth_getTransactionByHash"]
    verified.node.lies["eth_getBlockByNumber"] = verified.node.lies["eth_blockNumber"] = lambda params, result: None
    await verified.same("getTransactionByHash", wanted)


@pytest.mark.parametrize(("field", "value"), [("status", "0x0"), ("cumulativeGasUsed", "0x1"), ("logs", None), ("logsBloom", "0x" + 512 * "1")])
async def test_receipts(verified: Verified, headers: HeaderChain, field: str, value: Any) -> None:
    wanted = (await verified.full("getBlockByNumber", "0x3", False))["transactions"][1]
    log = {"address": WHO, "topics": [WORD], "data": "0x"}
    verified.node.lies["eth_getBlockReceipts"] = lambda params, result: [result[0] | {field: [log] if value is None else value}, *result[1:]]
    for method, param in (("getBlockReceipts", "0x3"), ("getTransactionReceipt", wanted)):
        error = await verified.error(method, param)
        assert error.startswith(f"{REMOTE}: eth_getBlockReceipts: result: {place_of(headers, 3)}: their root is 0x")


async def test_another_remote_takes_over(full: EthChain, headers: HeaderChain) -> None:
    honest = LyingNode(full.eth(), "http://honest.example")
    verified = Verified(full, headers, None, honest)
    verified.node.lies["eth_getProof"] = damaged("accountProof", 0, 9)
    await verified.same("getBalance", WHO, "latest")
    assert len(verified.notices) == 1 and "full.example: eth_getProof: accountProof: " in verified.notices[0]
    await verified.same("getStorageAt", WHO, "0x1", "latest")
    assert verified.node.asked["eth_getProof"] == 1, "who answered last is asked first"
    honest.lacks.add("eth_getProof")
    assert "full.example: eth_getProof: accountProof" in await verified.error("getStorageAt", WHO, "0x1", "safe")


async def test_a_remote_that_lacks_what_is_asked_is_named(verified: Verified) -> None:
    verified.node.lacks.add("eth_getProof")
    error = await verified.error("getBalance", WHO, "latest")
    assert error.startswith(f"{REMOTE}: eth_getProof: L2 block {BLOCKS} 0x") and "does not exist" in error
    assert not verified.notices


async def test_nobody_waits_for_long(full: EthChain, headers: HeaderChain) -> None:
    honest = LyingNode(full.eth(), "http://honest.example")
    for others in ((), (honest,)):
        verified = Verified(full, headers, VerifiedSettings(seconds=0.05), *others)
        verified.node.silent.add("eth_getProof")
        if others:
            honest.silent.clear()
            await verified.same("getBalance", WHO, "latest")
            honest.silent.add("eth_getProof")
        assert (await verified.error("getBalance", WHO, "safe")).endswith("no answer within 0.05 s")


async def test_a_hint_is_not_waited_for(full: EthChain, headers: HeaderChain) -> None:
    verified = Verified(full, headers, VerifiedSettings(hint_seconds=0.05))
    verified.node.silent.add("eth_createAccessList")
    await verified.same("call", CALL, "latest")
