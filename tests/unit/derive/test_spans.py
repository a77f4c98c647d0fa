"""Span batches that break a rule of their prefix: before Holocene the batch drops alone, from it on the rest of its channel goes too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.derive.network import Network
from trinode.derive.drops import DropReason
from trinode.protocol.batch import SingularBatch
from trinode.rollup.fork import Fork

BEFORE, AFTER = Fork.GRANITE, Fork.HOLOCENE

SPOILED: list[tuple[str, Callable[[SingularBatch], SingularBatch], DropReason]] = [
    ("parent", lambda b: b._replace(parent_hash=b"\x01" * 32), DropReason.PARENT_MISMATCH),
    ("last origin's hash", lambda b: b._replace(epoch_hash=b"\x01" * 32), DropReason.EPOCH_HASH_MISMATCH),
    ("an origin too far", lambda b: b._replace(epoch_number=b.epoch_number + 2), DropReason.EPOCH_TOO_NEW),
    ("an origin too old", lambda b: b._replace(epoch_number=b.epoch_number - 1), DropReason.UNDECIDED),
    ("an origin of another age", lambda b: b._replace(epoch_number=2**64 - 1), DropReason.SEQUENCE_WINDOW_EXPIRED),
]


@pytest.mark.parametrize("fork", [BEFORE, AFTER])
@pytest.mark.parametrize(("spoil", "reason"), [case[1:] for case in SPOILED], ids=[case[0] for case in SPOILED])
def test_a_span_with_a_wrong_prefix(fork: Fork, spoil: Callable[[SingularBatch], SingularBatch], reason: DropReason) -> None:
    net = Network(fork)
    net.empty(3)
    net.include(net.channel([net.span([1, 2, 3], spoil)]))
    net.assert_safe(0)
    if reason is DropReason.UNDECIDED and fork is BEFORE:
        assert not net.drops  # it waits, and is never decided
        return
    assert net.drops[reason] == 1, net.drops
    net.include(net.channel([net.span([1, 2, 3])]))
    net.assert_safe(3)


def test_a_span_of_the_future_waits_before_holocene_and_is_dropped_from_it_on() -> None:
    for fork, safe in ((BEFORE, 4), (AFTER, 2)):
        net = Network(fork)
        net.include(net.channel([net.span([3, 4])]))
        net.assert_safe(0)
        net.include(net.channel([net.span([1, 2])]))
        net.assert_safe(safe)


def test_a_span_without_new_blocks_is_skipped_without_a_flush() -> None:
    for fork in (BEFORE, AFTER):
        net = Network(fork)
        net.include(net.channel([1, 2, 3]))
        net.include(net.channel([net.span([1, 2]), 4]))
        net.assert_safe(4)
        assert net.drops[DropReason.NO_NEW_BLOCKS] == 1


@pytest.mark.parametrize("fork", [BEFORE, AFTER])
def test_a_span_included_after_its_window(fork: Fork) -> None:
    net = Network(fork, seq_window=5)
    late = net.channel([net.span([1, 2, 3])])
    net.empty(5)
    forced = net.safe
    net.include(late)
    assert net.safe >= forced > 0
    assert not net.is_sequenced(1) or not net.block(1).batch.transactions


@pytest.mark.parametrize("fork", [BEFORE, AFTER])
def test_singular_and_span_batches_mix_in_one_channel(fork: Fork) -> None:
    net = Network(fork)
    net.include(net.channel([1, net.span([2, 3]), 4, net.span([4, 5]), net.span([6])]))
    net.assert_safe(6)


def test_a_span_across_many_origins_and_a_long_gap_without_batches() -> None:
    net = Network(AFTER, seq_window=40)
    net.empty(20)
    net.sequence(60)
    net.include(net.channel([net.span(list(range(1, 61)))], frames=7))
    net.assert_safe(60)
    assert len({derived.l1_origin.number for derived, _ in net.derived}) > 5
