"""What `debug_`, `txpool_` and op-geth's `admin_` methods answer is what they declare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.declared_schemas import checked
from tests.unit.engine.block_tree import WRITER, write
from tests.unit.execution.small_chain import transfer
from tests.unit.rpc.eth.eth_chain import EthChain, data
from trinode.engine.pool.limits import PoolLimits
from trinode.engine.pool.pool import TransactionPool
from trinode.jsonrpc.block_object import encode_block
from trinode.jsonrpc.declared import Declared
from trinode.protocol.block import KnownBlock
from trinode.protocol.keccak import keccak256
from trinode.rpc.debug.namespace import DebugNamespace, DebugSources
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.workers import Workers
from trinode.rpc.execution_admin import ExecutionAdminNamespace
from trinode.rpc.txpool import TxPoolNamespace

PAGE = ["0x", 4, False, False, True]


@pytest.mark.parametrize("block", ["earliest", "latest", "0x1"])
async def test_answers_are_as_declared(tmp_path: Path, block: str) -> None:
    chain = EthChain(tmp_path / "store")
    with chain.store:
        chain.extend(3)
        chain.add(write(1, 1))
        pool = TransactionPool(chain.tree.config, chain.store, PoolLimits(), clock=lambda: 0.0)
        pool.add(transfer(0, 0))
        last = chain.blocks[-1]
        bad = KnownBlock(last.header, last.hash, last.transactions)
        methods: dict[str, Declared] = {
            **DebugNamespace(chain.tree.config, chain.store, DebugSources(bad_blocks=lambda: (bad,), set_head=set_head)).methods,
            **TxPoolNamespace(pool, Workers(EthLimits())).methods,
            **ExecutionAdminNamespace(chain.tree.config, "trinode/v1", "/data", lambda: chain.store.head).methods,
        }
        at = 0 if block == "earliest" else 1
        asked: dict[str, list[Any]] = {
            "debug_accountRange": [block, *PAGE],
            "debug_dbGet": [data(keccak256(b""))],
            "debug_executionWitness": ["0x1" if block == "earliest" else block],
            "debug_executionWitnessByBlockHash": [data(last.hash)],
            "debug_getAccessibleState": [block, "latest"],
            "debug_getModifiedAccountsByHash": [data(last.hash)],
            "debug_getModifiedAccountsByNumber": [at, 3],
            "debug_getRawBlock": [block],
            "debug_getRawHeader": [block],
            "debug_getRawReceipts": [block],
            "debug_getRawTransaction": [data(keccak256(last.transactions[0]))],
            "debug_preimage": [data(last.hash)],
            "debug_setHead": ["0x1"],
            "debug_intermediateRoots": [data(last.hash)],
            "debug_traceBlock": [data(encode_block(bad))],
            "debug_traceBlockByHash": [data(last.hash)],
            "debug_traceBlockByNumber": ["0x1" if block == "earliest" else block],
            "debug_traceCall": [{"to": data(WRITER)}, block],
            "debug_traceTransaction": [data(keccak256(last.transactions[0]))],
            "debug_storageRangeAt": ["0x2" if block == "earliest" else block, 0, data(WRITER), "0x", 2],
            "txpool_contentFrom": [data(WRITER)],
        }
        for name, method in methods.items():
            if name.startswith("admin_") and name.endswith("Peer"):
                continue
            params = asked.get(name, [])
            answered = msgspec.json.decode(msgspec.json.encode(await method(params)))
            assert checked(method).params(params) == []
            assert checked(method).result(answered) == [], name


async def set_head(_: int) -> None:
    """Does as if."""
