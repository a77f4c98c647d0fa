"""The DA footprint of transactions: their estimated compressed size, in gas (specification: jovian/exec-engine, "DA Footprint
Block Limit").
"""

from __future__ import annotations

from typing import NamedTuple

from trinode.execution.engine import PreparedTransaction
from trinode.execution.errors import InvalidTransaction
from trinode.execution.fees import compressed_size
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.l1_cost import estimated_size_scaled
from trinode.protocol.l1_info import L1InfoDecodingError, L1InfoFormat, decode_l1_info
from trinode.protocol.transaction import Transaction

_MILLION = 1_000_000


class DaFootprint(NamedTuple):
    """How much gas a byte of data stands for in one block; None where there may be no data at all: the activation block's L1
    attributes do not say it yet, and it has deposits only.
    """

    gas_scalar: int | None

    @classmethod
    def of_block(cls, first: Transaction) -> DaFootprint:
        """By the block's first transaction, which must be its L1 attributes. Raises InvalidTransaction."""
        try:
            if not isinstance(first, DepositTransaction):
                raise InvalidTransaction("l1_attributes", "the block does not begin with its L1 attributes")
            info = decode_l1_info(first.data)
        except L1InfoDecodingError as error:
            raise InvalidTransaction("l1_attributes", str(error)) from error
        if info.format is not L1InfoFormat.JOVIAN:
            return cls(None)
        # The default of 400 is put in where the attributes are made; an engine takes what they say, 0 too.
        return cls(info.da_footprint_gas_scalar)

    def of_transaction(self, prepared: PreparedTransaction) -> int:
        """Gas; 0 for deposits. Raises InvalidTransaction where there may be deposits only."""
        if isinstance(prepared.transaction, DepositTransaction):
            return 0
        if self.gas_scalar is None:
            raise InvalidTransaction("activation_block", "the activation block of Jovian has deposits only")
        return estimated_size_scaled(compressed_size(prepared.raw)) // _MILLION * self.gas_scalar
