"""Receipts by every method that some endpoint has."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.fake_endpoints import Fault, RecordedChains
from tests.unit.l1.l1_network import network, on
from trinode.l1.receipts import METHOD_RESET_SECONDS

METHODS = [
    "eth_getBlockReceipts",
    "debug_getRawReceipts",
    "alchemy_getTransactionReceipts",
    "erigon_getBlockReceiptsByBlockHash",
    "parity_getBlockReceipts",
    "eth_getTransactionReceipt",
]


@pytest.mark.parametrize("method", METHODS)
async def test_whichever_method_is_there_is_found_and_remembered(
    chains: RecordedChains, autojump_clock: MockClock, method: str
) -> None:
    async with network(chains) as net:
        chains.has_block_receipts = method == METHODS[0]
        chains.other_receipts_methods = {method}
        source, numbers = net.source(servers=(0,)), net.with_receipts()[:3]
        for number in numbers:
            assert await source.block_by_number(number) == net.expected(number)
        for tried in METHODS[: METHODS.index(method)]:
            assert net.calls(0, tried) == 1
        expected = sum(len(net.expected(number).transactions) for number in numbers) if method == METHODS[-1] else 3
        assert net.calls(0, method) == expected
        assert net.notices == []


async def test_the_preferred_method_is_tried_again_later(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        chains.has_block_receipts = False
        source, numbers = net.source(servers=(0,)), net.with_receipts()
        await source.block_by_number(numbers[0])
        chains.has_block_receipts = True
        await source.block_by_number(numbers[1])
        assert net.calls(0, "eth_getBlockReceipts") == 1
        autojump_clock.jump(METHOD_RESET_SECONDS)
        await source.block_by_number(numbers[2])
        assert net.calls(0, "eth_getBlockReceipts") == 2


async def test_a_method_that_is_wrong_is_set_aside(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        net.servers[0].fault = on("eth_getBlockReceipts", Fault(damage=lambda receipts: receipts[1:]))
        chains.other_receipts_methods = {"debug_getRawReceipts"}
        source, number = net.source(servers=(0,)), net.with_receipts()[0]
        assert await source.block_by_number(number) == net.expected(number)
        assert [error.method for error in net.notices] == ["eth_getBlockReceipts"]
        assert net.calls(0, "debug_getRawReceipts") == 1


@pytest.mark.parametrize("batches", [True, False])
async def test_one_by_one_with_and_without_batches(chains: RecordedChains, autojump_clock: MockClock, batches: bool) -> None:
    async with network(chains) as net:
        chains.has_block_receipts = False
        net.servers[0].takes_batches = batches
        number = max(net.with_receipts(), key=lambda number: len(chains.l1[number].block.transactions))
        assert len(chains.l1[number].block.transactions) > 1
        assert await net.source(servers=(0,)).block_by_number(number) == net.expected(number)


async def test_one_receipt_is_missing(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        chains.has_block_receipts = False
        net.servers[0].fault = on("eth_getTransactionReceipt", Fault(damage=lambda _: None))
        number = net.with_receipts()[0]
        assert await net.source().block_by_number(number) == net.expected(number)
        assert net.calls(1, "eth_getTransactionReceipt") == len(chains.l1[number].block.transactions)
