"""Jovian: the minimum base fee, the DA footprint, a larger operator fee, tighter limits for precompiles (specification:
jovian)."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution import precompiles
from trinode.execution.rules import ExecutionRules
from trinode.protocol.l1_cost import operator_fee_jovian


def apply(rules: ExecutionRules) -> ExecutionRules:
    return replace(
        rules,
        min_base_fee=True,
        da_footprint=True,
        operator_fee=operator_fee_jovian,
        precompiles={
            **rules.precompiles,
            precompiles.address(0x08): precompiles.bn254_pairing(max_input_size=81_984),
            precompiles.address(0x0C): precompiles.bls12_g1_msm(max_input_size=288_960),
            precompiles.address(0x0E): precompiles.bls12_g2_msm(max_input_size=278_784),
            precompiles.address(0x0F): precompiles.bls12_pairing(max_input_size=156_672),
        },
    )
