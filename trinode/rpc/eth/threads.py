"""Threads that take their work from one queue, one piece after the other, and give many results back to trio at once.

A thread of `trio.to_thread` goes to trio and back for every piece of work, and where another thread keeps the interpreter busy, each of these
ways may wait for its lock. Here one thread does all short work; others help only while that is at something long.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import trio

from trinode.jsonrpc.right_of_way import INTERPRETER

Result = TypeVar("Result")

SHORT = 0.02
"""Seconds. What takes longer has others wait, and another thread is begun for them."""
_MOMENT, _LONG = 0.001, 1.0
"""Seconds between two looks whether one is needed: the first and the last."""
_IDLE = 10.0
"""Seconds until a thread without work ends."""


class Work(Generic[Result]):
    """A function that a thread will call. `begun`: when it was, by time.perf_counter."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self.begun: float | None = None
        self.is_over = False
        self.token = trio.lowlevel.current_trio_token()
        self._function = function
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self._waiting: trio.lowlevel.Task | None = None

    def result(self) -> Result:
        """Once it is over: what the function returned. Raises what it raised."""
        if self._error is None:
            return self._results[0]
        try:
            raise self._error
        finally:
            self._error = None  # its traceback holds this very frame

    def left_of(self, seconds: float) -> float:
        """How many of the seconds that it may take are left; all until it has begun."""
        return seconds if self.begun is None else seconds - (time.perf_counter() - self.begun)

    async def over(self) -> None:
        """Returns when it is over. For one task at a time."""
        if self.is_over:
            return
        self._waiting = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._waiting = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def call(self) -> None:
        """On the thread."""
        try:
            self._results.append(self._function())
        except BaseException as error:  # noqa: BLE001 - raised where the result is taken
            self._error = error

    def deliver(self) -> None:
        """On trio's."""
        INTERPRETER.leave()
        self.is_over = True
        if self._waiting is not None:
            trio.lowlevel.reschedule(self._waiting)
            self._waiting = None


class Threads:
    """At most `most` threads, none while there is nothing to do. For the tasks of one run of trio at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._has_work = threading.Condition(self._lock)
        self._waiting: deque[Work[Any]] = deque()
        self._at_work: set[Work[Any]] = set()
        self._idle = 0
        self._count = 0
        self._done: list[Work[Any]] = []

    async def run(self, function: Callable[[], Result]) -> Result:
        """What `function` returns or raises, called on a thread. Who is cancelled after it was asked for waits for it, and has it."""
        await trio.lowlevel.checkpoint_if_cancelled()
        work = self.begin(function)
        with trio.CancelScope(shield=True):
            await self.begun(work)
            await work.over()
        return work.result()

    def begin(self, function: Callable[[], Result]) -> Work[Result]:
        """Puts it in the queue. Whoever does waits for `begun`, or withdraws it."""
        work = Work(function)
        INTERPRETER.hurry()
        INTERPRETER.enter()
        with self._lock:
            self._waiting.append(work)
            if self._idle:
                self._has_work.notify()
            elif not self._count:
                self._start()
        return work

    async def begun(self, work: Work[Result], most: float = SHORT) -> None:
        """Returns when the work is over, or has begun and is not short: takes `most` seconds. While it waits behind what is not short, another
        thread is begun for it.
        """
        delay = max(most, _MOMENT)
        while True:
            with trio.move_on_after(delay):
                await work.over()
                return
            if work.begun is not None:
                return
            self._help()
            delay = min(2 * delay, _LONG)

    def withdraw(self, work: Work[Result]) -> bool:
        """Takes it out of the queue; False: it has begun."""
        with self._lock:
            if work not in self._waiting:
                return False
            self._waiting.remove(work)
        INTERPRETER.leave()
        return True

    def _help(self) -> None:
        with self._lock:
            if self._waiting and self._count < self._most and not self._some_are_free():
                self._start()

    def _some_are_free(self) -> bool:
        """Whether a thread takes the next work soon. With the lock."""
        long_ago = time.perf_counter() - SHORT
        return self._idle > 0 or any(each.begun is not None and each.begun > long_ago for each in self._at_work)

    def _start(self) -> None:
        self._count += 1
        threading.Thread(target=self._serve, name="trinode rpc", daemon=True).start()

    # ---- on the threads ----

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            work.call()
            with self._lock:
                self._at_work.discard(work)
                self._done.append(work)
                is_first = len(self._done) == 1
                is_needed = not self._some_are_free()
                self._count -= not is_needed
            if is_first:
                try:
                    work.token.run_sync_soon(self._deliver)
                except trio.RunFinishedError:  # nobody waits for what was given up when the node ended
                    INTERPRETER.leave()
                    return
            if not is_needed:
                return

    def _next(self) -> Work[Any] | None:
        """None: the thread ends."""
        with self._lock:
            if not self._waiting:
                self._idle += 1
                self._has_work.wait_for(lambda: self._waiting, _IDLE)
                self._idle -= 1
            if not self._waiting:
                self._count -= 1
                return None
            work = self._waiting.popleft()
            work.begun = time.perf_counter()
            self._at_work.add(work)
            return work

    def _deliver(self) -> None:
        """On trio's thread."""
        with self._lock:
            done, self._done = self._done, []
        for each in done:
            each.deliver()
