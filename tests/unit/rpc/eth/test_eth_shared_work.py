"""Work that several ask for at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.unit.rpc.eth.eth_chain import EthChain, data
from trinode.protocol.types import Hash32
from trinode.rpc.eth.shared_work import SharedWork
from trinode.storage.blocks import BlockReader


class Work:
    """Goes on when it is told to; `outcomes` are what it gives, one after the other, or raises."""

    def __init__(self, *outcomes: int | Exception) -> None:
        self.begun = 0
        self.go_on = trio.Event()
        self._outcomes = list(outcomes)

    async def __call__(self) -> int:
        self.begun += 1
        outcome = self._outcomes.pop(0)
        await self.go_on.wait()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def test_once_for_all_who_ask_meanwhile() -> None:
    shared: SharedWork[int] = SharedWork()
    work, found = Work(7, 8), list[int]()

    async def ask(name: str) -> None:
        found.append(await shared.run(name, work))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask, "a")
        await wait_all_tasks_blocked()
        assert work.begun == 1
        nursery.start_soon(ask, "b")
        await wait_all_tasks_blocked()
        assert work.begun == 2
        work.go_on.set()
    assert sorted(found) == [7, 7, 7, 7, 7, 8]
    again = Work(9)
    again.go_on.set()
    assert await shared.run("a", again) == 9  # nothing is kept


async def test_who_is_cancelled_takes_nobody_along() -> None:
    shared: SharedWork[int] = SharedWork()
    work, found = Work(1, 2), list[int]()

    async def ask() -> None:
        found.append(await shared.run("a", work))

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as first:
                first.start_soon(ask)
                await wait_all_tasks_blocked()
                nursery.start_soon(ask)
                nursery.start_soon(ask)
                await wait_all_tasks_blocked()
                scope.cancel()
        await wait_all_tasks_blocked()
        assert work.begun == 2
        work.go_on.set()
    assert found == [2, 2]


async def test_an_error_is_of_who_began_it() -> None:
    shared: SharedWork[int] = SharedWork()
    work = Work(ValueError("no"), 2)
    found: list[int | str] = []

    async def ask() -> None:
        try:
            found.append(await shared.run("a", work))
        except ValueError as error:
            found.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        work.go_on.set()
    assert found == ["no", 2]


@pytest.mark.parametrize("by_number", [False, True])
async def test_a_new_block_is_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_number: bool) -> None:
    chain = EthChain(tmp_path / "store")
    with chain.store:
        chain.extend(2)
        eth = chain.eth()
        read: list[Hash32] = []
        transactions = BlockReader.transactions

        def noted(blocks: BlockReader, block_hash: Hash32) -> object:
            read.append(block_hash)
            return transactions(blocks, block_hash)

        monkeypatch.setattr(BlockReader, "transactions", noted)
        answers: list[object] = []

        async def ask(method: str, *params: object) -> None:
            answers.append(await eth(method, *params))

        name = hex(chain.store.head.number) if by_number else "latest"
        for method, *params in (("getBlockByNumber", name, True), ("getBlockReceipts", name)):
            read.clear()
            answers.clear()
            async with trio.open_nursery() as nursery:
                for _ in range(16):
                    nursery.start_soon(ask, method, *params)
            assert len(read) == 1
            assert len(answers) == 16
            assert all(each == answers[0] for each in answers)
        assert (await eth("getBlockByNumber", name, True))["hash"] == data(chain.store.head.hash)
