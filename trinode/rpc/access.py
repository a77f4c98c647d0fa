"""Whom the RPC server answers: by the `Host` that was asked (against DNS rebinding), and by the `Origin` of a web page (Fetch standard: CORS
protocol; RFC 6455, 10.2). The rules are geth's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from trinode.jsonrpc.server import Refused

ANY = "*"
_PREFLIGHT_SECONDS = b"600"
_JSON_TYPES = {b"application/json", b"application/json-rpc", b"application/jsonrequest"}

Headers = Mapping[bytes, bytes]
HeaderPairs = tuple[tuple[bytes, bytes], ...]


def check_host(headers: Headers, virtual_hosts: Collection[str]) -> None:
    """IP addresses are always allowed, and a request that names no host. Raises Refused (403)."""
    asked = headers.get(b"host", b"").decode("latin-1").strip().lower()
    host = asked[1:].partition("]")[0] if asked.startswith("[") else asked.rpartition(":")[0] or asked
    if host and ANY not in virtual_hosts and host not in virtual_hosts and not _is_address(host):
        raise Refused(403, "invalid host specified")


@lru_cache(1024)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def allows_origin(headers: Headers, origins: Collection[str]) -> bool:
    """Whether the request comes from no web page, or from one of `origins`: `https://host:port`, a host's name, or `*`."""
    origin = headers.get(b"origin")
    if origin is None or ANY in origins:
        return True
    asked = origin.decode("latin-1").strip().lower()
    try:
        host = urlsplit(asked).hostname
    except ValueError:
        return False
    return asked in origins or (host is not None and host in origins)


def check_content_type(headers: Headers) -> None:
    """JSON, or nothing said: but then no web page may have sent it, since its browser asks nobody for leave. Raises Refused (415)."""
    found = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if found not in _JSON_TYPES and (found or b"origin" in headers):
        raise Refused(415, "invalid content type, only application/json is supported")


def cors_headers(headers: Headers, origins: Collection[str], *, preflight: bool) -> HeaderPairs:
    """What tells the browser that the page may read the response, or, for a preflight, may send the request; nothing where it may not."""
    origin = headers.get(b"origin")
    if origin is None or not origins or not allows_origin(headers, origins):
        return ()
    allowed = ((b"access-control-allow-origin", b"*" if ANY in origins else origin), (b"vary", b"Origin"))
    if not preflight:
        return allowed
    return (
        *allowed,
        (b"access-control-allow-methods", b"POST, GET"),
        (b"access-control-allow-headers", headers.get(b"access-control-request-headers", b"Content-Type")),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
    )
