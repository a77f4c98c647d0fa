"""/healthz and /readyz, for whoever restarts nodes and balances load.

    /healthz   200: the process is alive and its loop runs; that it answers is the proof
    /readyz    200: it can be used; 503 with the reason in one line: it is syncing, or stalled

Plain text, or JSON for who accepts that.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from trinode.rpc.node import Readiness

HEALTHZ = "/healthz"
READYZ = "/readyz"
HEALTH_PATHS = frozenset((HEALTHZ.encode(), READYZ.encode()))


class HealthAnswer(NamedTuple):
    """An HTTP response."""

    status: int
    content_type: bytes
    body: bytes


def health_answer(path: str, accept: bytes, readiness: Readiness, version: str) -> HealthAnswer | None:
    """None: the path is neither of the two. `accept`: the request's header."""
    if path == HEALTHZ:
        return _answer(200, "ok", {"status": "ok", "version": version}, accept)
    if path == READYZ:
        reason = readiness.not_ready()
        if reason is None:
            return _answer(200, "ready", {"status": "ready"}, accept)
        reason = " ".join(reason.split())
        return _answer(503, reason, {"status": "not ready", "reason": reason}, accept)
    return None


def _answer(status: int, text: str, json_object: dict[str, str], accept: bytes) -> HealthAnswer:
    if b"application/json" in accept:
        return HealthAnswer(status, b"application/json", msgspec.json.encode(json_object))
    return HealthAnswer(status, b"text/plain; charset=utf-8", f"{text}\n".encode())
