"""What a transaction costs at least, so that limits and balances can be put at the edge. What is right is for op-geth to say."""

from __future__ import annotations

from trinode.execution.fees import L1FeeParameters, l1_fee, operator_fee
from trinode.execution.intrinsic import floor_gas, intrinsic_gas
from trinode.execution.rules import EvmFork, ExecutionRules, L1CostFormula
from trinode.protocol.l1_cost import estimated_size_scaled, flz_compressed_size
from trinode.protocol.l1_info import L1BlockInfo, L1InfoFormat
from trinode.protocol.transaction import SignedTransaction


def least_gas(tx: SignedTransaction, evm: EvmFork) -> int:
    """The least gas limit that is valid."""
    return max(intrinsic_gas(tx, evm), floor_gas(tx, evm))


def fees_beyond_gas(raw: bytes, gas_limit: int, rules: ExecutionRules, info: L1BlockInfo) -> int:
    """L1 fee and operator fee in wei; an estimate in activation blocks, which still have the parameters of before."""
    # The block after a fork's first one has the new format; Regolith changed the formula alone.
    formula = rules.l1_cost
    if info.format is L1InfoFormat.BEDROCK and formula is not L1CostFormula.BEDROCK:
        formula = L1CostFormula.REGOLITH
    parameters = L1FeeParameters(
        formula=formula,
        base_fee=info.base_fee,
        overhead=info.l1_fee_overhead,
        scalar=info.l1_fee_scalar,
        blob_base_fee=info.blob_base_fee,
        base_fee_scalar=info.base_fee_scalar,
        blob_base_fee_scalar=info.blob_base_fee_scalar,
        operator_fee_scalar=info.operator_fee_scalar,
        operator_fee_constant=info.operator_fee_constant,
    )
    return l1_fee(parameters, raw) + operator_fee(rules, parameters, gas_limit)


def da_footprint(raw: bytes, rules: ExecutionRules, info: L1BlockInfo) -> int:
    """The DA footprint in gas; 0 before Jovian."""
    size = estimated_size_scaled(flz_compressed_size(raw)) // 1_000_000
    return size * info.da_footprint_gas_scalar if rules.da_footprint else 0
