"""Questions to the remotes from threads that answer users: nobody waits for long, and what went wrong is told to who asked.

A thread that waits looks up now and then, so that it can be interrupted (trinode.rpc.eth.time_limit): its question is then given up.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import trio

from trinode.engine.stateless.errors import RemoteFault, RemoteLies
from trinode.engine.stateless.remote import RemoteL2
from trinode.jsonrpc.requests import SERVER_ERROR, RpcError

T = TypeVar("T")

Question = Callable[[RemoteL2], Awaitable[T]]
"""Asks a remote, and verifies what it says. Raises RemoteFault."""


_LOOKS_UP = 0.1
"""Seconds after which a thread that waits can be interrupted: one that waits for a lock cannot."""


class _Asked(Generic[T]):
    """A question, and its outcome once it is `over`: one of `answers`, or what went wrong, or neither if it was given up."""

    def __init__(self, question: Question[T]) -> None:
        self.question = question
        self.scope = trio.CancelScope()
        self.answers: list[T] = []
        self.error: Exception | None = None
        self.over = threading.Event()


class Questions:
    """Each remote is asked once, the one that answered last first. `seconds`: for each remote's answer to one question. Made within trio.

    `notice` gets a line for a lie, once as long as the same remote lies in the same.
    """

    def __init__(self, remotes: Sequence[RemoteL2], notice: Callable[[str], None], seconds: float) -> None:
        assert remotes, "a stateless node needs a remote"
        self._remotes = list(remotes)
        self._notice = notice
        self._seconds = seconds
        self._index = 0
        self._told = ("", "", "")
        self._token = trio.lowlevel.current_trio_token()
        self._under_way: set[trio.CancelScope] = set()
        self._is_closed = False

    def ask(self, question: Question[T]) -> T:
        """An answer that holds; for any thread but trio's. Raises RpcError with what is wrong: with a lie, if there was one."""
        asked = _Asked(question)
        self._token.run_sync_soon(self._begin, asked)
        try:
            while not asked.over.wait(_LOOKS_UP):
                pass
        finally:
            if not asked.over.is_set():
                self._token.run_sync_soon(asked.scope.cancel)
        if isinstance(asked.error, RemoteFault):
            raise refused(asked.error) from asked.error
        if asked.error is not None:
            raise asked.error
        if not asked.answers:
            raise RpcError(SERVER_ERROR, "the node is stopping")
        return asked.answers[0]

    def close(self) -> None:
        """Gives up what is asked, and refuses what is asked from now on: the threads that wait end."""
        self._is_closed = True
        for scope in self._under_way:
            scope.cancel()

    def _begin(self, asked: _Asked[T]) -> None:
        if self._is_closed:
            asked.over.set()
        else:
            trio.lowlevel.spawn_system_task(self._answer, asked)

    async def _answer(self, asked: _Asked[T]) -> None:
        self._under_way.add(asked.scope)
        try:
            with asked.scope:
                asked.answers.append(await self._ask(asked.question))
        except Exception as error:  # noqa: BLE001 - raised on the thread that asked
            asked.error = error
        finally:
            self._under_way.remove(asked.scope)
            asked.over.set()

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
