"""How the C library keeps memory that was given back (mallopt(3), glibc)."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_TRIMMED, _LARGE, _ARENAS = 1 << 20, 128 << 10, 2


def give_back_what_is_free() -> None:
    """Blobs, batches and blocks come and go, on many threads. Left to itself, glibc learns from the first of them to keep such blocks, in a heap
    for each thread: free memory that the process holds for ever. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in ((_M_MMAP_THRESHOLD, _LARGE), (_M_TRIM_THRESHOLD, _TRIMMED), (_M_ARENA_MAX, _ARENAS)):
            mallopt(name, value)
