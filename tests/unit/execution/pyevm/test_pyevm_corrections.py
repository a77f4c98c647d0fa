"""Where py-evm is wrong and the reference engine is not, and what py-evm does not have (EIP-1153, EIP-3860, EIP-6780,
EIP-7702, EIP-7939)."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.datatypes import PrivateKey

from tests.unit.execution.pyevm.pyevm_state import (
    CHAIN_ID,
    CONTRACT,
    ETHER,
    OTHER,
    DictState,
    deposit,
    environment,
    signed,
    with_deep_stack,
)
from trinode.execution.engine import TransactionResult
from trinode.execution.errors import MissingState
from trinode.execution.pyevm.session import PyEvmEngine
from trinode.execution.state import Account, StateChanges
from trinode.protocol import rlp_codec
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import Authorization, DynamicFeeTransaction, LegacyTransaction, SetCodeTransaction
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork

ALICE_KEY, BOB_KEY = b"\x0a" * 32, b"\x0b" * 32
ALICE, BOB = (signed(LegacyTransaction(0, 0, 0, None, 0, b""), key).sender for key in (ALICE_KEY, BOB_KEY))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def run(code: str, *, gas: int = 1_000_000, fork: Fork = Fork.KARST, balance: int = 0) -> tuple[TransactionResult, StateChanges]:
    """A deposit to a contract with that code (hex)."""
    state = DictState()
    state.put(CONTRACT, balance=balance, nonce=1, code=bytes.fromhex(code))
    session = PyEvmEngine().begin(environment(fork), state)
    result = session.apply(deposit(gas=gas))
    return result, session.finish()


def returned(code: str, **options: int) -> int:
    """What a contract returns that leaves one number on the stack."""
    result, _ = run(code + "5f5260205ff3", **options)  # type: ignore[arg-type]
    assert result.succeeded
    return int.from_bytes(result.output, "big")


def test_too_much_init_code_fails_before_the_lack_of_balance_is_seen() -> None:
    for opcode, salt in (("f0", ""), ("f5", "5f")):
        result, _ = run(f"{salt}6200c0015f6001{opcode}00")
        assert (result.succeeded, result.gas_used) == (False, 1_000_000)
        # At the limit the call goes on, with 0 for the address.
        assert run(f"{salt}6200c0005f6001{opcode}00")[0].succeeded
        assert run(f"{salt}6200c0015f6001{opcode}00".replace("5f", "6000"), fork=Fork.BEDROCK)[0].succeeded


def test_code_is_not_read_that_is_not_paid_for() -> None:
    state = DictState()
    state.put(CONTRACT, nonce=1, code=bytes.fromhex(f"60205f5f73{OTHER.hex()}3c00"))
    state.accounts[OTHER] = Account(1, 0, b"\x01" * 32)
    engine = PyEvmEngine()
    result = engine.begin(environment(), state).apply(deposit(sender=ALICE, gas=21_000 + 500))
    assert not result.succeeded
    with pytest.raises(MissingState):
        engine.begin(environment(), state).apply(deposit(sender=ALICE))


@pytest.mark.parametrize(("fork", "gone"), [(Fork.BEDROCK, True), (Fork.CANYON, True), (Fork.ECOTONE, False), (Fork.KARST, False)])
def test_selfdestruct_without_a_python_warning(fork: Fork, gone: bool) -> None:
    result, changes = run(f"73{OTHER.hex()}ff", fork=fork, balance=5)
    assert result.succeeded
    assert (changes.accounts[CONTRACT] is None) is gone
    receiver = changes.accounts[OTHER]
    assert receiver is not None
    assert receiver.balance == 5


def test_a_contract_of_this_transaction_is_destroyed() -> None:
    # Init code: SELFDESTRUCT to itself; 3 wei go with it.
    result, changes = run("6130ff5f52600260 1e6003f000".replace(" ", ""), balance=10)
    assert result.succeeded
    account = changes.accounts.pop(CONTRACT)
    assert account is not None
    assert (account.nonce, account.balance) == (2, 7)
    assert list(changes.accounts) == [OTHER]


@pytest.fixture
def little_recursion() -> Iterator[None]:
    """Importing py-evm raises the limit for the whole process."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("little_recursion")
def test_jump_destinations_are_found_without_recursion() -> None:
    pushes = 20_000
    code = "61" + (4 + pushes).to_bytes(2, "big").hex() + "56" + "60" * pushes + "5b00"
    assert run(code)[0].succeeded
    data = "61" + (3 + pushes).to_bytes(2, "big").hex() + "56" + "60" * (pushes - 1) + "5b5b00"
    assert not run(data)[0].succeeded


@pytest.mark.parametrize(("value", "zeros"), [(0, 256), (1, 255), (1 << 255, 0), ((1 << 255) - 1, 1), (2**256 - 1, 0)])
def test_count_leading_zeros(value: int, zeros: int) -> None:
    assert returned(f"7f{value:064x}1e") == zeros


def test_clz_costs_5_gas_and_came_with_osaka() -> None:
    assert run("5f1e00")[0].gas_used == 21_000 + 2 + 5
    assert not run("5f1e00", fork=Fork.JOVIAN)[0].succeeded


def test_the_block_as_the_evm_sees_it() -> None:
    assert returned("46") == CHAIN_ID
    assert returned("4a") == 1
    assert returned("44") == int.from_bytes(b"\x05" * 32, "big")
    assert returned("3a") == 0
    assert not run("4a00", fork=Fork.CANYON)[0].succeeded


def test_block_hashes_of_the_last_256_blocks() -> None:
    state = DictState(hashes={999: b"\x01" * 32, 744: b"\x02" * 32})
    for number, expected in ((1000, 0), (999, 1), (744, 2), (743, 0), (2**256 - 1, 0)):
        state.put(CONTRACT, nonce=1, code=bytes.fromhex(f"7f{number:064x}405f5260205ff3"))
        result = PyEvmEngine().begin(environment(), state).apply(deposit())
        assert result.output == bytes([expected]) * 32


def test_transient_storage_ends_with_the_transaction() -> None:
    state = DictState()
    # Returns what was there, then stores 1.
    state.put(CONTRACT, nonce=1, code=bytes.fromhex("5f5c5f5260015f5d60205ff3"))
    session = PyEvmEngine().begin(environment(), state)
    assert [session.apply(deposit()).output for _ in range(2)] == [bytes(32)] * 2
    assert session.finish().storage == {}


def test_1024_calls_deep_in_the_stack_that_is_asked_for() -> None:
    # Calls itself with all gas; a leaf that cannot goes back with 0. Counts depth in storage.
    state = DictState()
    state.put(CONTRACT, nonce=1, code=bytes.fromhex("5f546001015f555f5f5f5f5f305af100"))

    def deep() -> dict[Address, dict[int, int]]:
        session = PyEvmEngine().begin(environment(), state)
        assert session.apply(deposit(gas=2**42)).succeeded
        return session.finish().storage

    assert with_deep_stack(deep) == {CONTRACT: {0: 1025}}


# EIP-7702


def authorize(key: bytes, address: Address = CONTRACT, nonce: int = 0, chain_id: int = CHAIN_ID) -> Authorization:
    fields = rlp_codec.encode_int(chain_id), rlp_codec.encode_bytes(address), rlp_codec.encode_int(nonce)
    message = keccak256(b"\x05" + rlp_codec.encode_list(fields))
    signature = PrivateKey(key, backend=CoinCurveECCBackend()).sign_msg_hash(message)
    return Authorization(chain_id, address, nonce, signature.v, signature.r, signature.s)


def people(**bob: object) -> DictState:
    state = DictState()
    state.put(ALICE, balance=ETHER)
    state.put(CONTRACT, nonce=1, code=bytes.fromhex("60015f5500"))
    if bob:
        state.put(BOB, **bob)  # type: ignore[arg-type]
    return state


def set_code(state: DictState, *authorizations: Authorization, to: Address = OTHER) -> tuple[TransactionResult, StateChanges]:
    session = PyEvmEngine().begin(environment(), state)
    transaction = SetCodeTransaction(CHAIN_ID, 0, 0, 7, 200_000, to, 0, b"", (), authorizations)
    result = session.apply(signed(transaction, ALICE_KEY))
    return result, session.finish()


def delegated(changes: StateChanges) -> bytes | None:
    account = changes.accounts.get(BOB)
    return changes.codes[account.code_hash] if account else None


@pytest.mark.parametrize("chain_id", [0, CHAIN_ID])
def test_an_authorization_sets_code(chain_id: int) -> None:
    result, changes = set_code(people(), authorize(BOB_KEY, chain_id=chain_id))
    assert delegated(changes) == b"\xef\x01\x00" + CONTRACT
    assert result.gas_used == 46_000
    result, _ = set_code(people(balance=1), authorize(BOB_KEY, chain_id=chain_id))
    # A fifth of what is used is the most that is refunded.
    assert result.gas_used == 46_000 - 46_000 // 5


def upper(authorization: Authorization) -> Authorization:
    return authorization._replace(s=ORDER - authorization.s, y_parity=1 - authorization.y_parity)


@pytest.mark.parametrize(
    "authorization",
    [
        authorize(BOB_KEY, chain_id=11),
        authorize(BOB_KEY, nonce=1),
        authorize(BOB_KEY, nonce=2**64 - 1),
        upper(authorize(BOB_KEY)),
        authorize(BOB_KEY)._replace(y_parity=2),
        authorize(BOB_KEY)._replace(r=0),
        authorize(BOB_KEY)._replace(s=0),
    ],
)
def test_an_authorization_that_does_not_hold_is_skipped(authorization: Authorization) -> None:
    result, changes = set_code(people(balance=1), authorization)
    assert (result.succeeded, result.gas_used, delegated(changes)) == (True, 46_000, None)


def test_a_contract_cannot_delegate_but_a_delegation_can_change_and_end() -> None:
    assert delegated(set_code(people(code=b"\x00"), authorize(BOB_KEY))[1]) is None
    state = people(code=b"\xef\x01\x00" + OTHER, nonce=5)
    assert delegated(set_code(state, authorize(BOB_KEY, nonce=5))[1]) == b"\xef\x01\x00" + CONTRACT
    _, changes = set_code(state, authorize(BOB_KEY, nonce=5), authorize(BOB_KEY, bytes(20), nonce=6))
    assert changes.accounts[BOB] == Account(7, 0, keccak256(b""))
    assert not changes.codes


def test_an_authority_whose_code_is_missing_is_not_skipped() -> None:
    state = people()
    state.accounts[BOB] = Account(0, 0, b"\x01" * 32)
    with pytest.raises(MissingState):
        set_code(state, authorize(BOB_KEY))


def test_code_runs_in_the_account_that_delegates() -> None:
    _, changes = set_code(people(), authorize(BOB_KEY), to=BOB)
    assert changes.storage == {BOB: {0: 1}}


def test_an_account_that_delegates_to_a_precompile_has_no_code() -> None:
    state = people(code=b"\xef\x01\x00" + bytes(19) + b"\x04")
    transaction = DynamicFeeTransaction(CHAIN_ID, 0, 0, 7, 100_000, BOB, 0, b"\x01")
    result = PyEvmEngine().begin(environment(), state).apply(signed(transaction, ALICE_KEY))
    assert (result.output, result.gas_used) == (b"", 21_040)


@pytest.mark.parametrize("creation", ["60205f5ff000", "5f60205f5ff500"])
def test_init_code_is_paid_for_once_by_an_origin_with_code(creation: str) -> None:
    """py-evm takes the frame of the creation for the outermost one where the origin's own code creates."""
    state = DictState()
    state.put(CONTRACT, nonce=1, code=bytes.fromhex(creation))
    for person in (ALICE, BOB):
        state.put(person, balance=ETHER, code=b"\xef\x01\x00" + CONTRACT)
    call = DynamicFeeTransaction(CHAIN_ID, 0, 0, 7, 100_000, ALICE, 0, b"")
    gas = [PyEvmEngine().begin(environment(), state).apply(signed(call, key)).gas_used for key in (ALICE_KEY, BOB_KEY)]
    assert gas[0] == gas[1]
