"""One connection's subscriptions: `<namespace>_subscribe`, `<namespace>_unsubscribe`, and notifications (geth's publish and subscribe over
JSON-RPC; words of errors as geth has them).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
import trio

from trinode.jsonrpc.declared import Declared, Kind, Param
from trinode.jsonrpc.kinds import BOOLEAN_RESULT, STRING, STRING_RESULT
from trinode.jsonrpc.requests import INVALID_PARAMS, LIMIT_EXCEEDED, METHOD_NOT_FOUND, SERVER_ERROR, RpcError
from trinode.rpc.subscriptions.feed import FellBehind
from trinode.rpc.subscriptions.kinds import Notifications, SubscriptionKind

MAX_SUBSCRIPTIONS = 128
"""Of one connection."""

_SHOWN = 100
_OPTIONS = Param("options", Kind({"title": "SubscriptionOptions"}, lambda value, _: value), required=False)
_log = structlog.get_logger()

_answering: ContextVar[_Answering | None] = ContextVar("answering", default=None)


@dataclass(eq=False)
class _Subscription:
    """`scope` is cancelled to end it."""

    name: bytes
    namespace: bytes
    updates: Notifications
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


@dataclass(eq=False)
class _Answering:
    """A request, or a batch, that is being answered: what it subscribes to begins when the answer is sent."""

    session: Session
    begun: list[_Subscription] = field(default_factory=list)


class Session:
    """The subscriptions of one connection, until its nursery is cancelled.

    `send` sends one notification; it raises trio.BrokenResourceError or trio.ClosedResourceError where the client is gone. `drop` ends the
    connection, and says why.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        send: Callable[[bytes], Awaitable[None]],
        drop: Callable[[str], Awaitable[None]],
        *,
        most: int = MAX_SUBSCRIPTIONS,
    ) -> None:
        self._nursery = nursery
        self._send = send
        self._drop = drop
        self._most = most
        self._opening = 0
        self._subscriptions: dict[str, _Subscription] = {}

    @contextmanager
    def answering(self) -> Iterator[Callable[[], None]]:
        """Around the work on a request; what it gives is to be called when the answer is sent, so that no notification comes before it."""
        request = _Answering(self)
        token = _answering.set(request)

        def sent() -> None:
            while request.begun:
                self._nursery.start_soon(self._pump, request.begun.pop(0))

        try:
            yield sent
        finally:
            _answering.reset(token)
            for subscription in request.begun:  # nobody was told of them
                self._nursery.start_soon(self._end, subscription)

    async def _open(self, namespace: str, kind: SubscriptionKind, params: list[Any], begun: list[_Subscription]) -> str:
        if len(self._subscriptions) + self._opening >= self._most:
            raise RpcError(LIMIT_EXCEEDED, f"too many subscriptions: a connection has at most {self._most}")
        self._opening += 1
        try:
            updates = await kind(params)
        finally:
            self._opening -= 1
        name = new_id()
        self._subscriptions[name] = _Subscription(name.encode(), namespace.encode(), updates)
        begun.append(self._subscriptions[name])
        return name

    def _cancel(self, name: str) -> bool:
        subscription = self._subscriptions.pop(name, None)
        if subscription is None:
            raise RpcError(SERVER_ERROR, "subscription not found")
        subscription.scope.cancel()
        return True

    async def _pump(self, subscription: _Subscription) -> None:
        """Sends notifications, each when the one before was taken, until the subscription ends."""
        head = b'{"jsonrpc":"2.0","method":"%b_subscription","params":{"subscription":"%b","result":' % (subscription.namespace, subscription.name)
        try:
            with subscription.scope:
                async for update in subscription.updates:
                    await self._send(head + msgspec.json.encode(update) + b"}}")
        except FellBehind:
            await self._drop("too slow: notifications came faster than they were read")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the connection ends
        except Exception as error:  # noqa: BLE001
            _log.error("a subscription crashed", exc_info=error)
            await self._drop("internal error")
        finally:
            await self._end(subscription)

    async def _end(self, subscription: _Subscription) -> None:
        self._subscriptions.pop(subscription.name.decode(), None)
        close = getattr(subscription.updates, "aclose", None)
        if close is not None:
            with trio.CancelScope(shield=True):
                await close()


def new_id() -> str:
    """A name that nobody can guess, as geth makes them: 16 bytes in hex, without leading zeros."""
    return hex(secrets.randbits(128))


def subscription_methods(namespace: str, kinds: Mapping[str, SubscriptionKind]) -> dict[str, Declared]:
    """The methods of a namespace that offers these kinds. Elsewhere than in a session they are refused."""

    async def unsubscribe(name: str) -> bool:
        return _current().session._cancel(name)

    subscribe = _Subscribe(
        handler=_never,
        summary=f"Notifications, over connections that stay open; kinds: {', '.join(sorted(kinds))}",
        params=(Param("kind", STRING), _OPTIONS),
        result=STRING_RESULT,
        namespace=namespace,
        kinds=kinds,
    )
    ended = Declared(unsubscribe, "Ends a subscription of the same connection", (Param("subscription", STRING),), BOOLEAN_RESULT)
    return {f"{namespace}_subscribe": subscribe, f"{namespace}_unsubscribe": ended}


async def _never() -> None:
    raise AssertionError("the kinds read their parameters themselves")


@dataclass(frozen=True, eq=False)
class _Subscribe(Declared):
    """What parameters there are depends on the first of them."""

    namespace: str = ""
    kinds: Mapping[str, SubscriptionKind] = field(default_factory=dict)

    def begin(self, params: list[Any]) -> Coroutine[Any, Any, str]:
        request = _current()
        kind = params[0] if params else None
        if not isinstance(kind, str):
            raise RpcError(INVALID_PARAMS, "expected subscription name as first argument")
        if kind not in self.kinds:
            raise RpcError(METHOD_NOT_FOUND, f'no "{kind[:_SHOWN]}" subscription in {self.namespace} namespace')
        return request.session._open(self.namespace, self.kinds[kind], params, request.begun)


def _current() -> _Answering:
    request = _answering.get()
    if request is None:
        raise RpcError(METHOD_NOT_FOUND, "notifications not supported")
    return request
