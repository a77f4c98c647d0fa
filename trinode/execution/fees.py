"""What a transaction pays on top of its gas: the L1 fee and the operator fee (specification: exec-engine, "L1-Cost fees";
isthmus and jovian, exec-engine, "Operator Fee").

Their parameters stand in the storage of the L1Block contract, where the block's first deposit has put them. They are
read once a block, when the first transaction needs them: after the deposits, as the network's engines do it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from trinode.execution.rules import ExecutionRules, L1CostFormula
from trinode.protocol.l1_cost import data_gas, flz_compressed_size, l1_cost_bedrock, l1_cost_ecotone, l1_cost_fjord
from trinode.protocol.types import Address

L1_BLOCK: Address = bytes.fromhex("4200000000000000000000000000000000000015")
L1_FEE_VAULT: Address = bytes.fromhex("420000000000000000000000000000000000001a")
OPERATOR_FEE_VAULT: Address = bytes.fromhex("420000000000000000000000000000000000001b")

compressed_size = lru_cache(maxsize=16)(flz_compressed_size)
"""Bytes. The same transaction is asked for twice in a row: for its DA footprint, and for its L1 fee."""

_BASE_FEE_SLOT = 1
_SCALARS_SLOT = 3
_OVERHEAD_SLOT = 5
_SCALAR_SLOT = 6
_BLOB_BASE_FEE_SLOT = 7
_OPERATOR_FEE_SLOT = 8

_UINT32 = 2**32 - 1
_UINT64 = 2**64 - 1


class L1FeeParameters(NamedTuple):
    """What L1Block says, as far as the formula asks for it. Base fees in wei; Bedrock's scalar and the others in millionths."""

    formula: L1CostFormula | None
    base_fee: int = 0
    overhead: int = 0
    scalar: int = 0
    blob_base_fee: int = 0
    base_fee_scalar: int = 0
    blob_base_fee_scalar: int = 0
    operator_fee_scalar: int = 0
    operator_fee_constant: int = 0


def read_l1_fee_parameters(rules: ExecutionRules, storage: Callable[[int], int]) -> L1FeeParameters:
    """Reads the parameters; `storage` gives the value of a slot of L1Block. Reads no more than is needed: a witness has no
    more.
    """
    if rules.l1_cost is None:
        return L1FeeParameters(None)
    operator_fee = storage(_OPERATOR_FEE_SLOT) if rules.operator_fee is not None else 0
    operator = operator_fee >> 64 & _UINT32, operator_fee & _UINT64
    if rules.l1_cost in (L1CostFormula.ECOTONE, L1CostFormula.FJORD):
        scalars, blob_base_fee = storage(_SCALARS_SLOT), storage(_BLOB_BASE_FEE_SLOT)
        # As Solidity packs them: offsets count bytes from the low end of the word.
        base_fee_scalar, blob_base_fee_scalar = scalars >> 96 & _UINT32, scalars >> 64 & _UINT32
        if base_fee_scalar or blob_base_fee_scalar or blob_base_fee:
            fees = (storage(_BASE_FEE_SLOT), 0, 0, blob_base_fee, base_fee_scalar, blob_base_fee_scalar)
            return L1FeeParameters(rules.l1_cost, *fees, *operator)
    # Before Ecotone, and in its first block, whose L1 attributes are still in the format before.
    formula = L1CostFormula.BEDROCK if rules.l1_cost is L1CostFormula.BEDROCK else L1CostFormula.REGOLITH
    fees = (storage(_BASE_FEE_SLOT), storage(_OVERHEAD_SLOT), storage(_SCALAR_SLOT), 0, 0, 0)
    return L1FeeParameters(formula, *fees, *operator)


def l1_fee(parameters: L1FeeParameters, raw: bytes) -> int:
    """The L1 fee in wei of the transaction that is `raw` in the block. Not for deposits, which pay none."""
    match parameters.formula:
        case None:
            return 0
        case L1CostFormula.BEDROCK | L1CostFormula.REGOLITH:
            return l1_cost_bedrock(
                data_gas(raw, regolith=parameters.formula is L1CostFormula.REGOLITH),
                l1_base_fee=parameters.base_fee,
                overhead=parameters.overhead,
                scalar=parameters.scalar,
            )
        case L1CostFormula.ECOTONE:
            return l1_cost_ecotone(
                data_gas(raw),
                l1_base_fee=parameters.base_fee,
                base_fee_scalar=parameters.base_fee_scalar,
                blob_base_fee=parameters.blob_base_fee,
                blob_base_fee_scalar=parameters.blob_base_fee_scalar,
            )
        case L1CostFormula.FJORD:
            return l1_cost_fjord(
                compressed_size(raw),
                l1_base_fee=parameters.base_fee,
                base_fee_scalar=parameters.base_fee_scalar,
                blob_base_fee=parameters.blob_base_fee,
                blob_base_fee_scalar=parameters.blob_base_fee_scalar,
            )


def operator_fee(rules: ExecutionRules, parameters: L1FeeParameters, gas: int) -> int:
    """The operator fee in wei of `gas`."""
    if rules.operator_fee is None:
        return 0
    scalar, constant = parameters.operator_fee_scalar, parameters.operator_fee_constant
    return rules.operator_fee(gas, scalar=scalar, constant=constant)
