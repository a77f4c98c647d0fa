"""A sequencer: it builds the L2 chain that a batcher posts, and so says in advance what derivation must find.

It takes the rules from `trinode.rollup` and nothing from `trinode.derive`: it is the model that derivation is compared
with (OP Stack specification: derivation, "Derived Transaction List", "Batch Queue" for what an L1 origin may be,
"Sequencer Drift").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from harness.fake_execution import make_block
from harness.fake_l1 import FakeL1
from harness.l2_transactions import TransactionMaker
from trinode.protocol.batch import SingularBatch
from trinode.protocol.block import L1Block
from trinode.protocol.deposit import (
    DEPOSIT_TRANSACTION_TYPE,
    TRANSACTION_DEPOSITED_TOPIC,
    decode_deposit_log,
    encode_deposit,
)
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.receipt import Receipt
from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.l1_attributes import l1_info_deposit
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.rollup.l2_block import L2Block
from trinode.rollup.system_config import update_system_config

FEE_VAULT = bytes.fromhex("4200000000000000000000000000000000000011")
_DEPOSIT = bytes([DEPOSIT_TRANSACTION_TYPE])
_EMPTY_ACTIVATION = (Fork.JOVIAN, Fork.KARST, Fork.LAGOON)


@dataclass(frozen=True, slots=True)
class SequencerSettings:
    """How the sequencer chooses where the rules leave a choice.

    `transactions`: at most so many in a block. `empty_chance`: of a block without any. `advance_chance`: of taking the
    next L1 origin when it may but need not. `max_origin_lag`: L1 blocks that the origin may be behind what it sees,
    before it always takes the next one. `confirmations`: L1 blocks that it waits before it sees one.
    """

    transactions: int = 4
    empty_chance: float = 0.1
    advance_chance: float = 0.7
    max_origin_lag: int = 4
    confirmations: int = 0


class SequencedBlock(NamedTuple):
    """A block as the sequencer made it: its attributes, what the fake engine made of them, and the batch that says the
    same.

    `conceded`: its batch would come too late, so that it is the empty block that derivation makes without one; it is
    not posted.
    """

    attributes: PayloadAttributes
    block: L2Block
    batch: SingularBatch
    conceded: bool = False

    @property
    def sequence_number(self) -> int:
        """Number of L2 blocks before it with the same L1 origin."""
        return self.block.ref.sequence_number


def sequenced_block(attributes: PayloadAttributes, block: L2Block, *, conceded: bool = False) -> SequencedBlock:
    """The block with its batch."""
    ref = block.ref
    transactions = tuple(raw for raw in attributes.transactions if raw[:1] != _DEPOSIT)
    batch = SingularBatch(ref.parent_hash, ref.l1_origin.number, ref.l1_origin.hash, ref.timestamp, transactions)
    return SequencedBlock(attributes, block, batch, conceded)


def user_deposits(origin: L1Block, receipts: tuple[Receipt, ...], portal: Address) -> list[bytes]:
    """The deposits that the portal logged in an L1 block, encoded."""
    deposits = []
    logs = [(log, receipt.succeeded) for receipt in receipts for log in receipt.logs]
    for index, (log, succeeded) in enumerate(logs):
        if succeeded and log.address == portal and log.topics[:1] == (TRANSACTION_DEPOSITED_TOPIC,):
            deposits.append(encode_deposit(decode_deposit_log(log, origin.hash, index)))
    return deposits


def build_attributes(
    config: RollupConfig,
    l1_chain_config: L1ChainConfig,
    parent: L2Block,
    origin: L1Block,
    receipts: tuple[Receipt, ...],
    transactions: tuple[bytes, ...],
) -> PayloadAttributes:
    """Attributes of the block on `parent` with L1 origin `origin` (whose receipts are given) and these batch
    transactions.

    Raises CriticalConfigError where the configuration allows no such block.
    """
    timestamp = parent.ref.timestamp + config.block_time
    system_config, deposits, sequence_number = parent.system_config, list[bytes](), parent.ref.sequence_number + 1
    if origin.id != parent.ref.l1_origin:
        sequence_number = 0
        deposits = user_deposits(origin, receipts, config.deposit_contract_address)
        l1_time = origin.header.timestamp
        system_config, _ = update_system_config(system_config, receipts, config, l1_inclusion_timestamp=l1_time)
    l1_info = l1_info_deposit(
        config, l1_chain_config, system_config, sequence_number, origin.header, origin.hash, l2_timestamp=timestamp
    )
    upgrades, upgrade_gas = config.upgrade_transactions(l2_timestamp=timestamp)

    def since(fork: Fork) -> bool:
        return config.is_active(fork, l2_timestamp=timestamp)

    return PayloadAttributes(
        timestamp=timestamp,
        prev_randao=origin.header.prev_randao,
        suggested_fee_recipient=FEE_VAULT,
        withdrawals=() if since(Fork.CANYON) else None,
        parent_beacon_block_root=(origin.header.parent_beacon_block_root or bytes(32)) if since(Fork.ECOTONE) else None,
        transactions=(encode_deposit(l1_info), *deposits, *upgrades, *transactions),
        no_tx_pool=True,
        gas_limit=system_config.gas_limit + upgrade_gas,
        eip1559_params=system_config.eip1559_params if since(Fork.HOLOCENE) else None,
        min_base_fee=system_config.min_base_fee if since(Fork.JOVIAN) else None,
    )


class Sequencer:
    """Extends an L2 chain over a `FakeL1`.

    `chain` holds the blocks after `start`, in order; those up to the number `posted` need not be posted (any more).
    """

    def __init__(
        self,
        config: RollupConfig,
        l1: FakeL1,
        start: L2Block,
        random: Random,
        settings: SequencerSettings | None = None,
        maker: TransactionMaker | None = None,
    ) -> None:
        self.config = config
        self.l1 = l1
        self.start = start
        self.settings = settings or SequencerSettings()
        self.chain: list[SequencedBlock] = []
        self.posted = start.ref.number
        self._without_transactions: set[int] = set()
        self._random = random
        self._maker = maker or TransactionMaker(config.l2_chain_id, random)

    @property
    def head(self) -> L2Block:
        """The unsafe head."""
        return self.chain[-1].block if self.chain else self.start

    @property
    def unposted(self) -> list[SequencedBlock]:
        """The blocks after `posted`: what a batcher has to do."""
        return self.chain[self.posted - self.start.ref.number :]

    def by_number(self, number: int) -> SequencedBlock | None:
        """The sequenced block of this number; None for the start block too."""
        index = number - self.start.ref.number - 1
        return self.chain[index] if 0 <= index < len(self.chain) else None

    def produce(self, until: int, posted_in: int) -> list[SequencedBlock]:
        """Build all blocks with a time before `until`, as far as L1 is known well enough. Returns the new ones.

        `posted_in`: number of the L1 block that can hold their batches at the earliest.
        """
        made = []
        while self.head.ref.timestamp + self.config.block_time < until:
            block = self.build_next(posted_in)
            if block is None:
                break
            made.append(block)
        return made

    def build_next(self, posted_in: int) -> SequencedBlock | None:
        """Build one block, like `produce`; None where no L1 origin is allowed yet."""
        parent = self.head
        timestamp = parent.ref.timestamp + self.config.block_time
        origin = self._choose_origin(timestamp)
        if origin is None:
            return None
        # With nothing left to post before it, a block whose sequencing window will be over is what derivation makes
        # without a batch.
        conceded = not self.unposted and origin.header.number + self.config.seq_window_size < posted_in
        if conceded:
            origin = self._forced_origin(timestamp)
        transactions = () if conceded else self._transactions(timestamp, origin)
        receipts = self.l1.receipts[origin.hash]
        attributes = build_attributes(self.config, self.l1.chain_config, parent, origin, receipts, transactions)
        self.chain.append(
            sequenced_block(attributes, make_block(self.config, parent.ref, attributes), conceded=conceded)
        )
        if conceded:
            self.posted = self.head.ref.number
        return self.chain[-1]

    def _forced_origin(self, timestamp: int) -> L1Block:
        """The L1 origin of the empty block that derivation makes where batches lack: the next, if time allows."""
        current = self.l1.by_hash[self.head.ref.l1_origin.hash]
        following = self.l1.by_number(current.header.number + 1)
        return following if following is not None and following.header.timestamp <= timestamp else current

    def adopt(self, blocks: Sequence[SequencedBlock]) -> None:
        """Continue on derived blocks instead of the sequencer's own, in order; all above them is forgotten."""
        for sequenced in blocks:
            del self.chain[sequenced.block.ref.number - self.start.ref.number - 1 :]
            self.chain.append(sequenced)
        self.posted = self.head.ref.number

    def give_up(self, number: int) -> None:
        """Build the block of this number again, without transactions: the engine rejects it with any."""
        self._without_transactions.add(number)
        mine = self.by_number(number)
        if mine is not None and mine.batch.transactions:
            del self.chain[number - self.start.ref.number - 1 :]
            self.posted = min(self.posted, number - 1)

    def rewind(self, l1_number: int, posted: int) -> None:
        """Follow an L1 reorg: `l1_number` is the highest L1 block that stays, `posted` the last L2 block posted up to
        it.

        The blocks that are invalid on the new L1 go.
        """
        while self.chain and not self._survives(self.chain[-1], l1_number):
            self.chain.pop()
        self.posted = min(posted, self.head.ref.number)

    def _survives(self, sequenced: SequencedBlock, l1_number: int) -> bool:
        origin = sequenced.block.ref.l1_origin
        if origin.number > l1_number:
            return False
        # Beyond the drift a block is only valid if the next L1 block is late, and that is one of those that go.
        return origin.number < l1_number or sequenced.batch.timestamp <= self._drift_end(self.l1.by_hash[origin.hash])

    def _drift_end(self, origin: L1Block) -> int:
        time = origin.header.timestamp
        return time + self.config.max_sequencer_drift_at(l1_origin_timestamp=time)

    def _choose_origin(self, timestamp: int) -> L1Block | None:
        """The parent's L1 origin or the next L1 block, within the rules."""
        current = self.l1.by_hash[self.head.ref.l1_origin.hash]
        seen = self.l1.head.header.number - self.settings.confirmations
        number = current.header.number + 1
        following = self.l1.by_number(number)
        if following is not None and following.header.timestamp <= timestamp and number <= self.l1.head.header.number:
            late = timestamp > self._drift_end(current)
            lag = seen - current.header.number
            if (
                late
                or lag > self.settings.max_origin_lag
                or (lag > 0 and self._random.random() < self.settings.advance_chance)
            ):
                return following
        if timestamp > self._drift_end(current) and following is None:
            return None  # whether the block may stay on this L1 origin depends on the time of the next L1 block
        return current

    def _transactions(self, timestamp: int, origin: L1Block) -> tuple[bytes, ...]:
        config = self.config
        if self.head.ref.number + 1 in self._without_transactions:
            return ()
        forbidden = any(fork in _EMPTY_ACTIVATION for fork in config.activated_forks(l2_timestamp=timestamp))
        if forbidden or timestamp > self._drift_end(origin) or self._random.random() < self.settings.empty_chance:
            return ()
        set_code = config.is_active(Fork.ISTHMUS, l2_timestamp=timestamp)
        count = self._random.randint(0, self.settings.transactions)
        return tuple(self._maker.make(set_code=set_code) for _ in range(count))
