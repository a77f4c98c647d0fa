"""Questions to the remotes from threads that answer users: nobody waits for long, and what went wrong is told to who asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio

from trinode.engine.stateless.errors import RemoteFault, RemoteLies
from trinode.engine.stateless.remote import RemoteL2
from trinode.jsonrpc.requests import SERVER_ERROR, RpcError

T = TypeVar("T")

Question = Callable[[RemoteL2], Awaitable[T]]
"""Asks a remote, and verifies what it says. Raises RemoteFault."""


class Questions:
    """Each remote is asked once, the one that answered last first. `seconds`: for each remote's answer to one question.

    `notice` gets a line for a lie, once as long as the same remote lies in the same.
    """

    def __init__(self, remotes: Sequence[RemoteL2], notice: Callable[[str], None], seconds: float) -> None:
        assert remotes, "a stateless node needs a remote"
        self._remotes = list(remotes)
        self._notice = notice
        self._seconds = seconds
        self._index = 0
        self._told = ("", "", "")

    def ask(self, question: Question[T]) -> T:
        """An answer that holds; for threads of trio's. Raises RpcError with what is wrong: with a lie, if there was one."""
        try:
            return trio.from_thread.run(self._ask, question)
        except RemoteFault as fault:
            raise refused(fault) from fault

    async def _ask(self, question: Question[T]) -> T:
        worst: RemoteFault | None = None
        for offset in range(len(self._remotes)):
            index = (self._index + offset) % len(self._remotes)
            try:
                answer = await self._in_time(question, self._remotes[index])
            except RemoteFault as fault:
                if isinstance(fault, RemoteLies):
                    self._tell(fault)
                if worst is None or not isinstance(worst, RemoteLies):
                    worst = fault
            else:
                self._index = index
                return answer
        assert worst is not None
        raise worst

    def _tell(self, fault: RemoteLies) -> None:
        kind = (fault.endpoint, fault.method, fault.field)
        if kind != self._told:
            self._told = kind
            self._notice(str(fault))

    async def _in_time(self, question: Question[T], remote: RemoteL2) -> T:
        with trio.move_on_after(self._seconds):
            return await question(remote)
        raise RemoteFault(remote.name, "", "", "", f"no answer within {self._seconds:g} s")


def refused(fault: RemoteFault) -> RpcError:
    """What a user hears."""
    return RpcError(SERVER_ERROR, str(fault))
