"""A driver whose engine, elsewhere, comes back with nothing but genesis: as op-geth does that was killed and has lost its states."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from harness.execution.files import read_genesis
from harness.execution.run import genesis_of
from tests.fake_endpoints import RecordedChains
from tests.shared import shared
from tests.unit.l1.l1_network import Network, network
from trinode.engine.core import EngineCore
from trinode.engine.service import EngineService
from trinode.engine.status import BuiltPayload, ForkchoiceResult, ForkchoiceState, PayloadStatus
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.l1.prefetch import Prefetcher
from trinode.l1.watch import L1Watcher, WatchSettings
from trinode.node.driver import Driver
from trinode.node.verifier import ConfirmedL1, run_verifier
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.types import Hash32
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

FIRST_LATEST, LATEST, FINALIZED = 30, 50, 20
"""L1 blocks of the recording."""


class ForgetfulEngine:
    """An engine that is `now`. Its database still has the blocks of `before`, which are its chain no more."""

    def __init__(self, now: EngineService) -> None:
        self.now = now
        self.before: EngineService | None = None

    def lose(self, now: EngineService) -> None:
        """It begins again with another state."""
        self.now, self.before = now, self.now

    async def new_payload(self, envelope: PayloadEnvelope) -> PayloadStatus:
        return await self.now.new_payload(envelope)

    async def forkchoice_updated(self, state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
        return await self.now.forkchoice_updated(state, attributes)

    async def get_payload(self, payload_id: bytes) -> BuiltPayload:
        return await self.now.get_payload(payload_id)

    async def head(self) -> KnownHeader:
        return await self.now.head()

    async def safe(self) -> KnownHeader | None:
        return await self.now.safe()

    async def finalized(self) -> KnownHeader | None:
        return await self.now.finalized()

    async def block(self, block_hash: Hash32) -> KnownBlock | None:
        found = await self.now.block(block_hash)
        return found if found is not None or self.before is None else await self.before.block(block_hash)

    async def block_by_number(self, number: int) -> KnownBlock | None:
        found = await self.now.block_by_number(number)
        return found if found is not None or self.before is None else await self.before.block_by_number(number)


@asynccontextmanager
async def fresh_engine(chains: RecordedChains, folder: Path) -> AsyncIterator[EngineService]:
    config = chains.head.rollup_config
    path = shared("recordings/forks-genesis.json.gz")
    genesis = genesis_of(path, read_genesis(path), config, chains.head.l2_start.header)
    with Store.create(folder, ChainIdentity(config.l2_chain_id, genesis.hash), genesis, history=None) as store:
        service = EngineService(EngineCore(store, BlockExecutor(config, FastEngine())))
        yield service
        await service.close()


@pytest.fixture
def chains() -> RecordedChains:
    return RecordedChains(shared("recordings/forks-regolith-to-karst.jsonl.gz"))


def safe_at(chains: RecordedChains, l1_number: int) -> int:
    return max(l2 for l1, l2 in chains.safe.items() if l1 <= l1_number)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(120):
        while not condition():
            await trio.sleep(0.05)


@asynccontextmanager
async def driven(chains: RecordedChains, net: Network, engine: ForgetfulEngine) -> AsyncIterator[Driver]:
    """Its L1 is where the test begins."""
    chains.labels.update(latest=FIRST_LATEST, safe=FINALIZED, finalized=FINALIZED)
    config = chains.head.rollup_config
    source = net.source()
    watcher = L1Watcher(source, WatchSettings(interval=0.05, label_interval=0.1))
    prefetcher = Prefetcher(source, ahead=16, inbox=config.batch_inbox_address)
    driver = Driver(config, chains.head.l1_chain_config, ConfirmedL1(source, watcher, prefetcher), engine)
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: run_verifier(driver, watcher, prefetcher, patient=True, task_status=task_status))
        yield driver
        nursery.cancel_scope.cancel()


async def test_derivation_makes_the_chain_again(chains: RecordedChains, tmp_path: Path) -> None:
    async with (
        network(chains) as net,
        fresh_engine(chains, tmp_path / "first") as first,
        fresh_engine(chains, tmp_path / "second") as second,
        driven(chains, net, engine := ForgetfulEngine(first)) as driver,
    ):

        def heads() -> tuple[int, int]:
            safe, finalized = driver.heads.safe, driver.heads.finalized
            return (0, 0) if safe is None or finalized is None else (safe.number, finalized.number)

        final = safe_at(chains, FINALIZED)
        await until(lambda: heads() == (safe_at(chains, FIRST_LATEST), final))
        engine.lose(second)
        chains.labels["latest"] = LATEST
        last = safe_at(chains, LATEST)
        await until(lambda: heads() == (last, final) and driver.status is not None and driver.status.origin.number == LATEST)
        for number in range(last + 1):
            known = await second.block_by_number(number)
            assert known is not None and known.hash == chains.l2[number][0].ref.hash
        finalized = await second.finalized()
        assert finalized is not None and finalized.header.number == final
