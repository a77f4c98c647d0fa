"""Work that many ask for at the same time, done once: when the head moves, every client asks for the same new block."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

Result = TypeVar("Result")


@dataclass(eq=False)
class _Work(Generic[Result]):
    """`found` has one item when it succeeded, none when it failed or was cancelled."""

    found: list[Result] = field(default_factory=list)
    over: trio.Event = field(default_factory=trio.Event)


class SharedWork(Generic[Result]):
    """What is under way, by its name. Results are kept by nobody here."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _Work[Result]] = {}

    async def run(self, name: Hashable, work: Callable[[], Awaitable[Result]]) -> Result:
        """What the work of that name gives that is under way already, or `work`. Where it fails, or whoever began it is cancelled, each of the
        others tries it for itself, one after the other.
        """
        while (others := self._under_way.get(name)) is not None:
            await others.over.wait()
            if others.found:
                return others.found[0]
        ours: _Work[Result] = _Work()
        self._under_way[name] = ours
        try:
            ours.found.append(await work())
        finally:
            del self._under_way[name]
            ours.over.set()
        return ours.found[0]
