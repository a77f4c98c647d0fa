"""The engine among trio's tasks: turns, cancellation, the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.unit.engine.block_tree import Blocks, forkchoice, valid
from trinode.engine.core import EngineCore
from trinode.engine.service import EngineService
from trinode.engine.status import UnknownPayload
from trinode.protocol.block import KnownHeader
from trinode.storage.store import Store


class SlowCore(EngineCore):
    """A core whose look-up of the head ends when it is let go; `seen` is what was called."""

    def __init__(self, store: Store, blocks: Blocks) -> None:
        super().__init__(store, blocks.executor)
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.seen: list[str] = []
        self.busy = 0

    def head(self) -> KnownHeader:
        """Waits."""
        self.busy += 1
        assert self.busy == 1, "two calls at once"
        self.begun.set()
        self.let_go.wait()
        self.seen.append("head")
        self.busy -= 1
        return super().head()

    def safe(self) -> KnownHeader | None:
        """Does not wait."""
        assert self.busy == 0, "two calls at once"
        self.seen.append("safe")
        return super().safe()


@pytest.fixture
def blocks() -> Blocks:
    return Blocks()


@pytest.fixture
def store(blocks: Blocks, tmp_path: Path) -> Iterator[Store]:
    with blocks.new_store(tmp_path / "store") as store:
        yield store


async def test_it_answers_as_the_core_does(blocks: Blocks, store: Store) -> None:
    service = EngineService(EngineCore(store, blocks.executor))
    block = blocks.chain(blocks.genesis.hash, 1)[0]
    assert await service.new_payload(blocks.envelopes[block.hash]) == valid(block.hash)
    attributes = blocks.attributes(block.hash)
    status, begun = await service.forkchoice_updated(forkchoice(block.hash, block.hash, blocks.genesis.hash), attributes)
    assert status == valid(block.hash) and begun is not None
    assert (await service.get_payload(begun)).envelope.payload.parent_hash == block.hash
    assert await service.head() == await service.safe() == (block.header, block.hash)
    assert await service.finalized() == (blocks.genesis.header, blocks.genesis.hash)
    assert await service.block(block.hash) == await service.block_by_number(1) == (block.header, block.hash, block.transactions)
    with pytest.raises(UnknownPayload):
        await service.get_payload(bytes(8))


async def test_one_call_after_the_other(blocks: Blocks, store: Store) -> None:
    core = SlowCore(store, blocks)
    service = EngineService(core)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.head)
        await trio.to_thread.run_sync(core.begun.wait)
        nursery.start_soon(service.safe)
        await trio.testing.wait_all_tasks_blocked()
        assert core.seen == []
        core.let_go.set()
    assert core.seen == ["head", "safe"]


async def test_a_call_that_has_begun_is_finished_and_answered(blocks: Blocks, store: Store) -> None:
    core = SlowCore(store, blocks)
    service = EngineService(core)
    answers: list[KnownHeader] = []

    async def ask() -> None:
        answers.append(await service.head())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.to_thread.run_sync(core.begun.wait)
        nursery.cancel_scope.cancel()
        core.let_go.set()
    assert answers == [(blocks.genesis.header, blocks.genesis.hash)]


async def test_who_is_cancelled_while_waiting_has_done_nothing(blocks: Blocks, store: Store) -> None:
    core = SlowCore(store, blocks)
    service = EngineService(core)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.head)
        await trio.to_thread.run_sync(core.begun.wait)
        with trio.CancelScope() as scope:
            scope.cancel()
            await service.safe()
        assert scope.cancelled_caught
        core.let_go.set()
    assert core.seen == ["head"]


async def test_closing_waits_for_the_call_and_refuses_the_others(blocks: Blocks, store: Store) -> None:
    core = SlowCore(store, blocks)
    service = EngineService(core)
    refused: list[bool] = []

    async def ask() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await service.safe()
        refused.append(True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.head)
        await trio.to_thread.run_sync(core.begun.wait)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(service.close)
        await trio.testing.wait_all_tasks_blocked()
        core.let_go.set()
    with pytest.raises(trio.ClosedResourceError):
        await service.head()
    assert core.seen == ["head"] and refused == [True]
