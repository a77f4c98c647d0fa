"""The engine without an EVM: its hash is the definition's, its extraData an engine's, and it rejects as it is told."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from harness.fake_execution import (
    FakeExecution,
    fake_block_hash,
    fake_extra_data,
    has_batch_transactions,
    is_undecodable,
    make_block,
)
from harness.l2_transactions import TransactionMaker
from harness.scenario import Scenario
from harness.simulation import Simulation
from trinode.protocol.keccak import keccak256
from trinode.rollup.l2_block import L2BlockError

FORKS = ("regolith", "canyon", "delta", "ecotone", "fjord", "granite", "holocene", "isthmus", "jovian", "karst")


def simulation(last_fork: str) -> Simulation:
    forks = dict.fromkeys(FORKS[: FORKS.index(last_fork) + 1], 0)
    played = Simulation(Scenario(l1_blocks=4, forks=forks, empty_chance=0.0, submit_every=1), 1)
    list(played.run())
    return played


def test_the_hash_covers_what_the_definition_names() -> None:
    jovian = simulation("jovian").sequencer.chain[3]
    attributes, ref = jovian.attributes, jovian.block.ref
    assert attributes.eip1559_params is not None
    assert attributes.min_base_fee is not None
    preimage = (
        ref.parent_hash
        + ref.number.to_bytes(8, "big")
        + ref.timestamp.to_bytes(8, "big")
        + ref.l1_origin.hash
        + keccak256(b"".join(attributes.transactions))
        + attributes.gas_limit.to_bytes(8, "big")
        + attributes.eip1559_params
        + attributes.min_base_fee.to_bytes(8, "big")
    )
    assert ref.hash == keccak256(preimage)
    without = replace(attributes, eip1559_params=None, min_base_fee=None)
    assert fake_block_hash(ref.parent_hash, ref.number, ref.l1_origin.hash, without) == keccak256(preimage[:-16])


@pytest.mark.parametrize(
    ("params", "min_base_fee", "extra_data"),
    [
        (None, None, ""),
        ("0000000000000000", None, "00 000000fa 00000006"),  # zeros: Canyon's constants
        ("0000000700000003", None, "00 00000007 00000003"),
        ("0000000000000000", 5, "01 000000fa 00000006 0000000000000005"),
        ("0000000700000003", 0, "01 00000007 00000003 0000000000000000"),
    ],
)
def test_extra_data_is_what_an_engine_makes_of_the_parameters(
    params: str | None, min_base_fee: int | None, extra_data: str
) -> None:
    played = simulation("regolith")
    eip1559_params = None if params is None else bytes.fromhex(params)
    attributes = replace(played.sequencer.chain[0].attributes, eip1559_params=eip1559_params, min_base_fee=min_base_fee)
    assert fake_extra_data(played.config, attributes) == bytes.fromhex(extra_data)


def test_zero_parameters_come_back_as_constants_in_the_next_system_config() -> None:
    first, second = simulation("holocene").sequencer.chain[:2]
    assert first.attributes.eip1559_params == bytes(8)
    assert second.attributes.eip1559_params == bytes.fromhex("000000fa00000006")


def test_a_block_needs_the_l1_info_deposit_of_its_fork() -> None:
    ecotone, regolith = simulation("ecotone"), simulation("regolith")
    attributes = regolith.sequencer.chain[0].attributes
    with pytest.raises(L2BlockError, match="format of bedrock"):
        make_block(ecotone.config, ecotone.sequencer.start.ref, attributes)


def test_the_engine_rejects_blocks_by_number_only_with_batch_transactions() -> None:
    played = simulation("karst")
    block = next(block for block in played.sequencer.chain[1:] if block.batch.transactions)
    parent = played.sequencer.by_number(block.block.ref.number - 1)
    assert parent is not None
    ref = parent.block.ref
    engine = FakeExecution(played.config, frozenset({block.block.ref.number}))
    assert "asked to be invalid" in str(engine.invalid_reason(ref, block.attributes))
    deposits = tuple(raw for raw in block.attributes.transactions if raw[:1] == b"\x7e")
    assert engine.invalid_reason(ref, replace(block.attributes, transactions=deposits)) is None
    assert FakeExecution(played.config).invalid_reason(ref, block.attributes) is None


def test_undecodable_transactions_are_rejected_on_demand() -> None:
    played = simulation("karst")
    block = played.sequencer.chain[0]
    blob = TransactionMaker(1, Random(1)).make_blob()
    for raw in (b"", b"\x02\xc0", b"\x05\x01", blob):
        attributes = replace(block.attributes, transactions=(*block.attributes.transactions, raw))
        assert is_undecodable(raw)
        assert has_batch_transactions(attributes)
        engine = FakeExecution(played.config, reject_undecodable=True)
        assert engine.invalid_reason(played.sequencer.start.ref, attributes) is not None
        assert FakeExecution(played.config).invalid_reason(played.sequencer.start.ref, attributes) is None
    assert not any(is_undecodable(raw) for raw in block.attributes.transactions)
