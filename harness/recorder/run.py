"""The workers: so many at a time take the next thing to fetch, check it, and put it into the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from harness.recorder.journal import Journal
from harness.recorder.l1_source import L1Source
from harness.recorder.l2_source import L2Source, RollupNode, encode_safe_head
from harness.recorder.plan import RecordError, RecordPlan, Task
from harness.recording import RecordedL2Block
from harness.recording.encode import encode_item
from trinode.jsonrpc.endpoint import EndpointError


class Sources:
    """Where the data comes from; `node` None: nobody is asked for safe heads."""

    def __init__(self, l1: L1Source, l2: L2Source, node: RollupNode | None) -> None:
        self.l1 = l1
        self.l2 = l2
        self.node = node

    async def fetch(self, task: Task) -> bytes:
        """What the journal keeps of a task: a line of the recording, or a safe head as JSON. Raises EndpointError."""
        if task.kind == "l1":
            return encode_item(await self.l1.block(task.number))
        if task.kind == "safe":
            return encode_safe_head(None if self.node is None else await self.node.safe_head_at(task.number))
        found = await self.l2.block(task.number)
        return encode_item(
            RecordedL2Block(
                line=0,
                block=found.block,
                header=found.header,
                attributes=None,
                derived_from=None,
                deposits_only=False,
                output_root=found.output_root,
            )
        )


async def fetch_all(
    plan: RecordPlan, sources: Sources, journal: Journal, *, concurrency: int, done: Callable[[Task], None]
) -> None:
    """Fetch whatever of the plan is not in the journal. `done` is called for each task, those of earlier runs first.

    Raises EndpointError or RecordError at the first that fails; what others fetched until then is in the journal.
    """
    waiting: deque[Task] = deque()
    for task in plan.tasks():
        if task in journal:
            done(task)
        else:
            waiting.append(task)
    failures: list[EndpointError | RecordError] = []

    async def work(scope: trio.CancelScope) -> None:
        while waiting:
            task = waiting.popleft()
            try:
                await journal.append(task, await sources.fetch(task))
            except (EndpointError, RecordError) as error:
                failures.append(error)
                scope.cancel()
                return
            done(task)

    async with trio.open_nursery() as nursery:
        for _ in range(concurrency):
            nursery.start_soon(work, nursery.cancel_scope)
    if failures:
        raise failures[0]
