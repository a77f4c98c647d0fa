"""How the services of a node are run: one that fails ends all others, and is named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from errno import EADDRINUSE
from typing import Any

import structlog
import trio

from trinode.derive.errors import CriticalError, UnsupportedChain
from trinode.engine.api.endpoint import EngineProblem
from trinode.execution.errors import UnknownFork
from trinode.node.heads import EngineOutOfStep
from trinode.node.protocol_versions import VersionRequired
from trinode.node.start import StartError
from trinode.storage.errors import StoreError

EXPLAINED = (CriticalError, EngineOutOfStep, EngineProblem, StartError, StoreError, UnsupportedChain, UnknownFork, VersionRequired)
"""What says itself why the node cannot go on."""
BUG = "This is a bug of trinode: please report it with the log"

_log = structlog.get_logger()


class ServiceFailed(Exception):
    """A service ended with an error that nobody expected: a bug of ours. Its traceback is in the log."""


async def named(name: str, service: Callable[..., Awaitable[None]], *, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
    """Runs a service. Raises ServiceFailed where it fails without an explanation."""
    try:
        await service(task_status=task_status)
    except EXPLAINED:
        raise
    except Exception as error:
        if isinstance(error, ExceptionGroup) and error.split(EXPLAINED)[1] is None:
            raise
        _log.error(f"{name} failed", exc_info=True)
        raise ServiceFailed(f"{name} failed: {type(error).__name__}: {error}. {BUG}") from error


async def start(nursery: trio.Nursery, name: str, service: Callable[..., Awaitable[None]]) -> Any:
    """Starts a service in the nursery; what it gives when it has begun."""
    return await nursery.start(lambda task_status: named(name, service, task_status=task_status))


async def listen(nursery: trio.Nursery, option: str, serve: Callable[..., Awaitable[None]], host: str, port: int) -> str:
    """Starts a server, which gives its addresses when it has begun; the first of them. `option`: whose `.port` the port is.

    Raises StartError where that port cannot be had.
    """

    async def explained(*, task_status: trio.TaskStatus[list[str]]) -> None:
        try:
            await serve(task_status=task_status)
        except OSError as error:
            remedy = f"stop what listens there, or change {option}.port" if error.errno == EADDRINUSE else "give another address or port"
            raise StartError(f"{option}: cannot listen at {host}:{port}: {error.strerror or error}; {remedy}") from error

    addresses: list[str] = await start(nursery, f"the server of {option}", explained)
    return addresses[0]
