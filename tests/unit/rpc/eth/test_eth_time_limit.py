"""Interrupts: what runs too long ends, and nothing is raised in a thread that has gone on to other work."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from itertools import count

import pytest
import trio
import trio.testing

from trinode.rpc.eth.threads import Threads
from trinode.rpc.eth.time_limit import TimeLimitExceeded, run_within


def endless() -> None:
    for _ in count():
        pass


def stubborn() -> None:
    while True:
        with contextlib.suppress(Exception):
            endless()


@pytest.mark.parametrize("work", [endless, stubborn])
async def test_endless_work_is_interrupted(work: object) -> None:
    assert callable(work)
    with pytest.raises(TimeLimitExceeded):
        await run_within(0.01, work, Threads(1))


async def test_results_and_errors_come_back_as_they_are() -> None:
    threads = Threads(1)
    assert await run_within(60, lambda: 7, threads) == 7
    with pytest.raises(ZeroDivisionError):
        await run_within(60, lambda: 1 // 0, threads)


async def test_who_is_cancelled_interrupts_the_work() -> None:
    begun = threading.Event()
    ended: list[str] = []

    def work() -> None:
        begun.set()
        try:
            endless()
        finally:
            ended.append("ended")

    with trio.move_on_after(60) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_within, 60, work, Threads(1))
            await trio.to_thread.run_sync(begun.wait)
            scope.cancel()
    assert scope.cancelled_caught
    assert ended == ["ended"]


async def test_threads_that_were_interrupted_serve_on() -> None:
    """The limit is so close to the time of the work that interrupts come before it, in it and after it."""
    threads = Threads(2)
    outcomes: list[bool] = []

    async def once(seconds: float) -> None:
        try:
            assert await run_within(seconds, lambda: sum(range(20_000)), threads) == 199990000
            outcomes.append(True)
        except TimeLimitExceeded:
            outcomes.append(False)

    async with trio.open_nursery() as nursery:
        for index in range(300):
            nursery.start_soon(once, index * 1e-5)
    assert len(outcomes) == 300
    assert all([await trio.to_thread.run_sync(sum, range(1000)) == 499500 for _ in range(50)])


async def test_the_time_in_which_it_waits_for_its_turn_does_not_count() -> None:
    threads = Threads(1)
    results: list[int] = []
    ends = threading.Event()

    async def wait() -> None:
        results.append(await run_within(0.04, lambda: 1, threads))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(threads.run, ends.wait)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(TimeLimitExceeded):
            await run_within(0.08, endless, Threads(1))
        ends.set()
    assert results == [1]


async def test_who_is_cancelled_while_waiting_leaves_nothing_behind() -> None:
    threads = Threads(1)
    ends = threading.Event()
    done: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(threads.run, ends.wait)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.01) as scope:
            await run_within(60, lambda: done.append("done"), threads)
        assert scope.cancelled_caught
        ends.set()
        await run_within(60, lambda: done.append("after it"), threads)
    assert done == ["after it"]


async def test_work_may_ask_trio_and_ends_with_its_limit() -> None:
    """As states do that are fetched from a remote."""
    threads = Threads(1)

    async def answer(value: int) -> int:
        await trio.lowlevel.checkpoint()
        return value

    token = trio.lowlevel.current_trio_token()
    assert await run_within(60, lambda: trio.from_thread.run(answer, 7, trio_token=token), threads) == 7

    def ask_for_ever() -> None:
        while True:
            trio.from_thread.run(answer, 7, trio_token=token)

    with pytest.raises(TimeLimitExceeded):
        await run_within(0.05, ask_for_ever, threads)
    assert await run_within(60, lambda: trio.from_thread.run(answer, 8, trio_token=token), threads) == 8


TRACED = """
import sys, trio
from itertools import count
from trinode.rpc.eth.threads import Threads
from trinode.rpc.eth.time_limit import TimeLimitExceeded, run_within

async def main():
    threads = Threads(1)
    for index in range(40):
        turns = count()
        try:  # some end by themselves, some are interrupted, some both
            await run_within(0.005, lambda: all(turn < 2500 * index for turn in turns), threads)
        except TimeLimitExceeded:
            print("interrupted")

trio.run(main)
sys.settrace(lambda *_: None)
(lambda: print("traced"))()
"""


def test_functions_can_be_traced_after_interrupts() -> None:
    """One that is sent and never arrives would have CPython 3.11 wait for it for ever. Hypothesis traces a test that fails."""
    done = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split()[-1] == "traced"
    assert "interrupted" in done.stdout
