"""The served L1 as an ASGI app: JSON-RPC by POST (execution-apis, eth), the beacon API by GET, each request answered after the latency.

Two methods are none of an L1: `recording_show` shows the next blocks of the recording, and `recording_latency` sets the latency.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
import trio

from harness.served.chain import NULL, BlockJson, ServedChain
from trinode.jsonrpc.fields import parse_data, parse_quantity
from trinode.jsonrpc.requests import Method, answer, take_params
from trinode.jsonrpc.server import Message, Receive, Refused, Send, lifespan, read_body, respond
from trinode.rollup.json_fields import to_hex

SECONDS_PER_SLOT = 1
_MAX_BODY = 1 << 20
_JSON = b"application/json"
_BLOBS = re.compile(r"/eth/v1/beacon/blobs/(\d{1,19})")
_LABELS = ("latest", "pending", "safe", "finalized", "earliest")


class ServedApp:
    """The app. `latency`: seconds before each answer."""

    def __init__(self, chain: ServedChain, latency: float = 0.0) -> None:
        self._chain = chain
        self._latency = latency
        self._methods: Mapping[str, Method] = {
            "eth_chainId": self._chain_id,
            "eth_blockNumber": self._block_number,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockReceipts": self._receipts,
            "recording_show": self._show,
            "recording_latency": self._set_latency,
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        try:
            await self._answer(scope, receive, send)
        except Refused as error:
            await respond(send, error.status, _JSON, msgspec.json.encode({"code": error.status, "message": error.reason}))

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            body = msgspec.json.encode(self._beacon(scope["path"], parse_qs(scope["query_string"].decode("latin-1"))))
        else:
            request = await read_body(scope, receive, _MAX_BODY)
            if request is None:
                return
            body = await answer(request, self._methods)
        await trio.sleep(self._latency)
        await respond(send, 200, _JSON, body)

    # ---- the execution client ----

    async def _chain_id(self, params: list[Any]) -> str:
        return hex(self._chain.chain_id)

    async def _block_number(self, params: list[Any]) -> str | None:
        number = self._chain.number_of("latest")
        return None if number is None else hex(number)

    async def _block_by_number(self, params: list[Any]) -> msgspec.Raw:
        name, whole = take_params(params, 1, 1)
        number = self._chain.number_of(name) if name in _LABELS else parse_quantity(name, "params[0]")
        return _shown(None if number is None else self._chain.at(number), whole)

    async def _block_by_hash(self, params: list[Any]) -> msgspec.Raw:
        name, whole = take_params(params, 1, 1)
        return _shown(self._chain.named(parse_data(name, "params[0]", 32)), whole)

    async def _receipts(self, params: list[Any]) -> msgspec.Raw:
        block = self._chain.named(parse_data(take_params(params, 1)[0], "params[0]", 32))
        return NULL if block is None else block.receipts

    # ---- the recording ----

    async def _show(self, params: list[Any]) -> int:
        return self._chain.show(take_params(params, 0, 1)[0])

    async def _set_latency(self, params: list[Any]) -> None:
        self._latency = take_params(params, 1)[0]

    # ---- the beacon node ----

    def _beacon(self, path: str, query: dict[str, list[str]]) -> Any:
        """What the beacon API answers. Raises Refused."""
        if path == "/eth/v1/config/spec":
            return {"data": {"SECONDS_PER_SLOT": str(SECONDS_PER_SLOT)}}
        if path == "/eth/v1/beacon/genesis":
            return {"data": {"genesis_time": str(self._chain.genesis_time)}}
        found = _BLOBS.fullmatch(path)
        blobs = None if found is None else self._chain.blobs_at(int(found[1]))
        if blobs is None:
            raise Refused(404, f"{path}: not found")
        wanted = {name for value in query.get("versioned_hashes", ()) for name in value.lower().split(",")}
        return {"data": [to_hex(blob) for name, blob in blobs.items() if not wanted or to_hex(name) in wanted]}


def _shown(block: BlockJson | None, whole: object) -> msgspec.Raw:
    if block is None:
        return NULL
    return block.whole if whole is True else block.with_hashes
