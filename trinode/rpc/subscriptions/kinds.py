"""What can be subscribed to (geth's publish and subscribe over JSON-RPC)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

Notifications: TypeAlias = AsyncIterator[Any]
"""JSON values, or msgspec.Raw where they are encoded already. It raises FellBehind where the client was too slow. Where it has an `aclose`, that is
called at the end, whether it was begun or not.
"""

SubscriptionKind: TypeAlias = Callable[[list[Any]], Awaitable[Notifications]]
"""Takes all parameters of the request, of which the first is the kind's name, and begins a subscription. Raises RpcError and InvalidParams."""


@runtime_checkable
class Subscribable(Protocol):
    """A namespace that offers subscriptions."""

    @property
    def subscriptions(self) -> Mapping[str, SubscriptionKind]:
        """By name, such as `newHeads`."""
