"""What makes a signed transaction invalid: no block may hold it at its place, and it changes nothing (yellow paper,
section 6.2; EIP-155, EIP-1559, EIP-2681, EIP-3607, EIP-3860, EIP-7623, EIP-7702, EIP-7825; specification: exec-engine).

py-evm's own checks are not used: they let through EIP-3607, EIP-7623's gas limit, the balance for the highest fee,
a priority fee above the fee cap, and a wrong chain id.
"""

from __future__ import annotations

from typing import NamedTuple

from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import InvalidTransaction
from trinode.execution.pyevm.account_db import JournaledAccounts
from trinode.execution.pyevm.delegation import delegate_of
from trinode.execution.pyevm.intrinsic import MAX_INIT_CODE_SIZE, floor_gas, intrinsic_gas
from trinode.execution.rules import EvmFork
from trinode.protocol.transaction import (
    AccessListTransaction,
    BlobTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignedTransaction,
)
from trinode.protocol.types import UINT64, Address


class FeeCaps(NamedTuple):
    """The most that a transaction pays for a unit of gas, and for its priority, in wei."""

    max_fee: int
    max_priority_fee: int


def fee_caps(transaction: SignedTransaction) -> FeeCaps:
    """Transactions of before EIP-1559 give the whole gas price for either."""
    if isinstance(transaction, LegacyTransaction | AccessListTransaction):
        return FeeCaps(transaction.gas_price, transaction.gas_price)
    return FeeCaps(transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas)


def check_transaction(
    transaction: SignedTransaction, sender: Address, environment: BlockEnvironment, accounts: JournaledAccounts, extra: int
) -> None:
    """Raises InvalidTransaction. `extra`: what it pays besides gas and value, in wei."""
    _check_kind(transaction, environment)
    _check_gas(transaction, environment)
    _check_fees(transaction, environment)
    _check_sender(transaction, sender, environment, accounts)
    cost = transaction.gas_limit * fee_caps(transaction).max_fee + transaction.value + extra
    balance = accounts.get_balance(sender)
    if balance < cost:
        raise InvalidTransaction("insufficient_funds", f"the sender has {balance} wei of {cost}")


def _check_kind(transaction: SignedTransaction, environment: BlockEnvironment) -> None:
    if isinstance(transaction, BlobTransaction):
        raise InvalidTransaction("blob_transaction", "there are no blobs on L2")
    if isinstance(transaction, SetCodeTransaction):
        if environment.rules.evm < EvmFork.PRAGUE:
            raise InvalidTransaction("transaction_type", "a set code transaction before Prague")
        if not transaction.authorization_list:
            raise InvalidTransaction("empty_authorization_list", "a set code transaction without authorizations")
    # A legacy transaction without a chain id holds on all chains.
    if transaction.chain_id not in (environment.chain_id, None):
        raise InvalidTransaction("chain_id", f"for chain {transaction.chain_id}, not {environment.chain_id}")


def _check_gas(transaction: SignedTransaction, environment: BlockEnvironment) -> None:
    rules, gas_limit = environment.rules, transaction.gas_limit
    if rules.transaction_gas_cap is not None and gas_limit > rules.transaction_gas_cap:
        raise InvalidTransaction("transaction_gas_cap", f"a gas limit of {gas_limit}, of {rules.transaction_gas_cap}")
    if transaction.to is None and rules.evm >= EvmFork.SHANGHAI and len(transaction.data) > MAX_INIT_CODE_SIZE:
        raise InvalidTransaction("init_code_size", f"{len(transaction.data)} bytes of init code")
    intrinsic = intrinsic_gas(transaction, rules.evm)
    if gas_limit < intrinsic:
        raise InvalidTransaction("intrinsic_gas", f"a gas limit of {gas_limit}, {intrinsic} are needed to begin")
    floor = floor_gas(transaction, rules.evm)
    if gas_limit < floor:
        raise InvalidTransaction("floor_gas", f"a gas limit of {gas_limit}, its data costs {floor}")


def _check_fees(transaction: SignedTransaction, environment: BlockEnvironment) -> None:
    max_fee, max_priority_fee = fee_caps(transaction)
    if max_priority_fee > max_fee:
        raise InvalidTransaction("priority_fee", f"a priority fee of {max_priority_fee} wei, of {max_fee} in all")
    if max_fee < environment.base_fee:
        raise InvalidTransaction("base_fee", f"{max_fee} wei for gas, the base fee is {environment.base_fee}")


def _check_sender(
    transaction: SignedTransaction, sender: Address, environment: BlockEnvironment, accounts: JournaledAccounts
) -> None:
    nonce = accounts.get_nonce(sender)
    if transaction.nonce < nonce:
        raise InvalidTransaction("nonce_too_low", f"nonce {transaction.nonce}, the sender is at {nonce}")
    if transaction.nonce > nonce:
        raise InvalidTransaction("nonce_too_high", f"nonce {transaction.nonce}, the sender is at {nonce}")
    if nonce >= UINT64:
        raise InvalidTransaction("nonce_max", "the sender's nonce is at its end")
    code = accounts.get_code(sender)
    if code and (environment.rules.evm < EvmFork.PRAGUE or delegate_of(code) is None):
        raise InvalidTransaction("sender_has_code", "the sender is a contract")
