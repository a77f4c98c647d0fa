"""One HTTP exchange with httpx under trio, bounded, and given up cleanly when it is cancelled."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from functools import cache
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httpx
import trio

_CLOSING = 1.0
"""Seconds for giving a connection back when an exchange ends early."""


class ReplyTooLarge(Exception):
    """The reply has more bytes than are read."""


class HttpReply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes


async def exchange(client: httpx.AsyncClient, verb: str, url: str, headers: Mapping[str, str], body: bytes, *, most: int) -> HttpReply:
    """Sends a request, and reads the reply of at most `most` bytes. Raises ReplyTooLarge, and what httpx raises."""
    request = client.build_request(verb, url, headers={**headers, "content-length": str(len(body))} if body else dict(headers))
    request.stream = _Body(body)
    response = await client.send(request, stream=True)
    try:
        content = await _read(response, most)
    finally:
        with trio.move_on_after(_CLOSING, shield=True):
            await response.aclose()
    return HttpReply(response.status_code, response.headers, content)


async def _read(response: httpx.Response, most: int) -> bytes:
    content = bytearray()
    # httpx reads through generators within generators, all of which only a cancellation from the innermost ends properly.
    with trio.CancelScope() as scope:
        async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_bytes())) as chunks:
            async for chunk in chunks:
                if len(content) + len(chunk) > most:
                    scope.cancel()
                else:
                    content += chunk
    if scope.cancel_called:
        raise ReplyTooLarge(f"a reply of more than {most} bytes")
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


def endpoint_name(role: str, url: str) -> str:
    """What stands for an endpoint in errors: without path, query and user, which is where keys are."""
    parts = urlsplit(url)
    return f"{role} {parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


def verification(url: str) -> ssl.SSLContext | bool:
    """What httpx verifies the server of `url` by: certificates take 0.1 s to load, so once, and only for https."""
    return _tls_context() if url.startswith("https:") else False


@cache
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()
