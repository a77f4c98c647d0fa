"""A node that began with a snapshot: what it has not is said, never made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.execution.small_chain import transfer
from tests.unit.rpc.eth.eth_chain import Eth, EthChain, data
from trinode.rpc.eth.namespace import EthNamespace
from trinode.storage.snapshot_export import export_snapshot
from trinode.storage.snapshot_import import import_snapshot
from trinode.storage.store import Store


@pytest.fixture
def began(chain: EthChain, tmp_path: Path) -> Iterator[tuple[EthChain, Eth]]:
    """The chain of 258 blocks, of which the snapshot has 3 to 257 and 258, and 259, which was executed on it."""
    chain.extend(258)
    identity, at = chain.tree.identity, chain.store.head.hash
    export_snapshot(chain.store, identity, at, tmp_path / "file")
    import_snapshot(tmp_path / "file", tmp_path / "new", identity, at, history=None)
    block = chain.add(transfer(0, 0))
    with Store.open(tmp_path / "new", identity) as store:
        store.append(chain.tree.executor.check(store.parent_for(at), block.header, block.transactions))
        yield chain, Eth(EthNamespace(chain.tree.config, store, progress=lambda: None))


async def test_what_came_with_it_and_what_did_not(began: tuple[EthChain, Eth]) -> None:
    chain, eth = began
    full = chain.eth()
    assert await eth("getBlockByNumber", "latest", True) == await full("getBlockByNumber", "latest", True)
    assert await eth("getBlockReceipts", "latest") == await full("getBlockReceipts", "latest")
    ours, theirs = await eth("getBlockByNumber", "0x102", True), await full("getBlockByNumber", "0x102", True)
    assert [each["nonce"] for each in ours["transactions"]] == ["0x0"] * 4
    shown = await eth("getTransactionByHash", ours["transactions"][1]["hash"])
    assert shown == ours["transactions"][1]
    for tx in (*ours["transactions"], *theirs["transactions"]):
        del tx["nonce"]
        tx.pop("depositReceiptVersion", None)
    assert ours == theirs
    gone = {"code": 4444, "message": "pruned history unavailable: block 1 is from before the snapshot that this node began with"}
    assert await eth.error("getBlockByNumber", "0x1", False) == gone
    assert await eth.error("getLogs", {"fromBlock": "0x1"}) == gone
    assert await eth.error("getBalance", data(bytes(20)), "0x1") == gone
    without = {"code": 4444, "message": "pruned history unavailable: block 258 came with a snapshot, which has no receipts"}
    assert await eth.error("getBlockReceipts", "0x102") == without
    assert await eth.error("getTransactionReceipt", shown["hash"]) == without
    assert (await eth("getBlockByNumber", "earliest", False))["number"] == "0x102"
    assert await eth("maxPriorityFeePerGas") == "0xf4240"


async def test_the_history_of_fees_begins_with_it(began: tuple[EthChain, Eth]) -> None:
    _, eth = began
    assert (await eth("feeHistory", "0x5", "latest", [50]))["oldestBlock"] == "0x103"
    assert (await eth("feeHistory", "0x5", "latest"))["oldestBlock"] == "0xff"
