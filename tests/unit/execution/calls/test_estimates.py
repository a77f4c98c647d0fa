"""How much gas a message needs, and which accounts and slots it touches."""

from __future__ import annotations

import pytest

from harness.engine_differential.assembler import Assembler
from tests.unit.execution.calls.call_cases import ALICE, BOB, CALLED, GAS, INNER, calling, context
from tests.unit.execution.pyevm.pyevm_state import DictState
from trinode.execution.calls.access_list import UnstableAccessList, create_access_list
from trinode.execution.calls.estimate import ERROR_RATIO, AllowanceExceeded, MessageFailed, ValueNotCovered, estimate_gas
from trinode.execution.calls.message import InsufficientFunds, Message, call
from trinode.execution.errors import InvalidTransaction
from trinode.protocol.transaction import AccessListEntry
from trinode.rollup.fork import Fork

KARST_CAP = 2**24


def code(state: DictState, assembler: Assembler, at: bytes = CALLED) -> None:
    state.put(at, nonce=1, code=bytes(assembler.assemble()), balance=100)


def least(state: DictState, message: Message) -> int:
    """The lowest sufficient limit, by plain bisection."""
    low, high = 0, GAS
    while low + 1 < high:
        middle = (low + high) // 2
        try:
            succeeded = call(context(state), Message(middle, message.sender, message.to, data=message.data)).succeeded
        except InvalidTransaction:  # too little to begin
            succeeded = False
        low, high = (low, middle) if succeeded else (middle, high)
    return high


def test_a_transfer_needs_21000() -> None:
    state = DictState()
    state.put(ALICE, balance=10)
    assert estimate_gas(context(state), Message(0, ALICE, BOB, value=10)) == 21_000
    with pytest.raises(InsufficientFunds):
        estimate_gas(context(state), Message(0, ALICE, BOB, value=11))
    with pytest.raises(ValueNotCovered):
        estimate_gas(context(state), Message(0, ALICE, BOB, value=10, max_fee=10))


def test_what_is_refunded_and_what_a_caller_keeps_is_needed_all_the_same() -> None:
    state = DictState()
    clearing = Assembler()
    for slot in range(5):
        clearing.op("PUSH0").push(slot).op("SSTORE")
    code(state, clearing.op("STOP"), INNER)
    state.slots[INNER] = dict.fromkeys(range(5), 1)
    code(state, _require(calling("CALL", INNER, gas=2**40)))
    message = Message(0, ALICE, CALLED)
    estimate, exact = estimate_gas(context(state), message), least(state, message)
    used = call(context(state), Message(GAS, ALICE, CALLED)).gas_used
    assert used < exact <= estimate <= exact / (1 - ERROR_RATIO)
    assert estimate_gas(context(state), message, error_ratio=0) == exact


def _require(checked: Assembler) -> Assembler:
    """Reverts if the word on the stack is 0."""
    target = len(checked) + 3 + 1 + 3
    return checked.push(target, 2).op("JUMPI", "PUSH0", "PUSH0", "REVERT", "JUMPDEST", "STOP")


def test_a_message_that_fails() -> None:
    state = DictState()
    code(state, Assembler().push(0xDEAD).op("PUSH0", "MSTORE").push(2).push(30).op("REVERT"))
    with pytest.raises(MessageFailed, match="execution reverted") as caught:
        estimate_gas(context(state), Message(0, ALICE, CALLED))
    assert caught.value.output == b"\xde\xad"
    code(state, Assembler().op("INVALID"))
    with pytest.raises(MessageFailed, match="invalid opcode"):
        estimate_gas(context(state), Message(0, ALICE, CALLED))


def test_the_allowance() -> None:
    """The block's limit, the message's, the cap of the caller, EIP-7825's, and what the sender can pay; whichever is lowest."""
    state = DictState()
    code(state, Assembler().op("JUMPDEST").push(0).op("JUMP"))
    state.put(ALICE, balance=10_000_000)
    assert [
        _refused(state, Message(0, ALICE, CALLED), Fork.JOVIAN),
        _refused(state, Message(0, ALICE, CALLED), Fork.KARST),
        _refused(state, Message(50_000, ALICE, CALLED), Fork.KARST),
        _refused(state, Message(20_999, ALICE, CALLED), Fork.JOVIAN, cap=40_000),
        _refused(state, Message(0, ALICE, CALLED, max_fee=100, value=1_000_000), Fork.KARST),
        _refused(state, Message(0, ALICE, CALLED, data=b"\xff" * 10), Fork.KARST, cap=21_050),
    ] == [30_000_000, KARST_CAP, 50_000, 40_000, 90_000, 21_050]


def _refused(state: DictState, message: Message, fork: Fork, cap: int | None = None) -> int:
    with pytest.raises(AllowanceExceeded) as caught:
        estimate_gas(context(state, fork), message, gas_cap=cap)
    assert str(caught.value) == f"gas required exceeds allowance ({caught.value.allowance})"
    return caught.value.allowance


def test_an_access_list_names_what_is_not_warm_anyway() -> None:
    state = DictState()
    outer = calling("CALL", INNER).op("POP").push(int.from_bytes(BOB, "big"), 20).op("BALANCE", "POP")
    outer = outer.op("CALLER", "BALANCE", "POP").push(4).op("EXTCODESIZE", "POP").push(9).op("SLOAD", "POP")
    code(state, outer.op("STOP"))
    # What is undone was touched all the same.
    code(state, Assembler().push(3).op("SLOAD", "POP").push(1).op("SLOAD", "PUSH0", "REVERT"), INNER)
    created = create_access_list(context(state), Message(GAS, ALICE, CALLED))
    keys = [value.to_bytes(32, "big") for value in (1, 3, 9)]
    expected = {BOB: (), CALLED: (keys[2],), INNER: (keys[0], keys[1])}
    assert dict(created.access_list) == expected and [entry.address for entry in created.access_list] == sorted(expected)
    assert created.failure is None
    again = Message(GAS, ALICE, CALLED, access_list=created.access_list)
    assert create_access_list(context(state), again) == created
    assert created.gas_used == call(context(state), again).gas_used


def test_what_a_message_names_itself_stays_in_the_list() -> None:
    state = DictState()
    code(state, Assembler().op("INVALID"))
    named = (AccessListEntry(BOB, (bytes(32),)), AccessListEntry(ALICE, ()))
    created = create_access_list(context(state), Message(GAS, ALICE, CALLED, access_list=named))
    assert (created.access_list, created.gas_used) == ((AccessListEntry(BOB, (bytes(32),)),), GAS)
    assert created.failure is not None


def test_a_message_whose_touch_follows_its_gas_has_no_access_list() -> None:
    state = DictState()
    code(state, Assembler().op("GAS", "SLOAD"))
    with pytest.raises(UnstableAccessList):
        create_access_list(context(state), Message(GAS, ALICE, CALLED))
