"""The endpoint of Legacy Geth: bounded, in time, and with a record of how it does (JSON-RPC 2.0; errors as op-geth words them)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import trio

from trinode.jsonrpc.calls import JsonRpc, MethodMissingError, RpcRefusedError
from trinode.jsonrpc.endpoint import Endpoint, EndpointError, HttpStatusError, Retries, TryLaterError
from trinode.jsonrpc.replies import RpcJsonError
from trinode.jsonrpc.requests import METHOD_NOT_FOUND, RpcError
from trinode.rpc.eth.errors import LIMIT_EXCEEDED, server_error

T = TypeVar("T")

NAME = "Legacy Geth"
_CONCURRENCY = 16
_WAITING = 256
_BATCH = 100
_MOST_BYTES = 64 << 20
_RETRIES = Retries(attempts=3, first_delay=0.2, longest_delay=1.0)
_RATE_LIMITED = 429
_SHOWN = 2000  # characters of an error's message


@dataclass
class LegacyHealth:
    """How the endpoint does. `answered_at`, `failed_at`: seconds since 1970; None: never. An error that it answers with is an answer."""

    endpoint: str
    answers: int = 0
    failures: int = 0
    answered_at: float | None = None
    failed_at: float | None = None
    last_error: str | None = None
    _fails: bool = False

    def answered(self, now: float) -> None:
        """It answered."""
        self.answers += 1
        self.answered_at, self._fails = now, False

    def failed(self, now: float, error: str) -> None:
        """It did not, or with nonsense."""
        self.failures += 1
        self.failed_at, self.last_error, self._fails = now, error, True

    @property
    def state(self) -> str:
        """`ok` or `failing`, as the last request went; `unknown` before the first one."""
        if self._fails:
            return "failing"
        return "unknown" if self.answered_at is None else "ok"

    def to_json(self) -> dict[str, Any]:
        """For a status document."""
        return {
            "endpoint": self.endpoint,
            "state": self.state,
            "answers": self.answers,
            "failures": self.failures,
            "lastAnswer": self.answered_at,
            "lastFailure": self.failed_at,
            "lastError": self.last_error,
        }


class Legacy:
    """Asks Legacy Geth. One answer takes `seconds` at most, attempts and the wait for a turn included; `waiting` requests at most are at it.

    All methods raise RpcError: the endpoint's own with its code and data, or one that names the endpoint.
    """

    def __init__(self, endpoint: Endpoint, *, seconds: float, waiting: int = _WAITING, clock: Callable[[], float] = time.time) -> None:
        self.health = LegacyHealth(endpoint.name)
        self.endpoint = endpoint
        self._calls = JsonRpc(endpoint, batch=_BATCH)
        self._seconds = seconds
        self._waiting = waiting
        self._clock = clock
        self._under_way = 0
        self._next_id = 0

    @property
    def name(self) -> str:
        """Role and host, for errors."""
        return self.endpoint.name

    async def forward(self, method: str, params: list[Any], check: Callable[[Any], None] | None = None) -> msgspec.Raw:
        """The result as it stands there, encoded. `check` may refuse it with RpcJsonError: then it is asked for again."""
        self._next_id += 1
        identifier = self._next_id
        request = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}

        def read(reply: Any) -> msgspec.Raw:
            result = self._result(reply, identifier)
            if check is not None:
                check(result)
            return msgspec.Raw(msgspec.json.encode(result))

        with self._watched(method):
            try:
                return await self.endpoint.post(msgspec.json.encode(request), method, read)
            except HttpStatusError as error:
                # Some providers say with a 4xx status what others say with 200.
                self._raise_refusal(error.body, identifier)
                raise

    async def ask(self, method: str, params: list[Any], read: Callable[[Any], T]) -> T:
        """The result as `read` reads it, which may refuse it with RpcJsonError."""
        with self._watched(method):
            return await self._calls.call(method, params, read)

    async def ask_many(self, method: str, params: Sequence[list[Any]], read: Callable[[Any], T]) -> list[T]:
        """The results in the order of `params`, several in one request, each request in its own time."""
        results: list[T] = []
        for start in range(0, len(params), _BATCH):
            with self._watched(method):
                results += await self._calls.batch(method, params[start : start + _BATCH], read)
        return results

    def wrong(self, method: str, problem: str) -> RpcError:
        """The error for answers that are each well-formed, and contradict each other or the question."""
        return self._failure(f"{self.name}: {method}: {problem}")

    @contextmanager
    def _watched(self, method: str) -> Iterator[None]:
        """A place among those that wait, the time it may take, the record of how it went, and its errors as callers see them."""
        if self._under_way >= self._waiting:
            raise RpcError(LIMIT_EXCEEDED, f"historical backend error: {self._waiting} requests to {self.name} are under way already")
        self._under_way += 1
        try:
            with trio.fail_after(self._seconds):
                yield
        except trio.TooSlowError:
            raise self._failure(f"{self.name}: {method}: no answer in {self._seconds:g} s") from None
        except RpcRefusedError as error:
            self.health.answered(self._clock())
            raise RpcError(error.code, error.reason) from error
        except MethodMissingError as error:
            self.health.answered(self._clock())
            raise RpcError(METHOD_NOT_FOUND, f"historical backend error: {error}") from error
        except EndpointError as error:
            raise self._failure(str(error)) from error
        except RpcError:
            self.health.answered(self._clock())
            raise
        else:
            self.health.answered(self._clock())
        finally:
            self._under_way -= 1

    def _failure(self, text: str) -> RpcError:
        self.health.failed(self._clock(), text)
        return server_error(f"historical backend error: {text}")

    def _result(self, reply: Any, identifier: int) -> Any:
        """Raises RpcError, the endpoint's own; RpcJsonError, TryLaterError."""
        if not isinstance(reply, dict):
            raise RpcJsonError("reply", "an object was expected")
        if reply.get("error") is not None:
            raise self._error(reply["error"])
        if "result" not in reply:
            raise RpcJsonError("reply.result", "missing")
        if reply.get("id") != identifier:
            raise RpcJsonError("reply.id", f"{reply.get('id')!r}, not {identifier}"[:100])
        return reply["result"]

    def _error(self, error: Any) -> RpcError | TryLaterError:
        fields = error if isinstance(error, dict) else {}
        code, message = fields.get("code"), fields.get("message")
        if type(code) is not int or not isinstance(message, str):
            raise RpcJsonError("reply.error", "an object with code and message was expected")
        if code == _RATE_LIMITED:
            return TryLaterError(f"error {code}: {message[:_SHOWN]}", limit=True)
        if code == METHOD_NOT_FOUND:  # ours has it
            message = f"historical backend error: {self.name}: {message}"
        return RpcError(code, message[:_SHOWN], data=fields.get("data"))

    def _raise_refusal(self, body: bytes, identifier: int) -> None:
        """Raises the error that a body holds, if it holds one."""
        try:
            self._result(msgspec.json.decode(body), identifier)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RpcJsonError, TryLaterError):
            return  # then the status is the error


@asynccontextmanager
async def open_legacy(url: str, *, seconds: float, rate: float = 0.0, retries: Retries = _RETRIES) -> AsyncIterator[Legacy]:
    """The endpoint at `url` (`rollup.historicalrpc`), with `seconds` for an answer (`rollup.historicalrpctimeout`).

    `rate`: requests a second at most, 0 for no limit.
    """
    endpoint = Endpoint(NAME, url, concurrency=_CONCURRENCY, timeout=seconds, retries=retries, max_reply_bytes=_MOST_BYTES, rate=rate)
    try:
        yield Legacy(endpoint, seconds=seconds)
    finally:
        with trio.CancelScope(shield=True):
            await endpoint.close()
