"""The devnet's L1 as an ASGI app: JSON-RPC by POST at any path, and by GET what rollup nodes ask a beacon node for (beacon API: config,
genesis, blobs). A slot is a second long, since blocks may also be mined at will.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
import trio

from trinode.devnet.l1 import DevnetL1
from trinode.devnet.l1_rpc import L1Methods
from trinode.jsonrpc.requests import answer
from trinode.jsonrpc.server import Message, Receive, Refused, Send, lifespan, read_body, respond
from trinode.kzg.commitments import blob_to_commitment
from trinode.rollup.json_fields import to_hex
from trinode.storage.errors import StoreError

SECONDS_PER_SLOT = 1
MAX_BODY = 16 << 20
"""Bytes. A transaction with six blobs and their cell proofs takes 1.6 MB, twice that in hex."""
_JSON = b"application/json"
_BLOBS = re.compile(r"/eth/v1/beacon/(blobs|blob_sidecars)/(\d{1,19})")


class L1App:
    """The app. It may be served, and read in this process through `httpx.ASGITransport`."""

    def __init__(self, l1: DevnetL1) -> None:
        self._l1 = l1
        self._methods = L1Methods(l1).all()
        self._genesis_time = l1.genesis_time

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"a scope of type {scope['type']}")
        try:
            await self._answer(scope, receive, send)
        except Refused as error:
            await _respond_json(send, error.status, {"code": error.status, "message": error.reason})

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            await _respond_json(send, 200, await self._beacon(scope["path"], parse_qs(scope["query_string"].decode("latin-1"))))
            return
        if scope["method"] != "POST":
            raise Refused(405, "POST for JSON-RPC, GET for the beacon API")
        body = await read_body(scope, receive, MAX_BODY)
        if body is not None:
            await respond(send, 200, _JSON, await answer(body, self._methods, explained=(StoreError,)))

    async def _beacon(self, path: str, query: dict[str, list[str]]) -> Any:
        """What the beacon API answers. Raises Refused."""
        if path == "/eth/v1/config/spec":
            return {"data": {"SECONDS_PER_SLOT": str(SECONDS_PER_SLOT)}}
        if path == "/eth/v1/beacon/genesis":
            no_root, no_version = to_hex(bytes(32)), to_hex(bytes(4))
            genesis_time = str(self._genesis_time)
            return {"data": {"genesis_time": genesis_time, "genesis_validators_root": no_root, "genesis_fork_version": no_version}}
        if path == "/eth/v1/node/version":
            return {"data": {"version": "trinode/devnet-l1"}}
        found = _BLOBS.fullmatch(path)
        if found is None:
            raise Refused(404, f"the devnet has no {path}")
        route: Callable[[int, dict[str, list[str]]], list[Any]] = self._blobs if found[1] == "blobs" else self._sidecars
        return {"data": await trio.to_thread.run_sync(route, int(found[2]), query)}

    def _blobs_of(self, slot: int) -> list[tuple[bytes, bytes]]:
        blobs = self._l1.blobs_at(self._genesis_time + slot * SECONDS_PER_SLOT)
        if blobs is None:
            raise Refused(404, f"there is no block in slot {slot}, or its blobs are pruned")
        return blobs

    def _blobs(self, slot: int, query: dict[str, list[str]]) -> list[Any]:
        wanted = {name for value in query.get("versioned_hashes", ()) for name in value.lower().split(",")}
        return [to_hex(blob) for name, blob in self._blobs_of(slot) if not wanted or to_hex(name) in wanted]

    def _sidecars(self, slot: int, query: dict[str, list[str]]) -> list[Any]:
        wanted = {index for value in query.get("indices", ()) for index in value.split(",")}
        return [
            {"index": str(index), "blob": to_hex(blob), "kzg_commitment": to_hex(blob_to_commitment(blob))}
            for index, (_, blob) in enumerate(self._blobs_of(slot))
            if not wanted or str(index) in wanted
        ]


async def _respond_json(send: Send, status: int, value: Any) -> None:
    await respond(send, status, _JSON, msgspec.json.encode(value))
