"""The `debug_` methods that do not trace: bounds, what is not there, and what others give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.engine.block_tree import WRITER, write
from tests.unit.rpc.eth.eth_chain import NEVER, EthChain, data
from trinode.execution.trie.state_tries import account_key, storage_key
from trinode.jsonrpc.requests import answer
from trinode.protocol.block import KnownBlock
from trinode.rpc.debug.limits import DebugLimits
from trinode.rpc.debug.namespace import DebugNamespace, DebugSources
from trinode.rpc.node import AdminRefused


class Debug:
    """Calls methods as a client does."""

    def __init__(self, chain: EthChain, sources: DebugSources | None = None, limits: DebugLimits | None = None) -> None:
        self.namespace = DebugNamespace(chain.tree.config, chain.store, sources, limits)

    async def __call__(self, method: str, *params: Any) -> Any:
        """The result, or the error."""
        request = {"jsonrpc": "2.0", "id": 1, "method": f"debug_{method}", "params": params}
        reply = msgspec.json.decode(await answer(msgspec.json.encode(request), self.namespace.methods))
        return reply["result"] if "result" in reply else reply["error"]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[EthChain]:
    made = EthChain(tmp_path / "store")
    with made.store:
        yield made


async def test_a_page_goes_on_where_the_last_one_ended(chain: EthChain) -> None:
    debug = Debug(chain)
    start, keys = "0x", []
    while start:
        page = await debug("accountRange", "latest", start, 7, True, True, False)
        found = sorted(each["key"] for each in page["accounts"].values())
        keys += found
        assert len(found) == 7 or "next" not in page
        start = data(msgspec.json.decode(f'"{page["next"]}"', type=bytes)) if "next" in page else ""
    state = chain.store.state_at(chain.store.head.hash)
    assert keys == sorted(data(account_key(address)) for address in state.addresses())
    assert len(keys) > 64


async def test_pages_are_bounded(chain: EthChain) -> None:
    for slot in range(1, 12):
        chain.add(write(slot, 5))
    debug = Debug(chain, limits=DebugLimits(accounts=5, slots=3, page_slots=10))
    for most in (0, -1, 6, 10**15):
        assert len((await debug("accountRange", "latest", "0x", most, True, True, True))["accounts"]) == 5
    page = await debug("storageRangeAt", "latest", 0, data(WRITER), "", 10**15)
    assert len(page["storage"]) == 3 and page["nextKey"] is not None
    at = data(account_key(WRITER))
    error = await debug("accountRange", "latest", at, 1, True, False, True)
    assert error == {"code": -32000, "message": "these accounts have more than 10 slots: ask for fewer, or without storage"}
    assert len((await debug("accountRange", "latest", at, 1, False, True, True))["accounts"]) == 1
    error = await Debug(chain, limits=DebugLimits(modified=3))("getModifiedAccountsByNumber", 1, 10)
    assert error["code"] == -32000 and "more than 3 accounts and slots" in error["message"]


async def test_what_is_not_found_in_time_is_told_without_its_name(chain: EthChain) -> None:
    chain.add(write(1, 5))
    chain.add(write(2, 6))
    debug = Debug(chain, limits=DebugLimits(searched=0))
    assert (await debug("accountRange", "latest", "0x", 3, True, True, False))["accounts"] == {}
    named = (await debug("accountRange", "latest", "0x", 3, True, False, True))["accounts"]
    assert [name for name, each in named.items() if name != f"pre({each['key']})" or "address" in each or "storage" in each] == []
    slots = await debug("storageRangeAt", "latest", 0, data(WRITER), data(storage_key(1)), 1)
    assert slots["storage"] == {data(storage_key(1)): {"key": None, "value": f"0x{5:064x}"}}


async def test_storage_is_that_before_the_block(chain: EthChain) -> None:
    chain.add(write(1, 5))
    chain.add(write(1, 6))
    debug = Debug(chain)
    for index in (0, 1):
        found = (await debug("storageRangeAt", "latest", index, data(WRITER), data(storage_key(1)), 1))["storage"]
        assert found[data(storage_key(1))] == {"key": f"0x{1:064x}", "value": f"0x{5:064x}"}
    out_of_range = {"code": -32000, "message": f"transaction index 2 out of range for block {data(chain.store.head.hash)}"}
    assert await debug("storageRangeAt", "latest", 2, data(WRITER), "0x", 1) == out_of_range
    assert await debug("storageRangeAt", "latest", 0, data(b"\x77" * 20), "0x", 1) == {"storage": None, "nextKey": None}


async def test_states_that_are_gone(tmp_path: Path) -> None:
    chain = EthChain(tmp_path / "short", history=2)
    with chain.store:
        chain.extend(6)
        debug = Debug(chain)
        gone = "the state of block 2 is not retained: the oldest is that of block 4"
        for method, *params in (("executionWitness", "0x3"), ("accountRange", "0x2", "0x", 1, True, True, True), ("getModifiedAccountsByNumber", 3)):
            assert await debug(method, *params) == {"code": -32000, "message": f"missing trie node: {gone}"}
        assert (await debug("executionWitness", "0x5"))["headers"][0]["number"] == "0x4"
        assert [await debug("getAccessibleState", *each) for each in (("0x1", "0x6"), ("0x5", "0x1"))] == [4, 5]
        assert (await debug("getAccessibleState", "0x3", "0x1"))["code"] == -32000


async def test_blocks_that_are_not_there(chain: EthChain) -> None:
    chain.extend(2)
    debug = Debug(chain)
    assert [await debug(method, "0x9") for method in ("getRawHeader", "getRawBlock", "getRawReceipts")] == ["0x", "0x", None]
    assert await debug("getRawHeader", NEVER) == {"code": -32000, "message": f"header {NEVER} not found"}
    assert await debug("executionWitness", "0x9") == {"code": -32000, "message": "block #9 not found"}
    assert await debug("executionWitness", "earliest") == {"code": -32000, "message": "block earliest found, but parent missing"}
    assert await debug("getRawTransaction", NEVER) == "0x"
    for key in (NEVER, "LastBlock", "0x", "0xabc"):
        assert await debug("dbGet", key) == {"code": -32000, "message": "not found"}
    assert await debug("preimage", NEVER) == {"code": -32000, "message": "unknown preimage"}


async def test_only_so_many_nodes_of_witnesses_are_kept(chain: EthChain) -> None:
    chain.extend(5)
    debug = Debug(chain, limits=DebugLimits(kept_nodes=1500))
    kept = {}
    for number in range(1, 6):
        for node in (await debug("executionWitness", hex(number)))["state"]:
            found = await debug("dbGet", data(account_key(bytes.fromhex(node[2:]))))
            kept[node] = found == node
    assert 0 < sum(kept.values()) < len(kept)


async def test_what_others_give(chain: EthChain) -> None:
    block = chain.add(write(1, 1))
    heads: list[int] = []

    async def set_head(number: int) -> None:
        if number == 0:
            raise AdminRefused("not allowed to rewind below the finalized block, 1")
        heads.append(number)

    bad = KnownBlock(replace(block.header, gas_used=0), b"\x0b" * 32, block.transactions)
    debug = Debug(chain, DebugSources(pooled={b"\x0a" * 32: b"\x02raw"}.get, bad_blocks=lambda: (bad,), set_head=set_head))
    assert await debug("getRawTransaction", data(b"\x0a" * 32)) == data(b"\x02raw")
    assert await debug("setHead", "0x1") is None and heads == [1]
    assert await debug("setHead", "0x0") == {"code": -32000, "message": "not allowed to rewind below the finalized block, 1"}
    (shown,) = await debug("getBadBlocks")
    assert shown["hash"] == shown["block"]["hash"] == data(b"\x0b" * 32)
    alone = Debug(chain)
    assert await alone("setHead", "0x0") == {"code": -32000, "message": "this node does not take blocks back"}
    assert await alone("getBadBlocks") == []


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("accountRange", ["latest", "00", 1, True, True, True]),
        ("accountRange", ["latest", "0x", "0x1", True, True, True]),
        ("accountRange", ["latest", "0x", 1, True, True]),
        ("accountRange", ["latest", "0x", True, True, True, True]),
        ("storageRangeAt", ["latest", 2**63, "0x" + "12" * 20, "0x", 1]),
        ("getModifiedAccountsByNumber", ["0x1"]),
        ("getModifiedAccountsByNumber", [-1]),
        ("setHead", [1]),
        ("preimage", ["0x12"]),
        ("chainConfig", [1]),
    ],
)
async def test_what_is_no_parameter(chain: EthChain, method: str, params: list[Any]) -> None:
    assert (await Debug(chain)(method, *params))["code"] == -32602
