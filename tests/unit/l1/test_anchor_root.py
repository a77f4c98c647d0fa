"""The output root that L1's bridge holds for proved, read from contracts of either generation."""

from __future__ import annotations

import json
from typing import cast

import httpx
import pytest

from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, EndpointError, Retries
from trinode.l1.anchor_root import AnchorRoot, anchor_root
from trinode.protocol.keccak import keccak256

PORTAL, FACTORY, GAME, REGISTRY = (bytes([index]) * 20 for index in range(1, 5))
ROOT = b"\x77" * 32
GAME_TYPE = (8).to_bytes(32, "big")

Contracts = dict[tuple[bytes, bytes], bytes]
"""What a contract answers to call data."""


def asks(signature: str, argument: bytes = b"") -> bytes:
    return keccak256(signature.encode())[:4] + argument


def word(value: bytes | int) -> bytes:
    return value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, "big")


HOLDS = {(REGISTRY, asks("getAnchorRoot()")): ROOT + word(42_000_000)}
NEW: Contracts = HOLDS | {(PORTAL, asks("anchorStateRegistry()")): word(REGISTRY)}
OLD: Contracts = HOLDS | {
    (PORTAL, asks("disputeGameFactory()")): word(FACTORY),
    (PORTAL, asks("respectedGameType()")): GAME_TYPE,
    (FACTORY, asks("gameImpls(uint32)", GAME_TYPE)): word(GAME),
    (GAME, asks("anchorStateRegistry()")): word(REGISTRY),
}


async def read(contracts: Contracts, *, reverts: bool = True) -> AnchorRoot:
    """`reverts`: what a contract does not have; else it answers with nothing, as an account without code does."""

    async def answer(request: httpx.Request) -> httpx.Response:
        call = json.loads(b"".join([chunk async for chunk in cast(httpx.AsyncByteStream, request.stream)]))
        assert call["method"] == "eth_call" and call["params"][1] == "finalized"
        to, data = (bytes.fromhex(call["params"][0][name][2:]) for name in ("to", "data"))
        found = contracts.get((to, data), None if reverts else b"")
        reply = {"error": {"code": 3, "message": "execution reverted"}} if found is None else {"result": "0x" + found.hex()}
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": call["id"]} | reply)

    endpoint = Endpoint("L1", "http://l1.test", concurrency=1, timeout=5, retries=Retries(1), transport=httpx.MockTransport(answer))
    try:
        return await anchor_root(JsonRpc(endpoint), PORTAL)
    finally:
        await endpoint.close()


@pytest.mark.parametrize("contracts", [NEW, OLD], ids=["portal-knows-the-registry", "by-the-respected-game"])
@pytest.mark.parametrize("reverts", [True, False])
async def test_it_is_found(contracts: Contracts, reverts: bool) -> None:
    assert await read(contracts, reverts=reverts) == AnchorRoot(42_000_000, ROOT)


@pytest.mark.parametrize(
    "contracts",
    [
        {},
        NEW | {(REGISTRY, asks("getAnchorRoot()")): bytes(64)},
        NEW | {(REGISTRY, asks("getAnchorRoot()")): ROOT + b"\xff" * 32},
        NEW | {(REGISTRY, asks("getAnchorRoot()")): ROOT},
        OLD | {(FACTORY, asks("gameImpls(uint32)", GAME_TYPE)): bytes(32)},
        OLD | {(GAME, asks("anchorStateRegistry()")): b"\xff" * 32},
    ],
    ids=["no-contracts", "no-root", "absurd-number", "short", "no-game", "no-address"],
)
async def test_what_is_no_root_is_an_error_that_names_the_endpoint(contracts: Contracts) -> None:
    with pytest.raises(EndpointError, match=r"^L1 .*: eth_call"):
        await read(contracts)
