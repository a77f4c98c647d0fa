"""Methods of a namespace, each of which finds out who has what it is asked for: this node, or Legacy Geth (op-geth: -32801 without one)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import CoroutineType
from typing import Any, TypeAlias

import msgspec

from trinode.jsonrpc.declared import Declared
from trinode.jsonrpc.fields import parse_data
from trinode.jsonrpc.requests import take_params
from trinode.protocol.types import Hash32
from trinode.rpc.dispatch import Namespace
from trinode.rpc.eth.block_names import EARLIEST, ByHash
from trinode.rpc.eth.kinds import BLOCK_HASH, BLOCK_NAME, BLOCK_NUMBER
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.historical.answers import EXECUTION, LOOKUPS, TRANSACTIONS, Answer, refuse
from trinode.rpc.historical.fees import FeeRanges
from trinode.rpc.historical.here import Here, meant
from trinode.rpc.historical.legacy import Legacy
from trinode.rpc.historical.logs import LogRanges
from trinode.rpc.historical.missing import no_endpoint
from trinode.rpc.subscriptions.kinds import Subscribable, SubscriptionKind

_NAMES_OF_BLOCKS = (BLOCK_NAME, BLOCK_NUMBER, BLOCK_HASH)
_DECLARED_OTHERWISE = {"debug_traceBlockByHash": 0, "debug_intermediateRoots": 0}
"""Where a block's name stands that is declared as a hash of anything."""
_OWN = frozenset(("debug_setHead",))
"""Methods that name a block, and are about this node alone."""
_SENDS = frozenset(("eth_sendRawTransaction", "eth_sendRawTransactionConditional", "eth_sendRawTransactionSync"))
_SENT = 4096
"""Transactions from here that Legacy Geth is not asked for: wallets do so every second until they are in a block."""

Route: TypeAlias = Callable[[list[Any]], Any]
"""Given the parameters as they came, gives the result, or a coroutine for it."""


@dataclass(frozen=True, eq=False)
class Routed(Declared):
    """A declared method that `route` answers."""

    route: Route = field(kw_only=True)

    def begin(self, params: list[Any]) -> Any:
        """As the method does; raises InvalidParams and RpcError."""
        return self.route(params)


@dataclass(frozen=True)
class RoutedNamespace:
    """A namespace with its methods routed. What it tells subscribers is of the blocks that are here."""

    name: str
    methods: Mapping[str, Declared]
    subscriptions: Mapping[str, SubscriptionKind]


class HistoricalRpc:
    """Forwards what is before Bedrock to `legacy`; None: it is refused, with a code of its own, but for unknown hashes.

    `logs.get` is eth_getLogs for whoever has a query of another origin, such as a filter.
    """

    def __init__(self, legacy: Legacy | None, here: Here, limits: EthLimits | None = None) -> None:
        limits = EthLimits() if limits is None else limits
        self.logs = LogRanges(legacy, here, limits)
        self._legacy = legacy
        self._here = here
        self._fees = FeeRanges(legacy, here, limits)
        self._sent: OrderedDict[Hash32, None] = OrderedDict()

    def over(self, namespace: Namespace) -> RoutedNamespace:
        """The same methods, with the same declarations."""
        subscriptions = namespace.subscriptions if isinstance(namespace, Subscribable) else {}
        return RoutedNamespace(namespace.name, {name: self._over(name, method) for name, method in namespace.methods.items()}, subscriptions)

    def _over(self, name: str, method: Declared) -> Declared:
        if name == "eth_getLogs":
            return _with_handler(method, partial(self.logs.get, method.handler))
        if name == "eth_feeHistory":
            return _with_handler(method, partial(self._fees.get, method.handler))
        if name in _SENDS:
            return _with_handler(method, partial(self._send, method))
        route = self._route(name, method)
        return method if route is None else Routed(method.handler, method.summary, method.params, method.result, method.waits, route=route)

    def _route(self, name: str, method: Declared) -> Route | None:
        """None: it does not tell of the past."""
        if name in TRANSACTIONS:
            return partial(self._by_transaction, name, method)
        at = _DECLARED_OTHERWISE.get(name, _place_of_block(method))
        if at is None or name in _OWN:
            return None
        return partial(self._by_block, name, method, at)

    # ---- by block ----

    def _by_block(self, name: str, method: Declared, at: int, params: list[Any]) -> Any:
        value = params[at] if at < len(params) else None
        block = meant(value, self._here.bedrock)
        if value == EARLIEST and self._legacy is None and name in LOOKUPS:
            return method.begin(params)  # the first block that is here
        if isinstance(block, ByHash):
            if self._legacy is None:
                return method.begin(params)
            return self._look_up(name, method, params, block.hash) if name in LOOKUPS else self._execute_at(name, method, params, block.hash)
        return self._forward(name, method, params) if block else method.begin(params)

    async def _look_up(self, name: str, method: Declared, params: list[Any], block_hash: Hash32) -> Any:
        found = await method(params)
        if not _is_nothing(found) or await self._here.has_block(block_hash):
            return found
        return await self._forward(name, method, params)

    async def _execute_at(self, name: str, method: Declared, params: list[Any], block_hash: Hash32) -> Any:
        if name not in EXECUTION or await self._here.has_block(block_hash):
            return await method(params)
        return await self._forward(name, method, params)

    # ---- by transaction ----

    def _by_transaction(self, name: str, method: Declared, params: list[Any]) -> Any:
        return method.begin(params) if self._legacy is None or not params else self._find_transaction(name, method, params)

    async def _find_transaction(self, name: str, method: Declared, params: list[Any]) -> Any:
        check_params(method, params)
        wanted = parse_data(params[0], "params[0]", 32)
        # What is traced must be known, what is looked up may be missing.
        traced = name == "debug_traceTransaction"
        found = None if traced else await method(params)
        if not _is_nothing(found):
            return found
        if wanted in self._sent or await self._here.has_transaction(wanted):
            return await method(params) if traced else found
        return await self._forward(name, method, params)

    async def _send(self, method: Declared, *params: Any) -> Any:
        begun = method.handler(*params)
        sent = await begun if isinstance(begun, CoroutineType) else begun
        name = sent.get("transactionHash") if isinstance(sent, dict) else sent
        if isinstance(name, str):
            self._sent[parse_data(name, "result", 32)] = None
            if len(self._sent) > _SENT:
                self._sent.popitem(last=False)
        return sent

    async def _forward(self, name: str, method: Declared, params: list[Any]) -> Any:
        """What is malformed is refused here, as the method itself does it."""
        check_params(method, params)
        answer: Answer | None = EXECUTION.get(name) or LOOKUPS.get(name) or TRANSACTIONS.get(name)
        if answer is None:
            raise refuse(name)
        if self._legacy is None:
            raise no_endpoint(execution=name in EXECUTION)
        return await answer(self._legacy, name, params)


def _with_handler(method: Declared, handler: Callable[..., Any]) -> Declared:
    return replace(method, handler=handler)


def _place_of_block(method: Declared) -> int | None:
    return next((index for index, param in enumerate(method.params) if param.kind in _NAMES_OF_BLOCKS), None)


def check_params(method: Declared, params: list[Any]) -> None:
    """Raises InvalidParams and RpcError as the method does."""
    required = sum(param.required for param in method.params)
    given = take_params(params, required, len(method.params) - required)
    for index, (param, value) in enumerate(zip(method.params, given, strict=True)):
        if value is not None:
            param.kind.parse(value, f"params[{index}]")


def _is_nothing(found: Any) -> bool:
    return found is None or found == "0x" or (isinstance(found, msgspec.Raw) and bytes(found) in (b"null", b'"0x"'))
