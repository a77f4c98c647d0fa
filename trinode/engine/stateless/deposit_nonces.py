"""Nonces of deposits from before Canyon: they stand in receipts, but no receipts root holds them yet (OP Stack specification: deposits,
"Deposit Receipt"). So they are counted, from what the state before the block proves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from trinode.execution.recovery import recover_sender
from trinode.execution.state import EMPTY_ACCOUNT, StateReader
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.receipt import Receipt
from trinode.protocol.transaction import decode_transaction
from trinode.rollup.fork import Fork


def are_counted(fork: Fork) -> bool:
    """Whether receipts of that fork tell nonces of deposits that their root does not hold."""
    return Fork.REGOLITH <= fork < Fork.CANYON


def with_deposit_nonces(receipts: Sequence[Receipt], transactions: Sequence[bytes], before: StateReader) -> tuple[Receipt, ...]:
    """The receipts of a block, deposits' with the nonces that their senders had: each transaction, failed or not, adds one."""
    sent: Counter[bytes] = Counter()
    completed: list[Receipt] = []
    for raw, receipt in zip(transactions, receipts, strict=True):
        tx = decode_transaction(raw)
        sender = recover_sender(tx)
        assert isinstance(sender, bytes), "a block was derived with a transaction that nobody signed"
        if isinstance(tx, DepositTransaction):
            nonce = (before.account(sender) or EMPTY_ACCOUNT).nonce + sent[sender]
            receipt = replace(receipt, deposit_nonce=nonce)
        sent[sender] += 1
        completed.append(receipt)
    return tuple(completed)
