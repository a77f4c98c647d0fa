"""In which order blocks are offered transactions, and what they make of it."""

from __future__ import annotations

from random import Random

from tests.unit.engine.pool.pool_chain import BASE_FEE, PoolChain, pay, set_fee, taken
from trinode.execution.fees import compressed_size
from trinode.protocol.l1_cost import estimated_size_scaled
from trinode.protocol.transaction import decode_transaction


def test_by_tip_and_by_nonce_within_an_account(chain: PoolChain) -> None:
    a = [pay(0, 0, tip=10), pay(1, 0, tip=90), pay(2, 0, tip=5)]
    b = [pay(0, 1, tip=50), pay(1, 1, tip=8)]
    c = [pay(0, 2, tip=20)]
    chain.add(*a, *b, *c)
    expected = [b[0], c[0], a[0], a[1], b[1], a[2]]
    assert list(chain.pool.best(BASE_FEE)) == expected
    assert chain.extend() == tuple(expected)


def test_equal_tips_by_age(chain: PoolChain) -> None:
    raws = [pay(0, key) for key in (3, 1, 2, 0)]
    chain.add(*raws)
    assert list(chain.pool.best(BASE_FEE)) == raws


def test_the_tip_is_what_is_left_above_the_base_fee(chain: PoolChain) -> None:
    high, low = pay(0, 0, tip=500, fee=1_010), pay(0, 1, tip=20, fee=5_000)
    chain.add(high, low)
    assert list(chain.pool.best(500)) == [high, low]
    assert list(chain.pool.best(1_000)) == [low, high]
    assert list(chain.pool.best(1_010)) == [low, high]
    assert list(chain.pool.best(1_011)) == [low]


def test_what_pays_too_little_holds_up_its_account(chain: PoolChain) -> None:
    chain.add(pay(0), pay(1, fee=900), pay(2))
    assert list(chain.pool.best(901)) == [pay(0)]
    assert chain.extend() == (pay(0),)
    assert chain.pool.status() == (2, 0)


def test_what_is_offered_was_there_when_it_was_asked_for(chain: PoolChain) -> None:
    chain.add(pay(0), pay(0, 1))
    offered = chain.pool.best(BASE_FEE)
    chain.add(pay(1), pay(0, 2), pay(0, tip=20, fee=200_000))
    assert list(offered) == [pay(0), pay(0, 1)]


def test_the_pool_can_be_used_while_a_block_takes_from_it(chain: PoolChain) -> None:
    chain.add(*(pay(0, key) for key in range(4)))
    for key, raw in enumerate(chain.pool.best(BASE_FEE)):
        assert chain.pool.status() == (4 + key, 0)
        assert chain.pool.get(chain.pool.add(pay(0, 4 + key))) is not None
        assert raw == pay(0, key)


def test_a_full_block_leaves_the_rest_in_the_pool(chain: PoolChain) -> None:
    raws = [pay(nonce, gas=10_000_000) for nonce in range(3)] + [pay(0, 1, gas=10_000_000, tip=9)]
    chain.add(*raws)
    block = chain.build(gas_limit=20_000_000)
    assert taken(block) == tuple(raws)  # gas that was not used is there for the next
    empty = chain.build(offered=[]).header.gas_used
    block = chain.build(gas_limit=empty + 10_000_000 + 21_000)
    assert taken(block) == tuple(raws[:2])  # after the first there is just enough for the limit of the second
    chain.append(block)
    assert chain.pool.status() == (2, 0)
    assert chain.extend() == tuple(raws[2:])


def test_one_that_does_not_fit_takes_its_followers_with_it_but_no_one_else(chain: PoolChain) -> None:
    chain.add(pay(0, tip=50), pay(1, tip=50, gas=12_000_000), pay(2, tip=50), pay(0, 1, tip=5))
    block = chain.build(gas_limit=11_000_000)
    assert taken(block) == (pay(0, tip=50), pay(0, 1, tip=5))


def test_one_whose_fees_rise_in_the_block_itself_is_passed_over(chain: PoolChain) -> None:
    chain.add(pay(0, value=10**17, tip=50), pay(0, 1))
    block = chain.build(set_fee(8, 9 * 10**17))  # the constant part of the operator fee
    assert taken(block) == (pay(0, 1),)
    chain.append(block)
    assert chain.pool.status() == (0, 1)  # the balance does not cover it with these fees


def da_size(raw: bytes) -> int:
    return estimated_size_scaled(compressed_size(raw)) // 10**6


def test_data_limits(chain: PoolChain) -> None:
    noise = Random(2).randbytes(2_000)
    large, small = pay(0, tip=50, data=noise, gas=200_000), [pay(0, key, tip=10) for key in (1, 2, 3)]
    chain.add(large, pay(1, tip=50), *small)
    chain.pool.set_max_da_size(1_000, None)
    assert chain.extend() == tuple(small)
    chain.pool.set_max_da_size(None, da_size(large) + 150)
    assert chain.extend() == (large, pay(1, tip=50))
    again = [pay(1, key, tip=10) for key in (1, 2, 3)]
    chain.add(*again)
    chain.pool.set_max_da_size(None, sum(map(da_size, again)) - 1)
    assert chain.extend() == tuple(again[:2])
    chain.pool.set_max_da_size(None, None)
    assert chain.extend() == (again[2],)


def test_all_that_is_offered_is_a_valid_block(chain: PoolChain) -> None:
    raws = [pay(nonce, key, tip=(nonce * 7 + key * 3) % 11 + 1) for key in range(16) for nonce in range(4)]
    chain.add(*raws)
    assert sorted(chain.extend()) == sorted(raws)
    for raw in raws:
        assert decode_transaction(raw)
    assert chain.pool.status() == (0, 0)
