"""The rules of plain Ethereum: those of the OP fork that brought an EVM, without what is the OP Stack's own (EIP-7825,
EIP-7951 and the fork of each EVM's precompiles: execution-specs).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from trinode.execution import precompiles
from trinode.execution.forks import execution_rules_of
from trinode.execution.rules import EvmFork, ExecutionRules, Precompile
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork

_BROUGHT_BY = {
    EvmFork.PARIS: Fork.REGOLITH,
    EvmFork.SHANGHAI: Fork.CANYON,
    EvmFork.CANCUN: Fork.ECOTONE,
    EvmFork.PRAGUE: Fork.ISTHMUS,
    EvmFork.OSAKA: Fork.KARST,
}
_P256VERIFY = precompiles.address(0x0100)

# Ethereum limits no input.
_WITHOUT_LIMITS: dict[Address, Precompile] = {
    precompiles.address(0x08): precompiles.bn254_pairing(),
    precompiles.address(0x0C): precompiles.bls12_g1_msm(),
    precompiles.address(0x0E): precompiles.bls12_g2_msm(),
    precompiles.address(0x0F): precompiles.bls12_pairing(),
}


@cache
def ethereum_rules(evm: EvmFork) -> ExecutionRules:
    """The rules of Ethereum at that fork: no L1 fee, no operator fee, the base fee is burnt."""
    rules = execution_rules_of(_BROUGHT_BY[evm])
    contracts = {address: _WITHOUT_LIMITS.get(address, contract) for address, contract in rules.precompiles.items()}
    if evm < EvmFork.OSAKA:
        # Fjord has it before Ethereum.
        contracts.pop(_P256VERIFY, None)
    return replace(rules, precompiles=contracts, l1_cost=None, operator_fee=None, base_fee_recipient=None)
