"""All of a verifying node but its command: a recorded L1 behind real HTTP endpoints that fail and lie becomes the recorded chain on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from harness.execution.files import read_genesis
from harness.execution.run import genesis_of
from tests.fake_endpoints import Fault, RecordedChains
from tests.shared import shared
from tests.unit.l1.l1_network import Network, network
from trinode.engine.core import EngineCore
from trinode.engine.service import EngineService
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.l1.prefetch import Prefetcher
from trinode.l1.watch import L1Watcher, WatchSettings
from trinode.node.driver import Driver
from trinode.node.verifier import ConfirmedL1, run_verifier
from trinode.protocol.types import BlockId
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store


async def derive(chains: RecordedChains, net: Network, folder: Path) -> list[int]:
    """Runs a verifier until it has derived all that was recorded; the numbers of blocks that are not the recorded ones."""
    head = chains.head
    config = head.rollup_config
    path = shared("recordings/forks-genesis.json.gz")
    genesis = genesis_of(path, read_genesis(path), config, head.l2_start.header)
    store = Store.create(folder, ChainIdentity(config.l2_chain_id, genesis.hash), genesis, history=None)
    engine = EngineService(EngineCore(store, BlockExecutor(config, FastEngine())))
    source = net.source()
    # The recording's L1 begins at its own genesis, which is not the rollup's when the devnet was started.
    await source.check(config.l1_chain_id, BlockId(config.genesis.l1.number, config.genesis.l1.hash))
    watcher = L1Watcher(source, WatchSettings(interval=0.05, label_interval=0.1))
    prefetcher = Prefetcher(source, ahead=16, inbox=config.batch_inbox_address)
    last = max(chains.l2)
    driver = Driver(config, head.l1_chain_config, ConfirmedL1(source, watcher, prefetcher), engine)
    async with trio.open_nursery() as nursery:
        await nursery.start(run_verifier, driver, watcher, prefetcher)
        with trio.fail_after(120):
            while driver.heads.safe is None or driver.heads.safe.number < last:
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    wrong = []
    for number, (block, _) in chains.l2.items():
        known = await engine.block_by_number(number)
        if known is None or known.hash != block.ref.hash:
            wrong.append(number)
    await engine.close()
    store.close()
    return wrong


@pytest.fixture(scope="module")
def forks() -> RecordedChains:
    return RecordedChains(shared("recordings/forks-regolith-to-karst.jsonl.gz"))


async def test_it_derives_the_recorded_chain(forks: RecordedChains, tmp_path: Path) -> None:
    async with network(forks) as net:
        assert await derive(forks, net, tmp_path / "chain") == []
        assert net.notices == []


async def test_endpoints_that_fail_and_lie_change_nothing(forks: RecordedChains, tmp_path: Path) -> None:
    calls = 0

    def fault(service: str, method: str, params: list[Any]) -> Fault | None:
        nonlocal calls
        calls += 1
        if calls % 7 == 0:
            return Fault(status=503)
        if calls % 11 == 0:
            return Fault(hang_up=True)
        if method == "eth_getBlockReceipts" and calls % 2:
            return Fault(damage=lambda receipts: receipts[:-1] if receipts else receipts)
        return None

    async with network(forks) as net:
        net.servers[0].fault = fault
        assert await derive(forks, net, tmp_path / "chain") == []
        assert net.notices
