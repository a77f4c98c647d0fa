"""Values of the tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trinode.execution.state import EMPTY_CODE_HASH, Account
from trinode.storage import tables

numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
balances = st.one_of(numbers, st.integers(0, 2**256 - 1))


@given(numbers, balances, st.one_of(st.just(EMPTY_CODE_HASH), st.binary(min_size=32, max_size=32)))
def test_accounts_come_back(nonce: int, balance: int, code_hash: bytes) -> None:
    account = Account(nonce, balance, code_hash)
    value = tables.encode_account(account)
    assert value  # empty means that there is no account
    assert tables.decode_account(value) == account


@pytest.mark.parametrize("counts", [(0, 0), (3, 0), (0, 3), (2, 5)])
def test_changed_keys_come_back(counts: tuple[int, int]) -> None:
    accounts = [tables.ACCOUNTS + bytes([index]) * 20 for index in range(counts[0])]
    slots = [tables.slot_key(bytes([index]) * 20, 2**256 - 1) for index in range(counts[1])]
    assert tables.decode_changed_keys(tables.encode_changed_keys(bytes(32), accounts, slots)) == accounts + slots


def test_numbers_are_in_order() -> None:
    assert sorted(map(tables.number_bytes, range(700))) == [*map(tables.number_bytes, range(700))]
