"""Transactions with conditions, which are held against the block that they are offered to."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.unit.engine.pool.pool_chain import ADDRESSES, PoolChain, parts, pay
from tests.unit.engine.pool.test_pool_and_engine import build, choose
from trinode.engine.core import EngineCore
from trinode.engine.pool.condition import MOST_COST_OF_A_BLOCK
from trinode.execution.fees import L1_BLOCK
from trinode.jsonrpc.requests import RpcError
from trinode.node.submission import ToPool
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Hash32
from trinode.rpc.eth.namespace import EthNamespace
from trinode.rpc.eth.sending.conditional import Conditions, parse_conditions


def conditions(
    *, slots: Mapping[int, int] | None = None, last_number: int | None = None, last_time: int | None = None, first_number: int | None = None
) -> Conditions:
    accounts = {} if slots is None else {L1_BLOCK: slots}
    return Conditions({}, {}, accounts, first_number=first_number, last_number=last_number, last_time=last_time)


def write(nonce: int, slot: int, value: int, key: int = 0) -> bytes:
    """Has the contract keep a value; the test chain's L1Block does that for anybody."""
    return pay(nonce, key, to=L1_BLOCK, data=slot.to_bytes(32, "big") + value.to_bytes(32, "big"), gas=100_000, value=0)


def taken(core: EngineCore, chain: PoolChain) -> tuple[bytes, ...]:
    """What a payload on the head has of the pool; the payload becomes the head."""
    envelope = build(core, chain)
    core.new_payload(envelope)
    choose(core, chain, envelope.payload.block_hash)
    return envelope.payload.transactions[1:]


def test_conditions_that_hold(chain: PoolChain) -> None:
    core = EngineCore(chain.store, chain.executor, chain.pool)
    chain.pool.add(pay(0), conditions(slots={50: 0}, last_number=1, first_number=1))
    chain.pool.add(pay(1), parse_conditions({"knownAccounts": {"0x" + ADDRESSES[3].hex(): "0x" + EMPTY_TRIE_ROOT.hex()}}, ""))
    assert taken(core, chain) == (pay(0), pay(1))


def test_what_the_last_block_has_changed_is_seen(chain: PoolChain) -> None:
    core = EngineCore(chain.store, chain.executor, chain.pool)
    chain.pool.add(pay(0), conditions(slots={50: 0}))
    chain.pool.add(pay(1))
    chain.pool.add(write(0, 50, 7, key=1))
    held = chain.pool.add(pay(0, 2, tip=1), conditions(slots={50: 7}))
    assert chain.pool.get(held) is not None
    first = taken(core, chain)
    assert first == (pay(0), pay(1), write(0, 50, 7, key=1)), "what is not so when the block begins is not taken"
    assert chain.pool.get(held) is None
    chain.pool.add(pay(2), conditions(slots={50: 7}))
    late = chain.pool.add(pay(0, 2), conditions(slots={50: 0}))
    assert taken(core, chain) == (pay(2),)
    assert chain.pool.get(late) is None


def test_who_is_rejected_takes_its_followers_out_of_the_pending_ones(chain: PoolChain) -> None:
    core = EngineCore(chain.store, chain.executor, chain.pool)
    chain.pool.add(pay(0), conditions(last_number=0))
    chain.pool.add(pay(1))
    assert parts(chain.pool) == ([0, 1], [])
    assert taken(core, chain) == ()
    assert parts(chain.pool) == ([], [1])


def test_bounds_are_those_of_the_block_that_is_made(chain: PoolChain) -> None:
    core = EngineCore(chain.store, chain.executor, chain.pool)
    time = chain.attributes().timestamp
    kept = chain.pool.add(pay(0, 0), conditions(last_time=time, last_number=1))
    for key, late in ((1, conditions(last_time=time - 1)), (2, conditions(last_number=0)), (3, conditions(first_number=2))):
        chain.pool.add(pay(0, key), late)
    assert taken(core, chain) == (pay(0, 0),)
    assert chain.pool.get(kept) is None
    assert chain.pool.status() == (0, 0)


def test_a_block_looks_up_no_more_than_it_may(chain: PoolChain) -> None:
    core = EngineCore(chain.store, chain.executor, chain.pool)
    large = conditions(slots=dict.fromkeys(range(100, 100 + MOST_COST_OF_A_BLOCK // 2), 0))
    for key in range(3):
        chain.pool.add(pay(0, key, tip=10 - key), large)
    assert taken(core, chain) == (pay(0, 0, tip=10),)
    assert chain.pool.status() == (2, 0), "those have not been looked at"


def test_a_block_of_which_nothing_is_known_gets_none(chain: PoolChain) -> None:
    chain.pool.add(pay(0), conditions())
    chain.pool.add(pay(0, 1))
    assert list(chain.pool.best(0)) == [pay(0, 1)]
    assert chain.pool.status() == (2, 0)


def test_what_comes_back_in_a_reorg_would_have_lost_its_conditions(chain: PoolChain) -> None:
    core = EngineCore(chain.store, chain.executor, chain.pool)
    genesis: Hash32 = chain.store.head.hash
    chain.pool.add(pay(0), conditions(last_number=1))
    chain.pool.add(pay(0, 1))
    assert len(taken(core, chain)) == 2
    choose(core, chain, genesis)
    assert (parts(chain.pool), parts(chain.pool, 1)) == (([], []), ([0], []))


async def test_from_a_user_to_a_block(chain: PoolChain) -> None:
    core = EngineCore(chain.store, chain.executor, chain.pool)
    eth = EthNamespace(chain.config, chain.store, progress=lambda: None, conditional=True, keep=ToPool(chain.pool).send_conditional)
    send = eth.methods["eth_sendRawTransactionConditional"]
    time = chain.attributes().timestamp
    await send(["0x" + pay(0).hex(), {"timestampMax": hex(time)}])
    await send(["0x" + pay(0, 1).hex(), {"timestampMax": hex(time - 1)}])
    with pytest.raises(RpcError, match="already known"):
        await send(["0x" + pay(0, 1).hex(), {}])
    assert taken(core, chain) == (pay(0),)
    assert chain.pool.status() == (0, 0)
