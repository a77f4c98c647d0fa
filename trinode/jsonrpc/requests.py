"""Requests and batches (JSON-RPC 2.0), from bytes to bytes, and its error codes; words of errors as geth has them.

Whatever comes, a JSON-RPC error goes back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import CoroutineType
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
LIMIT_EXCEEDED = -32005

MAX_BATCH = 1000
"""Requests in one batch."""

Method: TypeAlias = Callable[[list[Any]], Awaitable[Any]]
"""Takes the parameters; gives a JSON value, or msgspec.Raw where it is encoded already. Raises RpcError and InvalidParams.

One with an attribute `begin` (`trinode.jsonrpc.declared.Declared`) is called by that: it gives the value where it need not wait for it,
and a coroutine otherwise. Its attribute `waits` is added to the seconds of the limits.
"""

Identifier: TypeAlias = str | int | None

_INT64 = range(-(2**63), 2**63)
_BETWEEN_CHECKPOINTS = 20  # requests of a batch
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
    body: bytes | bytearray,
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
    found = begin(body, methods, explained=explained, limits=limits, crashed=crashed)
    return found if isinstance(found, bytes) else await found


def begin(
    body: bytes | bytearray,
    methods: Mapping[str, Method],
    *,
    explained: tuple[type[Exception], ...] = (),
    limits: Limits = _DEFAULT_LIMITS,
    crashed: Callable[[str, Exception], None] | None = None,
    admit: Callable[[int], None] = lambda count: None,
    turns: trio.Semaphore | None = None,
) -> bytes | Coroutine[Any, Any, bytes]:
    """As `answer`; but what can be answered without waiting is answered here, and the rest when what is returned is awaited.

    `admit` is told how many requests there are before the first is done, and may raise; an RpcError is the answer to each of them.
    `turns`: of requests that wait.
    """
    try:
        request = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(_failed(None, RpcError(PARSE_ERROR, "parse error")))
    call = _Call(methods, explained, crashed, limits.seconds, turns)
    requests = request if isinstance(request, list) else None
    if requests is not None and not 0 < len(requests) <= limits.batch:
        return msgspec.json.encode(_failed(None, RpcError(INVALID_REQUEST, "batch too large" if requests else "empty batch")))
    try:
        admit(1 if requests is None else len(requests))
    except RpcError as error:
        return _undone(request, error) if requests is None else _batch_of([_undone(each, error) for each in requests])
    return call.begin(request) if requests is None else _answer_batch(requests, call, limits)


async def _answer_batch(requests: list[object], call: _Call, limits: Limits) -> bytes:
    responses: list[bytes] = []
    size = 0
    for index, each in enumerate(requests):
        found = call.begin(each) if size <= limits.batch_response_bytes else _undone(each, RpcError(RESPONSE_TOO_LARGE, "response too large"))
        response = found if isinstance(found, bytes) else await found
        size += len(response)
        responses.append(response)
        if index % _BETWEEN_CHECKPOINTS == 0:
            await trio.lowlevel.checkpoint()
    return _batch_of(responses)


def _batch_of(responses: list[bytes]) -> bytes:
    """Those that are not empty; nothing where there are none."""
    told = [each for each in responses if each]
    return b"[" + b",".join(told) + b"]" if told else b""


def _undone(request: object, why: RpcError) -> bytes:
    """What is answered to a request that is not even looked at; nothing to a notification."""
    try:
        identifier = _identifier(request)
    except RpcError as error:
        return msgspec.json.encode(_failed(None, error))
    assert isinstance(request, dict)
    return msgspec.json.encode(_failed(identifier, why)) if "id" in request else b""


class _Call:
    """One body's requests, for `seconds` from now on."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        explained: tuple[type[Exception], ...],
        crashed: Callable[[str, Exception], None] | None,
        seconds: float,
        turns: trio.Semaphore | None,
    ) -> None:
        self._methods = methods
        self._explained = explained
        self._crashed = crashed
        self._turns = turns
        self._deadline = math.inf if seconds == math.inf else trio.current_time() + seconds

    def begin(self, request: object) -> bytes | Coroutine[Any, Any, bytes]:
        """The answer, nothing for a notification, which is done, but not answered; or, where the method has to wait, what gives it."""
        try:
            identifier = _identifier(request)
        except RpcError as error:
            return msgspec.json.encode(_failed(None, error))
        assert isinstance(request, dict)
        name = ""
        try:
            name, method, params = _read(request, self._methods)
            result = getattr(method, "begin", method)(params)
        except Exception as error:  # noqa: BLE001 - raised again unless it is one to be told
            return self._failure(request, identifier, name, error)
        if isinstance(result, CoroutineType):
            return self._finish(request, identifier, name, result, self._deadline + getattr(method, "waits", 0.0))
        return _success(request, identifier, result)

    async def _finish(self, request: dict[str, Any], identifier: Identifier, name: str, begun: Coroutine[Any, Any, Any], deadline: float) -> bytes:
        with closing(begun), trio.CancelScope(deadline=deadline):
            try:
                result = await self._in_turn(begun)
            except Exception as error:  # noqa: BLE001 - raised again unless it is one to be told
                return self._failure(request, identifier, name, error)
            return _success(request, identifier, result)
        return self._failure(request, identifier, name, RpcError(TIMED_OUT, "request timed out"))

    async def _in_turn(self, begun: Coroutine[Any, Any, Any]) -> Any:
        if self._turns is None:
            return await begun
        try:
            self._turns.acquire_nowait()  # without a round of trio's loop: beside a busy thread each may wait for the interpreter's lock
        except trio.WouldBlock:
            await self._turns.acquire()
        try:
            return await begun
        finally:
            self._turns.release()

    def _failure(self, request: dict[str, Any], identifier: Identifier, name: str, error: Exception) -> bytes:
        told = self._as_told(name, error)
        return b"" if told.code != INVALID_REQUEST and "id" not in request else msgspec.json.encode(_failed(identifier, told))

    def _as_told(self, name: str, error: Exception) -> RpcError:
        if isinstance(error, InvalidParams):
            return RpcError(INVALID_PARAMS, _as_geth_says(error))
        if isinstance(error, RpcError):
            return error
        if isinstance(error, self._explained):
            return RpcError(INTERNAL_ERROR, str(error))
        if self._crashed is None:
            raise error
        self._crashed(name, error)
        return RpcError(INTERNAL_ERROR, "method handler crashed")


def _success(request: dict[str, Any], identifier: Identifier, result: Any) -> bytes:
    if "id" not in request:
        return b""
    encoded = result if isinstance(result, msgspec.Raw) else msgspec.json.encode(result)
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (msgspec.json.encode(identifier), encoded)


def _as_geth_says(error: InvalidParams) -> str:
    found = _PARAMETER.match(error.field)
    if found is None:
        return f"invalid argument: {error}"
    inner = error.field[found.end() :]
    return f"invalid argument {found[1]}: {inner + ': ' if inner else ''}{error.problem}"


def _identifier(request: object) -> Identifier:
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


def _failed(identifier: Identifier, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "error": error.to_json()}


def take_params(params: list[Any], required: int, optional: int = 0) -> list[Any]:
    """The parameters, missing optional ones as None. Raises RpcError if there are too few or too many."""
    if len(params) > required + optional:
        raise RpcError(INVALID_PARAMS, f"too many arguments, want at most {required + optional}")
    if any(each is None for each in params[:required]) or len(params) < required:
        first = next((index for index, each in enumerate(params[:required]) if each is None), len(params))
        raise RpcError(INVALID_PARAMS, f"missing value for required argument {first}")
    return params + [None] * (required + optional - len(params))
