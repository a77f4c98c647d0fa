"""The journal under py-evm: checkpoints, what a transaction leaves behind, what the block changed."""

from __future__ import annotations

import pytest

from tests.unit.execution.pyevm.pyevm_state import CONTRACT, OTHER, DictState
from trinode.execution.pyevm.account_db import JournaledAccounts
from trinode.execution.state import Account, StateChanges
from trinode.protocol.keccak import keccak256

CODE = b"\x5f\x00"


@pytest.fixture
def state() -> DictState:
    state = DictState()
    state.put(CONTRACT, balance=5, nonce=1, code=CODE, slots={1: 10, 2: 20})
    return state


@pytest.fixture
def accounts(state: DictState) -> JournaledAccounts:
    return JournaledAccounts(state)


def test_nothing_written_is_nothing_changed(accounts: JournaledAccounts) -> None:
    accounts.get_balance(CONTRACT)
    accounts.get_storage(CONTRACT, 1)
    accounts.set_balance(CONTRACT, accounts.get_balance(CONTRACT))
    accounts.set_storage(CONTRACT, 1, 10)
    accounts.end_transaction()
    assert accounts.changes() == StateChanges()


def test_what_is_discarded_has_not_been(accounts: JournaledAccounts) -> None:
    accounts.set_balance(CONTRACT, 6)
    outer = accounts.record()
    accounts.set_balance(CONTRACT, 7)
    accounts.set_code(OTHER, b"\x01")
    accounts.mark_address_warm(OTHER)
    accounts.mark_storage_warm(OTHER, 3)
    accounts.set_transient_storage(OTHER, 3, b"\x01")
    inner = accounts.record()
    accounts.set_storage(CONTRACT, 1, 0)
    accounts.increment_nonce(OTHER)
    accounts.commit(inner)
    accounts.discard(outer)
    assert not accounts.account_exists(OTHER)
    assert not accounts.is_address_warm(OTHER)
    assert not accounts.is_storage_warm(OTHER, 3)
    assert not accounts.get_transient_storage(OTHER, 3)
    assert accounts.get_storage(CONTRACT, 1) == 10
    accounts.end_transaction()
    assert accounts.changes() == StateChanges(accounts={CONTRACT: Account(1, 6, keccak256(CODE))})


def test_the_original_value_is_the_one_before_the_transaction(accounts: JournaledAccounts) -> None:
    accounts.set_storage(CONTRACT, 1, 11)
    accounts.set_storage(CONTRACT, 1, 12)
    assert accounts.get_storage(CONTRACT, 1, from_journal=False) == 10
    assert accounts.get_storage(CONTRACT, 2, from_journal=False) == 20
    accounts.end_transaction()
    assert accounts.get_storage(CONTRACT, 1, from_journal=False) == 12
    assert accounts.changes().storage == {CONTRACT: {1: 12}}


def test_a_destroyed_account_is_gone_with_its_storage(accounts: JournaledAccounts) -> None:
    accounts.set_storage(CONTRACT, 3, 30)
    accounts.end_transaction([CONTRACT])
    assert not accounts.account_exists(CONTRACT)
    assert accounts.get_storage(CONTRACT, 1) == 0
    assert accounts.changes() == StateChanges(accounts={CONTRACT: None}, wiped={CONTRACT})


def test_what_is_made_again_has_only_its_new_storage(accounts: JournaledAccounts) -> None:
    accounts.end_transaction([CONTRACT])
    accounts.set_code(CONTRACT, CODE)
    accounts.set_storage(CONTRACT, 2, 20)
    accounts.set_storage(CONTRACT, 4, 40)
    accounts.end_transaction()
    changes = accounts.changes()
    assert changes.accounts == {CONTRACT: Account(0, 0, keccak256(CODE))}
    assert changes.storage == {CONTRACT: {2: 20, 4: 40}}
    assert changes.wiped == {CONTRACT}


def test_touched_empty_accounts_are_deleted(state: DictState) -> None:
    state.put(OTHER)
    accounts = JournaledAccounts(state)
    accounts.get_balance(OTHER)
    accounts.end_transaction()
    assert accounts.changes() == StateChanges()
    checkpoint = accounts.record()
    accounts.touch_account(OTHER)
    accounts.discard(checkpoint)
    accounts.end_transaction()
    assert accounts.changes() == StateChanges()
    accounts.touch_account(OTHER)
    accounts.end_transaction()
    assert accounts.changes() == StateChanges(accounts={OTHER: None})


def test_an_empty_account_that_was_not_there_leaves_no_trace(accounts: JournaledAccounts) -> None:
    accounts.set_balance(OTHER, 0)
    accounts.end_transaction()
    assert accounts.changes() == StateChanges()


@pytest.mark.parametrize(
    ("nonce", "code", "slots", "taken"),
    [(0, b"", {}, False), (1, b"", {}, True), (0, CODE, {}, True), (0, b"", {7: 1}, True)],
)
def test_where_a_contract_can_be_created(nonce: int, code: bytes, slots: dict[int, int], taken: bool) -> None:
    state = DictState()
    state.put(OTHER, balance=1, nonce=nonce, code=code, slots=slots)
    assert JournaledAccounts(state).account_has_code_or_nonce(OTHER) is taken


def test_only_new_codes_are_listed(accounts: JournaledAccounts) -> None:
    accounts.set_code(OTHER, CODE)
    accounts.set_code(CONTRACT, CODE)
    accounts.end_transaction()
    changes = accounts.changes()
    assert changes.codes == {keccak256(CODE): CODE}
    assert set(changes.accounts) == {OTHER}


def test_a_balance_is_a_uint256(accounts: JournaledAccounts) -> None:
    with pytest.raises(ValueError, match="-1 wei"):
        accounts.set_balance(OTHER, -1)
