"""Methods by namespace, and requests to them: what HTTP and WebSocket share (JSON-RPC 2.0; limits and words as geth has them)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any, Protocol

import msgspec
import structlog
import trio

from trinode.jsonrpc.declared import Declared, declare
from trinode.jsonrpc.kinds import STRING_RESULT
from trinode.jsonrpc.requests import Limits, begin
from trinode.rpc.discover import OPENRPC_RESULT, openrpc_document
from trinode.rpc.subscriptions.kinds import Subscribable, SubscriptionKind
from trinode.rpc.subscriptions.session import subscription_methods

MAX_IN_FLIGHT = 512
"""Requests that are worked on at the same time; those of one batch are worked on one after the other."""

DEFAULT_LIMITS = Limits(seconds=30.0)

_log = structlog.get_logger()


class Namespace(Protocol):
    """Methods under one prefix."""

    @property
    def name(self) -> str:
        """Such as `eth`."""

    @property
    def methods(self) -> Mapping[str, Declared]:
        """By their whole name, such as `eth_blockNumber`."""


class Dispatcher:
    """The methods of those of `namespaces` whose names are in `exposed`, `rpc_modules`, and `rpc.discover`, which tells of them all.

    `version`: of our software. Raises ValueError for a name that nobody has.
    """

    def __init__(
        self,
        namespaces: Iterable[Namespace],
        exposed: Collection[str],
        limits: Limits = DEFAULT_LIMITS,
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        version: str = "unknown",
    ) -> None:
        known = list(namespaces)
        unknown = sorted(set(exposed) - {each.name for each in known})
        if unknown:
            raise ValueError(f"no RPC namespace {', '.join(unknown)}; there are {', '.join(sorted({each.name for each in known}))}")
        self._modules = dict.fromkeys(sorted([*exposed, "rpc"]), "1.0")
        self._limits = limits
        self._turns = trio.Semaphore(max_in_flight)
        self._version = version
        self._document: msgspec.Raw | None = None
        self.methods: dict[str, Declared] = {
            "rpc_modules": declare(
                self._rpc_modules, "The namespaces that are served", result={"type": "object", "additionalProperties": STRING_RESULT}
            ),
            "rpc.discover": declare(self._discover, "This document", result=OPENRPC_RESULT),
        }
        kinds: dict[str, dict[str, SubscriptionKind]] = {}
        for namespace in known:
            if namespace.name in exposed:
                self.methods.update(namespace.methods)
                if isinstance(namespace, Subscribable) and namespace.subscriptions:
                    kinds.setdefault(namespace.name, {}).update(namespace.subscriptions)
        for name, offered in kinds.items():
            self.methods.update(subscription_methods(name, offered))

    async def answer(self, body: bytes, admit: Callable[[int], None] = lambda count: None) -> bytes:
        """The answer to a request or a batch, in its turn; nothing where it has notifications alone. `admit` as in `begin`."""
        found = self.begin(body, admit)
        return found if isinstance(found, bytes) else await found

    def begin(self, body: bytes | bytearray, admit: Callable[[int], None] = lambda count: None) -> bytes | Coroutine[Any, Any, bytes]:
        """As `answer`; but the answer itself where nothing has to be waited for, and else what gives it in its turn.

        `admit` is told how many requests there are before any is done, and may raise; an RpcError is the answer to each of them.
        """
        return begin(body, self.methods, limits=self._limits, crashed=_report_crash, admit=admit, turns=self._turns)

    def _rpc_modules(self) -> dict[str, str]:
        return self._modules

    async def _discover(self) -> msgspec.Raw:
        if self._document is None:
            self._document = msgspec.Raw(msgspec.json.encode(openrpc_document(self.methods, self._version)))
        return self._document


def _report_crash(method: str, error: Exception) -> None:
    _log.error("an RPC method crashed", method=method, exc_info=error)
