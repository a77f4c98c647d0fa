"""The driver with a stateless engine: a recorded L1 becomes the recorded chain, from witnesses that our own full node gives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

from harness.execution.files import read_genesis
from harness.execution.run import genesis_of
from harness.recording import RecordedItem, RecordedL1Block, RecordedL2Block, RecordedLabels, open_recording
from harness.replay import final_l1_hashes
from tests.recorded_l1 import RecordedL1
from tests.shared import shared
from tests.unit.engine.stateless.full_node import Archive, ArchivingExecutor, FullNode
from trinode.derive.events import Idle, Notice
from trinode.engine.api.interface import Engine
from trinode.engine.core import EngineCore
from trinode.engine.service import EngineService
from trinode.engine.stateless.anchor import Anchor, TrustedHash, TrustedOutput
from trinode.engine.stateless.engine import StatelessEngine
from trinode.engine.stateless.errors import AnchorRefused
from trinode.engine.stateless.execution import StatelessSettings
from trinode.engine.stateless.headers import HeaderChain
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.node.driver import Driver
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

RECORDINGS = {
    "forks-regolith-to-karst": "forks-genesis",
    "window-expiry-and-garbage-fjord": "garbage-fjord-genesis",
}
FORKS = "forks-regolith-to-karst"
IMPATIENT = StatelessSettings(first_delay=0.01, longest_delay=0.02, patience=0.05)


class Stepper:
    """A driver that is shown L1 step by step, and waited for."""

    def __init__(self, rig: Rig, engine: Engine) -> None:
        self._idle = trio.Event()
        self._begun = False
        self.driver = Driver(rig.config, rig.head.l1_chain_config, rig.l1, engine, notice=self._notice)

    def _notice(self, notice: Notice) -> None:
        if isinstance(notice, Idle):
            self._idle.set()

    async def step(self, nursery: trio.Nursery, finalized: int | None = None) -> None:
        """Tells the driver that L1 has moved, or has finalized a block, and waits until it has nothing to do."""
        self._idle = trio.Event()
        if finalized is not None:
            self.driver.l1_finalized(finalized)
        if self._begun:
            self.driver.l1_moved()
        elif finalized is None:
            self._begun = True
            nursery.start_soon(self.driver.run)
        else:
            return
        with trio.fail_after(120):
            await self._idle.wait()


class Rig:
    """A recording, a full node that follows its L1, and folders for stateless engines."""

    def __init__(self, name: str, folder: Path) -> None:
        reader = open_recording(shared(f"recordings/{name}.jsonl.gz"), check=False)
        self.head, self.items = reader.head, list(reader)
        self.config = self.head.rollup_config
        path = shared(f"recordings/{RECORDINGS[name]}.json.gz")
        self.genesis = genesis_of(path, read_genesis(path), self.config, self.head.l2_start.header)
        self.identity = ChainIdentity(self.config.l2_chain_id, self.genesis.hash)
        self.folder = folder
        self.l1 = RecordedL1()
        self.blocks = [item for item in self.items if isinstance(item, RecordedL2Block)]
        self.notices: list[str] = []

    @contextmanager
    def full_node(self) -> Iterator[tuple[FullNode, EngineService]]:
        executor = ArchivingExecutor(self.config, FastEngine(), Archive(self.genesis))
        with Store.create(self.folder / "full", self.identity, self.genesis, history=None) as store:
            service = EngineService(EngineCore(store, executor))
            yield FullNode(executor, service), service

    @asynccontextmanager
    async def stateless(self, node: FullNode, anchor: Anchor | None = None) -> AsyncIterator[StatelessEngine]:
        """An engine in the folder `light`, which is made the first time."""
        chain = HeaderChain(self.folder / "light", self.identity)
        engine = StatelessEngine(
            chain, BlockExecutor(self.config, FastEngine()), [node.remote()], settings=IMPATIENT, notice=self.notices.append
        )
        try:
            await engine.begin(anchor or TrustedHash(self.genesis.hash))
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                yield engine
                nursery.cancel_scope.cancel()
        finally:
            await engine.close()
            chain.close()

    async def drive(self, engines: Sequence[Engine], items: Sequence[RecordedItem]) -> None:
        """Shows these lines to a driver of each engine: to the first one first, so that the others find it ahead."""
        steppers = [Stepper(self, engine) for engine in engines]
        async with trio.open_nursery() as nursery:
            for item in items:
                if isinstance(item, RecordedLabels) and item.finalized is not None:
                    for stepper in steppers:
                        await stepper.step(nursery, item.finalized)
                elif isinstance(item, RecordedL1Block):
                    self.l1.view.add(item)
                    if self.l1.view.by_number(self.head.l2_start.block.ref.l1_origin.number) is None:
                        continue
                    for stepper in steppers:
                        await stepper.step(nursery)
            nursery.cancel_scope.cancel()

    async def assert_recorded(self, engine: Engine, start: int = 0) -> int:
        """All blocks whose L1 is canonical at the end are there; how many."""
        canonical = final_l1_hashes(self.items)
        expected = [item.block.ref for item in self.blocks if item.block.ref.l1_origin.hash in canonical and item.block.ref.number > start]
        assert expected
        for ref in expected:
            known = await engine.block_by_number(ref.number)
            assert known is not None and known.hash == ref.hash, f"block {ref.number}"
        return len(expected)


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_recorded_l1_becomes_the_recorded_chain_without_a_state(name: str, tmp_path: Path) -> None:
    rig = Rig(name, tmp_path)
    with rig.full_node() as (node, service):
        async with rig.stateless(node) as engine:
            await rig.drive([service, engine], rig.items)
            count = await rig.assert_recorded(engine)
            head = (await engine.head()).header.number
            assert head >= count
        # Blocks of batches that turn out invalid are in no chain: their state is asked for piece by piece.
        assert {notice.rpartition(": ")[2] for notice in rig.notices} <= {"the remote does not have it yet"}
        assert name != FORKS or not rig.notices
        assert size_of(tmp_path / "light") < 4 << 20
        await service.close()


async def test_it_goes_on_where_it_was_stopped_and_says_what_it_lacks(tmp_path: Path) -> None:
    """The witnesses lack every other code and node, which are asked for by name."""
    rig = Rig(FORKS, tmp_path)
    items = rig.items[: len(rig.items) // 3]
    with rig.full_node() as (node, service):
        node.damage["debug_executionWitness"] = lambda witness: witness | {"state": witness["state"][::2], "codes": witness["codes"][::2]}
        half = len(items) // 2
        for part in (items[:half], items[half:]):
            async with rig.stateless(node) as engine:
                await rig.drive([service, engine], part)
                head, safe, finalized = await engine.head(), await engine.safe(), await engine.finalized()
        expected = await service.head()
        assert head == expected
        assert safe == await service.safe()
        assert finalized is not None
        assert node.asked["eth_getProof"] > 0 < node.asked["eth_getCode"]
        assert len(rig.notices) == 2  # once by each engine
        assert all(line.startswith("L2 http://full.example: debug_executionWitness: ") for line in rig.notices)
        async with rig.stateless(node) as engine:
            assert await engine.head() == expected
        await service.close()


@pytest.mark.parametrize("wrong", [False, True])
async def test_it_begins_at_an_output_root_and_reads_what_is_before_it_from_the_remote(tmp_path: Path, wrong: bool) -> None:
    """The whole L1 is there by then, and the full node at its end; the blocks before the anchor are asked for, and known by their hashes."""
    rig = Rig(FORKS, tmp_path)
    items = [item for item in rig.items if not isinstance(item, RecordedLabels)]
    with rig.full_node() as (node, service):
        await rig.drive([service], items)
        start = next(item for item in rig.blocks if item.block.ref.number == 200)
        assert start.output_root is not None
        anchor = TrustedOutput(200, bytes(32) if wrong else start.output_root)
        if wrong:
            with pytest.raises(AnchorRefused, match=r"L2 block 200 .*: its output root is "):
                async with rig.stateless(node, anchor):
                    pass
            return
        async with rig.stateless(node, anchor) as engine:
            assert (await engine.head()).hash == start.block.ref.hash
            stepper = Stepper(rig, engine)
            async with trio.open_nursery() as nursery:
                await stepper.step(nursery)
                nursery.cancel_scope.cancel()
            assert await engine.head() == await service.head()
            await rig.assert_recorded(engine, start=195)
            assert (await engine.finalized()) is not None
            first = await engine.block_by_number(1)
            assert first == await service.block_by_number(1)
            assert await engine.block_by_number(10_000) is None
        assert not rig.notices
        await service.close()
