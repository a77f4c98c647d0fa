"""States and blocks that are otherwise than they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.engine_differential.assembler import Assembler
from harness.execution.configs import config_for_execution
from tests.unit.execution.calls.call_cases import ALICE, BOB, CALLED, GAS, INNER, overridden, word_of
from tests.unit.execution.pyevm.pyevm_state import DictState
from trinode.execution.calls.context import AccountOverride, BlockOverrides, CallContext, InvalidOverride, StateOverrides, call_context
from trinode.execution.calls.message import Message, call
from trinode.protocol.header import EMPTY_OMMERS_HASH, Header
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

SHA256: Address = bytes(19) + b"\x02"
IDENTITY: Address = bytes(19) + b"\x04"
SLOT_7 = bytes(Assembler().push(7).op("SLOAD", "PUSH0", "MSTORE").push(32).op("PUSH0", "RETURN").assemble())
TIMES: dict[Fork, int] = {fork: 5000 if fork == Fork.KARST else 0 for fork in SCHEDULED_FORKS if fork <= Fork.KARST}
CONFIG = config_for_execution(10, TIMES)
HEADER = Header(
    parent_hash=bytes(32),
    ommers_hash=EMPTY_OMMERS_HASH,
    beneficiary=BOB,
    state_root=EMPTY_TRIE_ROOT,
    transactions_root=EMPTY_TRIE_ROOT,
    receipts_root=EMPTY_TRIE_ROOT,
    logs_bloom=bytes(256),
    difficulty=0,
    number=1000,
    gas_limit=30_000_000,
    gas_used=0,
    timestamp=4000,
    extra_data=b"",
    prev_randao=b"\x05" * 32,
    nonce=bytes(8),
    base_fee_per_gas=7,
)


def at(overrides: StateOverrides | None = None, block: BlockOverrides | None = None, state: DictState | None = None) -> CallContext:
    return call_context(CONFIG, HEADER, DictState() if state is None else state, overrides, block)


def output(where: CallContext, to: Address = CALLED, **message: object) -> bytes:
    result = call(where, Message(**{"gas_limit": GAS, "sender": ALICE, "to": to, **message}))  # type: ignore[arg-type]
    assert result.succeeded, result.failure
    return result.output


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def stored(override: AccountOverride) -> int:
    """Slot 7 of an account that has 1 in it, and 2 in slot 8."""
    state = DictState()
    state.put(CALLED, code=SLOT_7, slots={7: 1, 8: 2})
    return int.from_bytes(output(overridden(state, {CALLED: override})), "big")


def test_storage() -> None:
    assert stored(AccountOverride()) == 1
    assert stored(AccountOverride(state_diff={8: 5})) == 1
    assert stored(AccountOverride(state_diff={7: 5})) == 5
    assert stored(AccountOverride(state={8: 5})) == 0
    assert stored(AccountOverride(state={7: 6})) == 6
    assert stored(AccountOverride(state={})) == 0


def test_whether_there_is_storage() -> None:
    state = DictState()
    state.put(CALLED, slots={7: 1})
    for override, expected in [
        (AccountOverride(), True),
        (AccountOverride(state={}), False),
        (AccountOverride(state={1: 0}), False),
        (AccountOverride(state={1: 1}), True),
        (AccountOverride(state_diff={1: 1}), True),
    ]:
        assert overridden(state, {CALLED: override}).state.has_storage(CALLED) is expected
    assert overridden(state, {BOB: AccountOverride(state_diff={1: 1})}).state.has_storage(BOB)


def test_balance_nonce_and_code() -> None:
    balance = overridden(DictState(), {CALLED: AccountOverride(balance=9, code=word_of("SELFBALANCE"))})
    assert output(balance) == word(9)
    nonces = [call(overridden(DictState(), {ALICE: AccountOverride(nonce=n)}), Message(GAS, ALICE)).contract_address for n in (0, 1)]
    assert nonces[0] == call(overridden(DictState(), {}), Message(GAS, ALICE)).contract_address != nonces[1]
    state = DictState()
    state.put(CALLED, code=b"\xfe")
    assert output(overridden(state, {CALLED: AccountOverride(code=b"")})) == b""
    assert overridden(DictState(), {BOB: AccountOverride(state_diff={1: 1})}).state.account(BOB) is None


def test_a_moved_precompile() -> None:
    overrides = {IDENTITY: AccountOverride(code=word_of("CALLER"), move_precompile_to=BOB)}
    assert output(at(overrides), BOB, data=b"moved") == b"moved"
    assert output(at(overrides), IDENTITY) == word(int.from_bytes(ALICE, "big"))
    assert output(at({IDENTITY: AccountOverride(balance=1)}), IDENTITY, data=b"gone") == b""
    assert output(at(), IDENTITY, data=b"there") == b"there"


@pytest.mark.parametrize(("address", "is_warm"), [(IDENTITY, True), (SHA256, True), (INNER, False)])
def test_a_moved_precompile_is_warm_where_it_was(address: Address, is_warm: bool) -> None:
    """As in geth (execution-apis, test cases of eth_simulateV1: extcodehash-precompile, override-ecrecover)."""
    state = DictState()
    state.put(CALLED, code=bytes(Assembler().push(int.from_bytes(address, "big"), 20).op("BALANCE", "STOP").assemble()))
    where = at({IDENTITY: AccountOverride(move_precompile_to=INNER)}, state=state)
    used = call(where, Message(GAS, ALICE, CALLED)).gas_used
    assert used == 21_000 + 3 + (100 if is_warm else 2_600)


@pytest.mark.parametrize(
    ("overrides", "address", "problem"),
    [
        ({BOB: AccountOverride(state={}, state_diff={})}, BOB, "has both 'state' and 'stateDiff'"),
        ({BOB: AccountOverride(move_precompile_to=ALICE)}, BOB, "is not a precompile"),
        ({IDENTITY: AccountOverride(move_precompile_to=BOB), BOB: AccountOverride()}, BOB, "is already overridden"),
        ({IDENTITY: AccountOverride(move_precompile_to=BOB), SHA256: AccountOverride(move_precompile_to=BOB)}, BOB, "is already overridden"),
    ],
)
def test_overrides_that_contradict_each_other(overrides: StateOverrides, address: Address, problem: str) -> None:
    with pytest.raises(InvalidOverride) as caught:
        at(overrides)
    assert (caught.value.address, str(caught.value)) == (address, f"account 0x{address.hex()} {problem}")


@pytest.mark.parametrize(
    ("override", "opcode", "usual", "instead"),
    [
        (BlockOverrides(number=77), "NUMBER", 1000, 77),
        (BlockOverrides(timestamp=4444), "TIMESTAMP", 4000, 4444),
        (BlockOverrides(gas_limit=5), "GASLIMIT", 30_000_000, 5),
        (BlockOverrides(fee_recipient=ALICE), "COINBASE", int.from_bytes(BOB, "big"), int.from_bytes(ALICE, "big")),
        (BlockOverrides(prev_randao=word(3)), "PREVRANDAO", int.from_bytes(b"\x05" * 32, "big"), 3),
        (BlockOverrides(base_fee=0), "BASEFEE", 7, 0),
        (BlockOverrides(blob_base_fee=8), "BLOBBASEFEE", 1, 8),
    ],
)
def test_blocks(override: BlockOverrides, opcode: str, usual: int, instead: int) -> None:
    state = DictState()
    state.put(CALLED, code=word_of(opcode))
    state.put(ALICE, balance=10**18)
    assert output(at(state=state), max_fee=20) == word(usual)
    assert output(at(block=override, state=state), max_fee=20) == word(instead)


def test_the_forks_of_another_time() -> None:
    """CLZ comes with Karst."""
    where = at(block=BlockOverrides(timestamp=5000))
    assert (at().environment.rules.fork, where.environment.rules.fork) == (Fork.JOVIAN, Fork.KARST)
    code = {CALLED: AccountOverride(code=bytes.fromhex("5f1e") + word_of())}
    assert not call(at(code), Message(GAS, to=CALLED)).succeeded
    assert output(at(code, BlockOverrides(timestamp=5000))) == word(256)


def test_a_header_before_london_has_no_base_fee() -> None:
    assert call_context(CONFIG, replace(HEADER, base_fee_per_gas=None), DictState()).environment.base_fee == 0
