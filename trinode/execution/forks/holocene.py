"""Holocene: EIP-1559 parameters in attributes and extraData (specification: holocene)."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution.rules import ExecutionRules


def apply(rules: ExecutionRules) -> ExecutionRules:
    return replace(rules, eip1559_params=True)
