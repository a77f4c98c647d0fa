"""The head block as the pool sees it: what the next block will be like, as far as it can be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trinode.engine.pool.pooled import PooledTransaction
from trinode.execution.block import ExecutedBlock
from trinode.execution.da_footprint import DaFootprint
from trinode.execution.fees import L1_BLOCK, L1FeeParameters, l1_fee, operator_fee, read_l1_fee_parameters
from trinode.execution.forks import execution_rules_of
from trinode.execution.header_fields import base_fee_after
from trinode.execution.rules import ExecutionRules, L1CostFormula
from trinode.execution.state import EMPTY_ACCOUNT, Account, StateReader
from trinode.protocol.header import Header
from trinode.protocol.l1_cost import l1_cost_fjord
from trinode.protocol.transaction import decode_transaction
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig
from trinode.storage.store import Store


class Costs(NamedTuple):
    """What a transaction may cost its sender, by the fees that the head's L1Block contract says."""

    rules: ExecutionRules
    parameters: L1FeeParameters

    def of(self, transaction: PooledTransaction) -> int:
        """The most that it can cost, in wei: gas, value, L1 fee and operator fee."""
        rules, parameters = self
        if parameters.formula is L1CostFormula.FJORD:
            data = l1_cost_fjord(
                transaction.compressed_size,
                l1_base_fee=parameters.base_fee,
                base_fee_scalar=parameters.base_fee_scalar,
                blob_base_fee=parameters.blob_base_fee,
                blob_base_fee_scalar=parameters.blob_base_fee_scalar,
            )
        else:
            data = l1_fee(parameters, transaction.raw)
        return transaction.gas_and_value + data + operator_fee(rules, parameters, transaction.gas_limit)


@dataclass(frozen=True, slots=True)
class PoolHead:
    """The last canonical block. `rules` are its own; `base_fee` (wei) is that of a block on it, by these rules.
    `gas_per_da_byte`: Jovian's DA footprint gas scalar; 0 where there is none.
    """

    header: Header
    hash: Hash32
    state: StateReader
    rules: ExecutionRules
    costs: Costs
    base_fee: int
    gas_per_da_byte: int

    def account(self, address: Address) -> Account:
        """The account, or what one that does not exist looks like."""
        return self.state.account(address) or EMPTY_ACCOUNT


def read_head(config: RollupConfig, store: Store, appended: Sequence[ExecutedBlock] = ()) -> PoolHead:
    """The store's head. `appended`: blocks of which the last may be it, which saves reading it again."""
    header, block_hash = store.head_header, store.head.hash
    state = store.state_at(block_hash)
    rules = execution_rules_of(config.fork_at(l2_timestamp=header.timestamp))
    gas_per_da_byte = 0
    if rules.da_footprint:
        known = appended[-1].transactions if appended and appended[-1].hash == block_hash else None
        gas_per_da_byte = _gas_per_da_byte(known if known is not None else store.blocks.transactions(block_hash) or ())
    return PoolHead(
        header=header,
        hash=block_hash,
        state=state,
        rules=rules,
        costs=Costs(rules, read_l1_fee_parameters(rules, lambda slot: state.storage(L1_BLOCK, slot))),
        base_fee=base_fee_after(config, header, header.timestamp),
        gas_per_da_byte=gas_per_da_byte,
    )


def _gas_per_da_byte(transactions: Sequence[bytes]) -> int:
    """A genesis block, and one from a snapshot, is without transactions."""
    return DaFootprint.of_block(decode_transaction(transactions[0])).gas_scalar or 0 if transactions else 0
