"""What the forks change for execution, as plain values; `trinode.execution.forks` folds the deltas of the forks.

An OP Stack fork brings a fork of Ethereum's EVM with it (`evm`), and rules of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple, Protocol

from trinode.protocol.types import Address
from trinode.rollup.fork import Fork


class EvmFork(IntEnum):
    """The forks of Ethereum whose EVM an L2 block may have."""

    PARIS = 0
    SHANGHAI = 1
    CANCUN = 2
    PRAGUE = 3
    OSAKA = 4


class L1CostFormula(Enum):
    """How the L1 fee of a transaction is computed (`protocol.l1_cost`)."""

    BEDROCK = "bedrock"
    """All of a transaction's calldata gas and 68 bytes, times L1 base fee and scalar."""
    REGOLITH = "regolith"
    """The same, without the 68 bytes."""
    ECOTONE = "ecotone"
    """Two scalars, for base fee and blob base fee."""
    FJORD = "fjord"
    """The same on the size that FastLZ estimates."""


class OperatorFeeFormula(Protocol):
    """The operator fee in wei of `gas` (`protocol.l1_cost`)."""

    def __call__(self, gas: int, *, scalar: int, constant: int) -> int: ...


class Precompile(NamedTuple):
    """A contract that is part of the protocol. Gas is charged first, then it runs.

    `gas`: what a call with that input costs. `run`: its output; raises PrecompileFailure, and the call fails and takes
    all its gas.
    """

    gas: Callable[[bytes], int]
    run: Callable[[bytes], bytes]


BASE_FEE_VAULT: Address = bytes.fromhex("4200000000000000000000000000000000000019")


@dataclass(frozen=True, slots=True)
class ExecutionRules:
    """The rules of one fork. The defaults are Bedrock's, where there are any."""

    fork: Fork = Fork.BEDROCK
    evm: EvmFork = EvmFork.PARIS
    precompiles: Mapping[Address, Precompile] = field(default_factory=dict, repr=False)
    warm_precompiles: Collection[Address] | None = None
    """Addresses that are warm from the start (EIP-2929); None: those of `precompiles`. A call that moves some leaves these as they are."""

    deposit_gas_is_metered: bool = False
    """Regolith: a deposit's gas used is what it used (before: all of its limit, and nothing for a system transaction), and
    its receipt has the sender's nonce."""
    deposit_receipt_version: int | None = None
    """Canyon: 1, and the receipts root commits to nonce and version of deposit receipts."""
    withdrawals: bool = False
    """Canyon: headers have a withdrawals root (of the empty list, until Isthmus)."""
    canyon_base_fee_denominator: bool = False
    """Canyon: the base fee moves by the chain's Canyon denominator."""
    parent_beacon_block_root: bool = False
    """Ecotone: the header field, the blob gas fields (0), and the EIP-4788 call."""
    eip1559_params: bool = False
    """Holocene: attributes carry EIP-1559 parameters, extraData keeps them for the block's children."""
    withdrawals_root_is_message_passer: bool = False
    """Isthmus: the withdrawals root is the storage root of L2ToL1MessagePasser, headers have a requests hash, the
    EIP-2935 call."""
    min_base_fee: bool = False
    """Jovian: attributes and extraData carry the minimum base fee."""
    da_footprint: bool = False
    """Jovian: the DA footprint stands in blobGasUsed, is limited by the block's gas limit, and moves the base fee."""

    l1_cost: L1CostFormula | None = L1CostFormula.BEDROCK
    """None: transactions pay no L1 fee, as on Ethereum itself."""
    operator_fee: OperatorFeeFormula | None = None
    """Isthmus, Jovian: what a transaction pays to the operator for its gas; None before."""
    base_fee_recipient: Address | None = BASE_FEE_VAULT
    """BaseFeeVault; None: the base fee is burnt, as on Ethereum itself."""
    transaction_gas_cap: int | None = None
    """Karst (EIP-7825): the highest gas limit of a transaction; deposits are exempt."""
