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
from trinode.protocol.l1_info import L1BlockInfo, L1InfoFormat, encode_l1_info
from trinode.protocol.transaction import Transaction

_MILLION = 1_000_000
_ISTHMUS_SIZE = 176
_JOVIAN_SELECTOR = encode_l1_info(L1BlockInfo(L1InfoFormat.JOVIAN, 0, 0, 0, bytes(32), 0, bytes(20)))[:4]
_SCALAR = slice(_ISTHMUS_SIZE, _ISTHMUS_SIZE + 2)


class DaFootprint(NamedTuple):
    """How much gas a byte of data stands for in one block; None where there may be no data at all: the activation block's L1
    attributes do not say it yet, and it has deposits only.
    """

    gas_scalar: int | None

    @classmethod
    def of_block(cls, first: Transaction) -> DaFootprint:
        """By the block's first transaction, which must be its L1 attributes. Raises InvalidTransaction.

        Looks at what op-geth looks at, and no more (seen by comparison): the size, the selector and the scalar. The default
        of 400 is put in where the attributes are made; an engine takes what they say, 0 too.
        """
        if not isinstance(first, DepositTransaction):
            raise InvalidTransaction("l1_attributes", "the block does not begin with its L1 attributes")
        data = first.data
        if len(data) == _ISTHMUS_SIZE:
            return cls(None)
        if len(data) < _SCALAR.stop or not data.startswith(_JOVIAN_SELECTOR):
            raise InvalidTransaction("l1_attributes", f"{len(data)} bytes of L1 attributes, which are not Jovian's")
        return cls(int.from_bytes(data[_SCALAR], "big"))

    def of_transaction(self, prepared: PreparedTransaction) -> int:
        """Gas; 0 for deposits. Raises InvalidTransaction where there may be deposits only."""
        if isinstance(prepared.transaction, DepositTransaction):
            return 0
        if self.gas_scalar is None:
            raise InvalidTransaction("activation_block", "the activation block of Jovian has deposits only")
        return estimated_size_scaled(compressed_size(prepared.raw)) // _MILLION * self.gas_scalar
