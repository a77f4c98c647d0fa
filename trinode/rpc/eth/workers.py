"""Threads for what reads the store or executes: never the one that serves the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trinode.execution.errors import ExecutionError
from trinode.jsonrpc.requests import INTERNAL_ERROR, RpcError
from trinode.rpc.eth.errors import of_execution, server_error
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.threads import Threads
from trinode.rpc.eth.time_limit import TimeLimitExceeded, run_within
from trinode.storage.errors import StoreError

Result = TypeVar("Result")


class Workers:
    """Short reads have turns of their own, so that they do not wait for calls. Raises RpcError where state or store do not suffice."""

    def __init__(self, limits: EthLimits) -> None:
        self._seconds = limits.call_seconds
        self._reads = Threads(limits.read_threads)
        self._calls = Threads(limits.call_threads)

    async def read(self, work: Callable[[], Result]) -> Result:
        """Something short."""
        try:
            return await self._reads.run(work)
        except (ExecutionError, StoreError) as error:
            raise _explained(error) from error

    async def call(self, work: Callable[[], Result], what: str = "execution") -> Result:
        """Something that may run for long, and is interrupted then; the error says `what` it was."""
        try:
            return await run_within(self._seconds, work, self._calls)
        except (ExecutionError, StoreError) as error:
            raise _explained(error) from error
        except TimeLimitExceeded:
            raise server_error(f"{what} aborted (timeout = {self._seconds:g}s)") from None


def _explained(error: ExecutionError | StoreError) -> RpcError:
    return of_execution(error) if isinstance(error, ExecutionError) else RpcError(INTERNAL_ERROR, str(error))
