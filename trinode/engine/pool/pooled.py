"""A transaction in the pool."""

from __future__ import annotations

from dataclasses import dataclass

from trinode.engine.pool.condition import Condition
from trinode.engine.pool.limits import SLOT_BYTES
from trinode.execution.validity import Fees
from trinode.protocol.l1_cost import estimated_size_scaled
from trinode.protocol.types import Address, Hash32

_MILLION = 1_000_000


@dataclass(slots=True, eq=False)
class PooledTransaction:
    """What the pool needs of a transaction, apart from its bytes.

    `gas_and_value` (wei): the most that it pays for gas, and its value. `compressed_size`: FastLZ's estimate in bytes.
    `authorities`: who signed its authorizations (EIP-7702). `order` counts the transactions as they came. `since`: when it
    was queued last, by the pool's clock. `condition`: without it no block is to have it; None: there is none.
    """

    hash: Hash32
    raw: bytes
    sender: Address
    nonce: int
    fees: Fees
    gas_limit: int
    gas_and_value: int
    compressed_size: int
    authorities: tuple[Address, ...]
    order: int = 0
    pending: bool = False
    since: float = 0.0
    condition: Condition | None = None

    @property
    def slots(self) -> int:
        """How many slots it takes."""
        return (len(self.raw) + SLOT_BYTES - 1) // SLOT_BYTES

    @property
    def da_size(self) -> int:
        """How many bytes it is reckoned to take in L1's data (specification: fjord/exec-engine, "Fees")."""
        return estimated_size_scaled(self.compressed_size) // _MILLION

    def tip(self, base_fee: int) -> int:
        """What a block's fee recipient gets for a unit of its gas, in wei; negative where that block cannot have it."""
        return self.fees.effective(base_fee) - base_fee
