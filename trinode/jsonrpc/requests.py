"""Requests and batches (JSON-RPC 2.0), from bytes to bytes, and its error codes.

Whatever comes, a JSON-RPC error goes back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from trinode.jsonrpc.fields import InvalidParams, kind

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

MAX_BATCH = 1000
"""Requests in one batch."""

Method: TypeAlias = Callable[[list[Any]], Awaitable[Any]]
"""Takes the parameters. Raises RpcError and InvalidParams."""

_INT64 = range(-(2**63), 2**63)


class RpcError(Exception):
    """A request's error, as it goes into the answer."""

    def __init__(self, code: int, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail

    def to_json(self) -> dict[str, Any]:
        """The error object; `detail` goes into `data.err`, as geth has it."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        return error if self.detail is None else error | {"data": {"err": self.detail}}


async def answer(body: bytes, methods: Mapping[str, Method], *, explained: tuple[type[Exception], ...] = ()) -> bytes:
    """The answer to a request or a batch; nothing where it has notifications alone. Requests of a batch are done in order.

    `explained`: what else methods may raise, whose text goes into an internal error.
    """
    try:
        request = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return msgspec.json.encode(_failed(None, RpcError(PARSE_ERROR, f"not JSON: {str(error)[:100]}")))
    if not isinstance(request, list):
        response = await _answer_one(request, methods, explained)
        return b"" if response is None else msgspec.json.encode(response)
    if not 0 < len(request) <= MAX_BATCH:
        return msgspec.json.encode(_failed(None, RpcError(INVALID_REQUEST, f"a batch of {len(request)} requests; 1 to {MAX_BATCH} are taken")))
    responses = [response for each in request if (response := await _answer_one(each, methods, explained)) is not None]
    return msgspec.json.encode(responses) if responses else b""


async def _answer_one(request: object, methods: Mapping[str, Method], explained: tuple[type[Exception], ...]) -> dict[str, Any] | None:
    """None for a notification, which is done, but not answered."""
    try:
        identifier = _identifier(request)
    except RpcError as error:
        return _failed(None, error)
    assert isinstance(request, dict)
    try:
        method, params = _call(request, methods)
        response = {"jsonrpc": "2.0", "id": identifier, "result": await method(params)}
    except InvalidParams as error:
        response = _failed(identifier, RpcError(INVALID_PARAMS, f"invalid argument: {error}"))
    except RpcError as error:
        response = _failed(identifier, error)
    except explained as error:
        response = _failed(identifier, RpcError(INTERNAL_ERROR, str(error)))
    is_request = response.get("error", {}).get("code") != INVALID_REQUEST
    return None if is_request and "id" not in request else response


def _identifier(request: object) -> str | int | None:
    if not isinstance(request, dict):
        raise RpcError(INVALID_REQUEST, f"a request must be an object, not {kind(request)}")
    identifier = request.get("id")
    if identifier is None or isinstance(identifier, str) or (type(identifier) is int and identifier in _INT64):
        return identifier
    raise RpcError(INVALID_REQUEST, "id must be a string, an integer of 64 bits or null")


def _call(request: dict[str, Any], methods: Mapping[str, Method]) -> tuple[Method, list[Any]]:
    if request.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'jsonrpc must be "2.0"')
    name, params = request.get("method"), request.get("params")
    if not isinstance(name, str):
        raise RpcError(INVALID_REQUEST, f"method must be a string, not {kind(name)}")
    method = methods.get(name)
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, f"the method {kind(name)} does not exist here")
    if params is not None and not isinstance(params, list):
        raise RpcError(INVALID_PARAMS, "params must be a list")
    return method, params or []


def _failed(identifier: str | int | None, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "error": error.to_json()}


def take_params(params: list[Any], required: int, optional: int = 0) -> list[Any]:
    """The parameters, missing optional ones as None. Raises InvalidParams if there are too few or too many."""
    if any(each is None for each in params[:required]) or len(params) < required:
        first = next((index for index, each in enumerate(params[:required]) if each is None), len(params))
        raise InvalidParams(f"params[{first}]", "missing")
    if len(params) > required + optional:
        raise InvalidParams(f"params[{required + optional}]", f"too many parameters, at most {required + optional} are taken")
    return params + [None] * (required + optional - len(params))
