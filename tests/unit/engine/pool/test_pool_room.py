"""Who gives way when the pool is full."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.unit.engine.pool.pool_chain import PoolChain, parts, pay
from trinode.engine.pool import PoolError, PoolLimits
from trinode.engine.pool.shelf import Shelf

NewChain = Callable[..., PoolChain]


def refused(chain: PoolChain, raw: bytes, words: str) -> None:
    """The pool does not take the transaction, and is as before."""
    before = chain.pool.content()
    with pytest.raises(PoolError, match=f"^{words}$"):
        chain.pool.add(raw)
    assert chain.pool.content() == before


def test_the_one_that_pays_least_gives_way_to_one_that_pays_more(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=3))
    chain.add(pay(0, 0, tip=30), pay(0, 1, tip=20), pay(0, 2, tip=40))
    refused(chain, pay(0, 3, tip=20), "transaction underpriced")
    chain.add(pay(0, 3, tip=21))
    assert [parts(chain.pool, key)[0] for key in range(4)] == [[0], [], [0], [0]]
    chain.add(pay(0, 1, tip=22))
    assert [parts(chain.pool, key)[0] for key in range(4)] == [[0], [0], [0], []]


def test_what_counts_is_the_tip_at_the_base_fee_of_the_next_block(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=2))  # the genesis block's base fee is 1000, the next is 996
    chain.add(pay(0, 0, tip=500, fee=1_000), pay(0, 1, tip=20))
    chain.add(pay(0, 2, tip=10))
    assert [parts(chain.pool, key)[0] for key in range(3)] == [[], [0], [0]]


def test_a_new_head_changes_what_counts(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=2))
    high, low = pay(0, 0, tip=20, fee=1_020), pay(0, 1, tip=15)
    chain.add(high, low)
    refused(chain, pay(0, 2, tip=10), "transaction underpriced")
    spend = Random(3).randbytes(100_000)  # much more gas than a block aims at: the base fee rises
    chain.append(chain.build(offered=[pay(0, 5, tip=50, data=spend[:70_000], gas=15_000_000)]))
    chain.add(pay(0, 2, tip=10))
    assert [parts(chain.pool, key)[0] for key in range(3)] == [[], [0], [0]]


def test_large_transactions_take_the_room_of_several(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=4))
    chain.add(*(pay(0, key, tip=10 + key) for key in range(4)))
    large = pay(0, 5, tip=100, data=bytes(70_000), gas=10**6)
    chain.add(large)
    assert [parts(chain.pool, key)[0] for key in range(6)] == [[], [], [], [0], [], [0]]
    refused(chain, pay(0, 6, tip=99, data=bytes(70_000), gas=10**6), "transaction underpriced")
    larger = pay(0, 5, tip=200, fee=200_000, data=bytes(120_000), gas=2 * 10**6)
    chain.add(larger)
    assert list(chain.pool.best(0)) == [larger]


def test_an_account_has_its_guaranteed_slots(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=6, account_slots=2))
    chain.add(*(pay(nonce, 0, tip=1_000) for nonce in range(5)), pay(0, 1, tip=5))
    chain.add(pay(0, 2, tip=1), pay(0, 3, tip=1))  # each has a right to two, whatever it pays
    assert [parts(chain.pool, key) for key in range(4)] == [([0, 1, 2], []), ([0], []), ([0], []), ([0], [])]
    refused(chain, pay(3, 0, tip=1_000), "txpool is full")  # there is nobody else beyond his two
    chain.add(pay(1, 1, tip=1))
    refused(chain, pay(0, 4, tip=1), "transaction underpriced")
    chain.add(pay(0, 4, tip=2))
    assert [len(parts(chain.pool, key)[0]) for key in range(5)].count(0) == 0


def test_own_transactions_do_not_give_way(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=2))
    chain.add(pay(0, tip=1), pay(1, tip=1))
    refused(chain, pay(2, tip=100), "txpool is full")


def test_others_give_way_before_the_cheap_ones_that_go_before(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=3))
    chain.add(pay(0, tip=1), pay(0, 1, tip=30), pay(0, 2, tip=40))
    chain.add(pay(1, tip=50))
    assert [parts(chain.pool, key)[0] for key in range(3)] == [[0, 1], [], [0]]


def test_when_one_in_the_middle_goes_the_next_ones_wait(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=3))
    chain.add(pay(0, tip=50), pay(1, tip=1), pay(2, tip=50))
    chain.add(pay(0, 1, tip=10))
    assert parts(chain.pool) == ([0], [2])
    chain.add(pay(1, tip=20))
    assert parts(chain.pool) == ([0, 1, 2], [])


def test_the_queue_has_its_own_room(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=2, global_queue=2))
    chain.add(pay(1, 0, tip=10), pay(1, 1, tip=20))
    refused(chain, pay(1, 2, tip=10), "transaction underpriced")
    chain.add(pay(0, 3, tip=1), pay(1, 2, tip=15))
    assert [parts(chain.pool, key) for key in range(4)] == [([], []), ([], [1]), ([], [1]), ([0], [])]


def test_a_gap_filled_when_there_is_no_room_for_what_follows(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=2, global_queue=2))
    chain.add(pay(1, tip=10), pay(2, tip=10), pay(0, 1, tip=50))
    chain.add(pay(0, tip=60))
    assert chain.pool.status().pending == 2
    assert parts(chain.pool)[0] == [0]


def test_what_is_worth_less_than_what_it_makes_pending(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=2, global_queue=2))
    chain.add(pay(1, tip=100), pay(0, 1, tip=50))
    with pytest.raises(PoolError, match="txpool is full"):
        chain.pool.add(pay(0, tip=10))
    assert chain.pool.status().pending == 1


def test_demoted_transactions_are_bounded(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(global_slots=20, global_queue=8, account_queue=6, account_slots=1))
    chain.add(pay(0, tip=1), *(pay(nonce, tip=50) for nonce in range(1, 20)))
    chain.add(*(pay(0, key, tip=99) for key in range(1, 8)))
    assert chain.pool.status().pending <= 20
    assert chain.pool.status().queued <= 6
    assert parts(chain.pool)[0] == list(range(len(parts(chain.pool)[0])))


def test_a_shelf_counts_what_was_put_back_once(chain: PoolChain) -> None:
    chain.add(pay(0, 0, tip=1), pay(0, 1, tip=2))
    cheap, dear = chain.pool._pending.transactions.values()
    shelf = Shelf(1, lambda transaction: (False, transaction.tip(0), -transaction.order))
    for transaction in (cheap, dear):
        shelf.add(transaction)
    assert shelf.weakest(1) == [cheap]
    shelf.remove(cheap)
    shelf.add(cheap)
    assert shelf.weakest(2) == shelf.weakest(3) == [cheap, dear]
    assert shelf.weakest(1, spared=cheap.sender) == [dear]
    assert (shelf.excess(), shelf.excess(2)) == (1, 3)
    shelf.remove(cheap)
    assert shelf.weakest(1) == [dear]
