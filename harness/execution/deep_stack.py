"""Room for deep recursion: calls of the EVM nest 1,024 deep, each some Python frames, some of them on the C stack."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_STACK_SIZE = 128 * 1024 * 1024  # address space: only what is used becomes memory
_RECURSION_LIMIT = 60_000

T = TypeVar("T")


def with_deep_stack(function: Callable[[], T]) -> T:
    """What `function` returns or raises, run in a thread of its own with a large stack.

    The thread is a daemon, so that an interrupt of the caller ends the program at once.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            future.set_exception(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK_SIZE)
    sys.setrecursionlimit(max(limit, _RECURSION_LIMIT))
    try:
        threading.Thread(target=work, name="execution", daemon=True).start()
    finally:
        threading.stack_size(size)
    try:
        return future.result()
    finally:
        sys.setrecursionlimit(limit)
