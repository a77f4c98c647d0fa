"""Senders that threads recover are those that the protocol's own recovery finds, in order."""

from __future__ import annotations

import pytest

from trinode.engine.sender_recovery import ThreadedRecovery
from trinode.execution.recovery import recover_in_order
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.transaction import DynamicFeeTransaction, LegacyTransaction, SignatureError, Transaction, recover_sender, sign_transaction

KEYS = [bytes([number]) * 32 for number in range(1, 6)]


def transactions(count: int) -> list[Transaction]:
    """Signed by several keys; every seventh with a signature that nobody can have made, and a deposit among them."""
    made: list[Transaction] = []
    for nonce in range(count):
        transaction = sign_transaction(DynamicFeeTransaction(10, nonce, 1, 2, 21_000, b"\x01" * 20, 5, b""), KEYS[nonce % 5])
        if nonce % 7 == 3:
            transaction = sign_transaction(LegacyTransaction(nonce, 1, 21_000, None, 0, b"\x00", v=37), KEYS[nonce % 5])
        if nonce % 7 == 6:
            transaction = DynamicFeeTransaction(10, nonce, 1, 2, 21_000, b"\x01" * 20, 5, b"", (), nonce % 3, 2**256 - 1, nonce)
        made.append(transaction)
    made.insert(count // 2, DepositTransaction(bytes(32), b"\x0d" * 20, None, 0, 0, 0, False, b""))
    return made


def expected(transaction: Transaction) -> bytes | None:
    try:
        return recover_sender(transaction)
    except SignatureError:
        return None


@pytest.mark.parametrize("count", [0, 1, 8, 9, 16, 17, 100])
def test_the_senders_are_those_of_the_protocol(count: int) -> None:
    block = transactions(count)
    wanted = [expected(transaction) for transaction in block]
    with ThreadedRecovery() as recover:
        for senders in (list(recover(block)), list(recover_in_order(block))):
            assert [None if isinstance(sender, SignatureError) else sender for sender in senders] == wanted
