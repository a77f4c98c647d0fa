"""Which block a request means, and what the store has of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.engine.block_tree import HASH_SLOT, WRITER, give, write
from tests.unit.execution.small_chain import senders, transfer
from tests.unit.rpc.eth.eth_chain import NEVER, EthChain, data, hash_at
from trinode.jsonrpc.fields import InvalidParams
from trinode.protocol.types import Hash32
from trinode.rpc.eth.block_names import LATEST, ByHash, parse_block_name, parse_word
from trinode.rpc.eth.json_cache import JsonCache
from trinode.rpc.eth.namespace import SyncProgress
from trinode.storage.readers import HeadState

HASH = b"\x12" * 32


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, LATEST),
        ("safe", "safe"),
        ("0x10", 16),
        (NEVER, ByHash(HASH)),
        ({"blockNumber": "0x10"}, 16),
        ({"blockNumber": "pending"}, "pending"),
        ({"blockHash": NEVER}, ByHash(HASH)),
        ({"blockHash": NEVER, "requireCanonical": True}, ByHash(HASH, True)),
    ],
)
def test_names_of_blocks(value: object, expected: object) -> None:
    assert parse_block_name(value, "params[0]") == expected


@pytest.mark.parametrize("value", ["newest", "0x01", 1, [], {}, {"blockHash": NEVER, "blockNumber": "0x1"}, {"blockHash": "0x12"}, True])
def test_what_names_no_block(value: object) -> None:
    with pytest.raises(InvalidParams, match=r"params\[0\]"):
        parse_block_name(value, "params[0]")


def test_slots_may_be_short_or_padded() -> None:
    assert [parse_word(value, "p") for value in ("0x", "0x3", "0x03", "0x" + 63 * "0" + "3")] == [0, 3, 3, 3]
    with pytest.raises(InvalidParams):
        parse_word("0x" + 65 * "0", "p")


async def test_labels(chain: EthChain) -> None:
    chain.extend(4)
    eth = chain.eth()
    assert (await eth.error("getBlockByNumber", "safe", False))["message"] == "safe block not found"
    chain.store.set_label("safe", hash_at(chain.store, 3))
    chain.store.set_label("finalized", hash_at(chain.store, 1))
    numbers = {tag: (await eth("getBlockByNumber", tag, False))["number"] for tag in ("earliest", "finalized", "safe", "latest", "pending")}
    assert numbers == {"earliest": "0x0", "finalized": "0x1", "safe": "0x3", "latest": "0x4", "pending": "0x4"}
    assert await eth("blockNumber") == "0x4"


async def test_what_was_taken_back_is_known_by_its_hash_alone(chain: EthChain) -> None:
    chain.extend(3)
    old, eth = chain.blocks[-1], chain.eth()
    assert (await eth("getBlockByNumber", "0x3", True))["hash"] == data(old.hash)
    chain.store.rewind(hash_at(chain.store, 2))
    chain.add(give(5))
    new = chain.blocks[-1]
    for whole in (False, True):
        assert (await eth("getBlockByNumber", "0x3", whole))["hash"] == data(new.hash)
        assert (await eth("getBlockByHash", data(old.hash), whole))["hash"] == data(old.hash)
    assert await eth("getTransactionByHash", data(b"\x07" * 32)) is None
    assert await eth("getBalance", data(WRITER), {"blockHash": data(new.hash), "requireCanonical": True}) == "0x0"
    error = await eth.error("getBalance", data(WRITER), {"blockHash": data(old.hash), "requireCanonical": True})
    assert error == {"code": -32000, "message": "hash is not currently canonical"}
    assert "missing trie node" in (await eth.error("getBalance", data(WRITER), data(old.hash)))["message"]
    assert (await eth.error("getBalance", data(WRITER), NEVER))["message"] == "header not found"


async def test_states_that_are_not_kept_are_named(tmp_path: Path) -> None:
    chain = EthChain(tmp_path / "store", history=2)
    with chain.store:
        chain.extend(8)
        eth = chain.eth()
        message = (await eth.error("getStorageAt", data(WRITER), "0x0", "0x1"))["message"]
        assert message == "missing trie node: the state of block 1 is not retained: the oldest is that of block 6"
        for method in ("call", "estimateGas", "createAccessList"):
            assert (await eth.error(method, {"to": data(WRITER)}, "0x1"))["message"] == message
        assert (await eth.error("getProof", data(WRITER), [], "0x1"))["message"] == message
        assert (await eth("getBlockByNumber", "0x1", True))["number"] == "0x1"


async def test_state_follows_blocks(chain: EthChain) -> None:
    chain.add(write(1, 5, hash_of=0))
    chain.add(write(1, 6, hash_of=1))
    eth, writer = chain.eth(), data(WRITER)
    assert [await eth("getStorageAt", writer, "0x1", tag) for tag in ("earliest", "0x1", "latest")] == [f"0x{value:064x}" for value in (0, 5, 6)]
    assert await eth("getStorageAt", writer, hex(HASH_SLOT)) == data(hash_at(chain.store, 1))
    proof = await eth("getProof", writer, ["0x1", f"0x{1:064x}"], "0x1")
    assert [(each["key"], each["value"]) for each in proof["storageProof"]] == [("0x1", "0x5"), (f"0x{1:064x}", "0x5")]


async def test_a_reorg_between_head_and_state_is_nobodys_error(chain: EthChain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.add(write(1, 5))
    eth, read = chain.eth(), chain.store.state_at

    def reorganised(block_hash: Hash32) -> HeadState:
        monkeypatch.undo()
        chain.store.rewind(hash_at(chain.store, 0))
        chain.add(write(1, 6))
        return read(block_hash)

    monkeypatch.setattr(chain.store, "state_at", reorganised)
    assert await eth("getStorageAt", data(WRITER), "0x1", "latest") == f"0x{6:064x}"


async def test_counts_and_uncles(chain: EthChain) -> None:
    chain.extend(1)
    eth, block_hash = chain.eth(), data(chain.blocks[0].hash)
    for by, name, unknown in (("Number", "0x1", "0x9"), ("Hash", block_hash, NEVER)):
        assert await eth(f"getBlockTransactionCountBy{by}", name) == "0x4"
        assert await eth(f"getBlockTransactionCountBy{by}", unknown) is None
        assert await eth(f"getUncleCountByBlock{by}", name) == "0x0"
        assert await eth(f"getUncleCountByBlock{by}", unknown) is None
        assert await eth(f"getUncleByBlock{by}AndIndex", name, "0x0") is None
        assert (await eth(f"getHeaderBy{by}", name))["hash"] == block_hash
        assert (await eth(f"getTransactionByBlock{by}AndIndex", name, "0x1"))["transactionIndex"] == "0x1"
        assert await eth(f"getTransactionByBlock{by}AndIndex", name, "0x4") is None
        assert await eth(f"getTransactionByBlock{by}AndIndex", unknown, "0x0") is None
        assert await eth(f"getRawTransactionByBlock{by}AndIndex", name, "0x2") == data(chain.blocks[0].transactions[2])
        assert await eth(f"getRawTransactionByBlock{by}AndIndex", name, "0x4") == "0x"


async def test_one_transaction_is_shown_the_same_everywhere(chain: EthChain) -> None:
    block = chain.add(transfer(0, 0), write(1, 1), transfer(1, 0))
    eth = chain.eth()
    whole = await eth("getBlockByNumber", "latest", True)
    receipts = await eth("getBlockReceipts", "latest")
    for index, (raw, shown) in enumerate(zip(block.transactions, whole["transactions"], strict=True)):
        assert await eth("getTransactionByHash", shown["hash"]) == shown
        assert await eth("getTransactionByBlockNumberAndIndex", "latest", hex(index)) == shown
        assert await eth("getRawTransactionByHash", shown["hash"]) == data(raw)
        assert await eth("getTransactionReceipt", shown["hash"]) == receipts[index]
    assert (whole["transactions"][1]["from"], receipts[1]["from"]) == (data(senders()[0]), data(senders()[0]))
    assert (await eth("getBlockByNumber", "latest", False))["transactions"] == [each["hash"] for each in whole["transactions"]]


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(None, False), (SyncProgress(1, 20, 300), {"startingBlock": "0x1", "currentBlock": "0x14", "highestBlock": "0x12c"})],
)
async def test_syncing_says_how_far_it_is(chain: EthChain, progress: SyncProgress | None, expected: Any) -> None:
    assert await chain.eth(progress=progress)("syncing") == expected


async def test_what_a_node_without_keys_says(chain: EthChain) -> None:
    eth = chain.eth()
    assert (await eth("accounts"), await eth("chainId")) == ([], hex(901))


def test_the_cache_keeps_what_was_asked_for_last() -> None:
    cache = JsonCache(80)
    for number in range(10):
        cache.put(bytes([number]), "whole", bytes(10))
        assert cache.get(bytes([0]), "whole") is not None
    assert [number for number in range(10) if cache.get(bytes([number]), "whole")] == [0, 3, 4, 5, 6, 7, 8, 9]
    cache.put(b"large", "whole", bytes(11))
    assert cache.get(b"large", "whole") is None
    assert cache.get(bytes([0]), "hashes") is None
