"""New heads and reorgs: what leaves the pool, what comes back, what waits again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.engine.pool.pool_chain import ADDRESSES, PoolChain, parts, pay, set_fee, taken
from trinode.engine.pool import PoolError, PoolLimits, admission, reorg
from trinode.engine.pool.pooled import PooledTransaction
from trinode.protocol.transaction import transaction_hash
from trinode.rollup.fork import Fork

NewChain = Callable[..., PoolChain]


@pytest.mark.parametrize("told", [True, False])
def test_what_a_block_has_leaves(chain: PoolChain, told: bool) -> None:
    chain.add(pay(0), pay(1), pay(0, 1), pay(3))
    assert len(chain.extend(told=told)) == 3
    assert parts(chain.pool) == ([], [3])
    assert chain.pool.get(transaction_hash(pay(0, 1))) is None


@pytest.mark.parametrize("told", [True, False])
def test_what_a_block_has_in_its_place_leaves_too(chain: PoolChain, told: bool) -> None:
    chain.add(pay(0), pay(1), pay(2))
    other = [pay(0, value=77), pay(1, value=77)]
    chain.append(chain.build(offered=other), told=told)
    assert parts(chain.pool) == ([2], [])


@pytest.mark.parametrize("told", [True, False])
def test_a_balance_that_is_spent(chain: PoolChain, told: bool) -> None:
    chain.add(pay(1, value=10**17), pay(2))
    spends_all = pay(0, value=95 * 10**16)
    chain.append(chain.build(offered=[spends_all]), told=told)
    assert parts(chain.pool) == ([], [1, 2])
    back = pay(0, 1, value=10**17, to=ADDRESSES[0])
    chain.append(chain.build(offered=[back]), told=told)
    assert parts(chain.pool) == ([1, 2], [])


def test_several_blocks_at_once(chain: PoolChain) -> None:
    chain.add(pay(0))
    first = chain.build()
    chain.store.append(first)
    second = chain.build(offered=[pay(1)])
    chain.store.append(second)
    chain.add(pay(1), pay(2))
    chain.pool.head_moved((first, second))
    assert parts(chain.pool) == ([2], [])


def test_blocks_that_do_not_lead_to_the_head_are_not_believed(chain: PoolChain) -> None:
    chain.add(pay(0), pay(0, 1))
    first = chain.build(offered=[pay(0)])
    chain.store.append(first)
    second = chain.build(offered=[pay(0, 1)])
    chain.store.append(second)
    chain.pool.head_moved((second,))
    assert chain.pool.status() == (0, 0)


def test_the_same_head_changes_nothing(chain: PoolChain) -> None:
    chain.add(pay(0))
    version = chain.pool.version
    chain.pool.head_moved()
    assert (chain.pool.status(), chain.pool.version) == ((1, 0), version)


# ---- reorgs ----


def test_transactions_of_blocks_that_are_taken_back_come_again(chain: PoolChain) -> None:
    genesis = chain.store.head.hash
    chain.add(pay(0), pay(1), pay(0, 1))
    chain.extend()
    chain.add(pay(2), pay(4))
    chain.extend()
    chain.add(pay(3))
    assert parts(chain.pool) == ([3, 4], [])
    chain.rewind(genesis)
    assert parts(chain.pool) == ([0, 1, 2, 3, 4], [])
    assert parts(chain.pool, 1) == ([0], [])
    assert sorted(chain.extend()) == sorted([*(pay(nonce) for nonce in range(5)), pay(0, 1)])


def test_another_branch_with_some_of_them(chain: PoolChain) -> None:
    genesis = chain.store.head.hash
    chain.add(pay(0), pay(1), pay(0, 1), pay(0, 2))
    old = chain.build()
    other = chain.build(offered=[pay(0), pay(0, 2, value=99)])
    chain.append(old)
    assert chain.pool.status() == (0, 0)
    chain.store.rewind(genesis)
    chain.append(other)
    assert (parts(chain.pool), parts(chain.pool, 1), parts(chain.pool, 2)) == (([1], []), ([0], []), ([], []))
    chain.rewind(genesis)
    assert (parts(chain.pool), parts(chain.pool, 1), parts(chain.pool, 2)) == (([0, 1], []), ([0], []), ([0], []))
    assert pay(0, 2, value=99) in chain.pool.content().pending[ADDRESSES[2]].values()


def test_what_comes_back_is_not_held_to_the_rules_of_the_door(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(price_limit=50))
    genesis = chain.store.head.hash
    chain.append(chain.build(offered=[pay(0, tip=1)]))
    chain.rewind(genesis)
    assert chain.extend() == (pay(0, tip=1),)


def test_a_queue_is_not_cut_before_the_gap_is_filled_again(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(account_queue=5))
    genesis = chain.store.head.hash
    chain.add(pay(0))
    chain.extend()
    chain.add(*(pay(nonce) for nonce in range(1, 30)))
    chain.rewind(genesis)
    assert parts(chain.pool) == (list(range(30)), [])


def test_they_come_back_in_the_order_of_the_blocks(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(account_queue=0))
    genesis = chain.store.head.hash
    for nonce in range(4):
        chain.append(chain.build(offered=[pay(nonce)]))
    chain.rewind(genesis)
    assert parts(chain.pool) == ([0, 1, 2, 3], [])


def test_nothing_comes_back_from_a_deep_reorg(chain: PoolChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reorg, "MOST_TAKEN_BACK", 2)
    genesis = chain.store.head.hash
    for nonce in range(3):
        chain.add(pay(nonce))
        chain.extend()
    chain.add(pay(3))
    chain.rewind(genesis)
    assert parts(chain.pool) == ([], [3])


def test_what_was_replaced_meanwhile_stays_replaced(chain: PoolChain) -> None:
    genesis = chain.store.head.hash
    chain.append(chain.build(offered=[pay(0)]))
    dearer = pay(0, tip=20, fee=200_000)
    chain.store.rewind(genesis)
    other = chain.build(offered=[])
    chain.append(other)
    assert chain.pool.status() == (1, 0)
    chain.add(dearer)
    assert chain.extend() == (dearer,)


# ---- fees and forks ----


def test_higher_fees_are_looked_at_for_all_accounts_in_turn(chain: PoolChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trinode.engine.pool.pool._SETTLED_AT_ONCE", 2)
    chain.add(*(pay(0, key, value=10**17) for key in range(4)))
    chain.append(chain.build(set_fee(8, 95 * 10**16), offered=[]))
    assert chain.pool.status() == (2, 2)
    chain.append(chain.build(offered=[]))
    assert chain.pool.status() == (0, 4)
    for _ in range(2):
        chain.append(chain.build(set_fee(8, 1), offered=[]))
    assert chain.pool.status() == (4, 0)


def test_a_transaction_of_an_account_that_was_not_looked_at_yet(chain: PoolChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trinode.engine.pool.pool._SETTLED_AT_ONCE", 0)
    chain.add(pay(0, value=10**17), pay(1, value=10**17))
    chain.append(chain.build(set_fee(8, 42 * 10**16), offered=[]))
    chain.add(pay(3, value=1))
    assert parts(chain.pool) == ([0], [1, 3])


def test_a_smaller_block_gas_limit(new_chain: NewChain) -> None:
    chain = new_chain(fork=Fork.ISTHMUS)
    chain.add(pay(0, gas=25_000_000, tip=1), pay(1), pay(0, 1))
    chain.append(chain.build(offered=[], gas_limit=20_000_000))
    assert parts(chain.pool) == ([], [1])
    assert parts(chain.pool, 1) == ([0], [])


def test_a_fork_that_makes_a_transaction_impossible(new_chain: NewChain) -> None:
    chain = new_chain(fork=Fork.JOVIAN, later={Fork.KARST: 1_004})
    chain.add(pay(0, gas=2**24 + 1), pay(0, 1))
    chain.append(chain.build(offered=[]))
    assert parts(chain.pool) == ([0], [])
    chain.append(chain.build(offered=[]))
    assert parts(chain.pool) == ([], [])
    assert parts(chain.pool, 1) == ([0], [])


def test_a_fork_while_a_transaction_is_looked_at(new_chain: NewChain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = new_chain(fork=Fork.JOVIAN, later={Fork.KARST: 1_002})
    block = chain.build(offered=[])
    look = admission.admit

    def look_long(*arguments: Any) -> PooledTransaction:
        transaction = look(*arguments)
        chain.append(block)
        return transaction

    monkeypatch.setattr("trinode.engine.pool.pool.admit", look_long)
    with pytest.raises(PoolError, match="transaction gas limit too high"):
        chain.add(pay(0, gas=2**24 + 1))
    assert chain.pool.status() == (0, 0)


def test_taken_is_all_that_users_sent(chain: PoolChain) -> None:
    chain.add(pay(0))
    block = chain.build(set_fee(1, 1))
    assert taken(block) == (pay(0),)
    assert len(block.transactions) == 3
