"""JSON-RPC 2.0 over one HTTP endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from trinode.jsonrpc.endpoint import Endpoint, EndpointError, HttpStatusError, Read, TryLaterError
from trinode.jsonrpc.replies import AbsentError, JsonObject, RpcJsonError

T = TypeVar("T")

_METHOD_MISSING = frozenset((-32601, -32004))
_FINAL = frozenset((-32600, -32602))
_LIMITED = frozenset((-32005, 429))
# Execution APIs: "Unknown block", of a label that stands on no block yet.
_UNKNOWN_BLOCK = -39001
# Providers say in words what they have no code for.
_MISSING_WORDS = ("not found", "not available", "not supported", "unsupported", "not allowed", "not whitelisted", "does not exist", "disabled")
_LIMIT_WORDS = ("rate limit", "too many requests", "limit exceeded", "capacity", "throttle")
_ABSENT_WORDS = ("header not found", "unknown block", "block not found")
BATCH = 20


class MethodMissingError(EndpointError):
    """The endpoint does not have the method."""


class RpcRefusedError(EndpointError):
    """The endpoint answered with a JSON-RPC error: `code`, and `reason` in its own words."""

    def __init__(self, endpoint: str, method: str, code: int, reason: str) -> None:
        super().__init__(endpoint, method, "", f"error {code}: {reason}")
        self.code = code
        self.reason = reason


class _ErrorReplyError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def says(self, words: tuple[str, ...]) -> bool:
        return any(word in self.message.lower() for word in words)

    @property
    def method_missing(self) -> bool:
        return self.code in _METHOD_MISSING or ("method" in self.message.lower() and self.says(_MISSING_WORDS))

    @property
    def limited(self) -> bool:
        return self.code in _LIMITED or self.says(_LIMIT_WORDS)

    @property
    def absent(self) -> bool:
        return self.code == _UNKNOWN_BLOCK or self.says(_ABSENT_WORDS)


class _BatchRefusedError(Exception):
    """One error in answer to a whole batch."""


class JsonRpc:
    """Calls methods. `read` turns a result into a value; what it refuses (RpcJsonError) is asked for again. `batch`: calls in one request."""

    def __init__(self, endpoint: Endpoint, *, batch: int = BATCH) -> None:
        self.endpoint = endpoint
        self._most = batch
        self._next_id = 0
        self._takes_batches = True

    @property
    def name(self) -> str:
        """Role and host, for errors."""
        return self.endpoint.name

    def _request(self, method: str, params: list[Any]) -> dict[str, Any]:
        self._next_id += 1
        return {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}

    async def call(self, method: str, params: list[Any], read: Read[T], *, patient: bool = True) -> T:
        """One call. Raises MethodMissingError, RpcRefusedError or another EndpointError.

        `patient`: a JSON-RPC error that may pass (a lagging node, a limit) counts as a wrong answer, and is asked again.
        """
        request = self._request(method, params)

        def read_reply(reply: Any) -> T:
            return read(_result(reply, request["id"], patient))

        try:
            return await self.endpoint.post(msgspec.json.encode(request), method, read_reply)
        except _ErrorReplyError as error:
            raise self._refusal(method, error) from error
        except HttpStatusError as error:
            # Some providers say with a 4xx status what others say with 200.
            raise self._refusal_in_status(method, request["id"], error) from error

    async def batch(self, method: str, params: Sequence[list[Any]], read: Read[T]) -> list[T]:
        """Many calls of one method, several in one request; the results in the order of `params`.

        An endpoint that refuses batches is asked one by one. Raises as `call` does.
        """
        results: list[T] = []
        for start in range(0, len(params), self._most):
            part = params[start : start + self._most]
            if self._takes_batches:
                try:
                    results += await self._batch(method, part, read)
                    continue
                except (_BatchRefusedError, HttpStatusError):
                    self._takes_batches = False
            results += [await self.call(method, item, read) for item in part]
        return results

    async def _batch(self, method: str, params: Sequence[list[Any]], read: Read[T]) -> list[T]:
        requests = [self._request(method, item) for item in params]

        def read_replies(replies: Any) -> list[T]:
            if isinstance(replies, dict) and isinstance(replies.get("error"), dict):
                raise _BatchRefusedError
            if not isinstance(replies, list):
                raise RpcJsonError("", "the reply to a batch is not a list")
            by_id = {reply.get("id"): reply for reply in replies if isinstance(reply, dict) and isinstance(reply.get("id"), int)}
            return [read(_result(by_id.get(request["id"]), request["id"], True)) for request in requests]

        try:
            return await self.endpoint.post(msgspec.json.encode(requests), method, read_replies)
        except _ErrorReplyError as error:
            raise self._refusal(method, error) from error

    def _refusal(self, method: str, error: _ErrorReplyError) -> EndpointError:
        if error.method_missing:
            return MethodMissingError(self.name, method, "", f"error {error.code}: {error.message}")
        return RpcRefusedError(self.name, method, error.code, error.message)

    def _refusal_in_status(self, method: str, request_id: int, error: HttpStatusError) -> EndpointError:
        try:
            _result(msgspec.json.decode(error.body), request_id, False)
        except _ErrorReplyError as refusal:
            return self._refusal(method, refusal)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RpcJsonError):
            pass
        return MethodMissingError(self.name, method, "", error.message) if error.status in {404, 405} else error


def _result(reply: Any, request_id: int, patient: bool) -> Any:
    """The result of one reply; an error becomes _ErrorReplyError, or where it may pass TryLaterError or RpcJsonError."""
    fields = JsonObject(reply, "reply")
    if isinstance(reply.get("error"), dict):
        error = _error_of(reply["error"])
        if not patient or error.code in _FINAL or error.method_missing:
            raise error
        text = f"error {error.code}: {error.message}"
        if error.limited:
            raise TryLaterError(text, limit=True)
        raise AbsentError("", text) if error.absent else RpcJsonError("", text)
    if reply.get("id") != request_id:
        fields.fail("id", f"{reply.get('id')!r}, not {request_id}"[:100])
    return reply.get("result")


def _error_of(error: dict[str, Any]) -> _ErrorReplyError:
    code = error.get("code")
    return _ErrorReplyError(code if isinstance(code, int) else 0, " ".join(str(error.get("message"))[:200].split()))
