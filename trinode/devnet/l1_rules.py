"""What an L1 block's header says after its parent's: base fee (EIP-1559) and excess blob gas (EIP-4844, EIP-7691, EIP-7918), and what a
transaction costs by them. The rules are Osaka's.
"""

from __future__ import annotations

from trinode.protocol.header import Header
from trinode.protocol.l1_cost import blob_base_fee
from trinode.protocol.transaction import SignedTransaction
from trinode.protocol.transaction_types import AccessListTransaction, LegacyTransaction
from trinode.rollup.l1_chain import L1ChainConfig

GAS_LIMIT = 60_000_000
GAS_PER_BLOB = 131_072
MAX_BLOBS_PER_TRANSACTION = 6
"""EIP-7594."""
MAX_TRANSACTION_GAS = 1 << 24
"""EIP-7825."""
INITIAL_BASE_FEE = 1_000_000_000
_ELASTICITY = 2
_BASE_FEE_CHANGE = 8
_BLOB_BASE_COST = 8192  # EIP-7918


def base_fee_after(parent: Header) -> int:
    """The base fee in wei of the block after `parent`."""
    base_fee, target = parent.base_fee_per_gas or 0, parent.gas_limit // _ELASTICITY
    change = base_fee * abs(parent.gas_used - target) // target // _BASE_FEE_CHANGE
    return base_fee + max(1, change) if parent.gas_used > target else base_fee - change


def excess_blob_gas_after(config: L1ChainConfig, parent: Header, timestamp: int) -> int:
    """The excess blob gas of the block of that time after `parent`; the schedule has blobs from the genesis on."""
    schedule = config.blob_schedule_at(timestamp)
    assert schedule is not None
    excess, used = parent.excess_blob_gas or 0, parent.blob_gas_used or 0
    target = schedule.target * GAS_PER_BLOB
    if excess + used < target:
        return 0
    price = blob_base_fee(excess, schedule.update_fraction)
    if _BLOB_BASE_COST * (parent.base_fee_per_gas or 0) > GAS_PER_BLOB * price:
        return excess + used * (schedule.max - schedule.target) // schedule.max
    return excess + used - target


def blob_price(config: L1ChainConfig, excess_blob_gas: int, timestamp: int) -> int:
    """The blob base fee in wei of a block of that time."""
    fraction = config.update_fraction_at(timestamp)
    assert fraction is not None
    return blob_base_fee(excess_blob_gas, fraction)


def max_fees(tx: SignedTransaction) -> tuple[int, int]:
    """What a unit of gas may cost the sender in all, and of that for whoever makes the block, in wei."""
    if isinstance(tx, LegacyTransaction | AccessListTransaction):
        return tx.gas_price, tx.gas_price
    return tx.max_fee_per_gas, tx.max_priority_fee_per_gas


def effective_gas_price(tx: SignedTransaction, base_fee: int) -> int:
    """What a unit of gas costs the sender in a block, in wei."""
    most, tip = max_fees(tx)
    return min(most, base_fee + tip)
