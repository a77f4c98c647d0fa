"""Bedrock: Paris with deposits, the L1 fee and fee vaults (specification: exec-engine, deposits)."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution import precompiles
from trinode.execution.rules import ExecutionRules


def apply(rules: ExecutionRules) -> ExecutionRules:
    return replace(
        rules,
        precompiles={
            precompiles.address(0x01): precompiles.ECRECOVER,
            precompiles.address(0x02): precompiles.SHA256,
            precompiles.address(0x03): precompiles.RIPEMD160,
            precompiles.address(0x04): precompiles.IDENTITY,
            precompiles.address(0x05): precompiles.MODEXP_BERLIN,
            precompiles.address(0x06): precompiles.BN254_ADD,
            precompiles.address(0x07): precompiles.BN254_MUL,
            precompiles.address(0x08): precompiles.bn254_pairing(),
            precompiles.address(0x09): precompiles.BLAKE2F,
        },
    )
