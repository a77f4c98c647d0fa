"""The transaction layer of the reference engine: deposits, fees, validity (specification: deposits, regolith, exec-engine)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.execution.pyevm.pyevm_state import (
    BASE_FEE,
    CHAIN_ID,
    CONTRACT,
    ETHER,
    KEY,
    L1_BLOCK,
    OTHER,
    VAULT,
    DictState,
    deposit,
    environment,
    rules,
    signed,
)
from trinode.execution.engine import TransactionResult
from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import InvalidTransaction
from trinode.execution.pyevm.session import PyEvmEngine, PyEvmSession
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.protocol.transaction import (
    AccessListEntry,
    AccessListTransaction,
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignedTransaction,
    legacy_v,
)
from trinode.rollup.fork import Fork

SENDER = signed(LegacyTransaction(0, 0, 0, None, 0, b"")).sender
BASE_FEE_VAULT, L1_FEE_VAULT, OPERATOR_FEE_VAULT = (
    bytes.fromhex("42000000000000000000000000000000000000" + end) for end in ("19", "1a", "1b")
)
REVERT = bytes.fromhex("5f5ffd")
STORE_AND_LOG = bytes.fromhex("6001600055600260005260206000a000")
TRANSFER = DynamicFeeTransaction(CHAIN_ID, 3, 2, 100, 21_000, OTHER, 5, b"")


def state_with_sender(balance: int = ETHER, code: bytes = b"") -> DictState:
    state = DictState()
    state.put(SENDER, balance=balance, nonce=3, code=code)
    return state


def begin(state: DictState, block: BlockEnvironment | None = None) -> PyEvmSession:
    return PyEvmEngine().begin(block or environment(), state)


def total(changes: StateChanges, state: DictState) -> int:
    """Wei that came into being."""
    after = {address: account.balance if account else 0 for address, account in changes.accounts.items()}
    return sum(after.values()) - sum(state.accounts[address].balance for address in after if address in state.accounts)


# Deposits


def test_a_deposit_mints_and_transfers() -> None:
    state = DictState()
    session = begin(state)
    result = session.apply(deposit(mint=7, value=4))
    assert result == TransactionResult(True, 21_000, (), deposit_nonce=0)
    changes = session.finish()
    assert changes.accounts == {OTHER: Account(1, 3, EMPTY_CODE_HASH), CONTRACT: Account(0, 4, EMPTY_CODE_HASH)}


def test_a_deposit_that_reverts_keeps_its_mint() -> None:
    state = DictState()
    state.put(CONTRACT, code=REVERT)
    session = begin(state)
    result = session.apply(deposit(mint=7, value=4, gas=50_000))
    assert not result.succeeded
    assert result.gas_used == 21_004
    assert session.finish().accounts == {OTHER: Account(1, 7, EMPTY_CODE_HASH)}


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 8},
        {"gas": 20_999},
        {"to": None, "data": bytes(49_153), "gas": 10_000_000},
        {"to": None, "data": b"\x01" * 100, "gas": 53_000 + 1_600 + 7},
        {"data": b"\x01" * 1000, "gas": 60_999},
    ],
    ids=["value", "intrinsic gas", "init code size", "intrinsic gas of a creation", "floor gas"],
)
def test_a_deposit_that_could_not_be_signed_fails_and_uses_all_its_gas(fields: dict[str, object]) -> None:
    prepared = deposit(mint=7, **fields)  # type: ignore[arg-type]
    session = begin(DictState())
    result = session.apply(prepared)
    assert (result.succeeded, result.gas_used, result.deposit_nonce) == (False, prepared.transaction.gas_limit, 0)
    assert session.finish().accounts == {OTHER: Account(1, 7, EMPTY_CODE_HASH)}


def test_the_floor_is_part_of_the_gas_of_a_deposit_since_isthmus() -> None:
    prepared = deposit(data=b"\x01" * 1000)
    assert begin(DictState(), environment(Fork.HOLOCENE)).apply(prepared).gas_used == 37_000
    assert begin(DictState(), environment(Fork.ISTHMUS)).apply(prepared).gas_used == 61_000


def test_refunds_count_for_deposits() -> None:
    state = DictState()
    state.put(CONTRACT, code=bytes.fromhex("5f5f5500"), slots={0: 1})
    # 21,000 and 2 x 2 for pushes, 5,000 for clearing, less 4,800.
    assert begin(state).apply(deposit()).gas_used == 26_004 - 4_800


@pytest.mark.parametrize(("system", "gas_used"), [(False, 1_000_000), (True, 0)])
@pytest.mark.parametrize("value", [0, 1])
def test_before_regolith_a_deposit_uses_all_its_gas_and_a_system_transaction_none(system: bool, gas_used: int, value: int) -> None:
    result = begin(DictState(), environment(Fork.BEDROCK)).apply(deposit(system=system, value=value))
    assert (result.succeeded, result.gas_used) == (value == 0, gas_used)


def test_there_are_no_system_transactions_since_regolith() -> None:
    session = begin(DictState(), environment(Fork.REGOLITH))
    with pytest.raises(InvalidTransaction, match="Regolith"):
        session.apply(deposit(system=True, mint=1))
    assert session.finish() == StateChanges()


def test_a_contract_may_send_deposits_and_create_with_them() -> None:
    state = DictState()
    state.put(OTHER, nonce=6, code=REVERT)
    session = begin(state)
    result = session.apply(deposit(to=None, data=bytes.fromhex("600160005360016000f3")))
    assert result.succeeded
    assert result.deposit_nonce == 6
    assert result.contract_address is not None
    created = session.finish().accounts[result.contract_address]
    assert created is not None
    assert created.nonce == 1


# Signed transactions


def test_a_transfer_pays_recipient_and_vaults() -> None:
    state = state_with_sender()
    l1_block = {1: 1000, 3: (5 << 96) | (7 << 64), 7: 11, 8: (2 << 64) | 3}
    state.put(L1_BLOCK, nonce=1, slots=l1_block)
    session = begin(state)
    result = session.apply(signed(replace(TRANSFER, gas_limit=30_000)))
    changes = session.finish()
    assert result.gas_used == 21_000
    assert result.l1_fee == 100 * (16 * 5 * 1000 + 7 * 11) // 10**6
    assert result.operator_fee == 21_000 * 2 * 100 + 3
    paid = 21_000 * (BASE_FEE + 2) + result.l1_fee + result.operator_fee + 5
    balances = {address: account.balance for address, account in changes.accounts.items() if account}
    assert balances == {
        SENDER: ETHER - paid,
        OTHER: 5,
        VAULT: 21_000 * 2,
        BASE_FEE_VAULT: 21_000 * BASE_FEE,
        L1_FEE_VAULT: result.l1_fee,
        OPERATOR_FEE_VAULT: result.operator_fee,
    }
    assert total(changes, state) == 0


def test_on_ethereum_the_base_fee_is_burnt_and_nothing_else_is_paid() -> None:
    state = state_with_sender()
    state.put(L1_BLOCK, nonce=1, slots={1: 1000, 3: 5 << 96, 7: 11, 8: 3})
    plain = rules(Fork.KARST, l1_cost=None, base_fee_recipient=None, operator_fee=None)
    session = begin(state, environment(rules=plain))
    result = session.apply(signed(TRANSFER))
    assert (result.l1_fee, result.operator_fee) == (0, 0)
    assert total(session.finish(), state) == -21_000 * BASE_FEE


def test_the_first_block_of_ecotone_pays_as_before() -> None:
    state = state_with_sender()
    state.put(L1_BLOCK, nonce=1, slots={1: 1000, 5: 188, 6: 684_000})
    prepared = signed(TRANSFER)
    before = begin(state, environment(Fork.CANYON)).apply(prepared).l1_fee
    assert begin(state, environment(Fork.ECOTONE)).apply(prepared).l1_fee == before > 0
    state.slots[L1_BLOCK][7] = 1
    assert begin(state, environment(Fork.ECOTONE)).apply(prepared).l1_fee == 0


def test_before_regolith_a_signature_was_paid_for_twice() -> None:
    state = state_with_sender()
    state.put(L1_BLOCK, nonce=1, slots={1: 1000, 5: 188, 6: 1_000_000})
    fees = [begin(state, environment(fork)).apply(signed(TRANSFER)).l1_fee for fork in (Fork.BEDROCK, Fork.REGOLITH)]
    assert fees[0] - fees[1] == 68 * 16 * 1000


def test_logs_and_storage() -> None:
    state = state_with_sender()
    state.put(CONTRACT, code=STORE_AND_LOG)
    session = begin(state)
    result = session.apply(signed(replace(TRANSFER, to=CONTRACT, value=0, gas_limit=100_000)))
    assert [(log.address, log.topics, log.data) for log in result.logs] == [(CONTRACT, (), (2).to_bytes(32, "big"))]
    assert session.finish().storage == {CONTRACT: {0: 1}}


def test_an_access_list_is_warm() -> None:
    state = state_with_sender()
    state.put(CONTRACT, code=bytes.fromhex("60055400"))
    plain = AccessListTransaction(CHAIN_ID, 3, 100, 100_000, CONTRACT, 0, b"")
    listed = replace(plain, access_list=(AccessListEntry(CONTRACT, ((5).to_bytes(32, "big"),)),))
    gas = [begin(state).apply(signed(transaction)).gas_used for transaction in (plain, listed)]
    assert gas[1] - gas[0] == 2_400 + 1_900 - 2_000


def test_output_and_reason_of_a_revert() -> None:
    state = state_with_sender()
    state.put(CONTRACT, code=bytes.fromhex("602a5f5260205ffd"))
    result = begin(state).apply(signed(replace(TRANSFER, to=CONTRACT, gas_limit=50_000)))
    assert not result.succeeded
    assert result.output == (42).to_bytes(32, "big")
    assert result.failure is not None
    assert result.failure.startswith("Revert")


def set_code(**changes: object) -> SetCodeTransaction:
    return replace(SetCodeTransaction(CHAIN_ID, 3, 2, 100, 60_000, OTHER, 0, b"", (), ()), **changes)  # type: ignore[arg-type]


BLOB = BlobTransaction(CHAIN_ID, 3, 2, 100, 21_000, OTHER, 0, b"", (), 1, (b"\x01" + bytes(31),))


@pytest.mark.parametrize(
    ("transaction", "rule"),
    [
        (replace(TRANSFER, nonce=2), "nonce_too_low"),
        (replace(TRANSFER, nonce=4), "nonce_too_high"),
        (replace(TRANSFER, chain_id=11), "chain_id"),
        (LegacyTransaction(3, 100, 21_000, OTHER, 0, b"", v=legacy_v(11)), "chain_id"),
        (replace(TRANSFER, max_priority_fee_per_gas=101), "priority_fee"),
        (replace(TRANSFER, max_fee_per_gas=6), "base_fee"),
        (replace(TRANSFER, gas_limit=20_999), "intrinsic_gas"),
        (replace(TRANSFER, data=b"\x01" * 1000, gas_limit=60_999), "floor_gas"),
        (replace(TRANSFER, gas_limit=2**24 + 1), "transaction_gas_cap"),
        (replace(TRANSFER, to=None, data=bytes(49_153), gas_limit=10_000_000), "init_code_size"),
        (replace(TRANSFER, value=ETHER - 21_000 * 100 + 1), "insufficient_funds"),
        (BLOB, "blob_transaction"),
        (set_code(), "empty_authorization_list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invalid_transaction_changes_nothing(transaction: SignedTransaction, rule: str) -> None:
    session = begin(state_with_sender())
    with pytest.raises(InvalidTransaction) as caught:
        session.apply(signed(transaction))
    assert caught.value.rule == rule
    assert session.finish() == StateChanges()


def test_limits_are_not_beyond_themselves() -> None:
    state = state_with_sender()
    for transaction in (
        replace(TRANSFER, data=b"\x01" * 1000, gas_limit=61_000),
        replace(TRANSFER, gas_limit=2**24),
        replace(TRANSFER, value=ETHER - 21_000 * 100),
        LegacyTransaction(3, 100, 21_000, OTHER, 0, b""),
    ):
        assert begin(state).apply(signed(transaction)).succeeded


@pytest.mark.parametrize(
    ("transaction", "fork", "rule"),
    [(set_code(), Fork.HOLOCENE, "transaction_type"), (replace(TRANSFER, gas_limit=2**24 + 1), Fork.JOVIAN, None)],
)
def test_rules_come_with_their_forks(transaction: SignedTransaction, fork: Fork, rule: str | None) -> None:
    session = begin(state_with_sender(), environment(fork))
    if rule is None:
        assert session.apply(signed(transaction)).succeeded
        return
    with pytest.raises(InvalidTransaction) as caught:
        session.apply(signed(transaction))
    assert caught.value.rule == rule


def test_the_fees_of_l2_count_for_what_a_sender_must_have() -> None:
    state = state_with_sender(balance=21_000 * 100 + 5 + 3)
    state.put(L1_BLOCK, nonce=1, slots={8: 3})
    assert begin(state).apply(signed(TRANSFER)).succeeded
    state.put(L1_BLOCK, nonce=1, slots={8: 4})
    with pytest.raises(InvalidTransaction, match="wei of"):
        begin(state).apply(signed(TRANSFER))


@pytest.mark.parametrize(
    ("code", "fork", "valid"),
    [
        (b"\x00", Fork.KARST, False),
        (b"\xef\x01\x00" + OTHER, Fork.KARST, True),
        (b"\xef\x01\x00" + OTHER, Fork.HOLOCENE, False),
    ],
)
def test_senders_have_no_code_but_a_delegation(code: bytes, fork: Fork, valid: bool) -> None:
    session = begin(state_with_sender(code=code), environment(fork))
    if valid:
        assert session.apply(signed(TRANSFER)).succeeded
        return
    with pytest.raises(InvalidTransaction, match="contract"):
        session.apply(signed(TRANSFER))


def test_a_nonce_ends_before_the_largest_number() -> None:
    state = DictState()
    state.put(SENDER, balance=ETHER, nonce=2**64 - 1)
    with pytest.raises(InvalidTransaction, match="at its end"):
        begin(state).apply(signed(replace(TRANSFER, nonce=2**64 - 1), KEY))


# System calls and forced code


def test_a_system_call_stores_and_costs_nothing() -> None:
    state = DictState()
    state.put(CONTRACT, nonce=1, code=bytes.fromhex("5f353360015500")[:-1] + b"\x00")
    session = begin(state)
    session.system_call(CONTRACT, b"\x07" * 32)
    session.system_call(OTHER, b"\x07" * 32)
    changes = session.finish()
    assert changes.accounts == {}
    assert changes.storage == {CONTRACT: {1: int.from_bytes(b"\xff" * 19 + b"\xfe", "big")}}


def test_a_failed_system_call_leaves_nothing() -> None:
    state = DictState()
    state.put(CONTRACT, nonce=1, code=bytes.fromhex("6001600155fe"))
    session = begin(state)
    session.system_call(CONTRACT, b"")
    assert session.finish() == StateChanges()


def test_code_can_be_put_anywhere() -> None:
    state = DictState()
    state.put(CONTRACT, balance=1, nonce=2, code=REVERT, slots={1: 1})
    session = begin(state)
    session.set_code(CONTRACT, b"\x00")
    session.set_code(OTHER, b"\x00")
    changes = session.finish()
    assert {address: (account.nonce, account.balance) for address, account in changes.accounts.items() if account} == {
        CONTRACT: (2, 1),
        OTHER: (0, 0),
    }
    assert list(changes.codes.values()) == [b"\x00"]
    assert not changes.storage
