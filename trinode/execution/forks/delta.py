"""Delta: nothing for execution (specification: delta)."""

from __future__ import annotations

from trinode.execution.rules import ExecutionRules


def apply(rules: ExecutionRules) -> ExecutionRules:
    return rules
