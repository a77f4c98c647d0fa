"""Random blocks: attributes, deposits, the upgrade's own deposits in activation blocks, and transactions."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from harness.engine_differential.attributes import AttributesMaker
from harness.engine_differential.chain import BLOCK_TIME, RandomChain, fork_times, make_chain
from harness.engine_differential.deposits import DepositMaker
from harness.engine_differential.transactions import Surroundings, TransactionMaker
from trinode.execution.errors import InvalidAttributes, InvalidBlock
from trinode.execution.forks import execution_rules_of
from trinode.execution.header_fields import base_fee_after
from trinode.execution.state import StateReader
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.header import Header
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.transaction import decode_transaction, recover_sender
from trinode.protocol.types import Address

_BUSY_BASE_FEE = 10**14
"""Above it (wei), blocks stay nearly empty, until users can afford more again."""
_MAX_TRANSACTIONS = 14


class BlockMaker:
    """All blocks of one seed. The same seed, schedule and number of blocks make the same chain, as long as the states are the same."""

    def __init__(self, schedule: str, seed: int, blocks: int) -> None:
        self._random = Random(f"{schedule} {seed}")
        self.chain: RandomChain = make_chain(fork_times(schedule, blocks, self._random), self._random)
        self._attributes = AttributesMaker(self.chain, self._random)
        self._deposits = DepositMaker(self.chain, self._random)
        self._transactions = TransactionMaker(self.chain, self._random)
        self._first = b""

    def attributes(self, parent: Header, state: StateReader) -> PayloadAttributes:
        """Attributes for a block on `parent`, whose state is `state`; now and then no block can be built from them."""
        timestamp = parent.timestamp + BLOCK_TIME
        config = self.chain.config
        rules = execution_rules_of(config.fork_at(l2_timestamp=timestamp))
        attributes = self._attributes.make(timestamp)
        upgrade, upgrade_gas = config.upgrade_transactions(l2_timestamp=timestamp)
        self._first = encode_deposit(self._attributes.l1_attributes(timestamp))
        assert self._attributes.info is not None
        deposits = [self._deposits.make(rules.fork) for _ in range(self._random.choice((0, 0, 0, 1, 1, 2, 4)))]
        transactions = [*self._attributes.odd_beginning(self._first), *(encode_deposit(deposit) for deposit in deposits), *upgrade]
        around = Surroundings(
            rules=rules,
            info=self._attributes.info,
            base_fee=base_fee_after(config, parent, timestamp),
            gas_left=attributes.gas_limit - 1_000_000 - sum(deposit.gas_limit for deposit in deposits),
            data_left=attributes.gas_limit,
            state=state,
            nonces={},
            balances={},
        )
        for deposit in deposits:
            around.nonces[deposit.sender] = around.nonce(deposit.sender) + 1
        transactions += self._users_transactions(around)
        return replace(attributes, transactions=tuple(transactions), gas_limit=attributes.gas_limit + upgrade_gas)

    def _users_transactions(self, around: Surroundings) -> list[bytes]:
        count = self._random.randrange(_MAX_TRANSACTIONS if around.base_fee < _BUSY_BASE_FEE else 2)
        made = [self._transactions.make(around) for _ in range(count)]
        return [raw for raw in made if raw is not None]

    def smaller(self, attributes: PayloadAttributes, error: InvalidBlock | InvalidAttributes) -> PayloadAttributes:
        """What to try next after attributes were refused: without the transaction that is to blame, or with the L1 attributes only."""
        name, _, index = error.field.partition(" ") if isinstance(error, InvalidBlock) else ("", "", "")
        if name == "transaction" and int(index) > 0:
            return without(attributes, int(index))
        least = replace(attributes, transactions=(self._first,), eip1559_params=attributes.eip1559_params and bytes(8))
        assert least != attributes, f"a block of the L1 attributes alone is refused: {error}"
        return least

    def created(self, addresses: list[Address]) -> None:
        """Contracts that a block made: later programs and transactions call them."""
        self.chain.accounts.contracts.extend(addresses)


def without(attributes: PayloadAttributes, index: int) -> PayloadAttributes:
    """The attributes without the transaction at `index`, and without those of the same sender after it, whose nonces would not fit."""
    before, refused, after = attributes.transactions[:index], attributes.transactions[index], attributes.transactions[index + 1 :]
    sender = _sender(refused)
    return replace(attributes, transactions=before + tuple(raw for raw in after if sender is None or _sender(raw) != sender))


def _sender(raw: bytes) -> Address | None:
    """Who signed a transaction; None for a deposit."""
    transaction = decode_transaction(raw)
    return None if isinstance(transaction, DepositTransaction) else recover_sender(transaction)
