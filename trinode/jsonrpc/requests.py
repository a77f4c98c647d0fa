"""Requests and batches (JSON-RPC 2.0), from bytes to bytes, and its error codes; words of errors as geth has them.

Whatever comes, a JSON-RPC error goes back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import trio

from trinode.jsonrpc.fields import InvalidParams, kind

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000
TIMED_OUT = -32002
RESPONSE_TOO_LARGE = -32003

MAX_BATCH = 1000
"""Requests in one batch."""

Method: TypeAlias = Callable[[list[Any]], Awaitable[Any]]
"""Takes the parameters; gives a JSON value, or msgspec.Raw where it is encoded already. Raises RpcError and InvalidParams."""

_INT64 = range(-(2**63), 2**63)
_SHOWN = 100  # characters of an unknown method's name in the answer
_PARAMETER = re.compile(r"params\[(\d+)\]\.?")


@dataclass(frozen=True)
class Limits:
    """What one request or batch may take: requests in a batch, bytes of a batch's responses (requests after those are refused), seconds for all."""

    batch: int = MAX_BATCH
    batch_response_bytes: int = 25_000_000
    seconds: float = math.inf


_DEFAULT_LIMITS = Limits()


class RpcError(Exception):
    """A request's error, as it goes into the answer. `data` is any JSON value; `detail`, in its place, a reason in words."""

    def __init__(self, code: int, message: str, detail: str | None = None, *, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail
        self.data = data

    def to_json(self) -> dict[str, Any]:
        """The error object; `detail` goes into `data.err`, as geth has it."""
        data = self.data if self.detail is None else {"err": self.detail}
        return {"code": self.code, "message": self.message} | ({} if data is None else {"data": data})


async def answer(
    body: bytes,
    methods: Mapping[str, Method],
    *,
    explained: tuple[type[Exception], ...] = (),
    limits: Limits = _DEFAULT_LIMITS,
    crashed: Callable[[str, Exception], None] | None = None,
) -> bytes:
    """The answer to a request or a batch; nothing where it has notifications alone. Requests of a batch are done in order.

    `explained`: what else methods may raise, whose text goes into an internal error. `crashed` is told of any other exception and its
    method, and the caller that there was one; without it, the exception is raised here.
    """
    try:
        request = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(_failed(None, RpcError(PARSE_ERROR, "parse error")))
    call = _Call(methods, explained, crashed, trio.current_time() + limits.seconds)
    if not isinstance(request, list):
        return await call.answer(request)
    if not 0 < len(request) <= limits.batch:
        return msgspec.json.encode(_failed(None, RpcError(INVALID_REQUEST, "batch too large" if request else "empty batch")))
    responses: list[bytes] = []
    size = 0
    for each in request:
        response = await call.answer(each) if size <= limits.batch_response_bytes else _too_large(each)
        size += len(response)
        if response:
            responses.append(response)
    return b"[" + b",".join(responses) + b"]" if responses else b""


def _too_large(request: object) -> bytes:
    """What is answered, and not done, after too large responses."""
    try:
        identifier = _identifier(request)
    except RpcError as error:
        return msgspec.json.encode(_failed(None, error))
    assert isinstance(request, dict)
    return msgspec.json.encode(_failed(identifier, RpcError(RESPONSE_TOO_LARGE, "response too large"))) if "id" in request else b""


class _Call:
    """One body's requests, until `deadline` (trio's clock)."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        explained: tuple[type[Exception], ...],
        crashed: Callable[[str, Exception], None] | None,
        deadline: float,
    ) -> None:
        self._methods = methods
        self._explained = explained
        self._crashed = crashed
        self._deadline = deadline

    async def answer(self, request: object) -> bytes:
        """Nothing for a notification, which is done, but not answered."""
        try:
            identifier = _identifier(request)
        except RpcError as error:
            return msgspec.json.encode(_failed(None, error))
        assert isinstance(request, dict)
        try:
            name, method, params = _read(request, self._methods)
            response = {"jsonrpc": "2.0", "id": identifier, "result": await self._do(name, method, params)}
        except InvalidParams as error:
            response = _failed(identifier, RpcError(INVALID_PARAMS, _as_geth_says(error)))
        except RpcError as error:
            response = _failed(identifier, error)
        except self._explained as error:
            response = _failed(identifier, RpcError(INTERNAL_ERROR, str(error)))
        is_request = response.get("error", {}).get("code") != INVALID_REQUEST
        return b"" if is_request and "id" not in request else msgspec.json.encode(response)

    async def _do(self, name: str, method: Method, params: list[Any]) -> Any:
        with trio.CancelScope(deadline=self._deadline):
            try:
                return await method(params)
            except Exception as error:
                if self._crashed is None or isinstance(error, (InvalidParams, RpcError, *self._explained)):
                    raise
                self._crashed(name, error)
                raise RpcError(INTERNAL_ERROR, "method handler crashed") from error
        raise RpcError(TIMED_OUT, "request timed out")


def _as_geth_says(error: InvalidParams) -> str:
    found = _PARAMETER.match(error.field)
    if found is None:
        return f"invalid argument: {error}"
    inner = error.field[found.end() :]
    return f"invalid argument {found[1]}: {inner + ': ' if inner else ''}{error.problem}"


def _identifier(request: object) -> str | int | None:
    if not isinstance(request, dict):
        raise RpcError(INVALID_REQUEST, f"a request must be an object, not {kind(request)}")
    identifier = request.get("id")
    if identifier is None or isinstance(identifier, str) or (type(identifier) is int and identifier in _INT64):
        return identifier
    raise RpcError(INVALID_REQUEST, "id must be a string, an integer of 64 bits or null")


def _read(request: dict[str, Any], methods: Mapping[str, Method]) -> tuple[str, Method, list[Any]]:
    name, params = request.get("method"), request.get("params")
    if request.get("jsonrpc") != "2.0" or not isinstance(name, str):
        raise RpcError(INVALID_REQUEST, "invalid request")
    method = methods.get(name)
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, f"the method {name[:_SHOWN]} does not exist/is not available")
    if params is not None and not isinstance(params, list):
        raise RpcError(INVALID_PARAMS, "non-array args")
    return name, method, params or []


def _failed(identifier: str | int | None, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "error": error.to_json()}


def take_params(params: list[Any], required: int, optional: int = 0) -> list[Any]:
    """The parameters, missing optional ones as None. Raises RpcError if there are too few or too many."""
    if len(params) > required + optional:
        raise RpcError(INVALID_PARAMS, f"too many arguments, want at most {required + optional}")
    if any(each is None for each in params[:required]) or len(params) < required:
        first = next((index for index, each in enumerate(params[:required]) if each is None), len(params))
        raise RpcError(INVALID_PARAMS, f"missing value for required argument {first}")
    return params + [None] * (required + optional - len(params))
