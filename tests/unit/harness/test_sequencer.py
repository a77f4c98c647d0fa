"""The model keeps the rules that derivation checks: L1 origins, drift, activation blocks, and what a reorg leaves."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.fake_l1 import FakeL1
from harness.scenario import Scenario, make_head, make_l1
from harness.sequencer import Sequencer, SequencerSettings, build_attributes, sequenced_block
from harness.simulation import Simulation
from trinode.protocol.transaction import decode_transaction
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

TO_KARST = {fork.label: 30 * index for index, fork in enumerate(SCHEDULED_FORKS[:-1])}


def sequencer(scenario: Scenario | None = None, settings: SequencerSettings | None = None, seed: int = 0) -> Sequencer:
    scenario = scenario or Scenario()
    l1 = make_l1(scenario)
    head = make_head(scenario, l1, "")
    return Sequencer(head.rollup_config, l1, head.l2_start.block, Random(seed), settings)


def check_chain(chain: Sequencer, l1: FakeL1, config: RollupConfig) -> None:
    """The rules for each block on top of the one before it."""
    parent = chain.start.ref
    for sequenced in chain.chain:
        ref, batch = sequenced.block.ref, sequenced.batch
        origin, before = l1.by_hash[ref.l1_origin.hash], parent.l1_origin
        time = origin.header.timestamp
        following = l1.by_number(origin.header.number + 1)
        assert (ref.number, ref.parent_hash) == (parent.number + 1, parent.hash)
        assert ref.timestamp == parent.timestamp + config.block_time >= time
        advanced = ref.l1_origin.number - before.number
        assert advanced in (0, 1)
        assert ref.sequence_number == (0 if advanced else parent.sequence_number + 1)
        if ref.timestamp > time + config.max_sequencer_drift_at(l1_origin_timestamp=time):
            assert not batch.transactions
            assert advanced or (following is not None and following.header.timestamp > ref.timestamp)
        activated = config.activated_forks(l2_timestamp=ref.timestamp)
        assert not (batch.transactions and any(fork >= Fork.JOVIAN for fork in activated))
        parent = ref


@given(
    slots=st.lists(st.integers(1, 8), min_size=1, max_size=8),
    settings=st.builds(
        SequencerSettings,
        transactions=st.just(1),
        empty_chance=st.just(0.5),
        advance_chance=st.sampled_from((0.0, 0.5, 1.0)),
        max_origin_lag=st.integers(0, 5),
        confirmations=st.integers(0, 3),
    ),
    drift=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_every_choice_is_within_the_rules(slots: list[int], settings: SequencerSettings, drift: int, seed: int) -> None:
    chain = sequencer(Scenario(max_sequencer_drift=drift), settings, seed)
    for slot in slots:
        chain.produce(chain.l1.head.header.timestamp + 12 * slot, chain.l1.head.header.number + 1)
        chain.l1.extend(seconds=12 * slot)
    check_chain(chain, chain.l1, chain.config)


def test_l2_waits_for_l1_beyond_the_drift() -> None:
    chain = sequencer(Scenario(max_sequencer_drift=6))
    made = chain.produce(chain.l1.head.header.timestamp + 100, chain.l1.head.header.number + 1)
    assert [block.batch.timestamp - chain.start.ref.timestamp for block in made] == [2, 4, 6]
    chain.l1.extend(seconds=20)
    assert len(chain.produce(chain.start.ref.timestamp + 26, chain.l1.head.header.number + 1)) == 9
    assert all(not block.batch.transactions for block in chain.chain[3:9])
    assert chain.head.ref.l1_origin.number == chain.l1.head.header.number


@pytest.mark.parametrize("seed", [0, 1])
def test_all_forks_are_passed(seed: int) -> None:
    scenario = Scenario(l1_blocks=30, forks=TO_KARST, empty_chance=0.0, missed_slot_chance=0.1, config_every=3)
    played = Simulation(scenario, seed)
    list(played.run())
    check_chain(played.sequencer, played.l1, played.config)
    for fork in SCHEDULED_FORKS[1:-1]:
        time = played.config.fork_times[fork]
        first = next(block for block in played.sequencer.chain if block.batch.timestamp >= time)
        upgrades, _ = played.config.upgrade_transactions(l2_timestamp=first.batch.timestamp)
        assert set(upgrades) <= set(first.block.transactions)
    types = {raw[0] for block in played.sequencer.chain for raw in block.batch.transactions if raw[0] < 0xC0}
    assert types == {1, 2, 4}
    for block in played.sequencer.chain:
        for raw in block.block.transactions:
            decode_transaction(raw)


def test_blocks_that_come_too_late_are_conceded() -> None:
    chain = sequencer(Scenario(seq_window=5))
    for _ in range(12):
        chain.l1.extend()
    number = chain.l1.head.header.number + 1
    made = chain.produce(chain.l1.head.header.timestamp, number)
    conceded = [block for block in made if block.conceded]
    assert conceded == made[: len(conceded)]
    assert {block.batch.epoch_number for block in conceded} == set(range(100, number - 5))
    assert not any(block.batch.transactions for block in conceded)
    assert chain.unposted == made[len(conceded) :]


def test_what_was_not_posted_is_not_conceded() -> None:
    chain = sequencer(Scenario(seq_window=5))
    chain.produce(chain.l1.head.header.timestamp + 12, chain.l1.head.header.number + 1)
    waiting = len(chain.unposted)
    for _ in range(12):
        chain.l1.extend()
    chain.produce(chain.l1.head.header.timestamp, chain.l1.head.header.number + 1)
    assert waiting > 0
    assert not any(block.conceded for block in chain.chain)


def test_a_reorg_takes_the_blocks_of_its_origins() -> None:
    chain = sequencer(settings=SequencerSettings(advance_chance=1.0))
    for _ in range(6):
        chain.produce(chain.l1.head.header.timestamp + 12, chain.l1.head.header.number + 1)
        chain.l1.extend()
    chain.posted = chain.head.ref.number
    chain.l1.rewind(3)
    stays = chain.l1.head.header.number
    chain.rewind(stays, 5)
    assert chain.head.ref.l1_origin.number <= stays
    assert chain.posted == 5
    assert chain.unposted[0].block.ref.number == 6
    chain.rewind(stays - 10, 5)
    assert chain.head == chain.start
    assert chain.posted == chain.start.ref.number


def test_a_rejected_block_is_built_again_without_transactions() -> None:
    chain = sequencer(settings=SequencerSettings(transactions=9, empty_chance=0.0))
    until = chain.l1.head.header.timestamp + 50
    chain.produce(until, chain.l1.head.header.number + 1)
    number = next(block.block.ref.number for block in chain.chain if block.batch.transactions)
    chain.posted = chain.head.ref.number
    chain.give_up(number)
    assert chain.head.ref.number == number - 1 == chain.posted
    chain.produce(until, chain.l1.head.header.number + 1)
    rebuilt = chain.by_number(number)
    assert rebuilt is not None
    assert rebuilt.batch.transactions == ()
    chain.give_up(number)  # it has none: the block stays
    assert chain.by_number(number) is rebuilt


def test_derived_blocks_are_adopted() -> None:
    chain = sequencer(settings=SequencerSettings(transactions=9, empty_chance=0.0))
    chain.produce(chain.l1.head.header.timestamp + 20, chain.l1.head.header.number + 1)
    third, parent = chain.chain[2], chain.chain[1]
    receipts = chain.l1.receipts[chain.l1.head.hash]
    attributes = build_attributes(
        chain.config, chain.l1.chain_config, parent.block, chain.l1.head, receipts, (b"\x02other",)
    )
    other = sequencer().chain
    assert other == []
    adopted = sequenced_block(attributes, third.block)
    chain.adopt([adopted])
    assert chain.chain[2:] == [adopted]
    assert adopted.batch.transactions == (b"\x02other",)
    assert chain.unposted == []


def test_the_seed_decides() -> None:
    def head(seed: int) -> bytes:
        chain = sequencer(seed=seed)
        chain.produce(chain.l1.head.header.timestamp + 60, chain.l1.head.header.number + 1)
        return chain.head.ref.hash

    assert head(1) == head(1)
    assert head(1) != head(2)


@pytest.mark.parametrize("number", [0, 78])
def test_only_the_blocks_after_the_start_are_known(number: int) -> None:
    chain = sequencer(Scenario(l2_start=77))
    chain.produce(chain.l1.head.header.timestamp + 3, chain.l1.head.header.number + 1)
    known = chain.by_number(number)
    assert (known is not None) == (number == 78)
    assert chain.by_number(77) is None
