"""Logs of the two L1 contracts that derivation listens to (OP Stack specification: deposits, "Deposit Contract";
system-config)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from trinode.protocol.deposit import TRANSACTION_DEPOSITED_TOPIC
from trinode.protocol.receipt import Log
from trinode.protocol.types import Address
from trinode.rollup.system_config import CONFIG_UPDATE_TOPIC


def word(value: int) -> bytes:
    """An unsigned integer as 32 bytes."""
    return value.to_bytes(32, "big")


def _abi_bytes(value: bytes) -> bytes:
    """One `bytes` argument, ABI-encoded alone."""
    return word(32) + word(len(value)) + value + bytes(-len(value) % 32)


@dataclass(frozen=True, slots=True)
class UserDeposit:
    """What a user asks of the portal. `mint` and `value` in wei; with `is_creation`, `to` is not looked at."""

    sender: Address
    to: Address
    mint: int
    value: int
    gas_limit: int
    is_creation: bool
    data: bytes


def deposit_log(portal: Address, deposit: UserDeposit) -> Log:
    """The portal's TransactionDeposited event, version 0."""
    opaque = b"".join(
        (
            word(deposit.mint),
            word(deposit.value),
            deposit.gas_limit.to_bytes(8, "big"),
            bytes([deposit.is_creation]),
            deposit.data,
        )
    )
    topics = (TRANSACTION_DEPOSITED_TOPIC, bytes(12) + deposit.sender, bytes(12) + deposit.to, word(0))
    return Log(portal, topics, _abi_bytes(opaque))


class UpdateType(IntEnum):
    """The kinds of ConfigUpdate events."""

    BATCHER = 0
    FEE_SCALARS = 1
    GAS_LIMIT = 2
    UNSAFE_BLOCK_SIGNER = 3
    EIP1559_PARAMS = 4
    OPERATOR_FEE = 5
    MIN_BASE_FEE = 6
    DA_FOOTPRINT_GAS_SCALAR = 7


def config_update_log(contract: Address, update_type: int, *words: bytes, version: int = 0) -> Log:
    """The system config's ConfigUpdate event with these 32-byte words as its data; type and version may be unknown."""
    return Log(contract, (CONFIG_UPDATE_TOPIC, word(version), word(update_type)), _abi_bytes(b"".join(words)))


def batcher_update(contract: Address, batcher: Address) -> Log:
    """The batcher key becomes that of `batcher`."""
    return config_update_log(contract, UpdateType.BATCHER, bytes(12) + batcher)


def fee_scalars_update(contract: Address, overhead: bytes, scalar: bytes) -> Log:
    """Overhead and scalar, 32 bytes each; what the scalar means depends on Ecotone."""
    return config_update_log(contract, UpdateType.FEE_SCALARS, overhead, scalar)


def gas_limit_update(contract: Address, gas_limit: int) -> Log:
    """L2's gas limit."""
    return config_update_log(contract, UpdateType.GAS_LIMIT, word(gas_limit))


def eip1559_params_update(contract: Address, denominator: int, elasticity: int) -> Log:
    """L2's EIP-1559 parameters; 0, 0 for the chain's own."""
    return config_update_log(contract, UpdateType.EIP1559_PARAMS, word(denominator << 32 | elasticity))


def operator_fee_update(contract: Address, scalar: int, constant: int) -> Log:
    """The operator fee of Isthmus."""
    return config_update_log(contract, UpdateType.OPERATOR_FEE, word(scalar << 64 | constant))


def min_base_fee_update(contract: Address, min_base_fee: int) -> Log:
    """The minimum base fee of Jovian, in wei."""
    return config_update_log(contract, UpdateType.MIN_BASE_FEE, word(min_base_fee))


def da_footprint_update(contract: Address, scalar: int) -> Log:
    """The DA footprint gas scalar of Jovian; 0 for the default."""
    return config_update_log(contract, UpdateType.DA_FOOTPRINT_GAS_SCALAR, word(scalar))


def unsafe_block_signer_update(contract: Address, signer: Address) -> Log:
    """Of no meaning to derivation."""
    return config_update_log(contract, UpdateType.UNSAFE_BLOCK_SIGNER, bytes(12) + signer)
