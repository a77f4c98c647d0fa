"""An L1 endpoint before a corrected chain: JSON-RPC by POST and the beacon API by GET, as an ASGI app, with faults on demand.

Several of them over one chain are several endpoints of the same L1.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec

from harness.anvil.chain import CorrectedChain
from harness.anvil.faults import Fault, Faults
from trinode.jsonrpc.requests import INVALID_REQUEST, METHOD_NOT_FOUND, SERVER_ERROR, RpcError
from trinode.jsonrpc.server import Message, Receive, Refused, Send, lifespan, read_body, respond

MAX_BODY = 16 << 20
RETRY_AFTER = 1
"""Seconds that an endpoint wants to be left alone."""
_JSON = b"application/json"
_BLOBS = re.compile(r"/eth/v1/beacon/blobs/(\d{1,19})")
_CONSTANTS = {
    "/eth/v1/beacon/genesis": {"genesis_time": "0", "genesis_validators_root": "0x" + "00" * 32, "genesis_fork_version": "0x00000000"},
    "/eth/v1/config/spec": {"SECONDS_PER_SLOT": "1"},
    "/eth/v1/node/version": {"version": "trinode-harness/anvil"},
}
_NO_CONNECTION = RpcError(SERVER_ERROR, "anvil does not answer")
_NO_METHOD = RpcError(METHOD_NOT_FOUND, "the method does not exist/is not available")


class L1Proxy:
    """One endpoint. `faults` may be changed while it serves; `asked` counts requests by method, or by path of the beacon API."""

    def __init__(self, chain: CorrectedChain, faults: Faults | None = None) -> None:
        self._chain = chain
        self.faults = faults or Faults()
        self.asked: Counter[str] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        body = await read_body(scope, receive, MAX_BODY)
        if body is None or await self._fails(receive, send):
            return
        try:
            if scope["method"] == "GET":
                answer = msgspec.json.encode(await self._beacon(scope["path"], parse_qs(scope["query_string"].decode("latin-1"))))
            else:
                answer = msgspec.json.encode(await self._json_rpc(msgspec.json.decode(body)))
        except Refused as error:
            await respond(send, error.status, _JSON, msgspec.json.encode({"code": error.status, "message": error.reason}))
        else:
            await respond(send, 200, _JSON, answer)

    async def _fails(self, receive: Receive, send: Send) -> bool:
        """Whether a fault has dealt with the request already."""
        faults = self.faults
        if faults.hit(Fault.SILENCE):
            while (await receive())["type"] != "http.disconnect":
                pass
        elif faults.hit(Fault.HANG_UP):
            # A response that ends before its length: the server closes the connection.
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", _JSON), (b"content-length", b"100")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
        elif faults.hit(Fault.HTTP_ERROR):
            await respond(send, 503, b"text/plain", b"no")
        elif faults.hit(Fault.TOO_MANY_REQUESTS):
            await respond(send, 429, b"text/plain", b"no", ((b"retry-after", str(RETRY_AFTER).encode()),))
        else:
            return False
        return True

    # ---- JSON-RPC ----

    async def _json_rpc(self, request: Any) -> Any:
        if not isinstance(request, list):
            return await self._answer(request)
        if self.faults.hit(Fault.NO_BATCHES):
            return {"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": "batches are not supported"}}
        return [await self._answer(each) for each in request]

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        method = request["method"]
        self.asked[method] += 1
        reply = {"jsonrpc": "2.0", "id": request["id"]}
        if method == "eth_getBlockReceipts" and self.faults.hit(Fault.NO_BLOCK_RECEIPTS):
            return {**reply, "error": _NO_METHOD.to_json()}
        try:
            result = await self._result(method, request.get("params") or [])
        except httpx.TransportError:
            return {**reply, "error": _NO_CONNECTION.to_json()}
        except RpcError as error:
            return {**reply, "error": error.to_json()}
        return {**reply, "result": self.faults.altered(method, result)}

    async def _result(self, method: str, params: list[Any]) -> Any:
        if not self.faults.lag:
            return await self._chain.call(method, params)
        newest = max(int(await self._chain.call("eth_blockNumber", []), 16) - self.faults.lag, 0)
        if method == "eth_blockNumber":
            return hex(newest)
        result = await self._chain.call(method, [hex(newest) if each in ("latest", "pending") else each for each in params])
        if _number_of(result) <= newest:
            return result
        asks_for_label = method == "eth_getBlockByNumber" and params[0] in ("safe", "finalized")
        return await self._chain.call(method, [hex(newest), *params[1:]]) if asks_for_label else None

    # ---- the beacon API ----

    async def _beacon(self, path: str, query: dict[str, list[str]]) -> Any:
        """What the beacon API answers. Raises Refused."""
        self.asked[path.rstrip("0123456789")] += 1
        if path in _CONSTANTS:
            return {"data": _CONSTANTS[path]}
        found = _BLOBS.fullmatch(path)
        blobs = None if found is None else await self._chain.blobs_at(int(found[1]))
        if blobs is None or (blobs and self.faults.hit(Fault.NO_BLOBS)):
            raise Refused(404, f"there is no {path}")
        wanted = {name for value in query.get("versioned_hashes", ()) for name in value.lower().split(",")}
        return {"data": [self.faults.altered_blob(blob) for name, blob in blobs.items() if not wanted or name in wanted]}


def _number_of(result: Any) -> int:
    """Of the block that a result is or is of; 0 if it is of none."""
    first = result[0] if isinstance(result, list) and result else result
    number = (first.get("blockNumber") or first.get("number")) if isinstance(first, dict) else None
    return int(number, 16) if isinstance(number, str) else 0
