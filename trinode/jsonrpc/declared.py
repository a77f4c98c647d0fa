"""Methods with a declaration of what they take and give: requests are read by it, and documents are made of it (OpenRPC 1.3; JSON Schema)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any, Generic, TypeAlias, TypeVar

from trinode.jsonrpc.requests import take_params

T_co = TypeVar("T_co", covariant=True)

Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema."""


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """Values of one kind: their `schema`, and `parse`, which reads one that stands at a path and raises InvalidParams."""

    schema: Schema
    parse: Callable[[object, str], T_co]


@dataclass(frozen=True)
class Param:
    """A parameter. Null is as good as missing: then the handler gets `default`, unless the parameter is `required`."""

    name: str
    kind: Kind[Any]
    required: bool = True
    default: Any = None


@dataclass(frozen=True, eq=False)
class Declared:
    """A method (a `trinode.jsonrpc.requests.Method`): `handler` is given the parsed parameters, and gives a JSON value, or, where it has to
    wait for that, a coroutine.

    `summary`: what it does, in one line. `result`: the schema of what it gives. `waits`: seconds that it may wait for what is yet to come:
    for so much longer than for others.
    """

    handler: Callable[..., Any]
    summary: str
    params: tuple[Param, ...]
    result: Schema
    waits: float = 0.0
    _required: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        required = [param.required for param in self.params]
        if required != sorted(required, reverse=True):
            raise ValueError(f"{self.summary}: a required parameter stands after an optional one")
        object.__setattr__(self, "_required", sum(required))

    async def __call__(self, params: list[Any]) -> Any:
        """Raises InvalidParams and RpcError, as the handler does."""
        begun = self.begin(params)
        return await begun if isinstance(begun, CoroutineType) else begun

    def begin(self, params: list[Any]) -> Any:
        """What the handler gives at once, or a coroutine for it. Raises as the handler does."""
        given = take_params(params, self._required, len(self.params) - self._required)
        parsed = [
            param.default if value is None else param.kind.parse(value, f"params[{index}]")
            for index, (param, value) in enumerate(zip(self.params, given, strict=True))
        ]
        return self.handler(*parsed)


def declare(handler: Callable[..., Any], summary: str, *params: Param, result: Schema, waits: float = 0.0) -> Declared:
    """A declared method."""
    return Declared(handler, summary, params, result, waits)
