"""Witnesses that are fetched before they are needed, so that the remote's latency is hidden behind execution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import trio

from trinode.engine.stateless.errors import RemoteFault
from trinode.engine.stateless.remote import RemoteL2
from trinode.engine.stateless.witness_reply import RemoteWitness
from trinode.execution.block import MESSAGE_PASSER
from trinode.protocol.block import KnownHeader
from trinode.protocol.types import Hash32


@dataclass(frozen=True, slots=True)
class Fetched:
    """A remote's block and its witness. `header`: None where the remote does not have the block."""

    remote: RemoteL2
    header: KnownHeader | None
    witness: RemoteWitness


async def fetch(remote: RemoteL2, number: int) -> Fetched:
    """The remote's block of that number with its witness, and since Isthmus with the way to the withdrawals root, which op-geth's lack.

    Raises RemoteFault; RemoteBehind if it does not have the block.
    """
    header = await remote.header(number)
    proof: dict[Hash32, bytes] = {}

    async def prove_withdrawals_root() -> None:
        nonlocal proof
        try:
            proof = (await remote.proof(header.header.parent_hash, MESSAGE_PASSER, ())).nodes
        except RemoteFault:
            proof = {}  # a remote without proofs may give witnesses that need none; if not, it is asked again, and what it says is told

    async with trio.open_nursery() as nursery:
        if header.header.requests_hash is not None:
            nursery.start_soon(prove_withdrawals_root)
        witness = await _unwrapped(remote, number)
    if isinstance(witness, RemoteFault):
        raise witness
    return Fetched(remote, header, replace(witness, preimages={**proof, **witness.preimages}))


async def _unwrapped(remote: RemoteL2, number: int) -> RemoteWitness | RemoteFault:
    """The witness, or why there is none: a nursery would wrap what is raised inside."""
    try:
        return await remote.witness(number)
    except RemoteFault as fault:
        return fault


class WitnessPrefetcher:
    """Fetches the witnesses of the `ahead` blocks from where it is told to begin. What it cannot fetch is left to who needs it.

    `most_bytes`: of witnesses that nobody took yet; one may be larger.
    """

    def __init__(self, current: Callable[[], RemoteL2], *, ahead: int, tasks: int, most_bytes: int) -> None:
        self._current = current
        self._ahead = ahead
        self._tasks = tasks
        self._most_bytes = most_bytes
        self._next = 0
        self._end = 0
        self._fetched: dict[int, Fetched] = {}
        self._bytes = 0
        self._under_way: dict[int, trio.Event] = {}
        self._changed = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Fetches until it is cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(self._tasks):
                nursery.start_soon(self._work)
            task_status.started()

    def want(self, number: int) -> None:
        """Block `number` and those after it are needed next. Drops what is no more of use."""
        for known in [known for known in self._fetched if not number <= known < number + self._ahead]:
            self._drop(known)
        self._end = number + self._ahead
        self._next = max(self._next, number) if number <= self._next <= self._end else number
        self._wake()

    async def take(self, number: int) -> Fetched | None:
        """The witness, if it was fetched or is being fetched; None otherwise."""
        event = self._under_way.get(number)
        if event is not None:
            await event.wait()
        fetched = self._fetched.get(number)
        if fetched is not None:
            self._drop(number)
            self._wake()
        return fetched

    def _drop(self, number: int) -> None:
        self._bytes -= self._fetched.pop(number).witness.size

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _work(self) -> None:
        while True:
            while self._next >= self._end or self._bytes >= self._most_bytes:
                await self._changed.wait()
            number, self._next = self._next, self._next + 1
            if number in self._fetched or number in self._under_way:
                continue
            done = self._under_way[number] = trio.Event()
            try:
                fetched = await fetch(self._current(), number)
                self._fetched[number] = fetched
                self._bytes += fetched.witness.size
            except RemoteFault:
                # Who needs it asks again, and hears why. Until then there is no use in asking for what comes later.
                self._next = self._end = min(self._end, number)
            finally:
                del self._under_way[number]
                done.set()
