"""Fjord: the L1 fee on an estimated size, P256VERIFY (specification: fjord; RIP-7212)."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution import precompiles
from trinode.execution.rules import ExecutionRules, L1CostFormula


def apply(rules: ExecutionRules) -> ExecutionRules:
    p256verify = precompiles.p256verify(gas=3450)
    return replace(
        rules,
        l1_cost=L1CostFormula.FJORD,
        precompiles={**rules.precompiles, precompiles.address(0x0100): p256verify},
    )
