"""What can be said of a transaction without the pool and without accounts (EIP-155, EIP-1559, EIP-3860, EIP-7623, EIP-7702,
EIP-7825).
"""

from __future__ import annotations

from trinode.engine.pool.head import PoolHead
from trinode.engine.pool.limits import MOST_TRANSACTION_BYTES, PoolError, PoolLimits
from trinode.engine.pool.pooled import PooledTransaction
from trinode.execution.fees import compressed_size
from trinode.execution.intrinsic import floor_gas, intrinsic_gas
from trinode.execution.recovery import recover_authority, recover_sender
from trinode.execution.rules import EvmFork
from trinode.execution.validity import MAX_INITCODE_SIZE, fees_of
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE, DepositTransaction
from trinode.protocol.transaction import (
    BlobTransaction,
    SetCodeTransaction,
    SignatureError,
    SignedTransaction,
    TransactionDecodingError,
    decode_transaction,
    transaction_hash,
)
from trinode.protocol.types import Address

_LEGACY_FROM = 0xC0
_TYPES = frozenset({1, 2, 4})
_MOST_NONCE = 2**64 - 1


def admit(raw: bytes, chain_id: int, limits: PoolLimits, head: PoolHead) -> PooledTransaction:
    """A transaction that somebody sends. Raises PoolError."""
    if len(raw) > MOST_TRANSACTION_BYTES:
        raise PoolError(f"oversized data: transaction size {len(raw)}, limit {MOST_TRANSACTION_BYTES}")
    transaction = decode(raw)
    if transaction.chain_id is None and not limits.unprotected:
        raise PoolError("only replay-protected (EIP-155) transactions allowed over RPC")
    check_form(transaction, chain_id, head)
    tip = fees_of(transaction).max_priority_fee
    if tip < limits.price_limit:
        raise PoolError(f"transaction underpriced: gas tip cap {tip}, minimum needed {limits.price_limit}")
    pooled = prepare(raw, transaction)
    footprint = pooled.da_size * head.gas_per_da_byte
    if footprint > head.header.gas_limit:
        raise PoolError(f"exceeds block DA footprint limit: footprint {footprint}, limit {head.header.gas_limit}")
    return pooled


def decode(raw: bytes) -> SignedTransaction:
    """A transaction of a type that can be in the pool. Raises PoolError."""
    if raw and raw[0] < _LEGACY_FROM and raw[0] not in _TYPES:  # blobs come with more than decode_transaction knows
        if raw[0] == DEPOSIT_TRANSACTION_TYPE:
            raise PoolError(f"transaction type not supported: received type {raw[0]}")
        raise PoolError("transaction type not supported" + (": tx type 3 not supported by this pool" if raw[0] == 3 else ""))
    try:
        transaction = decode_transaction(raw)
    except TransactionDecodingError as error:
        raise PoolError(str(error)) from error
    assert not isinstance(transaction, (BlobTransaction, DepositTransaction))
    return transaction


def check_form(transaction: SignedTransaction, chain_id: int, head: PoolHead) -> None:
    """Whether a block on the head could have the transaction, for all that it says itself. Raises PoolError."""
    rules, gas = head.rules, transaction.gas_limit
    if isinstance(transaction, SetCodeTransaction):
        if rules.evm < EvmFork.PRAGUE:
            raise PoolError("transaction type not supported: type 4 rejected, pool not yet in Prague")
        if not transaction.authorization_list:
            raise PoolError("set code tx must have at least one authorization tuple")
    if transaction.to is None and rules.evm >= EvmFork.SHANGHAI and len(transaction.data) > MAX_INITCODE_SIZE:
        raise PoolError(f"max initcode size exceeded: code size {len(transaction.data)}, limit {MAX_INITCODE_SIZE}")
    if rules.transaction_gas_cap is not None and gas > rules.transaction_gas_cap:
        raise PoolError(f"transaction gas limit too high (cap: {rules.transaction_gas_cap}, tx: {gas})")
    if gas > head.header.gas_limit:
        raise PoolError("exceeds block gas limit")
    fees = fees_of(transaction)
    if fees.max_fee < fees.max_priority_fee:
        raise PoolError("max priority fee per gas higher than max fee per gas")
    if transaction.chain_id not in (None, chain_id):
        raise PoolError(f"invalid sender: invalid chain id for signer: have {transaction.chain_id} want {chain_id}")
    if transaction.nonce == _MOST_NONCE:
        raise PoolError("nonce has max value")
    intrinsic, floor = intrinsic_gas(transaction, rules.evm), floor_gas(transaction, rules.evm)
    if gas < intrinsic:
        raise PoolError(f"intrinsic gas too low: gas {gas}, minimum needed {intrinsic}")
    if gas < floor:
        raise PoolError(f"insufficient gas for floor data gas cost: gas {gas}, minimum needed {floor}")


def prepare(raw: bytes, transaction: SignedTransaction) -> PooledTransaction:
    """The transaction with its sender. This is most of the work: 0.1 ms. Raises PoolError."""
    sender = recover_sender(transaction)
    if isinstance(sender, SignatureError):
        raise PoolError(f"invalid sender: {sender}")
    fees = fees_of(transaction)
    return PooledTransaction(
        hash=transaction_hash(raw),
        raw=raw,
        sender=sender,
        nonce=transaction.nonce,
        fees=fees,
        gas_limit=transaction.gas_limit,
        gas_and_value=transaction.gas_limit * fees.max_fee + transaction.value,
        compressed_size=compressed_size(raw),
        authorities=_authorities(transaction),
    )


def _authorities(transaction: SignedTransaction) -> tuple[Address, ...]:
    """Who signed the authorizations, each once; where nobody can have, the authorization has no effect (EIP-7702)."""
    if not isinstance(transaction, SetCodeTransaction):
        return ()
    found: dict[Address, None] = {}
    for authorization in transaction.authorization_list:
        try:
            found[recover_authority(authorization)] = None
        except SignatureError:
            continue
    return tuple(found)
