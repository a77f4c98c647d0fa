"""Threads for short work: one does all of it, and another helps where that one is at something long."""

from __future__ import annotations

import threading

import pytest
import trio
import trio.testing

from trinode.rpc.eth.threads import Threads


async def test_what_is_returned_and_raised_comes_back() -> None:
    threads = Threads(1)
    assert await threads.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)


async def test_short_work_is_done_by_one_thread() -> None:
    threads = Threads(8)
    used: set[int] = set()
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(threads.run, lambda: used.add(threading.get_ident()))
    assert len(used) == 1


async def test_another_thread_helps_where_one_is_long_at_work() -> None:
    threads = Threads(3)
    ends = threading.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(threads.run, ends.wait)
        await trio.testing.wait_all_tasks_blocked()
        assert [await threads.run(lambda value=value: value) for value in range(100)] == list(range(100))  # type: ignore[misc]
        ends.set()


async def test_there_are_no_more_threads_than_were_said() -> None:
    threads = Threads(2)
    ends, at_work = threading.Event(), threading.Semaphore(0)
    begun = 0

    def wait() -> None:
        nonlocal begun
        begun += 1
        at_work.release()
        ends.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(threads.run, wait)
        for _ in range(2):
            await trio.to_thread.run_sync(at_work.acquire)
        await trio.sleep(0.2)
        assert begun == 2
        ends.set()
    assert begun == 3


async def test_who_is_cancelled_has_the_result_of_what_has_begun() -> None:
    threads = Threads(1)
    begun, ends = threading.Event(), threading.Event()
    results: list[int] = []

    def work() -> int:
        begun.set()
        ends.wait()
        return 7

    async def ask() -> None:
        results.append(await threads.run(work))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.to_thread.run_sync(begun.wait)
        nursery.cancel_scope.cancel()
        ends.set()
    assert results == [7]


def test_they_serve_one_run_of_trio_after_the_other() -> None:
    threads = Threads(1)

    async def ask() -> int:
        return await threads.run(lambda: 7)

    assert [trio.run(ask) for _ in range(3)] == [7, 7, 7]
