"""A batcher between two chains in memory: an L1 with a pool, that mines, forgets and reorgs as told, and an L2 whose safe head the real
derivation moves. Time is trio's, and work for threads is done at once, so that runs repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, TypeVar

import trio

from harness.fake_execution import FakeExecution, fake_extra_data
from harness.fake_l1 import L1Transaction
from harness.scenario import BATCHER_KEYS, Scenario, make_head, make_l1
from harness.sequencer import SequencedBlock, Sequencer, SequencerSettings
from tests.property.observed_network import RestartableReplay
from trinode.batcher.batcher import Batcher
from trinode.batcher.l1_sender import L1Head, L1Unavailable, Refusal, TransactionRefused
from trinode.batcher.settings import BatcherSettings
from trinode.protocol.block import KnownBlock, L1Block
from trinode.protocol.header import EMPTY_OMMERS_HASH, Header
from trinode.protocol.l1_cost import blob_base_fee
from trinode.protocol.rlp_codec import decode_list, encode, to_bytes, to_list
from trinode.protocol.transaction import (
    BlobTransaction,
    DynamicFeeTransaction,
    decode_transaction,
    recover_sender,
    transaction_hash,
)
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import SCHEDULED_FORKS

T = TypeVar("T")
KEY = BATCHER_KEYS[0]
L1_BLOCK_TIME = 12
ALL_FORKS = {fork.label: 0 for fork in SCHEDULED_FORKS if fork.label != "lagoon"}


async def at_once(function: Callable[..., T], *args: Any, limiter: object = None) -> T:
    """In place of `trio.to_thread.run_sync`: a clock that jumps would not wait for a thread."""
    await trio.lowlevel.checkpoint()
    return function(*args)


@dataclass(frozen=True)
class Pooled:
    """A transaction that waits."""

    hash: Hash32
    raw: bytes
    tx: BlobTransaction | DynamicFeeTransaction
    blobs: dict[Hash32, bytes]
    sidecar_version: int | None

    @property
    def offers(self) -> tuple[int, ...]:
        blob_fee = (self.tx.max_fee_per_blob_gas,) if isinstance(self.tx, BlobTransaction) else ()
        return (self.tx.max_priority_fee_per_gas, self.tx.max_fee_per_gas, *blob_fee)


def read_network_form(raw: bytes) -> Pooled:
    """What a node reads; only the blobs' proofs are not checked."""
    if raw[0] != 3:
        tx = decode_transaction(raw)
        assert isinstance(tx, DynamicFeeTransaction)
        return Pooled(transaction_hash(raw), raw, tx, {}, None)
    body, *rest = decode_list(raw[1:])
    version = 0 if len(rest) == 3 else to_bytes(rest.pop(0))[0]
    blobs, commitments, proofs = (list(map(to_bytes, to_list(items))) for items in rest)
    canonical = b"\x03" + encode(body)
    tx = decode_transaction(canonical)
    assert isinstance(tx, BlobTransaction)
    assert len(blobs) == len(commitments) == len(tx.blob_versioned_hashes)
    assert len(proofs) == len(blobs) * (128 if version else 1)
    return Pooled(transaction_hash(canonical), canonical, tx, dict(zip(tx.blob_versioned_hashes, blobs, strict=True)), version)


@dataclass
class Conduct:
    """How L1 behaves; tests change it as they go."""

    unavailable: bool = False
    unavailable_tips: bool = False
    takes_but_hangs_up: bool = False
    refuse: tuple[Refusal, str] | None = None
    sidecar_version: int = 0
    wanted_tip: int = 0
    """What miners ask for."""
    mines: bool = True
    hides_receipts: bool = False


class PoolL1:
    """`L1Sender` over a FakeL1 and a pool of one account's transactions."""

    def __init__(self, scenario: Scenario) -> None:
        self.l1 = make_l1(scenario)
        self.conduct = Conduct()
        self.pool: dict[int, Pooled] = {}
        self.chain_id_said = self.l1.chain_config.chain_id
        self.sent: list[Pooled] = []
        self.refused: list[Refusal] = []
        self._known_senders: dict[Hash32, list[Address]] = {}

    async def _ask(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.conduct.unavailable:
            raise L1Unavailable("L1 http://l1: no connection")

    async def chain_id(self) -> int:
        await self._ask()
        return self.chain_id_said

    async def head(self) -> L1Head:
        await self._ask()
        header = self.l1.head.header
        return L1Head(self.l1.head.id, header.timestamp, header.base_fee_per_gas or 0, header.excess_blob_gas)

    def used_nonces(self, address: Address) -> int:
        return sum(self._senders(block).count(address) for block in self.l1.chain)

    def _senders(self, block: L1Block) -> list[Address]:
        if block.hash not in self._known_senders:
            self._known_senders[block.hash] = [recover_sender(decode_transaction(raw)) for raw in block.transactions]
        return self._known_senders[block.hash]

    async def nonce(self, address: Address, *, pending: bool) -> int:
        await self._ask()
        nonce = self.used_nonces(address)
        while pending and nonce in self.pool:
            nonce += 1
        return nonce

    async def tip(self) -> int:
        await self._ask()
        if self.conduct.unavailable_tips:
            raise L1Unavailable("L1 http://l1: no suggestion")
        return 10**9

    async def inclusion(self, transaction_hash: Hash32) -> BlockId | None:
        await self._ask()
        return None if self.conduct.hides_receipts else self.block_with(transaction_hash)

    def block_with(self, name: Hash32) -> BlockId | None:
        return next((block.id for block in self.l1.chain for raw in block.transactions if transaction_hash(raw) == name), None)

    async def send(self, raw: bytes) -> None:
        await self._ask()
        pooled = read_network_form(raw)
        try:
            self._take(pooled)
        except TransactionRefused as error:
            self.refused.append(error.refusal)
            raise
        if self.conduct.takes_but_hangs_up:
            raise L1Unavailable("L1 http://l1: no answer in time")

    def _take(self, new: Pooled) -> None:
        conduct, nonce = self.conduct, new.tx.nonce
        if conduct.refuse is not None:
            raise TransactionRefused(*conduct.refuse)
        used = self.used_nonces(recover_sender(new.tx))
        if nonce < used:
            raise TransactionRefused(Refusal.NONCE_TOO_LOW, "nonce too low")
        if new.sidecar_version not in {None, conduct.sidecar_version}:
            raise TransactionRefused(Refusal.SIDECAR_VERSION, f"unexpected sidecar version {new.sidecar_version}")
        if any(type(old.tx) is not type(new.tx) for old in self.pool.values()):
            raise TransactionRefused(Refusal.ALREADY_RESERVED, "address already reserved")
        old = self.pool.get(nonce)
        if old is None and nonce > used and nonce - 1 not in self.pool:
            raise TransactionRefused(Refusal.NONCE_TOO_HIGH, "nonce too high")
        if old is not None and old.hash == new.hash:
            raise TransactionRefused(Refusal.ALREADY_KNOWN, "already known")
        factor = 200 if new.blobs else 110
        if old is not None and any(100 * offer < factor * before for offer, before in zip(new.offers, old.offers, strict=True)):
            raise TransactionRefused(Refusal.REPLACEMENT_UNDERPRICED, "replacement transaction underpriced")
        self.pool[nonce] = new
        self.sent.append(new)

    # ---- what happens to it ----

    def mine(self) -> L1Block:
        """One block, with what waits and pays enough."""
        schedule = self.l1.chain_config.blob_schedule_at(self.l1.head.header.timestamp)
        room = schedule.max if schedule is not None else 0
        transactions = []
        for nonce in sorted(self.pool) if self.conduct.mines else ():
            waiting = self.pool[nonce]
            if nonce < self.used_nonces(recover_sender(waiting.tx)):
                del self.pool[nonce]
                continue
            if not self._pays(waiting) or len(waiting.blobs) > room:
                break
            room -= len(waiting.blobs)
            transactions.append(L1Transaction(waiting.raw, blobs=waiting.blobs))
            del self.pool[nonce]
        return self.l1.extend(transactions, seconds=L1_BLOCK_TIME)

    def _pays(self, waiting: Pooled) -> bool:
        head, tx = self.l1.head.header, waiting.tx
        if isinstance(tx, BlobTransaction):
            fraction = self.l1.chain_config.update_fraction_at(head.timestamp)
            assert fraction is not None and head.excess_blob_gas is not None
            if tx.max_fee_per_blob_gas < blob_base_fee(head.excess_blob_gas, fraction):
                return False
        return tx.max_priority_fee_per_gas >= self.conduct.wanted_tip and tx.max_fee_per_gas >= (head.base_fee_per_gas or 0)

    def reorg(self, depth: int, *, reinject: bool) -> int:
        """Take blocks off; their transactions go back into the pool, or nowhere. Gives the number of the highest block that stays."""
        for block in self.l1.rewind(depth):
            for raw in block.transactions if reinject else ():
                tx = decode_transaction(raw)
                assert isinstance(tx, BlobTransaction | DynamicFeeTransaction)
                names = tx.blob_versioned_hashes if isinstance(tx, BlobTransaction) else ()
                blobs = {name: self.l1.blobs[name] for name in names}
                self.pool.setdefault(tx.nonce, Pooled(transaction_hash(raw), raw, tx, blobs, 0 if blobs else None))
        return self.l1.head.header.number


class Network:
    """L1, L2 and derivation; batchers may be started and stopped on it. It is an `L2Chain`."""

    def __init__(self, scenario: Scenario | None = None, *, seed: int = 1, sequencer: SequencerSettings | None = None) -> None:
        self.scenario = scenario or Scenario(forks=ALL_FORKS, channel_timeout=50, seq_window=100)
        self.sender = PoolL1(self.scenario)
        self.l1 = self.sender.l1
        self.head = make_head(self.scenario, self.l1, "")
        self.config = self.head.rollup_config
        self.replay = RestartableReplay(self.head, FakeExecution(self.config))
        start = self.head.l2_start.block
        self.sequencer = Sequencer(self.config, self.l1, start, Random(seed), sequencer)
        self.lines: list[str] = []
        self.ids = count(1)
        self._fed = 0
        self._sequenced: dict[Hash32, SequencedBlock] = {}
        self._feed()

    # ---- L2Chain ----

    async def current_l1(self) -> BlockId:
        status = self.replay.pipeline.status
        assert status is not None
        return status.origin.id

    async def safe(self) -> BlockId:
        return self.replay.engine.safe.id

    async def unsafe(self) -> BlockId:
        return self.sequencer.head.ref.id

    async def block_by_number(self, number: int) -> KnownBlock | None:
        if number == self.head.l2_start.header.number:
            return KnownBlock(self.head.l2_start.header, self.config.genesis.l2.hash, ())
        block = self.sequencer.by_number(number)
        return None if block is None else known_block_of(self.config, block)

    # ---- time ----

    def _feed(self) -> None:
        events, self._fed = self.l1.events[self._fed :], len(self.l1.events)
        for event in events:
            self.replay.feed(event)
        status = self.replay.pipeline.status
        if status is None or status.origin.hash != self.l1.head.hash:
            return  # A shorter L1 than before is noticed once it is longer.
        chain, safe = self.sequencer.chain, self.replay.safe_chain[1:]
        if [block.block.ref.hash for block in chain[: len(safe)]] != safe:
            # Posted already when L2 went back: the unsafe chain follows the safe one.
            self.sequencer.chain = [self._sequenced[name] for name in safe]

    def grow_l2(self) -> None:
        """Sequence up to L1's time and one slot more."""
        made = self.sequencer.produce(self.l1.head.header.timestamp + L1_BLOCK_TIME, self.l1.head.header.number + 1)
        self._sequenced |= {block.block.ref.hash: block for block in made}

    async def slots(self, number: int) -> None:
        """So many L1 blocks, as time goes by; L2 grows with them."""
        for _ in range(number):
            self.grow_l2()
            await trio.sleep(L1_BLOCK_TIME)
            self.sender.mine()
            self._feed()

    def reorg(self, depth: int, *, reinject: bool) -> None:
        """An L1 reorg, on which L2 goes back as far as it must; derivation sees it with the next block."""
        stays = self.sender.reorg(depth, reinject=reinject)
        self.sequencer.rewind(stays, self.sequencer.start.ref.number)

    # ---- batchers ----

    def batcher(self, settings: BatcherSettings | None = None, key: bytes = KEY) -> Batcher:
        return Batcher(
            self.config,
            self.l1.chain_config,
            key,
            self.sender,
            self,
            settings,
            log=self.lines.append,
            new_channel_id=lambda: next(self.ids).to_bytes(16, "big"),
        )

    async def drain(self, most: int = 30) -> None:
        """L1 blocks until all of L2 as it is now is safe."""
        for _ in range(most):
            if self.unsafe_is_safe():
                await trio.sleep(3)  # for the batcher to notice
                return
            await trio.sleep(L1_BLOCK_TIME)
            self.sender.mine()
            self._feed()

    def unsafe_is_safe(self) -> bool:
        return self.replay.engine.safe.id == self.sequencer.head.ref.id

    def assert_all_safe(self) -> None:
        """Derivation made exactly the sequencer's chain, and so does one that comes late."""
        expected = [self.sequencer.start.ref.hash, *(block.block.ref.hash for block in self.sequencer.chain)]
        assert self.replay.safe_chain == expected, self.lines[-5:]

    @property
    def safe_number(self) -> int:
        return self.replay.engine.safe.number


def known_block_of(config: RollupConfig, sequenced: SequencedBlock) -> KnownBlock:
    """The block with a header as far as the fake execution has one."""
    ref, attributes = sequenced.block.ref, sequenced.attributes
    header = Header(
        parent_hash=ref.parent_hash,
        ommers_hash=EMPTY_OMMERS_HASH,
        beneficiary=bytes(20),
        state_root=bytes(32),
        transactions_root=EMPTY_TRIE_ROOT,
        receipts_root=EMPTY_TRIE_ROOT,
        logs_bloom=bytes(256),
        difficulty=0,
        number=ref.number,
        gas_limit=attributes.gas_limit,
        gas_used=0,
        timestamp=ref.timestamp,
        extra_data=fake_extra_data(config, attributes),
        prev_randao=bytes(32),
        nonce=bytes(8),
        base_fee_per_gas=1,
    )
    return KnownBlock(header, ref.hash, attributes.transactions)
