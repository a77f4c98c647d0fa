"""`L1Source` over two endpoints: what it gives, and what it makes of faults, lies and endpoints that disagree."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fake_endpoints import Fault, RecordedChains
from tests.unit.l1.l1_network import network, on
from trinode.jsonrpc.replies import JsonObject, header_of
from trinode.l1.beacon import BlobsMissingError
from trinode.l1.pool import AllFailedError
from trinode.l1.source import WrongChainError
from trinode.protocol.header import header_hash
from trinode.protocol.types import BlockId

ZERO = "0x" + "00" * 32


async def test_every_block_and_label(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source()
        receipts = 0
        for number in sorted(chains.l1)[:40]:
            expected = net.expected(number)
            assert await source.block_by_number(number) == expected
            assert await source.block_by_hash(expected.id) == expected
            receipts += expected.receipts is not None
        assert 0 < receipts < 40
        assert net.calls(0, "eth_getBlockByHash") == 0  # cached
        assert net.calls(0, "eth_getBlockReceipts") <= receipts
        chains.labels |= {"latest": 30, "safe": 20, "finalized": None}
        head, safe = await source.head(), await source.safe()
        assert (head, safe) == (net.expected(30).ref, net.expected(20).ref)
        assert await source.finalized() is None
        chains.labels["finalized"] = 10
        assert await source.finalized() == net.expected(10).ref
        chains.labels["finalized"] = 9
        assert await source.finalized() == net.expected(10).ref
        assert await source.block_by_number(31) is None
        assert await source.block_by_hash(BlockId(5, b"\1" * 32)) is None
        assert net.notices == []


async def test_a_block_by_hash_is_had_by_hash(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source, number = net.source(), net.with_receipts()[0]
        assert await source.block_by_hash(net.expected(number).id) == net.expected(number)
        assert net.calls(0, "eth_getBlockByHash") == 1
        assert net.calls(0, "eth_getBlockByNumber") == 0


def damaged(**fields: Any) -> Fault:
    return Fault(damage=lambda result: result | fields)


def another_nonce(result: Any) -> Any:
    result["transactions"][0]["nonce"] = "0x77"
    return result


def flip_status(receipts: Any) -> Any:
    return [receipt | {"status": hex(1 - int(receipt["status"], 16))} for receipt in receipts]


LIES = [
    ("eth_getBlockByNumber", damaged(hash=ZERO), "hash"),
    ("eth_getBlockByNumber", damaged(gasUsed="0x1"), "hash"),
    ("eth_getBlockByNumber", damaged(number="0x99999"), "number"),
    ("eth_getBlockByNumber", damaged(stateRoot=None), "stateRoot"),
    ("eth_getBlockByNumber", damaged(gasLimit="0x" + "11" * 32), "hash"),
    ("eth_getBlockByNumber", damaged(transactions=[]), "transactions"),
    ("eth_getBlockByNumber", Fault(damage=another_nonce), "transactions[0].hash"),
    ("eth_getBlockByNumber", Fault(status=200, body=b"<html>"), ""),
    ("eth_getBlockReceipts", Fault(damage=flip_status), "receipts"),
    ("eth_getBlockReceipts", Fault(damage=lambda receipts: receipts[1:]), "receipts"),
    ("eth_getBlockReceipts", Fault(damage=lambda receipts: [{}] * len(receipts)), "[0].root"),
    ("eth_getBlockReceipts", Fault(damage=lambda _: {}), ""),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: f"{lie[0]} {lie[2]}")
async def test_who_lies_is_named_and_another_is_asked(
    chains: RecordedChains, autojump_clock: MockClock, lie: tuple[str, Fault, str]
) -> None:
    method, fault, field = lie
    async with network(chains) as net:
        source, numbers = net.source(), net.with_receipts()
        net.servers[0].fault = on(method, fault)
        assert await source.block_by_number(numbers[0]) == net.expected(numbers[0])
        assert [(error.endpoint, error.method, error.field) for error in net.notices] == [(net.name(0), method, field)]
        # It rests; the other one is asked from now on.
        assert await source.block_by_number(numbers[1]) == net.expected(numbers[1])
        assert len(net.notices) == 1


async def test_what_was_asked_before_the_lie_does_not_excuse_it(chains: RecordedChains, autojump_clock: MockClock) -> None:
    """A right answer to the watcher comes while, and ends after, a wrong one to derivation."""
    async with network(chains) as net:
        source, (first, second, *_) = net.source(), net.with_receipts()
        net.servers[0].fault = on("eth_getBlockReceipts", Fault(damage=lambda receipts: receipts[:-1]))
        node = source._pool.members[0]

        async def slow(_: object) -> None:
            await trio.sleep(3)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(source._pool.ask_one, node, slow)
            assert await source.block_by_number(first) == net.expected(first)
        assert source._pool.resting(node)
        assert await source.block_by_number(second) == net.expected(second)
        assert len(net.notices) == 1


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: f"{lie[0]} {lie[2]}")
async def test_nothing_unproved_is_given_or_kept(
    chains: RecordedChains, autojump_clock: MockClock, lie: tuple[str, Fault, str]
) -> None:
    method, fault, _ = lie
    async with network(chains) as net:
        source, number = net.source(), net.with_receipts()[0]
        for server in net.servers:
            server.fault = on(method, fault)
        if method == "eth_getBlockByNumber":
            with pytest.raises(AllFailedError) as caught:
                await source.block_by_number(number)
            assert caught.value.endpoint in {net.name(0), net.name(1)}
            assert [failure.method for failure in caught.value.failures] == [method, method]
        for server in net.servers:
            server.fault = None
        assert await source.block_by_number(number) == net.expected(number)


@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault(hang=True), Fault(hang_up=True), Fault(status=401), Fault(error=(-32000, "oops")), Fault(status=429)]
)
async def test_who_fails_rests_and_comes_back(chains: RecordedChains, autojump_clock: MockClock, fault: Fault) -> None:
    async with network(chains) as net:
        source, numbers = net.source(), sorted(chains.l1)
        net.servers[0].fault = on("eth_getBlockByNumber", fault, times=1)
        for number in numbers[:4]:
            assert await source.block_by_number(number) == net.expected(number)
        assert [error.endpoint for error in net.notices] == [net.name(0)]
        assert (net.calls(0, "eth_getBlockByNumber"), net.calls(1, "eth_getBlockByNumber")) == (1, 4)
        autojump_clock.jump(61)
        await source.block_by_number(numbers[4])
        assert net.calls(0, "eth_getBlockByNumber") == 2


async def test_who_is_silent_holds_up_one_request_and_no_more(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source, numbers = net.source(timeout=30.0), sorted(chains.l1)
        net.servers[0].fault = on("eth_getBlockByNumber", Fault(hang=True))
        taken: list[float] = []

        async def ask(number: int) -> None:
            begun = trio.current_time()
            assert await source.block_by_number(number) == net.expected(number)
            taken.append(trio.current_time() - begun)

        await ask(numbers[0])
        await ask(numbers[1])
        assert net.calls(0, "eth_getBlockByNumber") == 1
        autojump_clock.jump(11)
        async with trio.open_nursery() as nursery:
            for number in numbers[2:7]:
                nursery.start_soon(ask, number)
        assert net.calls(0, "eth_getBlockByNumber") == 2
        # Another endpoint is asked after five seconds; then it rests, and then one request finds out that it is silent still.
        assert [5 <= seconds < 10 for seconds in taken] == [True, False, False, False, False, False, True]


async def test_a_round_later_it_may_work(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source()
        for server in net.servers:
            server.fault = on("eth_getBlockByNumber", Fault(status=502), times=1)
        assert await source.block_by_number(5) == net.expected(5)
        assert len(net.notices) == 2


async def test_when_all_fail_each_is_named(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source()
        net.servers[0].fault = on("eth_getBlockByNumber", Fault(hang=True))
        net.servers[1].fault = on("eth_getBlockByNumber", damaged(hash=ZERO))
        with pytest.raises(AllFailedError) as caught:
            await source.block_by_number(5)
        text = str(caught.value)
        assert f"{net.name(0)}: eth_getBlockByNumber: no answer in time" in text
        assert f"{net.name(1)}: eth_getBlockByNumber: hash: 0x00" in text


async def test_an_endpoint_that_lags_does_not_hide_a_block(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source()
        net.servers[0].fault = on("eth_getBlockByNumber", Fault(damage=lambda _: None))
        assert await source.block_by_number(5) == net.expected(5)
        assert net.notices == []  # no fault of it


async def test_receipts_of_another_node_behind_a_balancer(chains: RecordedChains, autojump_clock: MockClock) -> None:
    """The block from one endpoint and its receipts from another: both by the same hash."""
    async with network(chains) as net:
        source, number = net.source(), net.with_receipts()[0]
        net.servers[0].fault = on("eth_getBlockReceipts", Fault(damage=lambda _: None))
        assert await source.block_by_number(number) == net.expected(number)
        assert net.calls(1, "eth_getBlockByNumber") == 0
        assert net.calls(1, "eth_getBlockReceipts") == 1


async def test_a_cached_block_is_given_only_while_it_is_canonical(chains: RecordedChains, autojump_clock: MockClock) -> None:
    def reorged(result: Any) -> Any:
        result["extraData"] = "0x11"
        result["hash"] = "0x" + header_hash(header_of(JsonObject(result, ""))).hex()
        return result

    async with network(chains) as net:
        source = net.source(servers=(0,))
        chains.labels["finalized"] = 4
        await source.finalized()
        for _ in range(2):
            assert await source.block_by_number(5) == net.expected(5)
        assert net.calls(0, "eth_getBlockByNumber") == 3  # the label, the block, and whether it is canonical still
        net.servers[0].fault = on("eth_getBlockByNumber", Fault(damage=reorged))
        assert await source.block_by_number(5) is None  # the fake has no such block
        assert await source.block_by_hash(net.expected(5).id) == net.expected(5)
        net.servers[0].fault = None
        await source.block_by_number(4)
        count = net.calls(0, "eth_getBlockByNumber")
        assert await source.block_by_number(4) == net.expected(4)
        assert net.calls(0, "eth_getBlockByNumber") == count  # finalized: nobody is asked


async def test_finality_does_not_vouch_for_what_was_fetched_before_it(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source(servers=(0,))
        chains.labels["finalized"] = 4
        await source.finalized()
        await source.block_by_number(5)
        chains.labels["finalized"] = 9
        await source.finalized()
        count = net.calls(0, "eth_getBlockByNumber")
        await source.block_by_number(5)
        assert net.calls(0, "eth_getBlockByNumber") == count + 1
        await source.block_by_number(5)
        assert net.calls(0, "eth_getBlockByNumber") == count + 1


async def test_labels_that_contradict_are_named(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source = net.source()
        chains.labels |= {"finalized": 10, "latest": 12}
        await source.finalized()
        chains.labels["latest"] = 9
        with pytest.raises(AllFailedError, match="its head 9 is before the finalized block 10"):
            await source.head()


# ---- the start ----


async def test_check(chains: RecordedChains, autojump_clock: MockClock) -> None:
    genesis = chains.head.rollup_config.genesis.l1
    chain_id = chains.head.rollup_config.l1_chain_id
    first = chains.l1[min(chains.l1)].block.id
    async with network(chains) as net:
        await net.source().check(chain_id, first)
        with pytest.raises(WrongChainError, match=r"eth_chainId: 31337, but the rollup's L1 is chain 7"):
            await net.source().check(7, first)
        with pytest.raises(WrongChainError, match=f"{net.name(0)}: eth_getBlockByNumber: hash: block {first.number} is 0x"):
            await net.source().check(chain_id, BlockId(first.number, genesis.hash[::-1]))


async def test_who_is_down_at_the_start_is_checked_later(chains: RecordedChains, autojump_clock: MockClock) -> None:
    first, chain_id = chains.l1[min(chains.l1)].block.id, chains.head.rollup_config.l1_chain_id
    async with network(chains) as net:
        source = net.source()
        net.servers[0].fault = on("eth_chainId", Fault(status=503), times=1)
        await source.check(chain_id, first)
        net.servers[0].fault = on("eth_chainId", Fault(damage=lambda _: "0x5"))
        autojump_clock.jump(61)
        assert await source.block_by_number(5) == net.expected(5)
        assert net.notices[-1].message.startswith("5, but the rollup's L1 is chain")
        assert net.calls(0, "eth_getBlockByNumber") == 0
        for server in net.servers:
            server.fault = on("eth_chainId", Fault(hang_up=True))
        with pytest.raises(AllFailedError):
            await net.source().check(chain_id, first)


# ---- blobs ----


async def test_blobs(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source, item = net.source(), chains.l1[net.with_blobs()[0]]
        hashes = (*item.blobs, *item.blobs)
        expected = tuple(item.blobs.values()) * 2
        for _ in range(2):
            assert await source.blobs(item.block.id, item.block.header.timestamp, hashes) == expected
        assert net.calls(0, "blobs", "beacon") == 1
        assert net.calls(1, "blobs", "beacon") == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418])
async def test_any_4xx_leads_to_the_archiver(chains: RecordedChains, autojump_clock: MockClock, status: int) -> None:
    async with network(chains) as net:
        source, item = net.source(), chains.l1[net.with_blobs()[0]]

        def refuse(_service: str, method: str, _params: list[Any]) -> Fault | None:
            return Fault(status=status) if method in {"blobs", "blob_sidecars"} else None

        net.servers[0].fault = refuse
        assert await source.blobs(item.block.id, item.block.header.timestamp, tuple(item.blobs)) == tuple(item.blobs.values())
        assert net.notices == []


async def test_a_blob_that_is_none_of_l1_s_is_named(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source, item = net.source(), chains.l1[net.with_blobs()[0]]

        def lie(_service: str, method: str, _params: list[Any]) -> Fault | None:
            if method == "blobs":
                return Fault(damage=lambda reply: {"data": ["0x0001" + blob[6:] for blob in reply["data"]]})
            if method == "blob_sidecars":
                return Fault(damage=lambda reply: {"data": [{"blob": "0x0001" + one["blob"][6:]} for one in reply["data"]]})
            return None

        net.servers[0].fault = lie
        assert await source.blobs(item.block.id, item.block.header.timestamp, tuple(item.blobs)) == tuple(item.blobs.values())
        (error,) = net.notices
        assert error.endpoint == net.name(0, "beacon")
        assert error.method.startswith("blob_sidecars/")
        assert (error.field, "none has versioned hash 0x01" in error.message) == ("data", True)


async def test_pruned_blobs_and_blobs_of_a_block_that_is_gone(chains: RecordedChains, autojump_clock: MockClock) -> None:
    async with network(chains) as net:
        source, number = net.source(), net.with_blobs()[0]
        item, other = chains.l1[number], chains.l1[number + 1].block
        chains.has_blobs_route = chains.has_sidecars_route = False
        timestamp = item.block.header.timestamp
        with pytest.raises(BlobsMissingError) as caught:
            await source.blobs(item.block.id, timestamp, tuple(item.blobs))
        text = str(caught.value)
        assert f"blob_sidecars/{timestamp - 1_000_000_000}: HTTP 404" in text
        assert net.name(1, "beacon") in text
        assert "pruned? then add a blob archiver" in text
        assert await source.blobs(BlockId(number, other.hash), timestamp, tuple(item.blobs)) is None
