"""Whether a block may hold a transaction at this place (yellow paper, section 6; EIP-155, EIP-1559, EIP-2681, EIP-3607,
EIP-3860, EIP-7623, EIP-7702, EIP-7825).
"""

from __future__ import annotations

from typing import NamedTuple

from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import InvalidTransaction
from trinode.execution.intrinsic import floor_gas, intrinsic_gas
from trinode.execution.rules import EvmFork
from trinode.execution.state import Account
from trinode.protocol.transaction import (
    AccessListTransaction,
    BlobTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignedTransaction,
)
from trinode.protocol.types import Address

MAX_INITCODE_SIZE = 49_152
_MAX_NONCE = 2**64 - 1
DELEGATION_PREFIX = b"\xef\x01\x00"
_DELEGATION_SIZE = 23


def delegate_of(code: bytes) -> Address | None:
    """The account whose code runs in the place of `code` (EIP-7702); None: `code` is no delegation."""
    return code[3:] if len(code) == _DELEGATION_SIZE and code.startswith(DELEGATION_PREFIX) else None


class Fees(NamedTuple):
    """Prices of a transaction's gas in wei."""

    max_fee: int
    max_priority_fee: int

    def effective(self, base_fee: int) -> int:
        """What a unit of gas costs in a block of that base fee."""
        return min(self.max_fee, base_fee + self.max_priority_fee)


def fees_of(transaction: SignedTransaction) -> Fees:
    """A gas price is both maximums."""
    if isinstance(transaction, (LegacyTransaction, AccessListTransaction)):
        return Fees(transaction.gas_price, transaction.gas_price)
    return Fees(transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas)


def check_form(transaction: SignedTransaction, environment: BlockEnvironment) -> tuple[int, int]:
    """What can be said without the state. Gives intrinsic gas and floor gas. Raises InvalidTransaction."""
    rules = environment.rules
    if isinstance(transaction, BlobTransaction):
        raise InvalidTransaction("blob_transaction", "blob transactions are not allowed on L2")
    if transaction.chain_id is not None and transaction.chain_id != environment.chain_id:
        raise InvalidTransaction("chain_id", f"for chain {transaction.chain_id}, not {environment.chain_id}")
    if isinstance(transaction, SetCodeTransaction):
        if rules.evm < EvmFork.PRAGUE:
            raise InvalidTransaction("type_not_active", "set code transactions come with Isthmus")
        if not transaction.authorization_list:
            raise InvalidTransaction("empty_authorization_list", "a set code transaction without authorizations")
    if rules.transaction_gas_cap is not None and transaction.gas_limit > rules.transaction_gas_cap:
        detail = f"gas limit {transaction.gas_limit} is above the cap of {rules.transaction_gas_cap}"
        raise InvalidTransaction("gas_cap", detail)
    if transaction.to is None and rules.evm >= EvmFork.SHANGHAI and len(transaction.data) > MAX_INITCODE_SIZE:
        raise InvalidTransaction("initcode_size", f"{len(transaction.data)} bytes of initcode")
    intrinsic, floor = intrinsic_gas(transaction, rules.evm), floor_gas(transaction, rules.evm)
    if transaction.gas_limit < intrinsic:
        raise InvalidTransaction("intrinsic_gas", f"gas limit {transaction.gas_limit} is below {intrinsic}")
    if transaction.gas_limit < floor:
        raise InvalidTransaction("floor_gas", f"gas limit {transaction.gas_limit} is below the floor of {floor}")
    fees = fees_of(transaction)
    if fees.max_priority_fee > fees.max_fee:
        raise InvalidTransaction("priority_fee", f"priority fee {fees.max_priority_fee} above max fee {fees.max_fee}")
    if fees.max_fee < environment.base_fee:
        raise InvalidTransaction("base_fee", f"max fee {fees.max_fee} is below the base fee {environment.base_fee}")
    return intrinsic, floor


def check_sender(transaction: SignedTransaction, account: Account, code: bytes, extra_fees: int) -> None:
    """What depends on the sender's account and its code; `extra_fees`: L1 fee and highest operator fee, in wei. Raises
    InvalidTransaction.
    """
    if transaction.nonce != account.nonce:
        rule = "nonce_too_low" if transaction.nonce < account.nonce else "nonce_too_high"
        raise InvalidTransaction(rule, f"nonce {transaction.nonce}, the account's is {account.nonce}")
    if account.nonce == _MAX_NONCE:
        raise InvalidTransaction("nonce_max", "the account's nonce cannot be counted up")
    if code and delegate_of(code) is None:
        raise InvalidTransaction("sender_has_code", "the sender is a contract")
    cost = transaction.gas_limit * fees_of(transaction).max_fee + transaction.value + extra_fees
    if account.balance < cost:
        raise InvalidTransaction("balance", f"costs up to {cost} wei, the account has {account.balance}")
