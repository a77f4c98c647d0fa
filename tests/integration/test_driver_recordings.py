"""The driver with our own engine: recorded L1s become chains in a store, with the recorded hashes, as L1 grows, reorgs and finalizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from harness.execution.files import read_genesis
from harness.execution.run import genesis_of
from harness.recording import RecordedItem, RecordedL1Block, RecordedL2Block, RecordedLabels, open_recording
from harness.replay import final_l1_hashes
from tests.recorded_l1 import RecordedL1
from tests.shared import shared
from trinode.derive.events import Idle, Notice
from trinode.engine.core import EngineCore
from trinode.engine.service import EngineService
from trinode.engine.status import ForkchoiceResult, ForkchoiceState, Status
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.node import driver as driver_module
from trinode.node.driver import Driver
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import BlockId, Hash32
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

RECORDINGS = {
    "forks-regolith-to-karst": "forks-genesis",
    "window-expiry-and-garbage": "garbage-genesis",
    "window-expiry-and-garbage-fjord": "garbage-fjord-genesis",
}
FORKS = "forks-regolith-to-karst"
NOT_SAID = bytes(32)


class CountingEngine(EngineService):
    """Counts the blocks that it is asked to build."""

    built = 0

    async def forkchoice_updated(self, state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
        self.built += attributes is not None
        return await super().forkchoice_updated(state, attributes)


class StuckEngine(CountingEngine):
    """Waits for ever where it is to build its fifth block, once."""

    stuck = False

    async def forkchoice_updated(self, state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
        result = await super().forkchoice_updated(state, attributes)
        if self.built == 5 and not self.stuck:
            self.stuck = True
            await trio.sleep_forever()
        return result


class Rig:
    """A recording, a store, and what drives one from the other."""

    def __init__(self, name: str, folder: Path) -> None:
        reader = open_recording(shared(f"recordings/{name}.jsonl.gz"), check=False)
        self.head, self.items = reader.head, list(reader)
        self.config = self.head.rollup_config
        path = shared(f"recordings/{RECORDINGS[name]}.json.gz")
        self._genesis = genesis_of(path, read_genesis(path), self.config, self.head.l2_start.header)
        self._identity = ChainIdentity(self.config.l2_chain_id, self._genesis.hash)
        self._folder = folder
        self.l1 = RecordedL1()
        self.blocks = [item for item in self.items if isinstance(item, RecordedL2Block)]

    @contextmanager
    def engine(self, kind: type[CountingEngine] = CountingEngine) -> Iterator[CountingEngine]:
        """An engine on the store, which is made the first time."""
        is_new = not self._folder.exists()
        store = Store.create(self._folder, self._identity, self._genesis, history=None) if is_new else Store.open(self._folder, self._identity)
        with store:
            yield kind(EngineCore(store, BlockExecutor(self.config, FastEngine())))

    async def drive(self, engine: EngineService, items: Sequence[RecordedItem]) -> Driver:
        """Shows these lines of the recording to a new driver, one when it is done with the one before."""
        idle = trio.Event()

        def notice(notice: Notice) -> None:
            if isinstance(notice, Idle):
                idle.set()

        driver = Driver(self.config, self.head.l1_chain_config, self.l1, engine, notice=notice)
        begun = False
        async with trio.open_nursery() as nursery:
            for item in items:
                if isinstance(item, RecordedLabels):
                    driver.l1_finalized(item.finalized)
                elif isinstance(item, RecordedL1Block):
                    self.l1.view.add(item)
                    if self.l1.view.by_number(self.head.l2_start.block.ref.l1_origin.number) is None:
                        continue  # nothing can be derived before the origin of the first block is there
                    idle = trio.Event()
                    if begun:
                        driver.l1_moved()
                    else:
                        nursery.start_soon(driver.run)
                        begun = True
                    with trio.fail_after(120):
                        await idle.wait()
            nursery.cancel_scope.cancel()
        return driver

    async def assert_recorded(self, engine: EngineService) -> int:
        """All blocks whose L1 is canonical at the end are there; the number of the last one."""
        canonical = final_l1_hashes(self.items)
        expected = [item.block.ref for item in self.blocks if item.block.ref.l1_origin.hash in canonical]
        assert expected
        for ref in expected:
            known = await engine.block_by_number(ref.number)
            assert known is not None and known.hash == ref.hash, f"block {ref.number}"
        return expected[-1].number

    async def import_unsafe(self, engine: EngineService, count: int) -> Hash32:
        """Gives the engine the first recorded blocks, as a sequencer's peer would; the hash of the last."""
        parent: Hash32 = self._genesis.hash
        for item in self.blocks[:count]:
            assert item.attributes is not None
            begun = await engine.forkchoice_updated(ForkchoiceState(parent, NOT_SAID, NOT_SAID), item.attributes)
            assert begun.payload_id is not None
            envelope = (await engine.get_payload(begun.payload_id)).envelope
            parent = envelope.payload.block_hash
            assert parent == item.block.ref.hash
        await engine.forkchoice_updated(ForkchoiceState(parent, NOT_SAID, NOT_SAID), None)
        return parent


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_recorded_l1_becomes_the_recorded_chain(name: str, tmp_path: Path) -> None:
    rig = Rig(name, tmp_path / "chain")
    with rig.engine() as engine:
        driver = await rig.drive(engine, rig.items)
        last = await rig.assert_recorded(engine)
        assert driver.heads.safe is not None and driver.heads.safe.number >= last
        finalized = await engine.finalized()
        if any(isinstance(item, RecordedLabels) for item in rig.items):
            assert driver.heads.finalized is not None and driver.heads.finalized.number > 0
            assert finalized is not None and finalized.hash == driver.heads.finalized.hash
        await engine.close()


async def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    rig = Rig(FORKS, tmp_path / "chain")
    items = [item for item in rig.items if not isinstance(item, RecordedL2Block)]
    for start in range(0, len(items), 40):
        with rig.engine() as engine:
            await rig.drive(engine, items[start : start + 40])
            await engine.close()
    with rig.engine() as engine:
        await rig.assert_recorded(engine)
        await engine.close()


async def test_unsafe_blocks_that_were_derived_become_safe_as_they_are(tmp_path: Path) -> None:
    rig = Rig(FORKS, tmp_path / "chain")
    with rig.engine() as engine:
        head = await rig.import_unsafe(engine, len(rig.blocks))
        built = engine.built
        driver = await rig.drive(engine, rig.items)
        assert (await engine.head()).hash == head
        assert driver.heads.safe is not None and driver.heads.safe.hash == head
        assert engine.built == built  # nothing was made twice
        await engine.close()


async def test_an_unsafe_block_that_was_not_derived_goes(tmp_path: Path) -> None:
    rig = Rig(FORKS, tmp_path / "chain")
    with rig.engine() as engine:
        head = await rig.import_unsafe(engine, 20)
        attributes = rig.blocks[20].attributes
        assert attributes is not None
        other = replace(attributes, prev_randao=b"\x77" * 32)
        begun = await engine.forkchoice_updated(ForkchoiceState(head, NOT_SAID, NOT_SAID), other)
        assert begun.payload_id is not None
        wrong = (await engine.get_payload(begun.payload_id)).envelope
        assert (await engine.new_payload(wrong)).status is Status.VALID
        await engine.forkchoice_updated(ForkchoiceState(wrong.payload.block_hash, NOT_SAID, NOT_SAID), None)
        await rig.drive(engine, rig.items)
        await rig.assert_recorded(engine)
        await engine.close()


@pytest.mark.parametrize("taken_back", [True, False])
async def test_an_engine_that_waits_for_a_block_is_asked_again(taken_back: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the stateless one does, which may need the state of a branch that L1 has left: then derivation begins again."""
    monkeypatch.setattr(driver_module, "MAKING_PATIENCE", 0.5)
    rig = Rig(FORKS, tmp_path / "chain")

    async def is_canonical(block: BlockId) -> bool:
        return not taken_back

    with rig.engine(StuckEngine) as engine:
        monkeypatch.setattr(rig.l1, "is_canonical", is_canonical)
        await rig.drive(engine, rig.items[:60])
        assert isinstance(engine, StuckEngine) and engine.stuck
        head = await engine.head()
        assert head.header.number > 5
        assert head.hash == rig.blocks[head.header.number - 1].block.ref.hash
        await engine.close()
