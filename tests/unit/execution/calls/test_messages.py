"""Messages that are no transactions, on states in dicts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.execution.calls.call_cases import ALICE, BOB, CALLED, GAS, context, run, word_of
from tests.unit.execution.pyevm.pyevm_state import BASE_FEE, CONTRACT, DictState
from trinode.execution.calls.message import InsufficientFunds, Message, call
from trinode.execution.errors import InvalidTransaction
from trinode.execution.fees import L1_BLOCK
from trinode.execution.state import EMPTY_CODE_HASH, Account
from trinode.execution.tracing.call_tracer import CallTracer
from trinode.execution.tracing.prestate import PrestateOptions, PrestateTracer
from trinode.protocol.transaction import Authorization
from trinode.rollup.fork import Fork


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def test_nothing_is_asked_of_a_sender_that_only_transactions_have() -> None:
    state = DictState()
    state.put(ALICE, nonce=2**64 - 1, code=b"\x00")
    result = run(state, word_of("CALLER"))
    assert (result.succeeded, result.output) == (True, word(int.from_bytes(ALICE, "big")))


def test_the_base_fee_is_0_for_a_message_without_fees_and_the_blocks_for_one_with() -> None:
    state = DictState()
    state.put(ALICE, balance=10**18)
    assert run(state, word_of("BASEFEE")).output == word(0)
    assert run(state, word_of("BASEFEE"), max_fee=BASE_FEE + 3, max_priority_fee=2).output == word(BASE_FEE)
    assert run(state, word_of("GASPRICE"), max_fee=BASE_FEE + 3, max_priority_fee=2).output == word(BASE_FEE + 2)


def test_fees_are_checked_where_there_are_any() -> None:
    state = DictState()
    state.put(ALICE, balance=10**18)
    with pytest.raises(InvalidTransaction, match="below the base fee"):
        run(state, b"", max_fee=BASE_FEE - 1)
    with pytest.raises(InvalidTransaction, match="above max fee"):
        run(state, b"", max_priority_fee=1)
    state.put(ALICE, balance=GAS * BASE_FEE + 4)
    assert run(state, b"", max_fee=BASE_FEE, value=4).succeeded
    with pytest.raises(InsufficientFunds) as caught:
        run(state, b"", max_fee=BASE_FEE, value=5)
    assert (caught.value.sender, caught.value.balance, caught.value.cost) == (ALICE, GAS * BASE_FEE + 4, GAS * BASE_FEE + 5)


@pytest.mark.parametrize("fork", [Fork.BEDROCK, Fork.ECOTONE, Fork.FJORD, Fork.KARST])
def test_nobody_pays_an_l1_fee_or_an_operator_fee(fork: Fork) -> None:
    """With L1Block full of fees, the sender needs what gas and value cost, and has paid no more in the end."""
    state = DictState()
    state.put(L1_BLOCK, nonce=1, slots=dict.fromkeys((1, 3, 5, 6, 7, 8), 2**255 - 1))
    state.put(ALICE, balance=21_000 * BASE_FEE)
    tracer = PrestateTracer(PrestateOptions(diff_mode=True))
    result = call(context(state, fork), Message(21_000, ALICE, BOB, max_fee=BASE_FEE), tracer=tracer)
    assert (result.gas_used, result.l1_fee, result.operator_fee) == (21_000, 0, 0)
    assert (tracer.pre[ALICE].balance, tracer.post[ALICE].balance) == (21_000 * BASE_FEE, 0)


def test_the_gas_limit_may_be_above_the_cap_of_transactions() -> None:
    assert run(DictState(), word_of("GAS"), gas_limit=2**30).succeeded


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (Message(20_999, to=BOB), "intrinsic_gas"),
        (Message(21_009, to=BOB, data=b"\x00"), "floor_gas"),
        (Message(GAS, data=bytes(49_153)), "initcode_size"),
        (Message(GAS, to=BOB, authorizations=()), "empty_authorization_list"),
        (Message(GAS, authorizations=(Authorization(0, BOB, 0, 0, 1, 1),)), "set_code_creation"),
    ],
)
def test_messages_that_are_refused(message: Message, rule: str) -> None:
    with pytest.raises(InvalidTransaction) as caught:
        call(context(DictState()), message)
    assert caught.value.rule == rule


def test_a_set_code_message_before_its_fork_is_refused() -> None:
    message = Message(GAS, to=BOB, authorizations=(Authorization(0, BOB, 0, 0, 1, 1),))
    with pytest.raises(InvalidTransaction, match="Isthmus"):
        call(context(DictState(), Fork.HOLOCENE), message)
    assert call(context(DictState(), Fork.ISTHMUS), message).gas_used == 21_000 + 25_000


def test_blockhash_knows_the_true_chain_whatever_number_the_block_is_said_to_have() -> None:
    state = DictState()
    state.hashes[990] = b"\x77" * 32
    true = context(state)
    for said, asked, expected in [
        (1000, 999, b"\x06" * 32),
        (1000, 990, b"\x77" * 32),
        (1000, 1000, bytes(32)),
        (1005, 1002, bytes(32)),
        (1005, 999, b"\x06" * 32),
        (991, 990, b"\x77" * 32),
        (990, 990, bytes(32)),
    ]:
        code = bytes([0x61]) + asked.to_bytes(2, "big") + bytes.fromhex("405f5260205ff3")
        state.put(CONTRACT, code=code)
        where = replace(true, environment=replace(true.environment, number=said))
        assert call(where, Message(GAS, to=CONTRACT)).output == expected, (said, asked)


def test_a_creation_gives_its_code_and_nothing_stays() -> None:
    state = DictState()
    state.put(ALICE, nonce=5)
    result = call(context(state), Message(GAS, ALICE, data=bytes.fromhex("602a60005260206000f3")))
    assert result.output == word(42)
    assert result.contract_address is not None and state.account(result.contract_address) is None
    assert state.account(ALICE) == Account(5, 0, EMPTY_CODE_HASH) and state.account(CALLED) is None


def test_logs_are_counted_from_where_the_call_stands_in_its_block() -> None:
    state, tracer = DictState(), CallTracer(with_log=True)
    state.put(CALLED, code=bytes.fromhex("5f5fa05f5fa0"))
    call(replace(context(state), logs_before=3), Message(GAS, ALICE, CALLED), tracer=tracer)
    assert [each.index for each in tracer.call.logs] == [3, 4]
