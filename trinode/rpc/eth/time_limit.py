"""Work on a thread that can be interrupted.

The EVM has no clock to look at, and a call with much gas can run for longer than its caller waits. CPython lets one thread raise an
exception in another: it comes between two bytecodes, so that loops of compiled code end as well as interpreted ones. What has no
bytecodes (a precompile at work) is finished first; gas bounds it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from trinode.rpc.eth.threads import SHORT, Threads

Result = TypeVar("Result")

_AGAIN = 0.05
"""Seconds until an interrupt is sent again: one that comes while an object is being finalized is lost."""

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_raise_in.restype = ctypes.c_int


class TimeLimitExceeded(Exception):
    """The work took too long, and was interrupted."""


class _Interrupt(BaseException):
    """Raised in the thread; no `except Exception` stops it."""


class _Interruptible(Generic[Result]):
    """A function that runs on a thread, once, and that other threads may interrupt."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._is_over = False
        self._was_interrupted = False

    def run(self) -> Result:
        """On the thread. Raises TimeLimitExceeded, and what the function raises."""
        try:
            try:
                self._begin()
                return self._function()
            finally:
                try:
                    self._end()
                except _Interrupt:
                    self._end()  # the next one is not due for long
        except _Interrupt:
            raise TimeLimitExceeded from None

    def interrupt(self) -> None:
        """From any other thread; of work that has not begun, or is over, nothing is left to do."""
        with self._lock:
            if self._thread is not None:
                self._was_interrupted = True
                _raise_in(self._thread, _Interrupt)
            self._is_over = True

    def _begin(self) -> None:
        with self._lock:
            if self._is_over:
                raise _Interrupt
            self._thread = threading.get_ident()

    def _end(self) -> None:
        """From here on nothing is raised in the thread: it goes on to other work."""
        with self._lock:
            thread, self._thread, self._is_over = self._thread, None, True
        if thread is not None and self._was_interrupted:
            _end_what_is_on_its_way(thread)


def _end_what_is_on_its_way(thread: int) -> None:
    """On that thread. One that was raised already, and caught, looks like one that is yet to come, so that one more is sent and waited for.

    It could be taken back (PyThreadState_SetAsyncExc with NULL), but CPython 3.11 would go on to look for it, before each function and each turn of a
    loop, and never come to begin a function that is traced (by a debugger, for coverage, by hypothesis).
    """
    try:
        _raise_in(thread, _Interrupt)
        while True:
            pass
    except _Interrupt:
        return


async def run_within(seconds: float, function: Callable[[], Result], threads: Threads) -> Result:
    """What `function` returns or raises, run on a thread in its turn. Raises TimeLimitExceeded if it takes longer once it has begun.

    Cancelled, it interrupts the function too, and waits until it has ended.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    interruptible = _Interruptible(function)
    work = threads.begin(interruptible.run)
    try:
        await threads.begun(work, min(seconds, SHORT))
        while not work.is_over and (left := work.left_of(seconds)) > 0:
            with trio.move_on_after(left):
                await work.over()
    finally:
        if not (work.is_over or threads.withdraw(work)):
            with trio.CancelScope(shield=True):
                while not work.is_over:
                    interruptible.interrupt()
                    with trio.move_on_after(_AGAIN):
                        await work.over()
    return work.result()
