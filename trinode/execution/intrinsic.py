"""The gas that a transaction costs before anything is executed (yellow paper, section 6.2; EIP-2028, EIP-2930, EIP-3860,
EIP-7623, EIP-7702).
"""

from __future__ import annotations

from trinode.execution.rules import EvmFork
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.transaction import LegacyTransaction, SetCodeTransaction, Transaction

TRANSACTION = 21_000
CREATION = 32_000
_ZERO_BYTE = 4
_NONZERO_BYTE = 16
_INITCODE_WORD = 2
_ACCESS_LIST_ADDRESS = 2_400
_ACCESS_LIST_SLOT = 1_900
EMPTY_ACCOUNT_AUTHORIZATION = 25_000
"""For each authorization; what is too much is refunded if the account exists."""
_FLOOR_TOKEN = 10
_TOKENS_PER_NONZERO_BYTE = 4


def intrinsic_gas(transaction: Transaction, evm: EvmFork) -> int:
    """Gas that is charged first of all."""
    data = transaction.data
    zeros = data.count(0)
    gas = TRANSACTION + zeros * _ZERO_BYTE + (len(data) - zeros) * _NONZERO_BYTE
    if transaction.to is None:
        gas += CREATION
        if evm >= EvmFork.SHANGHAI:
            gas += _INITCODE_WORD * ((len(data) + 31) // 32)
    if isinstance(transaction, (LegacyTransaction, DepositTransaction)):
        return gas
    for _, storage_keys in transaction.access_list:
        gas += _ACCESS_LIST_ADDRESS + _ACCESS_LIST_SLOT * len(storage_keys)
    if isinstance(transaction, SetCodeTransaction):
        gas += EMPTY_ACCOUNT_AUTHORIZATION * len(transaction.authorization_list)
    return gas


def floor_gas(transaction: Transaction, evm: EvmFork) -> int:
    """The least gas that a transaction uses, by the size of its data (EIP-7623); 0 before Prague."""
    if evm < EvmFork.PRAGUE:
        return 0
    data = transaction.data
    zeros = data.count(0)
    tokens = zeros + (len(data) - zeros) * _TOKENS_PER_NONZERO_BYTE
    return TRANSACTION + _FLOOR_TOKEN * tokens
