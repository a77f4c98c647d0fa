"""Several threads at one pool: users who send, and an engine that builds blocks and takes some of them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from tests.unit.engine.pool.pool_chain import ADDRESSES, PoolChain, pay, taken
from trinode.engine.pool import PoolError, PoolLimits
from trinode.execution.block import ExecutedBlock
from trinode.protocol.transaction import decode_transaction, transaction_hash

NewChain = Callable[..., PoolChain]
_EACH = 30


def send(chain: PoolChain, key: int, count: int) -> list[str]:
    """Sends transactions of one account, two by two in the wrong order, and reads in between. The refusals."""
    refusals = []
    for nonce in (each ^ 1 for each in range(count)):
        try:
            block_hash = chain.pool.add(pay(nonce, key, tip=1 + (nonce * 5 + key) % 17))
        except PoolError as error:
            refusals.append(error.message)
        else:
            chain.pool.get(block_hash)
        chain.pool.pending_nonce(ADDRESSES[key])
        chain.pool.content()
        chain.pool.status()
    return refusals


def build_until(chain: PoolChain, done: Event) -> Iterator[ExecutedBlock]:
    """Blocks of the pool, of which every third is taken back."""
    while not done.is_set():
        head = chain.store.head.hash
        block = chain.build()
        chain.append(block)
        if block.header.number % 3 == 2:
            chain.rewind(head)
        else:
            yield block


def test_nothing_is_lost_and_nothing_is_there_twice(new_chain: NewChain) -> None:
    chain = new_chain()
    done = Event()
    with ThreadPoolExecutor(4) as threads:
        engine: Future[list[ExecutedBlock]] = threads.submit(lambda: list(build_until(chain, done)))
        try:
            refusals = [each for refused in threads.map(lambda key: send(chain, key, _EACH), range(6)) for each in refused]
        finally:
            done.set()
        blocks = engine.result()
    assert refusals == []
    while chain.pool.status() != (0, 0):
        block = chain.build()
        chain.append(block)
        assert taken(block)
        blocks.append(block)
    raws = [raw for block in blocks for raw in taken(block) if chain.store.blocks.canonical_number(block.hash) is not None]
    assert len(raws) == len(set(raws)) == 6 * _EACH


def test_a_crowded_pool_stays_within_its_limits(new_chain: NewChain) -> None:
    limits = PoolLimits(global_slots=8, global_queue=4, account_slots=1, account_queue=3)
    chain = new_chain(limits)
    done = Event()

    def watch() -> int:
        most = 0
        while not done.is_set():
            status = chain.pool.status()
            assert status.pending <= limits.global_slots
            assert status.queued <= limits.global_queue
            most = max(most, status.pending)
            for raw in chain.pool.best(0):
                assert decode_transaction(raw)
                chain.pool.get(transaction_hash(raw))
        return most

    with ThreadPoolExecutor(4) as threads:
        watcher = threads.submit(watch)
        engine = threads.submit(lambda: list(build_until(chain, done)))
        try:
            list(threads.map(lambda key: send(chain, key, _EACH), range(6)))
        finally:
            done.set()
        assert watcher.result() <= limits.global_slots
        engine.result()
    left = chain.pool.content()
    assert sum(map(len, left.pending.values())) == chain.pool.status().pending
    assert sum(map(len, left.queued.values())) == chain.pool.status().queued
