"""/healthz and /readyz, for whoever restarts nodes and balances load, and /status, for whoever wants to know more.

    /healthz   200: the process is alive and its loop runs; that it answers is the proof
    /readyz    200: it can be used; 503 with the reason in one line: it is syncing, or stalled
    /status    200: version, whether it is ready, and what else the node tells of itself

Plain text, or JSON for who accepts that; /status in JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from trinode.rpc.node import Readiness

HEALTHZ = "/healthz"
READYZ = "/readyz"
STATUS = "/status"
HEALTH_PATHS = frozenset((HEALTHZ.encode(), READYZ.encode(), STATUS.encode()))

Told: TypeAlias = Callable[[], Mapping[str, Any]]
"""What a node tells of itself, as JSON."""


class HealthAnswer(NamedTuple):
    """An HTTP response."""

    status: int
    content_type: bytes
    body: bytes


def health_answer(path: str, accept: bytes, readiness: Readiness, version: str, told: Told) -> HealthAnswer | None:
    """None: the path is none of these. `accept`: the request's header. `told`: for /status."""
    if path == HEALTHZ:
        return _answer(200, "ok", {"status": "ok", "version": version}, accept)
    if path == READYZ:
        reason = _reason(readiness)
        if reason is None:
            return _answer(200, "ready", {"status": "ready"}, accept)
        return _answer(503, reason, {"status": "not ready", "reason": reason}, accept)
    if path == STATUS:
        reason = _reason(readiness)
        known = {"version": version, "ready": reason is None, "reason": reason, **told()}
        return HealthAnswer(200, b"application/json", msgspec.json.encode(known))
    return None


def _reason(readiness: Readiness) -> str | None:
    """In one line."""
    reason = readiness.not_ready()
    return None if reason is None else " ".join(reason.split())


def _answer(status: int, text: str, json_object: dict[str, str], accept: bytes) -> HealthAnswer:
    if b"application/json" in accept:
        return HealthAnswer(status, b"application/json", msgspec.json.encode(json_object))
    return HealthAnswer(status, b"text/plain; charset=utf-8", f"{text}\n".encode())
