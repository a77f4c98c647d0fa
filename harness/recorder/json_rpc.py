"""JSON-RPC 2.0 over one HTTP endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from harness.recorder.endpoint import Endpoint, EndpointError, HttpStatusError, Read
from harness.rpc_json import JsonObject, RpcJsonError

T = TypeVar("T")

_METHOD_MISSING = frozenset((-32601, -32004))
_FINAL = frozenset((-32600, -32602))
_BATCH = 20


class MethodMissingError(EndpointError):
    """The endpoint does not have the method."""


class RpcRefusedError(EndpointError):
    """The endpoint answered with a JSON-RPC error."""


class _ErrorReplyError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class JsonRpc:
    """Calls methods. `read` turns a result into a value; what it refuses (RpcJsonError) is asked for again."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._next_id = 0

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
        """Many calls of one method, `_BATCH` in one request; the results in the order of `params`."""
        results: list[T] = []
        for start in range(0, len(params), _BATCH):
            requests = [self._request(method, item) for item in params[start : start + _BATCH]]

            def read_replies(replies: Any, requests: list[dict[str, Any]] = requests) -> list[T]:
                if not isinstance(replies, list):
                    raise RpcJsonError("", "the reply to a batch is not a list")
                by_id = {reply.get("id"): reply for reply in replies if isinstance(reply, dict)}
                return [read(_result(by_id.get(request["id"]), request["id"], True)) for request in requests]

            try:
                results += await self.endpoint.post(msgspec.json.encode(requests), method, read_replies)
            except _ErrorReplyError as error:
                raise self._refusal(method, error) from error
        return results

    def _refusal(self, method: str, error: _ErrorReplyError) -> EndpointError:
        kind = MethodMissingError if error.code in _METHOD_MISSING else RpcRefusedError
        return kind(self.name, method, "", f"error {error.code}: {error.message}")

    def _refusal_in_status(self, method: str, request_id: int, error: HttpStatusError) -> EndpointError:
        try:
            _result(msgspec.json.decode(error.body), request_id, False)
        except _ErrorReplyError as refusal:
            return self._refusal(method, refusal)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RpcJsonError):
            pass
        return MethodMissingError(self.name, method, "", error.message) if error.status in {404, 405} else error


def _result(reply: Any, request_id: int, patient: bool) -> Any:
    """The result of one reply; an error becomes _ErrorReplyError, or RpcJsonError where it may pass."""
    fields = JsonObject(reply, "reply")
    if isinstance(reply.get("error"), dict):
        code, message = reply["error"].get("code"), " ".join(str(reply["error"].get("message"))[:200].split())
        code = code if isinstance(code, int) else 0
        if patient and code not in _METHOD_MISSING | _FINAL:
            raise RpcJsonError("", f"error {code}: {message}")
        raise _ErrorReplyError(code, message)
    if reply.get("id") != request_id:
        fields.fail("id", f"{reply.get('id')!r}, not {request_id}"[:100])
    return reply.get("result")
