"""The assembler, and the bounds of L1's pool."""

from __future__ import annotations

import pytest

from tests.unit.devnet.devnet_chain import GWEI, l1_transaction
from trinode.devnet import l1_pool
from trinode.devnet.assembly import assemble
from trinode.devnet.contracts import ADMIN_SLOT, IMPLEMENTATION_SLOT
from trinode.devnet.l1_pool import WaitingPool
from trinode.devnet.l1_transactions import TransactionNotTaken, WaitingTransaction, read_transaction

TARGET = b"\x77" * 20


def test_assembly() -> None:
    code = assemble("""
        1 0x0002 300 PUSH0     ; numbers are pushed
    again: @end JUMPI @again JUMP
    end: STOP
    """)
    assert code.hex() == "6001" + "610002" + "61012c" + "5f" + "5b" + "61001257" + "61000956" + "5b" + "00"


@pytest.mark.parametrize(("text", "problem"), [("@nowhere JUMP", "no label nowhere"), ("PUSH9", "PUSH9 is no opcode")])
def test_assembly_that_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        assemble(text)


def test_the_slots_of_eip1967() -> None:
    assert f"{IMPLEMENTATION_SLOT:064x}" == "360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    assert f"{ADMIN_SLOT:064x}" == "b53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103"


def waiting(nonce: int, account: int = 0, fee: int = GWEI // 2) -> WaitingTransaction:
    return read_transaction(l1_transaction(TARGET, nonce=nonce, account=account, fee=fee))


def test_the_pool_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l1_pool, "MAX_WAITING", 2)
    pool = WaitingPool()
    for nonce in range(2):
        pool.check(waiting(nonce), 0)
        pool.add(waiting(nonce))
    with pytest.raises(TransactionNotTaken, match="txpool is full"):
        pool.check(waiting(2), 0)
    pool.check(waiting(1, fee=GWEI), 0)  # one in the place of another still fits
    assert pool.add(waiting(1, fee=GWEI)) == (2, 1)
    assert pool.remove_below(waiting(0).sender, 1) == [0] and len(pool) == 1
    pool.check(waiting(2), 1)


def test_the_pools_order_is_that_of_arrival_and_of_nonces() -> None:
    pool = WaitingPool()
    for nonce, account in ((1, 0), (0, 1), (0, 0)):
        pool.add(waiting(nonce, account))
    senders = [waiting(0, account).sender for account in (0, 1)]
    assert [(each.sender, each.transaction.nonce) for each in pool.in_order()] == [(senders[0], 0), (senders[1], 0), (senders[0], 1)]
    assert [pool.next_nonce(sender, 0) for sender in senders] == [2, 1]
