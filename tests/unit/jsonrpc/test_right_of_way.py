"""Long work stands aside for short work, and never for long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
import trio

from trinode.jsonrpc import right_of_way
from trinode.jsonrpc.right_of_way import LoopFirst, RightOfWay

FOREVER = 120.0


@pytest.fixture
def way() -> RightOfWay:
    return RightOfWay()


@pytest.fixture
def long_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stands aside does so until the way is free."""
    monkeypatch.setattr(right_of_way, "ASIDE_SECONDS", FOREVER)


def waits(step: Future[None]) -> bool:
    """Whether the step still stands aside after a moment."""
    return not wait([step], 0.1).done


def test_a_step_returns_where_nobody_is_inside(way: RightOfWay, long_aside: None) -> None:
    way.step()
    way.enter()
    way.leave()
    way.step()


def test_a_step_waits_until_the_last_one_has_left(way: RightOfWay, long_aside: None) -> None:
    way.enter()
    way.enter()
    with ThreadPoolExecutor(1) as pool:
        step: Future[None] = pool.submit(way.step)
        way.leave()
        assert waits(step)
        way.leave()
        step.result(60)


def test_one_aside_is_that_of_all_long_work(way: RightOfWay, long_aside: None) -> None:
    """Threads that come to a step meanwhile go on when the first one does, and do not begin to wait anew."""
    way.enter()
    with ThreadPoolExecutor(4) as pool:
        steps = [pool.submit(way.step) for _ in range(4)]
        assert waits(steps[0])
        way.leave()
        for step in steps:
            step.result(60)


def test_who_stays_inside_does_not_stop_long_work(way: RightOfWay) -> None:
    """After ASIDE_SECONDS it goes on; were it otherwise this test would not end."""
    way.enter()
    for _ in range(10):
        way.step()


def test_it_works_for_a_while_before_it_stands_aside_again(way: RightOfWay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(right_of_way, "WORK_SECONDS", FOREVER)
    way.enter()
    way.enter()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(way.step).result(60)
        way.leave()
        monkeypatch.setattr(right_of_way, "ASIDE_SECONDS", FOREVER)
        pool.submit(way.step).result(60)


def test_who_does_nothing_short_is_not_waited_for_twice(way: RightOfWay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace that takes seconds is inside for as long. Whoever comes after it is waited for."""
    monkeypatch.setattr(right_of_way, "WORK_SECONDS", 0.0)
    way.enter()
    way.step()
    monkeypatch.setattr(right_of_way, "ASIDE_SECONDS", FOREVER)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(way.step).result(60)
        way.enter()
        step = pool.submit(way.step)
        assert waits(step)
        way.leave()
        way.leave()
        step.result(60)


def test_short_ones_that_come_to_an_end_are_waited_for_again(way: RightOfWay, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way is never free, but they come and go."""
    monkeypatch.setattr(right_of_way, "WORK_SECONDS", 0.0)
    monkeypatch.setattr(right_of_way, "ASIDE_SECONDS", 0.3)
    way.enter()
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(way.step)
        assert waits(step)
        way.enter()
        way.leave()
        step.result(60)
        monkeypatch.setattr(right_of_way, "ASIDE_SECONDS", FOREVER)
        step = pool.submit(way.step)
        assert waits(step)
        way.leave()
        step.result(60)


def test_trio_is_inside_while_its_tasks_run(way: RightOfWay, long_aside: None) -> None:
    async def main() -> None:
        loop = trio.lowlevel.current_trio_token()
        waiting = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            step = pool.submit(way.step)
            assert waits(step)  # this task still runs
            step.add_done_callback(lambda _: loop.run_sync_soon(waiting.set))
            while not waiting.is_set():
                await trio.sleep(0.01)

    trio.run(main, instruments=[LoopFirst(way)])
    way.step()


def test_a_loop_that_has_ended_is_not_inside(way: RightOfWay, long_aside: None) -> None:
    async def fail() -> None:
        await trio.sleep(0)
        raise KeyError

    with pytest.raises(KeyError):
        trio.run(fail, instruments=[LoopFirst(way)])
    way.step()


@pytest.fixture
def calm() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_threads_take_turns_sooner_while_there_are_requests(way: RightOfWay, calm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(right_of_way, "HURRY_SECONDS", FOREVER)
    way.hurry()
    way.step()
    assert sys.getswitchinterval() == pytest.approx(right_of_way.HURRIED_SWITCH_SECONDS)
    monkeypatch.setattr(right_of_way, "HURRY_SECONDS", -1.0)
    way.step()
    assert sys.getswitchinterval() == pytest.approx(right_of_way.SWITCH_SECONDS)
    way.hurry()
    assert sys.getswitchinterval() == pytest.approx(right_of_way.HURRIED_SWITCH_SECONDS)
