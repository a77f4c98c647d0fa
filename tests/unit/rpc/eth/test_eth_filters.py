"""Filters: what they give, in which order, and how long they live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.unit.execution.small_chain import transfer
from tests.unit.rpc.eth.event_chain import EventChain
from trinode.protocol.transaction import transaction_hash
from trinode.rpc.eth import filters
from trinode.rpc.eth.log_criteria import Choices

NOT_FOUND = (-32000, "filter not found")


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[EventChain]:
    made = EventChain(tmp_path)
    with made.store:
        yield made


def topic(number: int) -> str:
    return f"0x{number:064x}"


def places(logs: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    return [(log["blockHash"], log["logIndex"], log["removed"]) for log in logs]


def name(block_hash: bytes) -> str:
    return "0x" + block_hash.hex()


async def test_a_reorg_as_op_geth_tells_it(chain: EventChain) -> None:
    """The same blocks as in tests/integration/test_op_geth_notifications.py."""
    everything = await chain.call("newFilter", {})
    second = await chain.call("newFilter", {"fromBlock": "0x2", "toBlock": "0x9"})
    fives = await chain.call("newFilter", {"topics": [topic(5)]})
    blocks = await chain.call("newBlockFilter")
    assert await chain.call("getFilterChanges", everything) == []
    a1 = chain.make(chain.genesis, 1)
    a2 = chain.make(a1.hash, 2, 3)
    for block in (a1, a2):
        chain.choose(block)
    await wait_all_tasks_blocked()
    told = await chain.call("getFilterChanges", everything)
    assert told == await chain.call("getLogs", {"fromBlock": "0x1"})
    assert await chain.call("getFilterLogs", everything) == told[2:]
    b1 = chain.make(chain.genesis, 2)
    b2 = chain.make(b1.hash, 5)
    chain.choose(b2)
    await wait_all_tasks_blocked()
    of_a1, of_a2, of_b1, of_b2 = (name(block.hash) for block in (a1, a2, b1, b2))
    gone = [(of_a1, "0x0", True), (of_a1, "0x1", True), *[(of_a2, hex(index), True) for index in range(4)]]
    come = [(of_b1, "0x0", False), (of_b1, "0x1", False), (of_b2, "0x0", False), (of_b2, "0x1", False)]
    assert places(await chain.call("getFilterChanges", everything)) == gone + come
    old = [(of_a2, hex(index), False) for index in range(4)]
    assert places(await chain.call("getFilterChanges", second)) == old + gone[2:] + come[2:]
    assert places(await chain.call("getFilterChanges", fives)) == come[2:]
    assert await chain.call("getFilterChanges", blocks) == [of_a1, of_a2, of_b1, of_b2]
    for each in (everything, second, fives, blocks):
        assert await chain.call("getFilterChanges", each) == []


async def test_a_head_that_goes_back(chain: EventChain) -> None:
    a1 = chain.make(chain.genesis, 1)
    a2 = chain.make(a1.hash, 2)
    chain.choose(a2)
    await wait_all_tasks_blocked()
    logs, blocks = await chain.call("newFilter", {}), await chain.call("newBlockFilter")
    chain.choose(a1)
    await wait_all_tasks_blocked()
    assert places(await chain.call("getFilterChanges", logs)) == [(name(a2.hash), "0x0", True), (name(a2.hash), "0x1", True)]
    assert await chain.call("getFilterChanges", blocks) == []
    chain.choose(a1)
    await wait_all_tasks_blocked()
    assert await chain.call("getFilterChanges", logs) == []


async def test_pending_transactions(chain: EventChain) -> None:
    hashes, whole = await chain.call("newPendingTransactionFilter"), await chain.call("newPendingTransactionFilter", True)
    raws = [transfer(0, 0), transfer(0, 1)]
    chain.pending.publish(raws)
    await wait_all_tasks_blocked()
    expected = [name(transaction_hash(raw)) for raw in raws]
    assert await chain.call("getFilterChanges", hashes) == expected
    told = await chain.call("getFilterChanges", whole)
    assert [each["hash"] for each in told] == expected
    assert told[0]["blockHash"] is None
    assert await chain.call("getFilterChanges", whole) == []


async def test_errors_as_op_geth_has_them(chain: EventChain) -> None:
    """Recorded from op-geth, but for what is said of wrong JSON types."""
    for method in ("getFilterChanges", "getFilterLogs"):
        for unknown in ("0x1", "zz"):
            assert await chain.error(method, unknown) == NOT_FOUND
    assert await chain.call("uninstallFilter", "0x1") is False
    assert await chain.error("getFilterLogs", await chain.call("newBlockFilter")) == NOT_FOUND
    missing = (-32602, "missing value for required argument 0")
    assert await chain.error("newFilter") == await chain.error("getFilterChanges") == missing
    assert await chain.error("newBlockFilter", 1) == (-32602, "too many arguments, want at most 0")
    for wanted in (
        {"fromBlock": "0x5", "toBlock": "0x1"},
        {"fromBlock": "latest", "toBlock": "0x1"},
        {"toBlock": "earliest"},
        {"fromBlock": "safe"},
        {"fromBlock": "latest", "toBlock": "finalized"},
    ):
        assert await chain.error("newFilter", wanted) == (-32602, "invalid block range params")
    for wanted in ({"fromBlock": "pending"}, {"toBlock": "pending"}):
        assert await chain.error("newFilter", wanted) == (-32602, "pending logs are not supported")
    for wanted in ({"fromBlock": "earliest"}, {"blockHash": topic(7)}, {"fromBlock": "earliest", "toBlock": "latest"}, {"fromBlock": "0x1"}):
        assert (await chain.call("newFilter", wanted)).startswith("0x")


async def test_filters_end(chain: EventChain) -> None:
    used = await chain.call("newFilter", {})
    assert await chain.call("uninstallFilter", used) is True
    assert await chain.call("uninstallFilter", used) is False
    assert await chain.error("getFilterChanges", used) == NOT_FOUND


async def test_filters_that_nobody_asks_end(autojump_clock: MockClock, chain: EventChain) -> None:
    asked, forgotten = await chain.call("newBlockFilter"), await chain.call("newBlockFilter")
    for _ in range(2):
        await trio.sleep(filters.LIFETIME - 1)
        assert await chain.call("getFilterChanges", asked) == []
    assert await chain.error("getFilterChanges", forgotten) == NOT_FOUND


async def test_their_number_is_bounded(autojump_clock: MockClock, chain: EventChain) -> None:
    made = [await chain.call("newBlockFilter") for _ in range(filters.MAX_FILTERS)]
    assert (await chain.error("newFilter", {}))[0] == -32005
    await chain.call("uninstallFilter", made[0])
    await chain.call("newFilter", {})
    await trio.sleep(filters.LIFETIME)
    await chain.call("newBlockFilter")


async def test_their_topics_are_bounded(chain: EventChain) -> None:
    many = {"topics": [[topic(number) for number in range(1000)]] * 4}
    made = [await chain.call("newFilter", many) for _ in range(25)]
    assert (await chain.error("newFilter", many))[0] == -32005
    assert await chain.call("uninstallFilter", made[0])
    await chain.call("newFilter", many)


async def test_one_that_is_asked_too_late_is_gone(tmp_path: Path) -> None:
    chain = EventChain(tmp_path, most_bytes=8_000)
    with chain.store:
        late, early = await chain.call("newFilter", {}), await chain.call("newFilter", {})
        parent = chain.genesis
        for number in range(10):
            block = chain.make(parent, number + 1)
            chain.choose(block)
            await wait_all_tasks_blocked()
            assert len(await chain.call("getFilterChanges", early)) == 2
            parent = block.hash
        assert await chain.error("getFilterChanges", late) == NOT_FOUND
        assert await chain.error("getFilterLogs", late) == NOT_FOUND


async def test_an_answer_is_bounded_and_the_rest_comes_next(tmp_path: Path) -> None:
    chain = EventChain(tmp_path)
    chain.namespace.methods.update(filters.FilterMethods(chain.sources, Choices(), _no_logs, most_answered=4_000).methods)
    chain.dispatcher.methods.update(chain.namespace.methods)
    with chain.store:
        wanted = await chain.call("newBlockFilter")
        parent, made = chain.genesis, []
        for _ in range(7):
            block = chain.make(parent)
            chain.choose(block)
            made.append(name(block.hash))
            parent = block.hash
        await wait_all_tasks_blocked()
        parts = [await chain.call("getFilterChanges", wanted) for _ in range(4)]
        assert [len(part) for part in parts] == [3, 3, 1, 0]
        assert [each for part in parts for each in part] == made


async def _no_logs(query: object) -> list[object]:
    return []
