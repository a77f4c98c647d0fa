"""Gaps, replacements, and how long and how many transactions of an account wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.engine.pool.pool_chain import ADDRESSES, PoolChain, legacy, parts, pay
from trinode.engine.pool import PoolError, PoolLimits
from trinode.protocol.transaction import transaction_hash

NewChain = Callable[..., PoolChain]


def refused(chain: PoolChain, raw: bytes, words: str) -> None:
    """The pool does not take the transaction."""
    with pytest.raises(PoolError, match=words):
        chain.pool.add(raw)


def test_a_gap_is_filled(chain: PoolChain) -> None:
    chain.add(pay(1), pay(2), pay(4))
    assert parts(chain.pool) == ([], [1, 2, 4])
    assert chain.pool.pending_nonce(ADDRESSES[0]) is None
    assert list(chain.pool.best(0)) == []
    chain.add(pay(0))
    assert parts(chain.pool) == ([0, 1, 2], [4])
    assert chain.pool.pending_nonce(ADDRESSES[0]) == 3
    assert chain.extend() == (pay(0), pay(1), pay(2))
    assert parts(chain.pool) == ([], [4])
    chain.add(pay(3))
    assert chain.extend() == (pay(3), pay(4))


def test_accounts_have_nothing_to_do_with_each_other(chain: PoolChain) -> None:
    chain.add(pay(0), pay(1, 1), pay(0, 2))
    assert [parts(chain.pool, key) for key in range(3)] == [([0], []), ([], [1]), ([0], [])]
    assert chain.pool.status() == (2, 1)


@pytest.mark.parametrize("nonce", [0, 3])
def test_a_replacement_pays_a_tenth_more_of_both(chain: PoolChain, nonce: int) -> None:
    old = pay(nonce, tip=100, fee=10_000)
    chain.add(old)
    for tip, fee in ((109, 11_000), (110, 10_999), (200, 10_000), (100, 20_000)):
        refused(chain, pay(nonce, tip=tip, fee=fee), "^replacement transaction underpriced$")
    new = pay(nonce, tip=110, fee=11_000)
    chain.add(new)
    assert chain.pool.get(transaction_hash(old)) is None
    assert chain.pool.get(transaction_hash(new)) == new
    assert sum(chain.pool.status()) == 1
    refused(chain, old, "^replacement transaction underpriced$")


def test_small_prices_must_rise_too(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(price_bump=0))
    chain.add(pay(0, tip=1))
    refused(chain, pay(0, tip=1, value=2), "^replacement transaction underpriced$")
    chain.add(pay(0, tip=2, fee=100_001))


def test_a_replacement_in_the_middle_keeps_what_follows(chain: PoolChain) -> None:
    chain.add(*(pay(nonce) for nonce in range(4)), legacy(1, price=200_000))
    assert parts(chain.pool) == ([0, 1, 2, 3], [])
    assert chain.extend() == (pay(0), legacy(1, price=200_000), pay(2), pay(3))


def test_what_the_balance_does_not_cover_waits(new_chain: NewChain) -> None:
    chain = new_chain(balances={0: 3 * 10**15})
    chain.add(pay(0, value=10**15), pay(2, value=10**15), pay(3, value=10**15))  # what waits is not counted
    chain.add(pay(1, value=10**14))
    assert parts(chain.pool) == ([0, 1, 2], [3])
    chain.extend()
    assert parts(chain.pool) == ([], [3])
    give = pay(0, 1, to=ADDRESSES[0], value=10**15, gas=30_000)
    chain.add(give)
    assert chain.extend() == (give,)
    assert parts(chain.pool) == ([3], [])


def test_what_waits_too_long_is_dropped(chain: PoolChain) -> None:
    chain.add(pay(1))
    chain.clock.now = 5_000
    chain.add(pay(2), pay(0, 1))
    chain.clock.now = 10_800
    chain.add(pay(0, 2))
    assert parts(chain.pool) == ([], [1, 2])
    chain.clock.now = 10_801
    chain.extend()
    assert parts(chain.pool) == ([], [2])
    chain.clock.now = 15_801
    chain.add(pay(1, 2))
    assert parts(chain.pool) == ([], [])


def test_pending_ones_do_not_expire(chain: PoolChain) -> None:
    chain.add(pay(0))
    chain.clock.now = 10**6
    chain.add(pay(0, 1))
    assert parts(chain.pool) == ([0], [])


def test_the_queue_of_an_account_is_limited(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(account_queue=3))
    chain.add(*(pay(nonce) for nonce in (2, 3, 4)))
    refused(chain, pay(5), "^account limit exceeded: pooled 3 txs$")
    chain.add(pay(2, tip=20, fee=200_000), pay(0), pay(1))
    assert parts(chain.pool) == ([0, 1, 2, 3, 4], [])
    chain.add(pay(5), pay(9), pay(0, 1))
    assert parts(chain.pool) == ([0, 1, 2, 3, 4, 5], [9])


def test_many_of_one_account_are_pending_while_there_is_room(chain: PoolChain) -> None:
    raws = [pay(nonce) for nonce in range(100)]
    chain.add(*raws)
    assert chain.pool.status() == (100, 0)
    assert chain.extend() == tuple(raws)


def test_who_listens_hears_of_each_transaction(chain: PoolChain) -> None:
    heard: list[int] = []
    chain.pool.on_added = lambda: heard.append(sum(chain.pool.status()))
    version = chain.pool.version
    chain.add(pay(0), pay(2))
    refused(chain, pay(2), "already known")
    assert heard == [1, 2]
    assert chain.pool.version != version


def test_content_is_by_account_and_nonce(chain: PoolChain) -> None:
    chain.add(pay(3), pay(0), pay(1, 1))
    content = chain.pool.content()
    assert content.pending == {ADDRESSES[0]: {0: pay(0)}}
    assert content.queued == {ADDRESSES[0]: {3: pay(3)}, ADDRESSES[1]: {1: pay(1, 1)}}
