"""One HTTP endpoint: bounded, paced, retried, and named in every error."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
import msgspec
import trio

from trinode.jsonrpc.http import ReplyTooLarge, endpoint_name, exchange, verification
from trinode.jsonrpc.pace import Pace
from trinode.jsonrpc.replies import AbsentError, RpcJsonError

T = TypeVar("T")
Read = Callable[[Any], T]

_RETRIED_STATUSES = frozenset((408, 425, 429, 500, 502, 503, 504))
# A wrong answer may come from one bad node behind a load balancer, so it gets a second and a third chance, not more.
_WRONG_ANSWERS = 3
# What is longer is read beside the event loop.
_READ_IN_THREAD = 64 << 10


class EndpointError(Exception):
    """An endpoint did not give what was asked; one line that names endpoint, method and, where there is one, the field."""

    def __init__(self, endpoint: str, method: str, field: str, message: str) -> None:
        super().__init__(": ".join(part for part in (endpoint, method, field, message) if part))
        self.endpoint = endpoint
        self.method = method
        self.field = field
        self.message = message


class WrongAnswerError(EndpointError):
    """The endpoint's answer is malformed or contradicts a hash: it is broken, or it lies."""


class NotFoundError(EndpointError):
    """The endpoint does not have what was asked for, which is no fault."""


class UnavailableError(EndpointError):
    """No answer, or one that puts off: `after` seconds, where the endpoint said so."""

    def __init__(self, endpoint: str, method: str, message: str, after: float | None) -> None:
        super().__init__(endpoint, method, "", message)
        self.after = after


class HttpStatusError(EndpointError):
    """The endpoint answered with an HTTP status that says no, and asking again would not help."""

    def __init__(self, endpoint: str, method: str, status: int, body: bytes) -> None:
        super().__init__(endpoint, method, "", f"HTTP {status}" + _STATUS_HINTS.get(status, ""))
        self.status = status
        self.body = body


_STATUS_HINTS = {401: " (does the URL have its key?)", 403: " (does the URL have its key?)"}


class TryLaterError(Exception):
    """Worth another try; `after` seconds if the endpoint said so. `limit`: too much was asked of it. Readers of replies may raise it."""

    def __init__(self, message: str, after: float | None = None, *, limit: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long: the delay doubles from `first_delay` to `longest_delay` (seconds), over `attempts` in all."""

    attempts: int = 8
    first_delay: float = 0.5
    longest_delay: float = 30.0

    def delay(self, attempt: int) -> float:
        """Seconds before the next attempt, after so many failed ones."""
        return min(self.first_delay * 2.0 ** (attempt - 1), self.longest_delay)


class Endpoint:
    """Sends requests at its `pace`, at most `concurrency` of them under way. `role` and the host make its name in errors.

    The URL's path and query stay out of errors: that is where providers put keys. `rate`: requests a second at most, 0 for no limit.
    `headers` go with each request. `transport` replaces the network, as for an app in this process.
    """

    def __init__(
        self,
        role: str,
        url: str,
        *,
        concurrency: int,
        timeout: float,
        retries: Retries | None = None,
        max_reply_bytes: int = 256 << 20,
        rate: float = 0.0,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = endpoint_name(role, url)
        self.url = url.rstrip("/")
        self.retries = retries or Retries()
        self._max_reply_bytes = max_reply_bytes
        self.pace = Pace(concurrency, rate)
        limits = httpx.Limits(max_connections=concurrency)
        self._client = httpx.AsyncClient(timeout=timeout, limits=limits, verify=verification(url), headers=headers, transport=transport)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def get(self, path: str, method: str, read: Read[T]) -> T:
        """GET `url + path` and read the reply; `method` is its name in errors. Raises EndpointError."""
        return await self._with_retries(method, "GET", self.url + path, b"", read)

    async def post(self, body: bytes, method: str, read: Read[T]) -> T:
        """POST JSON and read the reply. Raises EndpointError."""
        return await self._with_retries(method, "POST", self.url, body, read)

    async def _with_retries(self, method: str, verb: str, url: str, body: bytes, read: Read[T]) -> T:
        attempt = wrong_answers = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(method, verb, url, body, read)
            except TryLaterError as error:
                if attempt >= self.retries.attempts:
                    times = f", {attempt} times" if attempt > 1 else ""
                    raise UnavailableError(self.name, method, f"{error}{times}", error.after) from error
                await self._back_off(attempt, error)
            except RpcJsonError as error:
                wrong_answers += 1
                if wrong_answers >= min(_WRONG_ANSWERS, self.retries.attempts):
                    kind = NotFoundError if isinstance(error, AbsentError) else WrongAnswerError
                    raise kind(self.name, method, error.field, error.message) from error
                await trio.sleep(self.retries.delay(wrong_answers))

    async def _back_off(self, attempt: int, error: TryLaterError) -> None:
        delay = max(self.retries.delay(attempt), min(error.after or 0.0, self.retries.longest_delay))
        if error.limit:
            # A rate limit holds for all requests, so the others wait with this one.
            self.pace.hold(delay)
        await trio.sleep(delay)

    async def _attempt(self, method: str, verb: str, url: str, body: bytes, read: Read[T]) -> T:
        async with self.pace.turn() as begun:
            try:
                reply = await self._send(method, verb, url, body)
                if len(reply) <= _READ_IN_THREAD:
                    result = read(_parse(reply))
                else:
                    result = await trio.to_thread.run_sync(lambda: read(_parse(reply)))
            except TryLaterError as error:
                if error.limit:
                    self.pace.refused(begun)
                raise
        self.pace.answered()
        return result

    async def _send(self, method: str, verb: str, url: str, body: bytes) -> bytes:
        headers = {"content-type": "application/json"} if body else {}
        try:
            reply = await exchange(self._client, verb, url, headers, body, most=self._max_reply_bytes)
        except ReplyTooLarge as error:
            raise EndpointError(self.name, method, "", str(error)) from error
        except httpx.TimeoutException as error:
            raise TryLaterError("no answer in time") from error
        except httpx.TransportError as error:
            raise TryLaterError(f"no connection ({error})" if str(error) else "no connection") from error
        except (httpx.InvalidURL, httpx.HTTPError) as error:
            raise EndpointError(self.name, method, "", str(error)) from error
        if reply.status in _RETRIED_STATUSES:
            after = _seconds(reply.headers.get("retry-after"))
            limit = reply.status == 429 or after is not None
            raise TryLaterError(f"HTTP {reply.status}", after, limit=limit)
        if not 200 <= reply.status < 300:
            raise HttpStatusError(self.name, method, reply.status, reply.content)
        return reply.content


def _parse(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RpcJsonError("", f"the reply is not JSON: {error}") from error


def _seconds(text: str | None) -> float | None:
    """The header Retry-After, a number of seconds or a date; None where it is neither."""
    if text is None:
        return None
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
