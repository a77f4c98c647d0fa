"""Blocks: made from payload attributes, or checked (specification: exec-engine; canyon, ecotone, holocene, isthmus and
jovian, exec-engine).

What is the same for every engine is here: which transactions, the gas and data limits, base fee, system calls, receipts,
roots and the header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice

from trinode.execution.create2_deployer import CREATE2_DEPLOYER, CREATE2_DEPLOYER_CODE
from trinode.execution.da_footprint import DaFootprint
from trinode.execution.engine import Engine, PreparedTransaction, Session, TransactionResult
from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import InvalidAttributes, InvalidBlock, InvalidTransaction
from trinode.execution.forks import execution_rules_of
from trinode.execution.header_fields import attributes_of, base_fee_after, check_attributes, extra_data_of
from trinode.execution.receipts import make_receipt, receipts_root
from trinode.execution.recovery import SenderRecovery, recover_in_order
from trinode.execution.rules import ExecutionRules
from trinode.execution.state import StateChanges, StateReader
from trinode.execution.trie.nodes import TrieNodes
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.bloom import BLOOM_SIZE
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.header import EMPTY_OMMERS_HASH, EMPTY_REQUESTS_HASH, Header, header_hash
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.receipt import Receipt
from trinode.protocol.transaction import SignatureError, TransactionDecodingError, decode_transaction
from trinode.protocol.trie import EMPTY_TRIE_ROOT, ordered_trie_root
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork

BEACON_ROOTS: Address = bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02")
"""EIP-4788."""
HISTORY_STORAGE: Address = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
"""EIP-2935."""
MESSAGE_PASSER: Address = bytes.fromhex("4200000000000000000000000000000000000016")
"""L2ToL1MessagePasser, whose storage root is the withdrawals root since Isthmus."""

_SMALLEST_GAS, _SMALLEST_DATA = 21_000, 100
"""Gas that any transaction takes at least, and bytes that it counts as (fjord/exec-engine, "Fees")."""
_POOL_BATCH = 64
"""Pool transactions whose senders are recovered at once."""


@dataclass(frozen=True, slots=True)
class Parent:
    """What a block is built on: a block, and the state after it in both its forms."""

    header: Header
    hash: Hash32
    state: StateReader
    tries: StateTries


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """A block and what it does to the state. `changes` and `nodes` are relative to the parent's state; `tries` is the state
    after the block. `transactions`, `prepared`, `receipts` and `results` go together.
    """

    header: Header
    hash: Hash32
    transactions: tuple[bytes, ...]
    prepared: tuple[PreparedTransaction, ...]
    receipts: tuple[Receipt, ...]
    results: tuple[TransactionResult, ...]
    changes: StateChanges
    tries: StateTries
    nodes: TrieNodes


class BlockExecutor:
    """Makes and checks the blocks of one chain with one engine. Keeps nothing of a block but what the engine keeps of its
    code.
    """

    def __init__(self, config: RollupConfig, engine: Engine, recover: SenderRecovery = recover_in_order) -> None:
        self._config = config
        self._engine = engine
        self._recover = recover

    def build(self, parent: Parent, attributes: PayloadAttributes, pool: Iterable[bytes] = ()) -> ExecutedBlock:
        """The block that `attributes` make on `parent`; unless `no_tx_pool`, as many transactions of `pool`, in its order,
        are taken as are valid and fit.

        Raises InvalidAttributes, UnknownFork, InvalidBlock where a transaction of the attributes is not valid there (its
        field is `transaction <index>`), and MissingState.
        """
        rules = self.rules(attributes.timestamp)
        check_attributes(rules, attributes, parent.header)
        return self._make(parent, attributes, extra_data_of(self._config, rules, attributes), pool)

    def check(self, parent: Parent, header: Header, transactions: Sequence[bytes]) -> ExecutedBlock:
        """The block that `header` and `transactions` are said to be. Raises InvalidBlock, with the first header field that
        differs, UnknownFork, and MissingState.
        """
        rules = self.rules(header.timestamp)
        try:
            attributes = attributes_of(rules, header, tuple(transactions))
            check_attributes(rules, attributes, parent.header)
        except InvalidAttributes as error:
            raise InvalidBlock("header", str(error)) from error
        if header.parent_hash != parent.hash:
            raise InvalidBlock("parent_hash", f"0x{header.parent_hash.hex()}, the parent is 0x{parent.hash.hex()}")
        block = self._make(parent, attributes, header.extra_data, ())
        check_header(expected=block.header, actual=header)
        return block

    def rules(self, timestamp: int) -> ExecutionRules:
        """The rules of a block of that time. Raises UnknownFork."""
        return execution_rules_of(self._config.fork_at(l2_timestamp=timestamp))

    def environment(self, parent: Header, parent_hash: Hash32, attributes: PayloadAttributes) -> BlockEnvironment:
        """What a block made of `attributes` on `parent` is executed in."""
        rules = self.rules(attributes.timestamp)
        return BlockEnvironment(
            rules=rules,
            chain_id=self._config.l2_chain_id,
            number=parent.number + 1,
            timestamp=attributes.timestamp,
            fee_recipient=attributes.suggested_fee_recipient,
            gas_limit=attributes.gas_limit,
            base_fee=base_fee_after(self._config, parent, attributes.timestamp),
            prev_randao=attributes.prev_randao,
            parent_hash=parent_hash,
            parent_beacon_block_root=attributes.parent_beacon_block_root,
        )

    def _make(
        self, parent: Parent, attributes: PayloadAttributes, extra_data: bytes, pool: Iterable[bytes]
    ) -> ExecutedBlock:
        environment = self.environment(parent.header, parent.hash, attributes)
        session = self._engine.begin(environment, parent.state)
        self._begin(session, environment)
        body = _Body(environment, session)
        for index, prepared in enumerate(self._prepare_all(attributes.transactions)):
            body.add_forced(index, prepared)
        if not attributes.no_tx_pool:
            for candidate in self._prepare_pool(pool, body):
                body.offer(candidate)
        body.check_da_scalar()
        changes = session.finish()
        tries, nodes = parent.tries.updated(changes)
        transactions = tuple(prepared.raw for prepared in body.prepared)
        header = assemble_header(
            environment, transactions, body.receipts, tries, gas_used=body.gas_used, da_footprint=body.da_footprint, extra_data=extra_data
        )
        return ExecutedBlock(
            header=header,
            hash=header_hash(header),
            transactions=transactions,
            prepared=tuple(body.prepared),
            receipts=tuple(body.receipts),
            results=tuple(body.results),
            changes=changes,
            tries=tries,
            nodes=nodes,
        )

    def _begin(self, session: Session, environment: BlockEnvironment) -> None:
        """What happens before the first transaction."""
        rules = environment.rules
        if environment.timestamp == self._config.fork_times.get(Fork.CANYON):
            session.set_code(CREATE2_DEPLOYER, CREATE2_DEPLOYER_CODE)
        if rules.parent_beacon_block_root:
            session.system_call(BEACON_ROOTS, environment.parent_beacon_block_root or bytes(32))
        if rules.withdrawals_root_is_message_passer:
            session.system_call(HISTORY_STORAGE, environment.parent_hash)

    def _prepare_all(self, transactions: Sequence[bytes]) -> Iterator[PreparedTransaction]:
        """Decodes the block's own transactions before the first of them is executed. Raises InvalidBlock."""
        decoded = []
        for index, raw in enumerate(transactions):
            try:
                decoded.append(decode_transaction(raw))
            except TransactionDecodingError as error:
                raise InvalidBlock(f"transaction {index}", str(error)) from error
        for index, sender in enumerate(self._recover(decoded)):
            if isinstance(sender, SignatureError):
                raise InvalidBlock(f"transaction {index}", str(sender))
            yield PreparedTransaction(transactions[index], decoded[index], sender)

    def _prepare_pool(self, pool: Iterable[bytes], body: _Body) -> Iterator[PreparedTransaction]:
        """Decodes the pool's transactions in batches, until nothing more fits; what does not decode, is a deposit, or has more gas than
        is left, is passed over before it costs anything.
        """
        remaining = iter(pool)
        while not body.is_full and (batch := list(islice(remaining, _POOL_BATCH))):
            decoded = []
            for raw in batch:
                try:
                    transaction = decode_transaction(raw)
                except TransactionDecodingError:
                    continue
                if transaction.gas_limit <= body.gas_left:
                    decoded.append((raw, transaction))
            senders = self._recover([transaction for _, transaction in decoded])
            for (raw, transaction), sender in zip(decoded, senders, strict=True):
                if not isinstance(sender, SignatureError) and not isinstance(transaction, DepositTransaction):
                    yield PreparedTransaction(raw, transaction, sender)


class _Body:
    """The transactions of a block in the making, held to its limits of gas and data."""

    def __init__(self, environment: BlockEnvironment, session: Session) -> None:
        self._environment = environment
        self._session = session
        self.gas_left = environment.gas_limit
        self._da: DaFootprint | None = None
        self.gas_used = 0
        self.da_footprint = 0
        self.prepared: list[PreparedTransaction] = []
        self.receipts: list[Receipt] = []
        self.results: list[TransactionResult] = []

    @property
    def is_full(self) -> bool:
        """Whether not even the smallest transaction fits any more."""
        scalar = 0 if self._da is None else self._da.gas_scalar or 0
        return self.gas_left < _SMALLEST_GAS or self._environment.gas_limit - self.da_footprint < _SMALLEST_DATA * scalar

    def add_forced(self, index: int, prepared: PreparedTransaction) -> None:
        """A transaction that must be there. Raises InvalidBlock."""
        try:
            self._add(prepared)
        except InvalidTransaction as error:
            raise InvalidBlock(f"transaction {index}", str(error)) from error

    def offer(self, prepared: PreparedTransaction) -> bool:
        """A transaction that may be there; whether it is."""
        try:
            self._add(prepared)
        except InvalidTransaction:
            return False
        return True

    def check_da_scalar(self) -> None:
        """Jovian: a block must begin with the L1 attributes that say what data costs. Raises InvalidBlock."""
        if self._environment.rules.da_footprint and self._da is None:
            raise InvalidBlock("transaction 0", "the block does not begin with its L1 attributes")

    def _add(self, prepared: PreparedTransaction) -> None:
        transaction = prepared.transaction
        is_deposit = isinstance(transaction, DepositTransaction)
        takes_gas = not (isinstance(transaction, DepositTransaction) and transaction.is_system_transaction)
        if takes_gas and transaction.gas_limit > self.gas_left:
            detail = f"gas limit {transaction.gas_limit}, the block has {self.gas_left} gas left"
            raise InvalidTransaction("block_gas_limit", detail)
        footprint = self._footprint(prepared)
        result = self._session.apply(prepared)
        self.gas_left -= result.gas_used if takes_gas else 0
        self.gas_used += result.gas_used
        self.da_footprint += footprint
        self.prepared.append(prepared)
        self.results.append(result)
        self.receipts.append(make_receipt(prepared.raw, result, self.gas_used, self._environment.rules, is_deposit=is_deposit))

    def _footprint(self, prepared: PreparedTransaction) -> int:
        """The transaction's DA footprint in gas, which must still fit."""
        if not self._environment.rules.da_footprint:
            return 0
        if self._da is None:
            self._da = DaFootprint.of_block(prepared.transaction)
        footprint = self._da.of_transaction(prepared)
        if self.da_footprint + footprint > self._environment.gas_limit:
            raise InvalidTransaction("da_footprint", f"DA footprint {footprint} exceeds what the block has left")
        return footprint


def assemble_header(
    environment: BlockEnvironment,
    transactions: Sequence[bytes],
    receipts: Sequence[Receipt],
    tries: StateTries,
    *,
    gas_used: int,
    da_footprint: int,
    extra_data: bytes,
) -> Header:
    """The header of a block with these raw transactions, after which the state is that of `tries`. `da_footprint` in gas."""
    rules = environment.rules
    withdrawals_root = EMPTY_TRIE_ROOT if rules.withdrawals else None
    if rules.withdrawals_root_is_message_passer:
        withdrawals_root = tries.storage_root(MESSAGE_PASSER)
    bloom = 0
    for receipt in receipts:
        if receipt.logs:
            bloom |= int.from_bytes(receipt.logs_bloom, "big")
    return Header(
        parent_hash=environment.parent_hash,
        ommers_hash=EMPTY_OMMERS_HASH,
        beneficiary=environment.fee_recipient,
        state_root=tries.root,
        transactions_root=ordered_trie_root(transactions),
        receipts_root=receipts_root(receipts, rules),
        logs_bloom=bloom.to_bytes(BLOOM_SIZE, "big"),
        difficulty=0,
        number=environment.number,
        gas_limit=environment.gas_limit,
        gas_used=gas_used,
        timestamp=environment.timestamp,
        extra_data=extra_data,
        prev_randao=environment.prev_randao,
        nonce=bytes(8),
        base_fee_per_gas=environment.base_fee,
        withdrawals_root=withdrawals_root,
        blob_gas_used=da_footprint if rules.parent_beacon_block_root else None,
        excess_blob_gas=0 if rules.parent_beacon_block_root else None,
        parent_beacon_block_root=environment.parent_beacon_block_root,
        requests_hash=EMPTY_REQUESTS_HASH if rules.withdrawals_root_is_message_passer else None,
    )


def check_header(*, expected: Header, actual: Header) -> None:
    """Raises InvalidBlock with the first field of `actual`, in the header's order, that is not `expected`."""
    for field in fields(Header):
        ours, theirs = getattr(expected, field.name), getattr(actual, field.name)
        if ours != theirs:
            raise InvalidBlock(field.name, f"{_shown(theirs)}, must be {_shown(ours)}")


def _shown(value: bytes | int | None) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
