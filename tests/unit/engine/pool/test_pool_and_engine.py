"""The engine builds payloads from the pool, and the pool follows its fork choice."""

from __future__ import annotations

from tests.unit.engine.block_tree import forkchoice
from tests.unit.engine.pool.pool_chain import PoolChain, parts, pay
from trinode.engine.core import EngineCore
from trinode.engine.status import Status
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import Hash32


def build(core: EngineCore, chain: PoolChain) -> PayloadEnvelope:
    """A payload on the head, by the Engine API."""
    begun = core.forkchoice_updated(forkchoice(chain.store.head.hash), chain.attributes()).payload_id
    assert begun is not None
    return core.get_payload(begun).envelope


def choose(core: EngineCore, chain: PoolChain, head: Hash32) -> None:
    """Makes a block the head."""
    assert core.forkchoice_updated(forkchoice(head), None).payload_status.status is Status.VALID
    chain.pool.head_moved()


def test_payloads_of_the_pool(chain: PoolChain) -> None:
    core = EngineCore(chain.store, chain.executor, chain.pool)
    genesis = chain.store.head.hash
    chain.add(pay(0), pay(1), pay(0, 1, tip=50))
    first = build(core, chain)
    assert first.payload.transactions[1:] == (pay(0, 1, tip=50), pay(0), pay(1))
    assert chain.pool.status() == (3, 0)
    assert core.new_payload(first).status is Status.VALID
    choose(core, chain, first.payload.block_hash)
    assert chain.pool.status() == (0, 0)
    chain.add(pay(2))
    second = build(core, chain)
    choose(core, chain, second.payload.block_hash)
    choose(core, chain, genesis)
    assert (parts(chain.pool), parts(chain.pool, 1)) == (([0, 1, 2], []), ([0], []))
    choose(core, chain, first.payload.block_hash)
    assert (parts(chain.pool), parts(chain.pool, 1)) == (([2], []), ([], []))
