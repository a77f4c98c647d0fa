"""Regolith: deposits pay for the gas that they use (specification: regolith)."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution.rules import ExecutionRules, L1CostFormula


def apply(rules: ExecutionRules) -> ExecutionRules:
    return replace(rules, deposit_gas_is_metered=True, l1_cost=L1CostFormula.REGOLITH)
