"""L1 traversal, windows, reorgs, batcher changes and configuration: what L1 itself does to derivation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.batcher import BatcherAccount, address_of
from harness.fake_l1 import L1Transaction
from harness.l1_logs import config_update_log
from harness.recording import RecordedL1Block
from tests.unit.derive.network import Network, forks_at_genesis
from trinode.derive.drops import DropReason
from trinode.derive.errors import ResetRequired
from trinode.derive.events import NeedL1Block
from trinode.protocol.frame import encode_frames
from trinode.rollup.fork import Fork

NEW_KEY = b"\x22" * 32


@pytest.mark.parametrize("fork", [Fork.GRANITE, Fork.HOLOCENE])
def test_an_expired_window_forces_empty_blocks_with_at_least_one_for_each_l1_block(fork: Fork) -> None:
    net = Network(fork, seq_window=5)
    net.empty(4)
    assert net.safe == 0
    net.empty(1)  # at the last L1 block of the window, once its data is used up
    # L1 block 100's window is over: its epoch has blocks until L1 block 101's time.
    assert net.safe > 0
    assert all(derived.l1_origin.number == 100 for derived, _ in net.derived)
    net.empty(10)
    origins = [derived.l1_origin.number for derived, _ in net.derived]
    assert origins == sorted(origins)
    assert set(origins) == set(range(100, max(origins) + 1))
    assert all(len(derived.attributes.transactions) == 1 for derived, _ in net.derived)


def test_forced_empty_blocks_run_past_a_late_l1_block() -> None:
    net = Network(Fork.HOLOCENE, seq_window=3)
    net.empty(1, seconds=120)
    net.empty(8)
    times = [derived.attributes.timestamp for derived, _ in net.derived]
    assert times == list(range(times[0], times[-1] + 1, 2))


@pytest.mark.parametrize("fork", [Fork.GRANITE, Fork.HOLOCENE])
@pytest.mark.parametrize("depth", [1, 3, 6])
def test_a_reorg_derives_what_a_fresh_node_would(fork: Fork, depth: int) -> None:
    net = Network(fork, seq_window=8)
    net.include(net.channel([1, 2, 3]))
    net.empty(3)
    net.include(net.channel([4, 5, 6]))
    net.empty(2)
    net.reorg(depth)
    net.empty(depth + 3)
    net.include(net.channel([net.sequencer.head.ref.number + 1]))
    net.empty(12)
    fresh = Network(fork, seq_window=8)
    for event in net.l1.events:
        if isinstance(event, RecordedL1Block) and event.block in net.l1.chain[1:]:
            fresh.replay.feed(event)
    assert fresh.safe == net.safe
    assert fresh.replay.engine.safe == net.replay.engine.safe
    assert net.replay.report.resets >= 1


def test_a_reorg_flips_back_and_forth() -> None:
    net = Network(Fork.HOLOCENE)
    net.include(net.channel([1, 2]))
    net.empty(1)
    net.assert_safe(2)
    net.reorg(2)
    net.empty(3)
    assert net.safe == 0
    net.reorg(2)
    net.include(net.channel([1, 2]))
    net.empty(3)
    net.assert_safe(2)


def config_update(net: Network, kind: int, data: bytes) -> L1Transaction:
    log = config_update_log(net.config.l1_system_config_address, kind, data)
    return replace(net.batcher.calldata(b""), logs=(log,))


def test_a_batcher_change_filters_the_data_of_its_own_block_and_a_reorg_takes_it_back() -> None:
    net = Network(Fork.HOLOCENE)
    new = BatcherAccount(NEW_KEY, net.config.l1_chain_id, net.config.batch_inbox_address)
    update = config_update(net, 0, address_of(NEW_KEY).rjust(32, b"\0"))
    by_old, by_new = net.channel([1]), new.calldata(encode_frames(net.channel([1])))
    net.include(update, by_old)
    net.assert_safe(0)
    net.include(by_new)
    net.assert_safe(1)
    net.reorg(2)
    net.include(by_old)
    net.empty(2)
    net.assert_safe(1)


def test_a_gas_limit_change_shows_in_the_first_block_of_its_l1_origin() -> None:
    net = Network(Fork.HOLOCENE, transactions=0)
    net.include(config_update(net, 2, (12_345_678).to_bytes(32, "big")))
    net.empty(2)
    net.sequence(10)
    net.include(net.channel(list(range(1, 11))))
    net.assert_safe(10)
    limits = {derived.l1_origin.number: derived.attributes.gas_limit for derived, _ in net.derived}
    assert limits[100] != 12_345_678
    assert limits[101] == 12_345_678


def test_a_malformed_config_update_is_told_and_ignored() -> None:
    net = Network(Fork.HOLOCENE)
    net.include(config_update(net, 2, b"short"), config_update(net, 99, bytes(32)))
    net.include(net.channel([1, 2]))
    net.assert_safe(2)
    assert len(net.problems) >= 2


def test_the_same_l1_derives_the_same_however_often_the_pipeline_is_reset() -> None:
    net = Network(Fork.HOLOCENE, channel_timeout=6)
    resets = Network(Fork.HOLOCENE, channel_timeout=6)
    net.sequence(8)
    a, b = net.channel([1, 2, 3, 4], frames=3), net.channel([net.span([5, 6, 7, 8])], frames=2)
    for frames in ([a[0]], [a[1]], [a[2], b[0]], [], [b[1]], []):
        net.include(*frames)
    for event in net.l1.events[1:]:
        resets.replay.feed(event)
        resets.replay.pipeline.reset(resets.replay.engine.heads)
        resets.replay._derive()
    net.assert_safe(8)
    assert resets.replay.engine.safe == net.replay.engine.safe


def test_finality_follows_l1s_label() -> None:
    net = Network(Fork.HOLOCENE)
    net.include(net.channel([1, 2]))
    net.include(net.channel([3, 4]))
    net.empty(3)
    net.l1.label(safe_lag=1, finalized_lag=len(net.l1.chain) - 2)
    net.feed()
    assert net.replay.engine.heads.finalized.number == 2
    net.l1.label(safe_lag=0, finalized_lag=2)
    net.feed()
    assert net.replay.engine.heads.finalized.number == 4


def test_l1_that_does_not_follow_asks_for_a_reset() -> None:
    net = Network(Fork.HOLOCENE)
    net.empty(2)
    pipeline = net.replay.pipeline
    event = pipeline.next_event()
    assert event == NeedL1Block(net.l1.head.header.number + 1)
    block = net.l1.head
    header = replace(block.header, number=block.header.number + 1, parent_hash=b"\x07" * 32)
    pipeline.receive(replace(block, header=header, hash=b"\x08" * 32))
    with pytest.raises(ResetRequired, match="does not follow"):
        pipeline.next_event()


@pytest.mark.parametrize("at", [fork for fork in Fork if Fork.CANYON <= fork <= Fork.KARST])
def test_a_channel_across_a_fork(at: Fork) -> None:
    """Blocks on both sides of an activation, in one channel whose frames come on both sides of it."""
    net = Network(at, forks=forks_at_genesis(Fork(at - 1)) | {at.label: 15}, seq_window=20)
    net.sequence(12)
    a = net.channel(list(range(1, 13)), frames=4)
    for frame in a:
        net.include(frame)
    if at is Fork.HOLOCENE:
        # Frames from before the switch are gone with the channel bank.
        assert net.safe == 0
        assert net.drops[DropReason.FORK_SWITCH] >= 1
        net.include(net.channel(list(range(1, 13))))
    net.assert_safe(12)
