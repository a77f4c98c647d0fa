"""Gas that a transaction costs whatever it does, and the least it costs for its data (yellow paper, section 6; EIP-2028,
EIP-2930, EIP-3860, EIP-7623, EIP-7702).
"""

from __future__ import annotations

from trinode.execution.rules import EvmFork
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.transaction import (
    AccessListEntry,
    Authorization,
    LegacyTransaction,
    SetCodeTransaction,
    Transaction,
)

MAX_INIT_CODE_SIZE = 49_152

_TRANSACTION = 21_000
_CREATION = 32_000
_INIT_CODE_WORD = 2
_ZERO_BYTE = 4
_NONZERO_BYTE = 16
_ACCESS_LIST_ADDRESS = 2_400
_ACCESS_LIST_STORAGE_KEY = 1_900
_AUTHORIZATION = 25_000
_TOKENS_OF_NONZERO_BYTE = 4
_FLOOR_OF_TOKEN = 10


def access_list(transaction: Transaction) -> tuple[AccessListEntry, ...]:
    """The accounts and slots that the transaction declares; deposits and legacy transactions cannot."""
    return () if isinstance(transaction, DepositTransaction | LegacyTransaction) else transaction.access_list


def authorization_list(transaction: Transaction) -> tuple[Authorization, ...]:
    return transaction.authorization_list if isinstance(transaction, SetCodeTransaction) else ()


def intrinsic_gas(transaction: Transaction, evm: EvmFork) -> int:
    """Gas that is gone before the transaction runs."""
    data = transaction.data
    zeros = data.count(0)
    gas = _TRANSACTION + zeros * _ZERO_BYTE + (len(data) - zeros) * _NONZERO_BYTE
    if transaction.to is None:
        gas += _CREATION
        if evm >= EvmFork.SHANGHAI:
            gas += (len(data) + 31) // 32 * _INIT_CODE_WORD
    for entry in access_list(transaction):
        gas += _ACCESS_LIST_ADDRESS + len(entry.storage_keys) * _ACCESS_LIST_STORAGE_KEY
    return gas + len(authorization_list(transaction)) * _AUTHORIZATION


def floor_gas(transaction: Transaction, evm: EvmFork) -> int:
    """The least gas that the transaction uses, because of its data (EIP-7623); 0 before Prague."""
    if evm < EvmFork.PRAGUE:
        return 0
    zeros = transaction.data.count(0)
    tokens = zeros + (len(transaction.data) - zeros) * _TOKENS_OF_NONZERO_BYTE
    return _TRANSACTION + tokens * _FLOOR_OF_TOKEN
