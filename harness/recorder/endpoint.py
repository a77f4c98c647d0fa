"""One HTTP endpoint: bounded, limited, retried, and named in every error."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx
import msgspec
import trio

from harness.rpc_json import RpcJsonError

T = TypeVar("T")
Read = Callable[[Any], T]

_RETRIED_STATUSES = frozenset((408, 425, 429, 500, 502, 503, 504))
# A wrong answer may come from one bad node behind a load balancer, so it gets a second and a third chance, not more.
_WRONG_ANSWERS = 3


class EndpointError(Exception):
    """An endpoint did not give what was asked; one line that names endpoint, method and, where there is one, the field."""

    def __init__(self, endpoint: str, method: str, field: str, message: str) -> None:
        super().__init__(": ".join(part for part in (endpoint, method, field, message) if part))
        self.endpoint = endpoint
        self.method = method
        self.field = field
        self.message = message


class HttpStatusError(EndpointError):
    """The endpoint answered with an HTTP status that says no, and asking again would not help."""

    def __init__(self, endpoint: str, method: str, status: int, body: bytes) -> None:
        super().__init__(endpoint, method, "", f"HTTP {status}" + _STATUS_HINTS.get(status, ""))
        self.status = status
        self.body = body


_STATUS_HINTS = {401: " (does the URL have its key?)", 403: " (does the URL have its key?)"}


class _TransientError(Exception):
    """Worth another try; `after` seconds if the endpoint said so."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


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
    """Sends requests with at most `concurrency` of them under way. `role` and the host make its name in errors.

    The URL's path and query stay out of errors: that is where providers put keys.
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
    ) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        self.name = f"{role} {parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
        self.url = url.rstrip("/")
        self.retries = retries or Retries()
        self._max_reply_bytes = max_reply_bytes
        self._limit = trio.CapacityLimiter(concurrency)
        # Certificates take 0.1 s to load: once, and only for https (redirects are not followed).
        verify = _tls_context() if parts.scheme == "https" else False
        limits = httpx.Limits(max_connections=concurrency)
        self._client = httpx.AsyncClient(timeout=timeout, limits=limits, verify=verify)
        self._not_before = float("-inf")

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
                reply = await self._send(method, verb, url, body)
                return read(_parse(reply))
            except _TransientError as error:
                if attempt >= self.retries.attempts:
                    raise EndpointError(self.name, method, "", f"{error}, {attempt} times") from error
                await self._back_off(attempt, error.after)
            except RpcJsonError as error:
                wrong_answers += 1
                if wrong_answers >= min(_WRONG_ANSWERS, self.retries.attempts):
                    raise EndpointError(self.name, method, error.field, error.message) from error
                await self._back_off(wrong_answers, None)

    async def _back_off(self, attempt: int, after: float | None) -> None:
        delay = self.retries.delay(attempt)
        if after is not None:
            # A rate limit holds for all requests, so the others wait with this one.
            delay = max(delay, min(after, self.retries.longest_delay))
            self._not_before = max(self._not_before, trio.current_time() + delay)
        await trio.sleep(delay)

    async def _send(self, method: str, verb: str, url: str, body: bytes) -> bytes:
        headers = {"content-type": "application/json", "content-length": str(len(body))} if body else {}
        while (wait := self._not_before - trio.current_time()) > 0:
            await trio.sleep(wait)
        async with self._limit:
            try:
                request = self._client.build_request(verb, url, headers=headers)
                request.stream = _Body(body)
                response = await self._client.send(request, stream=True)
                try:
                    content = await self._read(response, method)
                finally:
                    with trio.move_on_after(1, shield=True):
                        await response.aclose()
            except httpx.TimeoutException as error:
                raise _TransientError("no answer in time") from error
            except httpx.TransportError as error:
                raise _TransientError(f"no connection ({error})" if str(error) else "no connection") from error
            except (httpx.InvalidURL, httpx.HTTPError) as error:
                raise EndpointError(self.name, method, "", str(error)) from error
        if response.status_code in _RETRIED_STATUSES:
            after = _seconds(response.headers.get("retry-after"))
            raise _TransientError(f"HTTP {response.status_code}", 0.0 if after is None and response.status_code == 429 else after)
        if not response.is_success:
            raise HttpStatusError(self.name, method, response.status_code, content)
        return content

    async def _read(self, response: httpx.Response, method: str) -> bytes:
        content = bytearray()
        async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_bytes())) as chunks:
            async for chunk in chunks:
                content += chunk
                if len(content) > self._max_reply_bytes:
                    raise EndpointError(self.name, method, "", f"a reply of more than {self._max_reply_bytes} bytes")
        return bytes(content)


class _Body(httpx.AsyncByteStream):
    """A request's body. httpx's own is an async generator, which a cancelled request leaves to the garbage collector."""

    def __init__(self, body: bytes) -> None:
        self._chunks = [body] if body else []

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._chunks:
            raise StopAsyncIteration
        return self._chunks.pop()


@cache
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _parse(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RpcJsonError("", f"the reply is not JSON: {error}") from error


def _seconds(text: str | None) -> float | None:
    """The header Retry-After, where it is a number."""
    return float(text) if text is not None and text.isdigit() else None
