"""Granite: the input of the bn254 pairing is limited (specification: granite, "EVM Changes")."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution import precompiles
from trinode.execution.rules import ExecutionRules


def apply(rules: ExecutionRules) -> ExecutionRules:
    pairing = precompiles.bn254_pairing(max_input_size=112_687)
    return replace(rules, precompiles={**rules.precompiles, precompiles.address(0x08): pairing})
