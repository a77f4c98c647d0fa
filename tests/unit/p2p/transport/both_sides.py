"""Two sides of something at once."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import trio

A = TypeVar("A")
B = TypeVar("B")


async def both(one: Awaitable[A], other: Awaitable[B]) -> tuple[A, B]:
    """What each of them gives."""
    given: dict[int, A | B] = {}

    async def wait(number: int, side: Awaitable[A] | Awaitable[B]) -> None:
        given[number] = await side

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, 0, one)
        nursery.start_soon(wait, 1, other)
    return given[0], given[1]  # type: ignore[return-value]
