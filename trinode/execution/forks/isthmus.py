"""Isthmus: Prague without requests, the operator fee, the withdrawals root (specification: isthmus)."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution import precompiles
from trinode.execution.rules import EvmFork, ExecutionRules
from trinode.protocol.l1_cost import operator_fee_isthmus


def apply(rules: ExecutionRules) -> ExecutionRules:
    return replace(
        rules,
        evm=EvmFork.PRAGUE,
        withdrawals_root_is_message_passer=True,
        operator_fee=operator_fee_isthmus,
        precompiles={
            **rules.precompiles,
            precompiles.address(0x0B): precompiles.BLS12_G1_ADD,
            precompiles.address(0x0C): precompiles.bls12_g1_msm(max_input_size=513_760),
            precompiles.address(0x0D): precompiles.BLS12_G2_ADD,
            precompiles.address(0x0E): precompiles.bls12_g2_msm(max_input_size=488_448),
            precompiles.address(0x0F): precompiles.bls12_pairing(max_input_size=235_008),
            precompiles.address(0x10): precompiles.BLS12_MAP_FP_TO_G1,
            precompiles.address(0x11): precompiles.BLS12_MAP_FP2_TO_G2,
        },
    )
