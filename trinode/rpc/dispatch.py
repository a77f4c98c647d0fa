"""Methods by namespace, and requests to them: what HTTP and WebSocket share (JSON-RPC 2.0; limits and words as geth has them)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

import structlog
import trio

from trinode.jsonrpc.requests import Limits, Method, answer, take_params

Handler: TypeAlias = Method
"""Takes the list of parameters; gives a JSON value, or msgspec.Raw where it is encoded already. Raises RpcError and InvalidParams."""

MAX_IN_FLIGHT = 512
"""Requests and batches that are worked on at the same time."""

DEFAULT_LIMITS = Limits(seconds=30.0)

_log = structlog.get_logger()


class Namespace(Protocol):
    """Methods under one prefix."""

    @property
    def name(self) -> str:
        """Such as `eth`."""

    @property
    def methods(self) -> Mapping[str, Handler]:
        """By their whole name, such as `eth_blockNumber`."""


class Dispatcher:
    """The methods of those of `namespaces` whose names are in `exposed`, and `rpc_modules`. Raises ValueError for a name that nobody has."""

    def __init__(
        self,
        namespaces: Iterable[Namespace],
        exposed: Collection[str],
        limits: Limits = DEFAULT_LIMITS,
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        known = list(namespaces)
        unknown = sorted(set(exposed) - {each.name for each in known})
        if unknown:
            raise ValueError(f"no RPC namespace {', '.join(unknown)}; there are {', '.join(sorted({each.name for each in known}))}")
        self._modules = dict.fromkeys(sorted([*exposed, "rpc"]), "1.0")
        self._limits = limits
        self._turns = trio.Semaphore(max_in_flight)
        self.methods: dict[str, Handler] = {"rpc_modules": self._rpc_modules}
        for namespace in known:
            if namespace.name in exposed:
                self.methods.update(namespace.methods)

    async def answer(self, body: bytes) -> bytes:
        """The answer to a request or a batch, in its turn; nothing where it has notifications alone."""
        async with self._turns:
            return await answer(body, self.methods, limits=self._limits, crashed=_report_crash)

    async def _rpc_modules(self, params: list[Any]) -> dict[str, str]:
        take_params(params, 0)
        return self._modules


def _report_crash(method: str, error: Exception) -> None:
    _log.error("an RPC method crashed", method=method, exc_info=error)
