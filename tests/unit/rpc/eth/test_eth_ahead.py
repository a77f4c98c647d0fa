"""Blocks whose JSON is there before they are the head."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.rpc.eth.eth_chain import EthChain
from tests.unit.rpc.eth.event_chain import EventChain
from trinode.engine.moves import told_of
from trinode.protocol.head_move import BlockWithReceipts
from trinode.rpc.eth.namespace import EthNamespace

ASKED: list[tuple[str, list[Any]]] = [
    ("eth_getBlockByNumber", ["latest", True]),
    ("eth_getBlockByNumber", ["latest", False]),
    ("eth_getBlockReceipts", ["latest"]),
]


def at_once(eth: EthNamespace, method: str, params: list[Any]) -> msgspec.Raw | None:
    """The answer, if nothing has to be waited for."""
    found = eth.methods[method].begin(params)
    if isinstance(found, msgspec.Raw):
        return found
    assert isinstance(found, Coroutine)
    found.close()
    return None


def extend(chain: EthChain, eth: EthNamespace, count: int = 1) -> None:
    for block in chain.tree.chain(chain.store.head.hash, count):
        executed = chain.tree.executor.check(chain.store.parent_for(chain.store.head.hash), block.header, block.transactions)
        eth.prepare_head(told_of(executed))
        chain.store.append(executed)


@pytest.mark.parametrize(("method", "params"), ASKED)
async def test_what_was_asked_of_one_head_is_ready_for_the_next(chain: EthChain, method: str, params: list[Any]) -> None:
    chain.extend(2)
    eth = EthNamespace(chain.tree.config, chain.store, progress=lambda: None)
    assert at_once(eth, method, params) is None
    extend(chain, eth)
    answer = at_once(eth, method, params)
    assert answer is not None
    other = EthNamespace(chain.tree.config, chain.store, progress=lambda: None)
    assert answer == await other.methods[method](params)
    assert [at_once(eth, *others) is not None for others in ASKED] == [others == (method, params) for others in ASKED], "and nothing else"


async def test_the_number_of_the_head_is_as_good_as_its_name(chain: EthChain) -> None:
    chain.extend(2)
    eth = EthNamespace(chain.tree.config, chain.store, progress=lambda: None)
    assert at_once(eth, "eth_getBlockByNumber", ["0x2", True]) is None
    extend(chain, eth)
    assert at_once(eth, "eth_getBlockByNumber", ["latest", True]) is not None


async def test_nothing_is_prepared_for_those_who_are_gone(chain: EthChain) -> None:
    chain.extend(2)
    eth = EthNamespace(chain.tree.config, chain.store, progress=lambda: None)
    at_once(eth, "eth_getBlockByNumber", ["latest", True])
    extend(chain, eth, 9)
    assert at_once(eth, "eth_getBlockByNumber", ["latest", True]) is None


async def test_the_engine_tells_of_a_block_before_it_is_the_head(tmp_path: Path) -> None:
    events = EventChain(tmp_path)
    told: list[tuple[BlockWithReceipts, bytes]] = []
    events.core.prepare_head = lambda block: told.append((block, events.store.head.hash))
    first = events.make(events.genesis, 1)
    second = events.make(first.hash, 2)
    third = events.make(second.hash, 3)
    events.choose(first)
    events.choose(third)
    assert [(each.block.hash, head) for each, head in told] == [(first.hash, events.genesis), (third.hash, first.hash)]
    events.store.close()
    assert [len(each.receipts or ()) for each, _ in told] == [len(first.receipts), len(third.receipts)]
