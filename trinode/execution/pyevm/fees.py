"""What a transaction pays besides gas, with the parameters that stand in L1Block's storage (specification: exec-engine,
"L1-Cost fees"; ecotone, fjord; isthmus and jovian, "Operator Fee").
"""

from __future__ import annotations

from collections.abc import Callable

from trinode.execution.rules import ExecutionRules, L1CostFormula
from trinode.protocol.l1_cost import data_gas, flz_compressed_size, l1_cost_bedrock, l1_cost_ecotone, l1_cost_fjord
from trinode.protocol.types import Address
from trinode.rollup.l1_attributes import L1_BLOCK_PREDEPLOY

L1_FEE_VAULT: Address = bytes.fromhex("420000000000000000000000000000000000001a")
OPERATOR_FEE_VAULT: Address = bytes.fromhex("420000000000000000000000000000000000001b")

_BASE_FEE_SLOT = 1
_SCALARS_SLOT = 3
_OVERHEAD_SLOT = 5
_SCALAR_SLOT = 6
_BLOB_BASE_FEE_SLOT = 7
_OPERATOR_FEE_SLOT = 8

_UINT32 = 2**32 - 1
_UINT64 = 2**64 - 1

ReadStorage = Callable[[Address, int], int]


def l1_fee(raw: bytes, rules: ExecutionRules, storage: ReadStorage) -> int:
    """In wei, of the signed transaction `raw`. `storage` reads an account's slot as it is now."""
    if rules.l1_cost is None:
        return 0
    l1_base_fee = storage(L1_BLOCK_PREDEPLOY, _BASE_FEE_SLOT)
    if rules.l1_cost not in (L1CostFormula.BEDROCK, L1CostFormula.REGOLITH):
        blob_base_fee = storage(L1_BLOCK_PREDEPLOY, _BLOB_BASE_FEE_SLOT)
        scalars = storage(L1_BLOCK_PREDEPLOY, _SCALARS_SLOT) >> 64 & _UINT64
        # In Ecotone's first block L1Block still has none of its values: the fee is the one of before.
        if blob_base_fee or scalars:
            return _fee_of_two_scalars(raw, rules.l1_cost, l1_base_fee, blob_base_fee, scalars)
    return l1_cost_bedrock(
        data_gas(raw, regolith=rules.l1_cost is not L1CostFormula.BEDROCK),
        l1_base_fee=l1_base_fee,
        overhead=storage(L1_BLOCK_PREDEPLOY, _OVERHEAD_SLOT),
        scalar=storage(L1_BLOCK_PREDEPLOY, _SCALAR_SLOT),
    )


def _fee_of_two_scalars(raw: bytes, formula: L1CostFormula, l1_base_fee: int, blob_base_fee: int, scalars: int) -> int:
    parameters = {
        "l1_base_fee": l1_base_fee,
        "base_fee_scalar": scalars >> 32,
        "blob_base_fee": blob_base_fee,
        "blob_base_fee_scalar": scalars & _UINT32,
    }
    if formula is L1CostFormula.ECOTONE:
        return l1_cost_ecotone(data_gas(raw), **parameters)
    return l1_cost_fjord(flz_compressed_size(raw), **parameters)


def operator_fee(gas: int, rules: ExecutionRules, storage: ReadStorage) -> int:
    """In wei, of `gas`; 0 before Isthmus, and where the operator asks for none."""
    if rules.operator_fee is None:
        return 0
    parameters = storage(L1_BLOCK_PREDEPLOY, _OPERATOR_FEE_SLOT)
    return rules.operator_fee(gas, scalar=parameters >> 64 & _UINT32, constant=parameters & _UINT64)
