"""One endpoint: what it says about when to come again, errors that say the same in several ways, batches, sizes."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from trio.testing import MockClock

from tests.fake_endpoints import Fault, RecordedChains
from tests.unit.l1.l1_network import network, on
from trinode.jsonrpc.calls import JsonRpc, MethodMissingError, RpcRefusedError
from trinode.jsonrpc.endpoint import EndpointError, NotFoundError, UnavailableError, WrongAnswerError
from trinode.jsonrpc.http import endpoint_name


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7, 7), (formatdate(time.time() + 3600, usegmt=True), 3000, 3600), ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0), ("soon", None, None)],
    ids=["seconds", "in an hour", "past", "neither"],
)
async def test_retry_after(
    chains: RecordedChains, autojump_clock: MockClock, header: str, low: float | None, high: float | None
) -> None:
    async with network(chains) as net:
        net.servers[0].fault = on("eth_chainId", Fault(status=503, retry_after=header))
        with pytest.raises(UnavailableError) as caught:
            await JsonRpc(net.open(0, "l1")).call("eth_chainId", [], lambda result: result)
        after = caught.value.after
        assert (after is None) if low is None or high is None else (after is not None and low <= after <= high)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-32601, "no", MethodMissingError),
        (-32000, "The method eth_x is not whitelisted", MethodMissingError),
        (-32602, "bad params", RpcRefusedError),
        (-32000, "header not found", NotFoundError),
        (-39001, "Unknown block", NotFoundError),
        (-32005, "limit exceeded", UnavailableError),
        (-32000, "oops", WrongAnswerError),
    ],
)
async def test_errors_of_json_rpc(
    chains: RecordedChains, autojump_clock: MockClock, code: int, message: str, kind: type[EndpointError]
) -> None:
    async with network(chains) as net:
        net.servers[0].fault = on("eth_chainId", Fault(error=(code, message)))
        rpc = JsonRpc(net.open(0, "l1"))
        with pytest.raises(kind) as caught:
            await rpc.call("eth_chainId", [], lambda result: result)
        assert type(caught.value) is kind
        assert str(caught.value) == f"{net.name(0)}: eth_chainId: error {code}: {message}"


async def test_a_reply_has_a_largest_size(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        rpc = JsonRpc(net.open(0, "l1", max_reply_bytes=300))
        assert await rpc.call("eth_chainId", [], lambda result: result) == "0x7a69"
        with pytest.raises(EndpointError, match="a reply of more than 300 bytes"):
            await rpc.call("eth_getBlockByNumber", ["0x5", True], lambda result: result)


async def test_a_batch_keeps_the_order_of_its_calls(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        rpc, params = JsonRpc(net.open(0, "l1")), [[hex(number), False] for number in range(3, 48)]
        for takes_batches in (True, False):
            net.servers[0].takes_batches = takes_batches
            numbers = await rpc.batch("eth_getBlockByNumber", params, lambda result: int(result["number"], 16))
            assert numbers == list(range(3, 48))


def test_names_have_no_keys() -> None:
    assert endpoint_name("L1", "https://user:key@host.example:8/v3/key?key=1") == "L1 https://host.example:8"
