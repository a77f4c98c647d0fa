"""An endpoint that is not asked over HTTP, but in memory: JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Mapping

from trinode.jsonrpc.endpoint import Endpoint, Retries
from trinode.jsonrpc.requests import Method, answer


class LocalEndpoint(Endpoint):
    """Answers with `methods`."""

    def __init__(self, url: str, methods: Mapping[str, Method]) -> None:
        super().__init__("L2", url, concurrency=4, timeout=30, retries=Retries(1))
        self._methods = methods

    async def _send(self, method: str, verb: str, url: str, body: bytes) -> bytes:
        return await answer(body, self._methods)
