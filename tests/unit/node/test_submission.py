"""Where transactions of users go, and what users hear when they are not taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import msgspec
import pytest

from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, Retries
from trinode.node.submission import ToSequencer
from trinode.protocol.types import Hash32
from trinode.rpc.node import TransactionRefused

RAW, HASH = b"\x02\x01", b"\x11" * 32


class SomePool:
    """Remembers, or refuses."""

    def __init__(self, refusal: TransactionRefused | None = None) -> None:
        self.refusal = refusal
        self.came: list[bytes] = []

    async def send_raw_transaction(self, raw: bytes) -> Hash32:
        if self.refusal is not None:
            raise self.refusal
        self.came.append(raw)
        return HASH


@asynccontextmanager
async def sequencer(answer: Callable[[dict[str, Any]], httpx.Response]) -> AsyncIterator[JsonRpc]:
    async def handle(request: httpx.Request) -> httpx.Response:
        return answer(msgspec.json.decode(b"".join([piece async for piece in cast(httpx.AsyncByteStream, request.stream)])))

    endpoint = Endpoint("sequencer", "http://s", concurrency=1, timeout=5, retries=Retries(1), transport=httpx.MockTransport(handle))
    yield JsonRpc(endpoint)
    await endpoint.close()


def taken(request: dict[str, Any]) -> httpx.Response:
    assert (request["method"], request["params"]) == ("eth_sendRawTransaction", ["0x0201"])
    return httpx.Response(200, json={"jsonrpc": "2.0", "id": request["id"], "result": "0x" + HASH.hex()})


def refused(request: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": "nonce too low"}})


@pytest.mark.parametrize("pool", [SomePool(), SomePool(TransactionRefused(-32000, "already known"))])
async def test_what_the_sequencer_takes_is_taken_and_kept_if_the_pool_wants_it(pool: SomePool) -> None:
    async with sequencer(taken) as upstream:
        assert await ToSequencer(upstream, pool).send_raw_transaction(RAW) == HASH
    assert pool.came == ([] if pool.refusal else [RAW])


async def test_the_sequencers_refusal_reaches_the_user_as_it_is() -> None:
    async with sequencer(refused) as upstream:
        with pytest.raises(TransactionRefused) as caught:
            await ToSequencer(upstream, None).send_raw_transaction(RAW)
    assert (caught.value.code, caught.value.message) == (-32000, "nonce too low")


async def test_a_sequencer_that_is_away_is_said_without_its_url() -> None:
    async with sequencer(lambda _: httpx.Response(503)) as upstream:
        with pytest.raises(TransactionRefused, match=r"^the sequencer could not be reached, try again later$"):
            await ToSequencer(upstream, None).send_raw_transaction(RAW)
