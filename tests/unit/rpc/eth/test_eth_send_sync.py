"""eth_sendRawTransactionSync."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.unit.execution.small_chain import transfer
from trinode.jsonrpc.declared import Declared
from trinode.jsonrpc.requests import Limits, RpcError
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.types import Hash32
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.eth.sending.send_sync import MOST_WAITING, SendSyncMethods
from trinode.rpc.node import TransactionRefused

RAW = transfer(0, 0)
HASH = transaction_hash(RAW)
METHOD = "eth_sendRawTransactionSync"


class Node:
    """Takes RAW; its receipt is there after `heads_until_mined` moves of the head."""

    def __init__(self, heads_until_mined: int) -> None:
        self.left = heads_until_mined
        self.moved = trio.Event()
        self.looked = 0
        self.moves_while_looking = False

    async def send_raw_transaction(self, raw: bytes) -> Hash32:
        if raw != RAW:
            raise TransactionRefused(-32000, "already known")
        return HASH

    async def next_head(self) -> None:
        await self.moved.wait()

    def move(self) -> None:
        self.left -= 1
        self.moved.set()
        self.moved = trio.Event()

    async def find(self, hash: Hash32) -> msgspec.Raw | None:
        assert hash == HASH
        self.looked += 1
        there = self.left <= 0
        await trio.lowlevel.checkpoint()
        if self.moves_while_looking:
            self.moves_while_looking = False
            self.move()
            await trio.lowlevel.checkpoint()
        return msgspec.Raw(b'{"status":"0x1"}') if there else None

    def methods(self) -> SendSyncMethods:
        return SendSyncMethods(self, self.find, self)


async def call(methods: SendSyncMethods, *params: object) -> object:
    return await methods.methods[METHOD](["0x" + RAW.hex(), *params])


async def test_the_receipt_comes_with_the_block(autojump_clock: MockClock) -> None:
    node = Node(2)
    results: list[object] = []

    async def send() -> None:
        results.append(await call(node.methods()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.sleep(1)
        node.move()
        await trio.sleep(1)
        assert results == []
        node.move()
    assert results == [msgspec.Raw(b'{"status":"0x1"}')]
    assert node.looked == 3


async def test_a_head_that_comes_during_a_look_is_not_missed(autojump_clock: MockClock) -> None:
    node = Node(1)
    node.moves_while_looking = True
    began = trio.current_time()
    await call(node.methods())
    assert (node.looked, trio.current_time() - began) == (2, 0)


@pytest.mark.parametrize(
    ("timeout", "seconds", "shown"),
    [(1, 0.001, "1ms"), ("0x64", 0.1, "100ms"), (1500, 1.5, "1.5s"), (0, 20, "20s"), (None, 20, "20s"), (10**9, 60, "1m0s")],
)
async def test_it_is_not_waited_for_ever(autojump_clock: MockClock, timeout: object, seconds: float, shown: str) -> None:
    """op-geth's code and words, asked of it."""
    began = trio.current_time()
    with pytest.raises(RpcError) as caught:
        await call(Node(1).methods(), timeout)
    assert trio.current_time() - began == pytest.approx(seconds)
    message = f"The transaction was added to the transaction pool but wasn't processed in {shown}"
    assert caught.value.to_json() == {"code": 4, "message": message, "data": "0x" + HASH.hex()}


async def test_a_transaction_that_is_refused() -> None:
    with pytest.raises(RpcError) as caught:
        await Node(0).methods().methods[METHOD](["0x01"])
    assert caught.value.to_json() == {"code": -32000, "message": "already known"}
    with pytest.raises(RpcError, match="takes no transactions"):
        await call(SendSyncMethods(None, Node(0).find, Node(0)))


async def test_those_that_wait_are_bounded_and_give_their_turns_back(autojump_clock: MockClock) -> None:
    node = Node(1)
    methods = node.methods()

    async def send() -> None:
        await call(methods)

    async with trio.open_nursery() as nursery:
        for _ in range(MOST_WAITING):
            nursery.start_soon(send)
        await trio.sleep(1)
        with pytest.raises(RpcError, match="wait for their transactions already"):
            await call(methods)
        node.move()
    await call(methods)


@pytest.mark.parametrize(("timeout", "seconds"), [(0, 1.5), (1000, 1), (5000, 3)])
async def test_how_long_is_configured(autojump_clock: MockClock, timeout: int, seconds: float) -> None:
    began = trio.current_time()
    with pytest.raises(RpcError):
        await call(SendSyncMethods(Node(1), Node(1).find, Node(1), default_seconds=1.5, most_seconds=3), timeout)
    assert trio.current_time() - began == pytest.approx(seconds)


class _Eth:
    name = "eth"

    def __init__(self, methods: Mapping[str, Declared]) -> None:
        self.methods = methods


async def test_it_may_wait_longer_than_requests_may_take(autojump_clock: MockClock) -> None:
    """Alone, and in a batch, which as a whole may take no longer than one."""
    dispatcher = Dispatcher([_Eth(Node(1).methods().methods)], ["eth"], Limits(seconds=30))
    request = {"jsonrpc": "2.0", "id": 1, "method": METHOD, "params": ["0x" + RAW.hex(), 60_000]}
    began = trio.current_time()
    answer = msgspec.json.decode(await dispatcher.answer(msgspec.json.encode(request)))
    assert answer["error"]["code"] == 4
    assert trio.current_time() - began == pytest.approx(60)
    began = trio.current_time()
    answers = msgspec.json.decode(await dispatcher.answer(msgspec.json.encode([request] * 3)))
    assert [each["error"]["code"] for each in answers] == [4, -32002, -32002]
    assert trio.current_time() - began == pytest.approx(90)
