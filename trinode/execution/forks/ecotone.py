"""Ecotone: Cancun without blobs, the L1 fee of two scalars (specification: ecotone)."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution import precompiles
from trinode.execution.rules import EvmFork, ExecutionRules, L1CostFormula


def apply(rules: ExecutionRules) -> ExecutionRules:
    return replace(
        rules,
        evm=EvmFork.CANCUN,
        parent_beacon_block_root=True,
        l1_cost=L1CostFormula.ECOTONE,
        precompiles={**rules.precompiles, precompiles.address(0x0A): precompiles.POINT_EVALUATION},
    )
