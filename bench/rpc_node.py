"""Our side, as a process: `python -m bench.rpc_node FOLDER` makes the chain in a store, and serves it as the node does.

Its port and its head's hash come on standard output. A line on standard input lets it execute blocks of 20 Mgas, the next ends that; then it
says how many there were, and in how many seconds.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

import trio

from bench.rpc_chain import BUSY_TRANSFERS, BenchChain
from trinode.engine.moves import told_of
from trinode.engine.sender_recovery import ThreadedRecovery
from trinode.engine.standing_aside import StandingAside
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.jsonrpc.right_of_way import INTERPRETER, LoopFirst
from trinode.protocol.head_move import BlockWithReceipts
from trinode.protocol.payload import PayloadAttributes
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.eth.namespace import EthNamespace
from trinode.rpc.server import RpcServer, ServerSettings
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

_PREPARED = 60
"""Blocks to execute, at most."""


class _Ready:
    def not_ready(self) -> str | None:
        return None


class _Node:
    def __init__(self, folder: Path, recover: ThreadedRecovery) -> None:
        self.chain = BenchChain()
        genesis = self.chain.genesis()
        self.store = Store.create(folder, ChainIdentity(self.chain.config.l2_chain_id, genesis.hash), genesis, history=None)
        self._executor = BlockExecutor(self.chain.config, StandingAside(FastEngine(), INTERPRETER), recover)
        self.eth: EthNamespace | None = None
        for attributes in self.chain.all():
            self.execute(attributes)
        self._is_busy = False

    def prepare(self, block: BlockWithReceipts) -> None:
        """As the engine has it done before a block is the head."""
        if self.eth is not None:
            self.eth.prepare_head(block)

    def execute(self, attributes: PayloadAttributes) -> int:
        """The next block, executed and kept; its gas."""
        block = self._executor.build(self.store.parent_for(self.store.head.hash), attributes)
        assert all(each.succeeded for each in block.receipts)
        self.prepare(told_of(block))
        self.store.append(block)
        return block.header.gas_used

    def execute_many(self, prepared: list[PayloadAttributes]) -> str:
        """Until it is told otherwise."""
        self._is_busy = True
        begun, done, gas = time.perf_counter(), 0, 0
        while self._is_busy and prepared:
            gas += self.execute(prepared.pop(0))
            done += 1
        return f"{done} {gas} {time.perf_counter() - begun}"

    def rest(self) -> None:
        self._is_busy = False


async def _main(folder: Path, recover: ThreadedRecovery) -> None:
    node = await trio.to_thread.run_sync(_Node, folder, recover)
    prepared = [node.chain.next(BUSY_TRANSFERS) for _ in range(_PREPARED)]
    gc.collect()
    gc.freeze()  # as the node does
    node.eth = eth = EthNamespace(node.chain.config, node.store, progress=lambda: None)
    server = RpcServer(Dispatcher([eth], ["eth"]), _Ready(), ServerSettings(port=0), version="bench")
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(lambda task_status: server.run(task_status=task_status))
        _say(f"{address.rpartition(':')[2]} {node.store.head.hash.hex()}")

        async def busy() -> None:
            _say(await trio.to_thread.run_sync(node.execute_many, prepared))

        is_busy = False
        while await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            is_busy = not is_busy
            if is_busy:
                nursery.start_soon(busy)
            else:
                node.rest()
        nursery.cancel_scope.cancel()
    node.store.close()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    with ThreadedRecovery() as threaded:
        trio.run(_main, Path(sys.argv[1]), threaded, instruments=[LoopFirst(INTERPRETER)])
