"""Short work that somebody waits for goes before this process' long work.

CPython lets one thread run at a time. A thread that calculates gives the interpreter's lock up when others have asked for it for a while, and whoever
answers requests gives it up at each system call: both then wait for each other all the time, and all who ask wait with them. So those at long work,
between two of its steps, let those at short work finish first, for a while that is bounded.
"""

from __future__ import annotations

import sys
import threading
import time

import trio

WORK_SECONDS = 0.005
"""Of long work, at least, before it stands aside again."""
ASIDE_SECONDS = 0.01
"""That it stands aside, at most: a third of the time is its own, whatever is asked."""
HURRIED_SWITCH_SECONDS, SWITCH_SECONDS = 0.001, 0.005
"""After which a thread that calculates is made to give the lock up (sys.setswitchinterval): while there are requests, for each of their system
calls may have to wait so long, and else. The second is CPython's: with the first, derivation beside execution takes a fifth more time.
"""
HURRY_SECONDS = 0.01
"""For so long after a request there may be another."""


class RightOfWay:
    """For all threads."""

    def __init__(self) -> None:
        self._moved = threading.Condition(threading.Lock())
        self._inside = 0
        self._entered = 0
        self._left = 0
        self._long_ones = -1  # what _entered was when nobody inside came to an end
        self._aside_since: float | None = None
        self._aside_again = 0.0
        self._hurries = False
        self._hurried = 0.0

    def hurry(self) -> None:
        """Somebody outside has asked for something: threads take turns sooner, for HURRY_SECONDS at least."""
        self._hurried = time.perf_counter()
        if not self._hurries:
            self._hurries = True
            sys.setswitchinterval(HURRIED_SWITCH_SECONDS)

    def enter(self) -> None:
        """Short work is begun, or waits for its turn. It goes first until `leave`, on whatever thread."""
        self._calm_down(time.perf_counter())
        with self._moved:
            self._inside += 1
            self._entered += 1

    def leave(self) -> None:
        """It is over."""
        with self._moved:
            self._inside -= 1
            self._left += 1
            if not self._inside:
                self._moved.notify_all()

    def step(self) -> None:
        """Between two steps of long work, on any thread: returns as soon as nobody is inside, or all long work has stood aside for
        ASIDE_SECONDS. At once for WORK_SECONDS after that; and if those inside do nothing short, for none of them came to an end the last
        time, and none has come since.
        """
        now = time.perf_counter()
        self._calm_down(now)
        if not self._inside or now < self._aside_again:
            return
        with self._moved:
            if self._entered == self._long_ones:
                return
            if self._aside_since is None:
                self._aside_since = time.perf_counter()
            left, until = self._left, self._aside_since + ASIDE_SECONDS
            while self._inside and self._aside_since is not None and (remaining := until - time.perf_counter()) > 0:
                self._moved.wait(remaining)
            if self._aside_since is not None:
                self._go_on(left)

    def _calm_down(self, now: float) -> None:
        if self._hurries and now - self._hurried > HURRY_SECONDS:
            self._hurries = False
            sys.setswitchinterval(SWITCH_SECONDS)

    def _go_on(self, left: int) -> None:
        """The first who sees that it is time says so to the others."""
        if self._inside and self._left == left:
            self._long_ones = self._entered
        self._aside_since = None
        self._aside_again = time.perf_counter() + WORK_SECONDS
        self._moved.notify_all()


class LoopFirst(trio.abc.Instrument):
    """What trio's tasks do between two waits for the system is short work."""

    def __init__(self, way: RightOfWay) -> None:
        self._way = way
        self._is_inside = False

    def after_io_wait(self, timeout: float) -> None:
        """As in trio."""
        self._is_inside = True
        self._way.enter()

    def before_io_wait(self, timeout: float) -> None:
        """As in trio."""
        if self._is_inside:
            self._is_inside = False
            self._way.leave()

    def after_run(self) -> None:
        """As in trio."""
        self.before_io_wait(0.0)


INTERPRETER = RightOfWay()
"""There is one lock for the process."""
