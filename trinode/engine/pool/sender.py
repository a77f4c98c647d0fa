"""What can be said of a transaction by its sender's account and by what the pool has of it (EIP-3607, EIP-7702)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trinode.engine.pool.account import PooledAccount
from trinode.engine.pool.head import PoolHead
from trinode.engine.pool.limits import PoolError, PoolLimits
from trinode.engine.pool.pooled import PooledTransaction
from trinode.execution.state import EMPTY_CODE_HASH
from trinode.execution.validity import Fees, delegate_of
from trinode.protocol.types import Address


def check_sender(transaction: PooledTransaction, account: PooledAccount, head: PoolHead, limits: PoolLimits) -> None:
    """Nonce, code, funds for all that is pending, number of queued transactions, price of a replacement. Raises PoolError."""
    nonce, state = transaction.nonce, account.state
    if nonce < state.nonce:
        raise PoolError(f"nonce too low: next nonce {state.nonce}, tx nonce {nonce}")
    if state.code_hash != EMPTY_CODE_HASH and delegate_of(head.state.code(state.code_hash)) is None:
        raise PoolError(f"sender not an eoa: address 0x{account.address.hex()}, codehash: 0x{state.code_hash.hex()}")
    replaced = account.transactions.get(nonce)
    _check_funds(transaction, replaced, account, head)
    if replaced is not None:
        if not pays_for_replacement(transaction.fees, replaced.fees, limits.price_bump):
            raise PoolError("replacement transaction underpriced")
    elif nonce > account.next_nonce and account.queued >= limits.account_queue:
        raise PoolError(f"account limit exceeded: pooled {len(account.transactions)} txs")


def _check_funds(transaction: PooledTransaction, replaced: PooledTransaction | None, account: PooledAccount, head: PoolHead) -> None:
    balance, cost, spent = account.state.balance, head.costs.of(transaction), account.spent
    words = f"insufficient funds for gas * price + value: balance {balance}, "
    if cost > balance:
        raise PoolError(f"{words}tx cost {cost}, overshot {cost - balance}")
    if replaced is not None and replaced.pending:
        bump = cost - head.costs.of(replaced)
        if spent + bump > balance:
            raise PoolError(f"{words}queued cost {spent}, tx bumped {bump}, overshot {spent + bump - balance}")
    elif spent + cost > balance:
        raise PoolError(f"{words}queued cost {spent}, tx cost {cost}, overshot {spent + cost - balance}")


def pays_for_replacement(new: Fees, old: Fees, bump: int) -> bool:
    """Whether both prices are higher, and by so many percent at least (rounded down)."""
    pairs = zip(new, old, strict=True)
    return all(price > former and price >= former * (100 + bump) // 100 for price, former in pairs)


def check_delegation(
    transaction: PooledTransaction, account: PooledAccount, authorities: Mapping[Address, int], count: Callable[[Address], int]
) -> None:
    """An account whose code can spend its balance, or is about to get such code, has one transaction in the pool at a time:
    a single one could make many others invalid. `authorities`: how many transactions have an authorization of an account;
    `count`: how many are of an account. Raises PoolError.
    """
    delegated = account.state.code_hash != EMPTY_CODE_HASH or transaction.sender in authorities
    if delegated and transaction.nonce not in account.transactions:
        if account.transactions:
            raise PoolError("in-flight transaction limit reached for delegated accounts")
        if transaction.nonce != account.state.nonce:
            raise PoolError("gapped-nonce tx from delegated accounts")
    for authority in transaction.authorities:
        if count(authority) > 1:
            raise PoolError("authority already reserved")
