"""Simulated blocks by themselves: gaps, the state between them, what is logged, data cost, bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.execution.small_chain import ETHER, GENESIS_TIME, TARGET, SmallChain, senders
from trinode.execution.block import HISTORY_STORAGE
from trinode.execution.calls.context import AccountOverride, BlockOverrides
from trinode.execution.calls.message import Message
from trinode.execution.calls.simulate import Base, BlockRequest, RefusedSimulation, SimulatedBlock, SimulationLimits, simulate
from trinode.execution.calls.simulate_call import RefusedCall, SimulatedCall
from trinode.execution.calls.simulate_trace import TRANSFERRER, transfer_log
from trinode.protocol.l1_info import L1InfoFormat
from trinode.protocol.transaction import decode_transaction
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork

SENDER = senders()[0]
CODED: Address = b"\xc0" * 20
INNER: Address = b"\x1e" * 20
GAS = SimulationLimits(50_000_000)
HISTORY_CODE = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff8143031160425761"
    "1fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
)
"""EIP-2935's."""
READ_SLOT_0 = bytes.fromhex("5f545f5260205ff3")


def on_genesis(fork: Fork, *requests: BlockRequest, traces_transfers: bool = False) -> list[SimulatedBlock]:
    chain = SmallChain(fork)
    return simulate(chain.config, base_of(chain), requests, GAS, traces_transfers=traces_transfers)


def base_of(chain: SmallChain) -> Base:
    parent = chain.state.parent
    return Base(parent.header, parent.hash, parent.state, parent.tries, None)


def a_call(to: Address | None = CODED, *, value: int = 0, data: bytes = b"", sender: Address = SENDER, gas: int | None = 100_000) -> SimulatedCall:
    return SimulatedCall(Message(0, sender=sender, to=to, value=value, data=data), gas)


def with_code(code: str, *calls: SimulatedCall) -> BlockRequest:
    return BlockRequest(calls or (a_call(),), {CODED: AccountOverride(code=bytes.fromhex(code))})


def test_gaps_are_filled_with_empty_blocks() -> None:
    overrides = BlockOverrides(number=3), BlockOverrides(timestamp=5000)
    found = on_genesis(Fork.KARST, *[BlockRequest(block_overrides=each) for each in overrides])
    assert [block.header.number for block in found] == [1, 2, 3, 4]
    assert [block.header.timestamp - GENESIS_TIME for block in found] == [12, 24, 36, 4000]
    assert [block.header.parent_hash for block in found[1:]] == [block.hash for block in found[:-1]]


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        ([BlockOverrides(number=0)], "block_number"),
        ([BlockOverrides(number=2), BlockOverrides(number=2)], "block_number"),
        ([BlockOverrides(number=257)], "too_many_blocks"),
        ([BlockOverrides(number=2**64 - 1)], "too_many_blocks"),
        ([BlockOverrides(timestamp=GENESIS_TIME)], "timestamp"),
        ([BlockOverrides(number=2, timestamp=GENESIS_TIME + 12)], "timestamp"),
    ],
)
def test_blocks_that_do_not_follow_each_other(overrides: list[BlockOverrides], rule: str) -> None:
    with pytest.raises(RefusedSimulation) as caught:
        on_genesis(Fork.KARST, *[BlockRequest(block_overrides=each) for each in overrides])
    assert caught.value.rule == rule


def test_256_blocks_know_each_others_hashes() -> None:
    """The history contract has their parents' hashes by its own code, BLOCKHASH by ours."""
    history = AccountOverride(code=HISTORY_CODE)
    asked = [number.to_bytes(32, "big") for number in (0, 1, 128, 254, 255)]
    found = on_genesis(
        Fork.KARST,
        BlockRequest(state_overrides={HISTORY_STORAGE: history}),
        BlockRequest(
            calls=tuple(a_call(to, data=each) for each in asked for to in (CODED, HISTORY_STORAGE)),
            state_overrides={CODED: AccountOverride(code=bytes.fromhex("5f35405f5260205ff3"))},
            block_overrides=BlockOverrides(number=256),
        ),
    )
    hashes = [found[0].header.parent_hash, *[block.hash for block in found]]
    outputs = [outcome.result.output for outcome in found[-1].outcomes]
    assert outputs[::2] == [hashes[int.from_bytes(each, "big")] for each in asked]
    assert outputs[3::2] == outputs[2::2]  # genesis is before the contract


def test_storage_stays_from_block_to_block() -> None:
    write = with_code("602a5f5500")
    read = with_code(READ_SLOT_0.hex())
    assert [int.from_bytes(block.outcomes[0].result.output, "big") for block in on_genesis(Fork.KARST, write, read, read)[1:]] == [42, 42]


def test_a_whole_storage_is_replaced_for_the_blocks_after_it() -> None:
    slots = {0: 7, 1: 8}
    first = BlockRequest((a_call(),), {CODED: AccountOverride(code=READ_SLOT_0, state=slots)})
    gone = BlockRequest((a_call(),), {CODED: AccountOverride(state={1: 9})})
    found = on_genesis(Fork.KARST, first, gone, BlockRequest((a_call(),)))
    assert [int.from_bytes(block.outcomes[0].result.output, "big") for block in found] == [7, 0, 0]


def test_an_empty_account_that_an_override_made_keeps_its_storage() -> None:
    """As op-geth's: seen by comparison."""
    made = BlockRequest(state_overrides={CODED: AccountOverride(state_diff={0: 5})})
    code = BlockRequest((a_call(),), {CODED: AccountOverride(code=READ_SLOT_0)})
    assert int.from_bytes(on_genesis(Fork.KARST, made, code)[1].outcomes[0].result.output, "big") == 5


def test_transfers_stand_among_the_logs_but_in_no_receipt() -> None:
    # Logs, sends a wei to INNER, and sends one to a call that reverts.
    code = f"5f5fa05f5f5f5f600173{INNER.hex()}5af15f5f5f5f60013461ffff5af1"
    request = with_code(code, a_call(value=5))
    (traced,) = on_genesis(Fork.KARST, request, traces_transfers=True)
    (plain,) = on_genesis(Fork.KARST, request)
    logs = traced.outcomes[0].logs
    assert logs[0] == transfer_log(SENDER, CODED, 5)
    assert logs[1].address == CODED
    assert logs[2] == transfer_log(CODED, INNER, 1)
    assert [log for log in logs if log.address != TRANSFERRER] == list(plain.outcomes[0].logs)
    assert traced.header == plain.header


def test_a_creation_at_the_last_nonce_fails_and_leaves_it() -> None:
    last = BlockRequest((a_call(None), a_call(TARGET)), {SENDER: AccountOverride(nonce=2**64 - 1)})
    (block,) = on_genesis(Fork.KARST, last)
    assert [outcome.result.failure for outcome in block.outcomes] == ["nonce uint64 overflow", None]
    nonces = [getattr(decode_transaction(raw), "nonce") for raw in block.transactions]  # noqa: B009 - each kind has one
    assert nonces == [2**64 - 1, 2**64 - 1]


@pytest.mark.parametrize("fork", [Fork.REGOLITH, Fork.CANYON, Fork.ECOTONE, Fork.ISTHMUS, Fork.JOVIAN])
def test_fees_go_where_they_go_in_a_block(fork: Fork) -> None:
    """Nothing is lost but the wei that are paid; nobody pays for data or to the operator."""
    chain = SmallChain(fork)
    miner: Address = b"\x3e" * 20
    message = Message(0, sender=SENDER, to=TARGET, max_fee=2000, max_priority_fee=10, value=3)
    balances = [SimulatedCall(Message(0, to=CODED, data=each.rjust(32, b"\0")), 100_000) for each in (SENDER, miner, chain_vault(chain))]
    request = BlockRequest(
        (SimulatedCall(message, 21_000), *balances),
        {CODED: AccountOverride(code=bytes.fromhex("6000353160005260206000f3"))},
        BlockOverrides(fee_recipient=miner, base_fee=1000),
    )
    (block,) = simulate(chain.config, base_of(chain), [request], GAS)
    sender, tips, base = (int.from_bytes(outcome.result.output, "big") for outcome in block.outcomes[1:])
    assert (ETHER - sender, tips, base) == (21_000 * 1010 + 3, 21_000 * 10, 21_000 * 1000)


def chain_vault(chain: SmallChain) -> Address:
    vault = chain.executor.rules(GENESIS_TIME).base_fee_recipient
    assert vault is not None
    return vault


def test_data_costs_what_the_base_blocks_attributes_say() -> None:
    chain = SmallChain(Fork.JOVIAN)
    chain.state.apply(chain.executor.build(chain.state.parent, chain.attributes(info=L1InfoFormat.JOVIAN)))
    block = chain.executor.build(chain.state.parent, chain.attributes(info=L1InfoFormat.JOVIAN))
    request = BlockRequest((a_call(TARGET), a_call(TARGET)))
    said = replace(base_of(chain), first=decode_transaction(block.transactions[0]))
    first, unsaid = (simulate(chain.config, base, [request], GAS)[0] for base in (said, base_of(chain)))
    scalar = int.from_bytes(block.prepared[0].transaction.data[176:178], "big")
    assert first.header.blob_gas_used == 2 * 100 * scalar
    assert unsaid.header.blob_gas_used == 2 * 100 * 400


def test_refused_calls() -> None:
    for call, rule in (
        (a_call(TARGET, value=2 * ETHER), "balance"),
        (a_call(TARGET, gas=20_999), "intrinsic_gas"),
        (a_call(TARGET, gas=21_500, data=b"\x11" * 20), "floor_gas"),
        (SimulatedCall(Message(0, sender=SENDER, authorizations=())), "set_code_creation"),
        (SimulatedCall(Message(0, sender=SENDER, to=TARGET, authorizations=())), "empty_authorization_list"),
        (a_call(None, data=bytes(49_153), gas=None), "initcode_size"),
    ):
        with pytest.raises(RefusedCall) as caught:
            on_genesis(Fork.KARST, BlockRequest((call,)))
        assert (caught.value.rule, caught.value.sender) == (rule, SENDER)
    with pytest.raises(RefusedSimulation) as refused:
        on_genesis(Fork.KARST, BlockRequest((a_call(gas=30_000_001),)))
    assert refused.value.rule == "block_gas_limit"


def test_overridden_accounts_are_in_the_state_root() -> None:
    """The same state by an override, and by a transfer that costs nothing."""
    other: Address = b"\x99" * 20
    (by_override,) = on_genesis(
        Fork.GRANITE, BlockRequest(state_overrides={SENDER: AccountOverride(nonce=1, balance=ETHER - 5), other: AccountOverride(balance=5)})
    )
    (by_transfer,) = on_genesis(Fork.GRANITE, BlockRequest((a_call(other, value=5),)))
    assert by_override.header.state_root == by_transfer.header.state_root
