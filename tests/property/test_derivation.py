"""What derivation makes of any data: our own batcher's gives the sequencer's blocks, all other only drops, and stopping changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.batcher import BatcherBlock, BatcherSettings
from harness.fake_execution import FakeExecution
from harness.fake_l1 import L1Transaction
from harness.scenario import Scenario
from harness.sequencer import SequencedBlock
from harness.simulation import Simulation
from harness.strategies import FORKS, any_blobs, any_payloads, batcher_settings, groups, scenarios
from tests.property.observed_network import (
    ObservedNetwork,
    RestartableReplay,
    assert_all_accounted_for,
    assert_bounded,
    assert_engine_consistent,
    canonical_events,
)
from trinode.rollup.fork import Fork

seeds = st.integers(0, 1 << 30)
BEFORE_HOLOCENE = [fork for fork in FORKS if fork < Fork.HOLOCENE]
SINCE_HOLOCENE = [fork for fork in FORKS if fork >= Fork.HOLOCENE]
CHANNEL_TIMEOUT = 6


# ---- our own batcher ----


@given(scenario=scenarios(), seed=seeds)
def test_what_is_posted_is_derived(scenario: Scenario, seed: int) -> None:
    simulation = Simulation(scenario, seed)
    replay = RestartableReplay(simulation.head, FakeExecution(simulation.config))
    for item in simulation.run():
        replay.feed(item)
    derived = replay.safe_chain[1:]
    assert derived == [block.block.ref.hash for block in simulation.sequencer.chain[: len(derived)]]
    assert len(derived) >= len(simulation.expected)  # more, if the last channel was not posted to its end


def sequenced(fork: Fork, seed: int, l1_blocks: int = 4) -> tuple[ObservedNetwork, list[SequencedBlock]]:
    network = ObservedNetwork(fork, block_time=4, seq_window=30, channel_timeout=CHANNEL_TIMEOUT)
    network.empty(l1_blocks)
    return network, network.more_blocks(seed)


@st.composite
def channels(draw: st.DrawFn, network: ObservedNetwork, fork: Fork, blocks: list[SequencedBlock]) -> list[list[L1Transaction]]:
    """The transactions of a few channels with these blocks, in order."""
    result = []
    for number, group in enumerate(draw(groups(blocks, 4))):
        if not group:
            continue
        settings = draw(batcher_settings(fork))
        payloads = network.payloads(group, settings, draw(st.integers(1, 6)), bytes([number + 1]))
        result.append(network.account.send(payloads, settings))
    return result


@given(fork=st.sampled_from(BEFORE_HOLOCENE), seed=seeds, data=st.data())
def test_before_holocene_frames_come_in_any_order(fork: Fork, seed: int, data: st.DataObject) -> None:
    network, blocks = sequenced(fork, seed)
    transactions = [tx for channel in data.draw(channels(network, fork, blocks)) for tx in channel]
    for group in data.draw(groups(data.draw(st.permutations(transactions)), CHANNEL_TIMEOUT)):
        network.post(group)
    network.empty(1)
    network.assert_derived(blocks)


@given(fork=st.sampled_from(SINCE_HOLOCENE), seed=seeds, data=st.data())
def test_since_holocene_frames_come_in_order(fork: Fork, seed: int, data: st.DataObject) -> None:
    network, blocks = sequenced(fork, seed)
    transactions = [tx for channel in data.draw(channels(network, fork, blocks)) for tx in channel]
    for group in data.draw(groups(transactions, CHANNEL_TIMEOUT)):
        network.post(group)
    network.assert_derived(blocks)


# ---- anything ----


@st.composite
def wrong_transactions(draw: st.DrawFn, network: ObservedNetwork, fork: Fork, blocks: list[SequencedBlock]) -> list[L1Transaction]:
    packed = [BatcherBlock(block.batch, block.sequence_number) for block in blocks]
    transactions = []
    pieces = draw(st.lists(any_payloads(network.config, packed), min_size=1, max_size=3))
    for payload in (payload for piece in pieces for payload in piece):
        if fork >= Fork.ECOTONE and draw(st.booleans()):
            transactions.append(network.account.raw_blobs([draw(any_blobs(payload))], calldata=draw(st.sampled_from((b"", b"\x00")))))
        else:
            transactions.append(network.account.calldata(payload, legacy=draw(st.booleans())))
    return transactions


def size_of(transactions: list[L1Transaction]) -> int:
    return sum(len(tx.raw) + sum(map(len, tx.blobs.values())) for tx in transactions)


@given(fork=st.sampled_from(FORKS), seed=seeds, data=st.data())
def test_whatever_is_posted_only_drops(fork: Fork, seed: int, data: st.DataObject) -> None:
    network = ObservedNetwork(fork, block_time=4, seq_window=12, channel_timeout=4)
    network.empty(3)
    posted = 0
    for _ in range(data.draw(st.integers(1, 4))):
        blocks = network.more_blocks(seed, until=network.l1.head.header.timestamp + 24)
        transactions = data.draw(wrong_transactions(network, fork, blocks))
        posted += size_of(transactions)
        network.post(transactions)
        assert_bounded(network, posted)
    assert_all_accounted_for(network)
    assert_engine_consistent(network)
    network.empty(CHANNEL_TIMEOUT)  # before Holocene, what blocks others is given up; the channel timeout here is shorter
    blocks = network.unlike_others(seed)
    network.post([network.account.calldata(payload) for payload in network.payloads(blocks, BatcherSettings(), 2, b"good")])
    network.empty(1)
    network.assert_derived(blocks)


# ---- stopping and going on ----


@given(scenario=scenarios(chaos=True), seed=seeds, stops=st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_stopping_anywhere_changes_nothing(scenario: Scenario, seed: int, stops: list[int]) -> None:
    simulation = Simulation(scenario, seed)
    execution = FakeExecution(simulation.config, frozenset(scenario.invalid_blocks), scenario.reject_undecodable)
    items = list(simulation.run())
    straight, stopped = RestartableReplay(simulation.head, execution), RestartableReplay(simulation.head, execution, stops=stops)
    for item in items:
        straight.feed(item)
        stopped.feed(item)
        assert stopped.safe_chain == straight.safe_chain


@given(scenario=scenarios(chaos=True), seed=seeds, depth=st.integers(1, 23), blocks=st.integers(1, 6), data=st.data())
def test_after_a_reorg_a_fresh_node_agrees(scenario: Scenario, seed: int, depth: int, blocks: int, data: st.DataObject) -> None:
    simulation = Simulation(scenario, seed)
    execution = FakeExecution(simulation.config, frozenset(scenario.invalid_blocks), scenario.reject_undecodable)
    seen = RestartableReplay(simulation.head, execution)
    for item in simulation.run():
        seen.feed(item)
    l1 = simulation.l1
    known = len(l1.events)
    gone = l1.rewind(1 + (depth - 1) % min(len(l1.chain) - 1, 4 * scenario.seq_window))
    for _ in range(len(gone) + blocks):  # the old transactions in other blocks, or none: derivation notices beyond the old head
        l1.extend([L1Transaction(raw, blobs=l1.blobs) for raw in data.draw(st.sampled_from(gone)).transactions])
    for event in l1.events[known:]:
        seen.feed(event)
    fresh = RestartableReplay(simulation.head, execution)
    for event in canonical_events(l1):
        fresh.feed(event)
    assert seen.safe_chain == fresh.safe_chain
    assert seen.pipeline.status == fresh.pipeline.status
