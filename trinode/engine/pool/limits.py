"""How much the pool takes, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass

SLOT_BYTES = 32 * 1024
"""Room in the pool is counted in slots, and a transaction takes as many as its size begins."""
MOST_TRANSACTION_BYTES = 4 * SLOT_BYTES


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Limits of a pool; the defaults are op-geth's. All slots together bound the memory: 6144 of 32 KiB.

    `account_slots`: pending transactions of one account that do not give way to others because of their number.
    `global_slots`: slots of all pending ones. `account_queue`: queued transactions of one account. `global_queue`: slots of
    all queued ones. `lifetime`: seconds that a transaction may be queued. `price_limit`: the least tip in wei.
    `price_bump`: percent by which a replacement must pay more. `unprotected`: whether transactions that are signed for no
    chain are taken (op-geth: --rpc.allow-unprotected-txs).
    """

    account_slots: int = 16
    global_slots: int = 5120
    account_queue: int = 64
    global_queue: int = 1024
    lifetime: float = 3 * 3600.0
    price_limit: int = 1
    price_bump: int = 10
    unprotected: bool = False


class PoolError(Exception):
    """The pool does not take a transaction. `code` is that of JSON-RPC, `message` says why, in op-geth's words."""

    def __init__(self, message: str, code: int = -32000) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
