"""The transaction pool: what users have sent, until a block has it (no specification: op-geth's rules of the door and its
words, where this file does not say otherwise).

Of each account the pool knows the transactions by nonce. Those from the account's own nonce on, without a gap and covered by
its balance (L1 and operator fees counted in), are pending: blocks can have them. All others are queued. Nothing is kept on
disk: who sent a transaction sends it again after a restart, as wallets do. Deposits never come here, and blobs do not exist
on L2.

limits       how much is taken, and the error
head         the head block as the pool sees it, and what transactions cost on it
pooled       a transaction in the pool
admission    what can be said of a transaction alone
sender       what can be said of it by its sender's account
account      the transactions of an account: which are pending
shelf        the pending or the queued ones: which give way
condition    what must be so for a block to have a transaction
order        the order in which they are offered to blocks
reorg        what comes back when blocks are taken back
content      what the pool says of itself
pool         the pool
"""

from __future__ import annotations

from trinode.engine.pool.content import PoolContent, PoolStatus
from trinode.engine.pool.limits import PoolError, PoolLimits
from trinode.engine.pool.pool import TransactionPool

__all__ = ["PoolContent", "PoolError", "PoolLimits", "PoolStatus", "TransactionPool"]
