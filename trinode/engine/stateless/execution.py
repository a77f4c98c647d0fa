"""Executes blocks on what untrusted remotes prove of their parent's state, for as long as it takes to get it.

A remote that gives what is needed decides nothing: the state hangs together by hashes, and the block is what the rules make of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import trio

from trinode.engine.stateless.errors import RemoteBehind, RemoteFault, RemoteLies
from trinode.engine.stateless.prefetch import Fetched, WitnessPrefetcher, fetch
from trinode.engine.stateless.remote import WITNESS_METHOD, RemoteL2
from trinode.engine.stateless.remote_state import Ancestor, Missing, RemoteState
from trinode.engine.stateless.witness_reply import NO_WITNESS
from trinode.execution.block import ExecutedBlock, Parent, check_header
from trinode.execution.errors import InvalidBlock, MissingState
from trinode.protocol.block import KnownHeader

T = TypeVar("T")

Work = Callable[[Parent], ExecutedBlock]
"""Makes or checks a block on its parent."""


@dataclass(frozen=True, slots=True)
class StatelessSettings:
    """Times in seconds. `ahead`, `tasks`, `most_bytes`: of witnesses that are fetched before they are needed.

    `patience`: how long the remote's own block is waited for before its parent's state is asked for piece by piece. `most_pieces`: of
    one block. `most_wait`: for a block that came by gossip, which can be sent again.
    """

    ahead: int = 8
    tasks: int = 2
    most_bytes: int = 128 << 20
    first_delay: float = 1.0
    longest_delay: float = 15.0
    patience: float = 60.0
    most_pieces: int = 4096
    most_wait: float = 12.0


class Remotes:
    """The remotes in the order in which they were given: one is asked until it fails, then the next. `notice` gets a line for each failure."""

    def __init__(self, remotes: Sequence[RemoteL2], settings: StatelessSettings, notice: Callable[[str], None]) -> None:
        assert remotes, "a stateless engine needs a remote"
        self._remotes = list(remotes)
        self._settings = settings
        self._notice = notice
        self._index = 0
        self._told = ""

    @property
    def current(self) -> RemoteL2:
        """The one to ask."""
        return self._remotes[self._index]

    def tell(self, text: str) -> None:
        """One line for the log, once however often it is said on end."""
        if text != self._told:
            self._told = text
            self._notice(text)

    async def failed(self, fault: RemoteFault, times: int) -> None:
        """Turns to the next remote; once all have failed, waits: longer each time. `times`: failures so far, this one included."""
        self.tell(str(fault))
        self._index = (self._index + 1) % len(self._remotes)
        rounds, rest = divmod(times, len(self._remotes))
        if rest == 0:
            await trio.sleep(min(self._settings.first_delay * 2.0 ** min(rounds - 1, 16), self._settings.longest_delay))

    async def until_answered(self, ask: Callable[[RemoteL2], Awaitable[T]]) -> T:
        """What a remote answers, however long that takes."""
        times = 0
        while True:
            try:
                return await ask(self.current)
            except RemoteFault as fault:
                times += 1
                await self.failed(fault, times)


class StatelessExecution:
    """Executes one block at a time. `ancestor`: RLP of the headers that are known here, by hash, for BLOCKHASH; asked on another thread."""

    def __init__(self, remotes: Remotes, settings: StatelessSettings, ancestor: Ancestor) -> None:
        self._remotes = remotes
        self._settings = settings
        self._ancestor = ancestor
        self._turn = trio.CapacityLimiter(1)
        self._differs = False
        self._incomplete: set[str] = set()
        self.prefetcher = WitnessPrefetcher(
            lambda: remotes.current, ahead=settings.ahead, tasks=settings.tasks, most_bytes=settings.most_bytes
        )

    async def execute(self, parent: KnownHeader, work: Work) -> ExecutedBlock:
        """The block that `work` makes on `parent`. Waits until a remote gives what that needs. Raises what `work` does, but for
        MissingState.
        """
        impatient_at = trio.current_time() + self._settings.patience
        times = 0
        while True:
            try:
                return await self._attempt(parent, work, by_pieces=trio.current_time() > impatient_at)
            except RemoteFault as fault:
                times += 1
                await self._remotes.failed(fault, times)

    async def _attempt(self, parent: KnownHeader, work: Work, *, by_pieces: bool) -> ExecutedBlock:
        if by_pieces:
            return await self._execute(parent, Fetched(self._remotes.current, None, NO_WITNESS), work)
        number = parent.header.number + 1
        fetched = await self.prefetcher.take(number)
        self.prefetcher.want(number + 1)
        if fetched is None or fetched.header is None or fetched.header.header.parent_hash != parent.hash:
            fetched = await fetch(self._remotes.current, number)
        _check_place(parent, fetched)
        return await self._execute(parent, fetched, work)

    async def _execute(self, parent: KnownHeader, fetched: Fetched, work: Work) -> ExecutedBlock:
        remote = fetched.remote
        state = RemoteState(fetched.witness.preimages, parent, self._ancestor, remote, self._settings.most_pieces)
        try:
            block = await trio.to_thread.run_sync(work, Parent(parent.header, parent.hash, state, state.tries), limiter=self._turn)
        except RemoteFault as fault:
            raise _incomplete(parent, fetched, state.lacked, fault) from fault
        except MissingState as error:
            raise RemoteLies(remote.name, WITNESS_METHOD, "state", _name(parent), str(error)) from error
        self._compare(block, fetched)
        if state.lacked is not None and fetched.header is not None and remote.name not in self._incomplete:
            self._incomplete.add(remote.name)
            problem = f"lacks {state.lacked.what}, hash 0x{state.lacked.digest.hex()}, which it proves if asked; nothing more is said of such"
            self._remotes.tell(f"{remote.name}: {WITNESS_METHOD}: {state.lacked.field}: {_name(parent)}: {problem}")
        return block

    def _compare(self, block: ExecutedBlock, fetched: Fetched) -> None:
        """Says in what the remote's chain is another; once, until it is the same again."""
        theirs = fetched.header
        if theirs is None or theirs.hash == block.hash:
            self._differs = self._differs and theirs is None
            return
        if self._differs:
            return
        self._differs = True
        try:
            check_header(expected=block.header, actual=theirs.header)
        except InvalidBlock as error:
            what = f"its block is 0x{theirs.hash.hex()}, ours 0x{block.hash.hex()}: first difference {error}"
            self._remotes.tell(f"CRITICAL: {fetched.remote.name}: eth_getBlockByNumber: {error.field}: L2 block {block.header.number}: {what}")


def _check_place(parent: KnownHeader, fetched: Fetched) -> None:
    """Raises RemoteLies if a witness on `parent` was asked for, and one on another block came."""
    assert fetched.header is not None
    headers = fetched.witness.headers
    if fetched.header.header.parent_hash == parent.hash and headers and headers[0].hash != parent.hash:
        problem = f"they end with block {headers[0].header.number} 0x{headers[0].hash.hex()}, the parent is 0x{parent.hash.hex()}"
        raise RemoteLies(fetched.remote.name, WITNESS_METHOD, "headers", _name(parent), problem)


def _incomplete(parent: KnownHeader, fetched: Fetched, lacked: Missing | None, fault: RemoteFault) -> RemoteFault:
    """Why a block could not be executed: what its witness lacked, and why that did not come otherwise."""
    if lacked is None or fetched.header is None:
        return fault
    problem = f"lacks {lacked.what}, hash 0x{lacked.digest.hex()}"
    if fetched.header.header.parent_hash == parent.hash:
        return RemoteLies(fetched.remote.name, WITNESS_METHOD, lacked.field, _name(parent), f"{problem} ({fault})")
    on = f"it is of a block on 0x{fetched.header.header.parent_hash.hex()}, ours is on 0x{parent.hash.hex()}"
    return RemoteBehind(fetched.remote.name, WITNESS_METHOD, lacked.field, _name(parent), f"{problem}: {on} ({fault})")


def _name(parent: KnownHeader) -> str:
    return f"L2 block {parent.header.number + 1}"
