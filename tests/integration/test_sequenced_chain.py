"""A sequencer with our own engine and the driver beside it: its chain becomes safe as it is, and a verifier that starts with nothing derives
the same blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path
from random import Random

import trio

from harness.batcher import BatcherAccount, BatcherBlock, BatcherSettings, encode_payloads
from harness.fake_l1 import L1Transaction
from harness.l1_activity import StrayMaker
from harness.l1_logs import UserDeposit, deposit_log, gas_limit_update
from harness.scenario import BATCHER_KEYS, GENESIS_TIME, L2_CHAIN_ID, STRANGER_KEY, Scenario, make_head, make_l1
from tests.unit.derive.network import forks_at_genesis
from tests.unit.execution.small_chain import ETHER, senders, transfer
from trinode.engine.core import EngineCore
from trinode.engine.pool.condition import Beginning
from trinode.engine.service import EngineService
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.evm.engine import FastEngine
from trinode.execution.genesis import Genesis, build_genesis
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.node.driver import Driver
from trinode.node.sequencer import Sequencer
from trinode.protocol.batch import SingularBatch
from trinode.protocol.block import L1Block
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE
from trinode.protocol.eip1559 import encode_jovian_extra_data
from trinode.protocol.types import Address, BlockId, Hash32
from trinode.rollup.fork import Fork
from trinode.rollup.l2_block import L2Block
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

L1_BLOCKS = 14
PERSON = b"\x0c" * 20
SCENARIO = Scenario(forks=forks_at_genesis(Fork.JOVIAN) | {"karst": 61}, seq_window=200)


class EndlessPool:
    """The next three transfers of one account, each time it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def best(self, base_fee: int, block: Beginning | None = None) -> Iterable[bytes]:
        """Three transfers on the head."""
        account = self._store.state_at(self._store.head.hash).account(senders()[0])
        assert account is not None
        return [transfer(0, account.nonce + index, fee=10**10, chain_id=L2_CHAIN_ID) for index in range(3)]

    def head_moved(self, appended: Sequence[ExecutedBlock]) -> None:
        """It looks at the head when it is asked."""


class Chain:
    """L1 with its users and its batcher, and the chain's genesis."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.fake_l1 = make_l1(SCENARIO)
        self.start = make_head(SCENARIO, self.fake_l1, "a test")
        config = self.start.rollup_config
        accounts: dict[Address, Account | None] = {sender: Account(0, ETHER, EMPTY_CODE_HASH) for sender in senders()}
        genesis = Genesis(
            timestamp=GENESIS_TIME,
            gas_limit=30_000_000,
            difficulty=0,
            beneficiary=bytes(20),
            extra_data=encode_jovian_extra_data(250, 6, 0),
            mix_hash=bytes(32),
            nonce=0,
            number=0,
            gas_used=0,
            parent_hash=bytes(32),
            base_fee_per_gas=1_000,
            excess_blob_gas=None,
            blob_gas_used=None,
            alloc=StateChanges(accounts=accounts),
        )
        self._genesis = build_genesis(genesis, config)
        self.config = replace(config, genesis=replace(config.genesis, l2=BlockId(0, self._genesis.hash)))
        self._batcher = BatcherAccount(BATCHER_KEYS[0], config.l1_chain_id, config.batch_inbox_address)
        self._strays = StrayMaker(config, Random(7), STRANGER_KEY)
        self._channels = count()

    def store(self, name: str) -> Store:
        """A new store with the genesis block."""
        return Store.create(self._folder / name, ChainIdentity(L2_CHAIN_ID, self._genesis.hash), self._genesis, history=None)

    def engine(self, store: Store, pool: EndlessPool | None = None) -> EngineService:
        """An engine on the store."""
        return EngineService(EngineCore(store, BlockExecutor(self.config, FastEngine()), pool))

    def grow_l1(self, blocks: list[L2Block]) -> L1Block:
        """L1 has a block more, with deposits, a change of the system config, and these L2 blocks as a channel of singular batches."""
        number = self.fake_l1.head.header.number + 1
        deposit = UserDeposit(sender=PERSON, to=PERSON, mint=number, value=1, gas_limit=50_000, is_creation=False, data=b"")
        deposits = replace(self._strays.transfer(), logs=(deposit_log(self.config.deposit_contract_address, deposit),))
        gas_limit = gas_limit_update(self.config.l1_system_config_address, 30_000_000 + number)
        update = replace(self._strays.transfer(), logs=(gas_limit,))
        sent: list[L1Transaction] = []
        if blocks:
            batches = [BatcherBlock(batch_of(block), block.ref.sequence_number) for block in blocks]
            channel_id = next(self._channels).to_bytes(16, "big")
            sent = self._batcher.send(encode_payloads(self.config, BatcherSettings(), channel_id, batches), BatcherSettings())
        return self.fake_l1.extend([deposits, *sent, update])

    # ---- as the driver and the sequencer see L1 ----

    async def block_by_number(self, number: int) -> L1Block | None:
        await trio.lowlevel.checkpoint()
        return self.fake_l1.by_number(number)

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        await trio.lowlevel.checkpoint()
        return self.fake_l1.block(block)

    async def is_canonical(self, block: BlockId) -> bool:
        await trio.lowlevel.checkpoint()
        found = self.fake_l1.by_number(block.number)
        return found is not None and found.hash == block.hash

    async def blobs(self, block: BlockId, timestamp: int, hashes: tuple[Hash32, ...]) -> tuple[bytes, ...] | None:
        raise AssertionError("the batcher sends no blobs")


def batch_of(block: L2Block) -> SingularBatch:
    """The batch that says what is in the block."""
    ref = block.ref
    transactions = tuple(raw for raw in block.transactions if raw[0] != DEPOSIT_TRANSACTION_TYPE)
    return SingularBatch(ref.parent_hash, ref.l1_origin.number, ref.l1_origin.hash, ref.timestamp, transactions)


class Sequencing:
    """A driver and a sequencer on one engine, with a clock that stands until L1 grows."""

    def __init__(self, chain: Chain, engine: EngineService) -> None:
        self._chain = chain
        self._now = GENESIS_TIME
        self.driver = Driver(chain.config, chain.start.l1_chain_config, chain, engine)
        self.heads = self.driver.heads
        l1_config, reset = chain.start.l1_chain_config, self.driver.reset
        self.sequencer = Sequencer(chain.config, l1_config, self.heads, chain, clock=lambda: self._now, reset=reset)

    async def run(self, *, reorgs_at: int) -> list[L2Block]:
        """L1 grows, and each of its blocks has what is not safe yet, but for the last L2 blocks; all L2 blocks in the end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.driver.run)
            await nursery.start(self.sequencer.run)
            for step in range(1, L1_BLOCKS):
                if step == reorgs_at:
                    self._chain.fake_l1.rewind(3)
                block = await self._post(keeping=6)
                self._now = max(self._now, block.header.timestamp)
                self.sequencer.wake()
                with trio.fail_after(60):
                    while self.heads.unsafe is None or self.heads.unsafe.timestamp + 2 < self._now:
                        await self.heads.moved()
            await self.sequencer.stop()
            with trio.fail_after(60):
                while self.heads.safe != self.heads.unsafe:
                    await self._post(keeping=0)
                    with trio.move_on_after(2):
                        await self.heads.moved()
            blocks = await self._chain_up_to_head()
            nursery.cancel_scope.cancel()
        return blocks

    async def _post(self, *, keeping: int) -> L1Block:
        known = await self._chain_up_to_head()
        assert self.heads.safe is not None
        canonical = {block.hash for block in self._chain.fake_l1.chain}
        valid = takewhile(lambda block: block.ref.l1_origin.hash in canonical, known)
        safe, last = self.heads.safe.number, len(known) - keeping
        block = self._chain.grow_l1([block for block in valid if safe < block.ref.number < last])
        self.driver.l1_moved()
        return block

    async def _chain_up_to_head(self) -> list[L2Block]:
        while self.heads.unsafe is None:
            await self.heads.moved()
        blocks = [await self.heads.block_by_number(number) for number in range(1, self.heads.unsafe.number + 1)]
        genesis = await self.heads.block_by_number(0)
        return [block for block in (genesis, *blocks) if block is not None]


async def sequence_and_derive(folder: Path, *, reorgs_at: int) -> None:
    chain = Chain(folder)
    with chain.store("sequencer") as store:
        engine = chain.engine(store, EndlessPool(store))
        sequencing = Sequencing(chain, engine)
        blocks = await sequencing.run(reorgs_at=reorgs_at)
        await engine.close()
    sequenced = sequencing.sequencer.status().built
    last = blocks[-1].ref
    assert last.timestamp >= GENESIS_TIME + 12 * (L1_BLOCKS - 5)
    assert sequencing.heads.safe == last
    assert last.number <= sequenced  # no block of the chain is derivation's own
    with_transfers = [block.ref.timestamp - GENESIS_TIME for block in blocks[1:] if len(batch_of(block).transactions) == 3]
    assert [block.ref.timestamp - GENESIS_TIME for block in blocks[1:]] == sorted({*with_transfers, 62})  # Karst's activation block is without
    assert {block.ref.l1_origin.number for block in blocks} >= set(range(100, 100 + L1_BLOCKS - 5))

    with chain.store("verifier") as store:
        engine = chain.engine(store)
        driver = Driver(chain.config, chain.start.l1_chain_config, chain, engine)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.run)
            with trio.fail_after(60):
                while driver.heads.safe is None or driver.heads.safe.number < last.number:
                    await driver.heads.moved()
            nursery.cancel_scope.cancel()
        assert driver.heads.safe == last
        await engine.close()


async def test_a_sequenced_chain_is_derived(tmp_path: Path) -> None:
    await sequence_and_derive(tmp_path, reorgs_at=0)


async def test_a_chain_sequenced_over_a_reorg_is_derived(tmp_path: Path) -> None:
    await sequence_and_derive(tmp_path, reorgs_at=9)
