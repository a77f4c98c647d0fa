"""Karst: Osaka (specification: karst; EIP-7825, EIP-7823, EIP-7883, EIP-7951, EIP-7939), a tighter limit for the bn254
pairing.

Of Osaka, two do not apply: the limit on a block's RLP (EIP-7934), which OP Stack chains do not enforce
(ethereum-optimism/optimism, pull request 20097), and the reserve price of blobs (EIP-7918), which moves excessBlobGas: L2
blocks have no blobs, and it stays 0.
"""

from __future__ import annotations

from dataclasses import replace

from trinode.execution import precompiles
from trinode.execution.rules import EvmFork, ExecutionRules


def apply(rules: ExecutionRules) -> ExecutionRules:
    return replace(
        rules,
        evm=EvmFork.OSAKA,
        transaction_gas_cap=2**24,
        precompiles={
            **rules.precompiles,
            precompiles.address(0x05): precompiles.MODEXP_OSAKA,
            precompiles.address(0x08): precompiles.bn254_pairing(max_input_size=57_600),
            precompiles.address(0x0100): precompiles.p256verify(gas=6900),
        },
    )
