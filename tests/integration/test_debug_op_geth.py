"""The `debug_` methods that do not trace, and `txpool_`, beside a real op-geth on the recorded chain of all forks: `tox -e peers`."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from harness.engine_differential.op_geth import OpGeth, RpcError, find_geth
from harness.engine_differential.op_geth_chain import BuiltBlock, OpGethChain
from harness.execution.chain_files import read_chain_file
from harness.execution.run import checked_genesis
from tests.shared import shared
from trinode.engine.api.codec import encode_payload
from trinode.engine.payloads import built_payload
from trinode.engine.pool.limits import PoolLimits
from trinode.engine.pool.pool import TransactionPool
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.declared import Declared
from trinode.jsonrpc.requests import answer
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import encode_transaction, sign_transaction
from trinode.protocol.transaction_types import AccessListTransaction, DynamicFeeTransaction
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.namespace import DebugNamespace
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.workers import Workers
from trinode.rpc.txpool import TxPoolNamespace
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

pytestmark = pytest.mark.peers

FUNDED = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
"""The key of an account of the recording."""
ACCOUNT = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
ONE_OF_EACH_FORK = (4, 28, 52, 74, 99, 122, 145, 182, 206, 228, 258)
NOBODY = "0x" + 20 * "12"
NEVER = "0x" + 32 * "12"
L1_BLOCK = "0x4200000000000000000000000000000000000015"


class OpGethWithPool(OpGeth):
    """One that also tells of its pool."""

    def _options(self, folder: Path, chain_id: int) -> list[str]:
        return [f"{each},txpool" if each == "eth,debug" else each for each in super()._options(folder, chain_id)]


@dataclass(frozen=True)
class Both:
    """The chain in op-geth, and in our store with the methods over it."""

    geth: OpGeth
    store: Store
    pool: TransactionPool
    methods: dict[str, Declared]
    blocks: list[ExecutedBlock]

    async def ours(self, method: str, *params: Any) -> Any:
        """Our result, or error."""
        request = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        reply = msgspec.json.decode(await answer(request, self.methods))
        return reply["result"] if "result" in reply else reply["error"]

    async def theirs(self, method: str, *params: Any) -> Any:
        """op-geth's result, or its error's code."""
        try:
            return await trio.to_thread.run_sync(lambda: self.geth.debug(method, *params))
        except RpcError as error:
            return {"code": error.code, "message": str(error).removeprefix(f"{method}: ").removesuffix(f" ({error.code})")}

    async def same(self, method: str, *params: Any) -> Any:
        """The result that both give."""
        ours, theirs = await self.ours(method, *params), await self.theirs(method, *params)
        assert ours == theirs, (method, params)
        return ours


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    program = find_geth()
    if program is None:
        pytest.skip("geth (op-geth) is not in TRINODE_PEERS or on PATH")
    chain = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = checked_genesis(chain)
    executor = BlockExecutor(chain.config, FastEngine())
    identity = ChainIdentity(chain.config.l2_chain_id, genesis.hash)
    file = json.loads(gzip.decompress(shared("recordings/forks-genesis.json.gz").read_bytes()))
    path = tmp_path_factory.mktemp("debug-beside-op-geth") / "store"
    with OpGethWithPool(program, file) as geth, Store.create(path, identity, genesis, history=None) as store:
        theirs, blocks = OpGethChain(geth, chain.config), []
        for expected in chain.blocks:
            block = executor.build(store.parent_for(store.head.hash), expected.attributes)
            store.append(block)
            theirs.adopt(BuiltBlock(block.header, block.hash, encode_payload(built_payload(block).envelope.payload)))
            blocks.append(block)
        pool = TransactionPool(chain.config, store, PoolLimits(), clock=time.monotonic)
        debug = DebugNamespace(chain.config, store)
        yield Both(geth, store, pool, {**debug.methods, **TxPoolNamespace(pool, Workers(EthLimits())).methods}, blocks)


def without_unknown(ours: Any, theirs: Any) -> Any:
    """Ours, without the addresses and slots that op-geth has no preimage of: it has none of what stood in its genesis."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return {name: without_unknown(value, theirs.get(name)) for name, value in ours.items() if name in theirs}
    return None if theirs is None else ours


async def test_storage_ranges(both: Both) -> None:
    pages = 0
    for number in ONE_OF_EACH_FORK:
        block = await both.theirs("eth_getBlockByNumber", hex(number), True)
        for address in sorted({each["to"] for each in block["transactions"] if each["to"]}):
            for start, most in (("0x", 3), ("0x8", 1000), ("0x80", 1000), ("", 0), ("0x" + 32 * "ff", 1)):
                params = (block["hash"], len(block["transactions"]) - 1, address, start, most)
                ours, theirs = await both.ours("debug_storageRangeAt", *params), await both.theirs("debug_storageRangeAt", *params)
                if "code" in theirs:
                    assert ours["code"] == theirs["code"]
                    continue
                assert without_unknown(ours, theirs) == theirs, params
                pages += 1
    assert pages > 200
    at = to_hex(both.blocks[79].hash)
    await both.same("debug_storageRangeAt", at, 0, NOBODY, "0x", 9)
    await both.same("debug_storageRangeAt", at, 23, L1_BLOCK, "0x", 9)
    await both.same("debug_storageRangeAt", at, -1, L1_BLOCK, "0x", 9)
    await both.same("debug_storageRangeAt", "0x0", 0, L1_BLOCK, "0x", 9)


async def test_account_ranges(both: Both) -> None:
    found = 0
    for number in (0, *ONE_OF_EACH_FORK):
        start: str | None = "0x"
        while start is not None:
            params = (hex(number), start, 200, number % 2 == 0, False, True)
            ours, theirs = await both.ours("debug_accountRange", *params), await both.theirs("debug_accountRange", *params)
            assert {name: ours.get(name) for name in ("root", "next")} == {name: theirs.get(name) for name in ("root", "next")}
            known = {each["key"]: each for each in ours["accounts"].values()}
            assert sorted(known) == sorted(each["key"] for each in theirs["accounts"].values())
            for shown in theirs["accounts"].values():
                assert without_unknown(known[shown["key"]], shown) == shown
                found += 1
            assert {address for address in theirs["accounts"] if address.startswith("0x")} <= ours["accounts"].keys()
            start = to_hex(msgspec.json.decode(f'"{ours["next"]}"', type=bytes)) if "next" in ours else None
    assert found > 1000
    assert (await both.theirs("debug_accountRange", "0x5000", "0x", 1, True, True, True)) == (
        await both.ours("debug_accountRange", "0x5000", "0x", 1, True, True, True)
    )


async def test_modified_accounts(both: Both) -> None:
    compared = 0
    for first, last in [(number, None) for number in range(1, 259)] + [(number, number + 5) for number in range(1, 250, 11)]:
        params = (first,) if last is None else (first, last)
        theirs = await both.theirs("debug_getModifiedAccountsByNumber", *params)
        ours = await both.ours("debug_getModifiedAccountsByNumber", *params)
        if isinstance(theirs, list):
            assert ours == theirs, params
            compared += 1
        else:
            assert "no preimage found" in theirs["message"], theirs
            assert isinstance(ours, list)
    assert compared > 200
    for params in ((82, 80), (80, 80), (80, 5000), (5000,), (0,)):
        await both.same("debug_getModifiedAccountsByNumber", *params)
    await both.same("debug_getModifiedAccountsByHash", to_hex(both.blocks[79].hash))
    await both.same("debug_getModifiedAccountsByHash", to_hex(both.blocks[79].hash), to_hex(both.blocks[81].hash))
    await both.same("debug_getModifiedAccountsByHash", NEVER)


async def test_witnesses_have_what_those_of_op_geth_have(both: Both) -> None:
    """Ours have more nodes: the way to accounts that are not there, and the neighbours of what a block deletes. op-geth's have codes, too, that
    the block itself brings.
    """
    more = 0
    for number in range(1, 259, 6):
        ours, theirs = await both.ours("debug_executionWitness", hex(number)), await both.theirs("debug_executionWitness", hex(number))
        assert ours["headers"][: len(theirs["headers"])] == theirs["headers"] and ours["keys"] is theirs["keys"] is None
        made_here = {to_hex(code) for code in both.blocks[number - 1].changes.codes.values()}
        assert set(ours["codes"]) <= set(theirs["codes"]) <= set(ours["codes"]) | made_here
        assert set(ours["state"]) >= set(theirs["state"])
        more += len(set(ours["state"]) - set(theirs["state"]))
    assert more > 0


async def test_the_rest(both: Both) -> None:
    await both.same("debug_chainConfig")
    await both.same("debug_getBadBlocks")
    for method in ("debug_getRawHeader", "debug_getRawBlock", "debug_getRawReceipts"):
        for block in ("0x5000", "earliest", "latest", "safe", to_hex(both.blocks[50].hash), {"blockNumber": "0x10"}):
            await both.same(method, block)
    await both.same("debug_getAccessibleState", "0x5", "0x1")
    await both.same("debug_getAccessibleState", "0x500", "0x1")
    await both.same("debug_preimage", NEVER)
    assert (await both.ours("debug_dbGet", NEVER))["code"] == (await both.theirs("debug_dbGet", NEVER))["code"]
    node = (await both.theirs("debug_executionWitness", "0x20"))["codes"][0]
    assert await both.ours("debug_dbGet", to_hex(keccak256(bytes.fromhex(node[2:])))) == node


async def test_the_pool(both: Both) -> None:
    nonce = int(await both.theirs("eth_getTransactionCount", ACCOUNT, "latest"), 16)
    to = bytes.fromhex("4ac674d0079d36472d9aa397043a787021cc3cec")
    chain_id = 901
    for transaction in (
        DynamicFeeTransaction(chain_id, nonce, 10**9, 2 * 10**10, 50_000, to, 5, b"\x01", ()),
        DynamicFeeTransaction(chain_id, nonce + 1, 10**9, 2 * 10**10, 100_000, None, 0, bytes.fromhex("60015ff3"), ()),
        AccessListTransaction(chain_id, nonce + 5, 3 * 10**10, 50_000, to, 0, b"", ()),
    ):
        raw = encode_transaction(sign_transaction(transaction, FUNDED))
        assert await both.theirs("eth_sendRawTransaction", to_hex(raw)) == to_hex(both.pool.add(raw))
    with trio.fail_after(20):
        while await both.theirs("txpool_status") != {"pending": "0x2", "queued": "0x1"}:
            await trio.sleep(0.05)
    for method, *params in (("status",), ("inspect",), ("content",), ("contentFrom", ACCOUNT), ("contentFrom", NOBODY)):
        assert await both.same(f"txpool_{method}", *params)
