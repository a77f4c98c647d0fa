"""The connection to an external engine: JSON-RPC over HTTP with a fresh token each time (Engine API: common, authentication).

Nothing is tried again here: who drives the engine knows what still matters by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec
import trio

from trinode.engine.api.jwt import make_token
from trinode.jsonrpc.http import ReplyTooLarge, endpoint_name, exchange, verification

ENGINE_RPC_TIMEOUT = 10.0
"""Seconds that an engine has for an answer."""

_MAX_REPLY = 256 << 20


class EngineProblem(Exception):
    """An external engine did not do what was asked; one line that names endpoint and method."""

    def __init__(self, endpoint: str, method: str, problem: str) -> None:
        super().__init__(f"{endpoint}: {method}: {problem}")
        self.endpoint = endpoint
        self.method = method
        self.problem = problem


class EngineUnavailable(EngineProblem):
    """It could not be reached, or gave no answer in time. Asking again may help."""


class EngineRefusedToken(EngineProblem):
    """It does not take our token (HTTP 401): the secrets differ, or the clocks do."""


class EngineAnswerError(EngineProblem):
    """What came back is no answer to the question."""


class EngineRpcError(EngineProblem):
    """It answered with a JSON-RPC error. `message`: the engine's own words; `detail`: what it added in `data`."""

    def __init__(self, endpoint: str, method: str, code: int, message: str, detail: str) -> None:
        super().__init__(endpoint, method, f"{message} ({code})" + (f": {detail}" if detail else ""))
        self.code = code
        self.message = message
        self.detail = detail


class EngineEndpoint:
    """One engine's authenticated port. `secret_file` goes into errors; `transport` replaces the network.

    The URL's path and user stay out of errors. Use it in an `async with` statement, or close it.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        secret_file: Path,
        *,
        timeout: float = ENGINE_RPC_TIMEOUT,
        clock: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = endpoint_name("engine", url)
        self._url = url
        self._secret = secret
        self._secret_file = secret_file
        self._timeout = timeout
        self._clock = clock
        self._ids = count(1)
        self._client = httpx.AsyncClient(timeout=timeout, verify=verification(url), transport=transport, trust_env=False)

    async def __aenter__(self) -> EngineEndpoint:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()

    async def call(self, method: str, params: Sequence[object]) -> Any:
        """The result of one method. Raises EngineUnavailable, EngineRefusedToken, EngineAnswerError, EngineRpcError."""
        number = next(self._ids)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
        status, content = await self._post(method, msgspec.json.encode(request))
        if status == 401:
            raise EngineRefusedToken(self.name, method, self._token_remedy(content))
        if status != 200:
            hint = ". Does the engine allow this host name (--authrpc.vhosts)?" if status == 403 else ""
            raise EngineUnavailable(self.name, method, f"HTTP {status} {_excerpt(content)}".rstrip() + hint)
        return self._result(method, number, content)

    async def _post(self, method: str, body: bytes) -> tuple[int, bytes]:
        headers = {"content-type": "application/json", "authorization": f"Bearer {make_token(self._secret, self._clock())}"}
        try:
            with trio.fail_after(self._timeout):
                reply = await exchange(self._client, "POST", self._url, headers, body, most=_MAX_REPLY)
                return reply.status, reply.content
        except ReplyTooLarge as error:
            raise EngineAnswerError(self.name, method, str(error)) from error
        except (httpx.TimeoutException, trio.TooSlowError) as error:
            raise EngineUnavailable(self.name, method, f"no answer within {self._timeout:g} s") from error
        except (httpx.InvalidURL, httpx.HTTPError) as error:
            problem = f"no connection: {str(error) or type(error).__name__}. Does the engine run, with its authenticated port there?"
            raise EngineUnavailable(self.name, method, problem) from error

    def _result(self, method: str, number: int, content: bytes) -> Any:
        try:
            reply = msgspec.json.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise EngineAnswerError(self.name, method, f"the reply is not JSON: {error}") from error
        if not isinstance(reply, dict):
            raise EngineAnswerError(self.name, method, "the reply is not an object")
        if reply.get("error") is not None:
            raise self._rpc_error(method, reply["error"])
        if reply.get("id") != number or "result" not in reply:
            raise EngineAnswerError(self.name, method, "the reply has another id, or no result")
        return reply["result"]

    def _rpc_error(self, method: str, error: object) -> EngineProblem:
        code = error.get("code") if isinstance(error, dict) else None
        if not isinstance(error, dict) or type(code) is not int:
            return EngineAnswerError(self.name, method, "an error without a code")
        data = error.get("data")
        detail = data.get("err") if isinstance(data, dict) else data
        return EngineRpcError(self.name, method, code, str(error.get("message"))[:500], "" if detail is None else str(detail)[:500])

    def _token_remedy(self, content: bytes) -> str:
        return (
            f"it refuses our token (HTTP 401{': ' if content else ''}{_excerpt(content)}). {self._secret_file} must hold the same JWT secret as"
            " the engine's own file (--authrpc.jwtsecret), and the clocks of both machines must agree to a minute"
        )


def _excerpt(content: bytes) -> str:
    return content[:100].decode("utf-8", "replace").strip()
