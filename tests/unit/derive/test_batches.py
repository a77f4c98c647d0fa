"""Batch Queue and Batch Stage: which batches become blocks, before and after Holocene. Lists are block numbers, in the order of one channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from harness.l2_transactions import TransactionMaker
from tests.unit.derive.network import Network, forks_at_genesis
from trinode.derive.drops import DropReason
from trinode.protocol.batch import SingularBatch
from trinode.rollup.fork import Fork

BEFORE, AFTER = Fork.GRANITE, Fork.HOLOCENE


@pytest.mark.parametrize(
    ("fork", "order", "safe"),
    [
        (AFTER, [1, 2, 3], 3),
        (AFTER, [1, 3, 2], 1),
        (AFTER, [2, 1, 3], 0),
        (AFTER, [1, 1, 2, 3], 3),
        (BEFORE, [1, 2, 3], 3),
        (BEFORE, [1, 3, 2], 3),
        (BEFORE, [2, 1, 3], 3),
        (BEFORE, [3, 2, 1], 3),
        (BEFORE, [1, 1, 2, 3], 3),
    ],
)
def test_order_of_singular_batches(fork: Fork, order: list[int], safe: int) -> None:
    net = Network(fork)
    net.include(net.channel(order))
    net.assert_safe(safe)


def test_holocene_an_invalid_batch_takes_the_rest_of_its_channel_along_but_not_the_next_channel() -> None:
    net = Network(AFTER)
    bad = net.batch(2, parent_hash=bytes(32))
    net.include(net.channel([1, bad, 2, 3]), net.channel([2]))
    net.assert_safe(2)
    assert net.drops[DropReason.CHANNEL_FLUSHED] == 1


def test_before_holocene_an_invalid_batch_drops_alone() -> None:
    net = Network(BEFORE)
    bad = net.batch(2, parent_hash=bytes(32))
    net.include(net.channel([1, bad, 2, 3]))
    net.assert_safe(3)


def spoil_transactions(*transactions: bytes) -> Callable[[SingularBatch], SingularBatch]:
    return lambda batch: batch._replace(transactions=transactions)


SPOILED: list[tuple[str, Callable[[SingularBatch], SingularBatch], DropReason]] = [
    ("parent", lambda b: b._replace(parent_hash=b"\x01" * 32), DropReason.PARENT_MISMATCH),
    ("epoch hash", lambda b: b._replace(epoch_hash=b"\x01" * 32), DropReason.EPOCH_HASH_MISMATCH),
    ("epoch too old", lambda b: b._replace(epoch_number=b.epoch_number - 1), DropReason.EPOCH_TOO_OLD),
    ("epoch too new", lambda b: b._replace(epoch_number=b.epoch_number + 2), DropReason.EPOCH_TOO_NEW),
    ("epoch of another age", lambda b: b._replace(epoch_number=2**64 - 1), DropReason.SEQUENCE_WINDOW_EXPIRED),
    ("too early", lambda b: b._replace(timestamp=b.timestamp - 2), DropReason.PAST),
    ("empty transaction", spoil_transactions(b""), DropReason.EMPTY_TRANSACTION),
    ("deposit", spoil_transactions(b"\x7e\xc0"), DropReason.DEPOSIT_TRANSACTION),
    ("post-exec", spoil_transactions(b"\x7d\xc0"), DropReason.POST_EXEC_TRANSACTION),
    ("set code before Isthmus", spoil_transactions(b"\x04\xc0"), DropReason.SET_CODE_BEFORE_ISTHMUS),
]


@pytest.mark.parametrize("fork", [BEFORE, AFTER])
@pytest.mark.parametrize(("spoil", "reason"), [case[1:] for case in SPOILED], ids=[case[0] for case in SPOILED])
def test_a_singular_batch_that_breaks_a_rule(fork: Fork, spoil: Callable[[SingularBatch], SingularBatch], reason: DropReason) -> None:
    net = Network(fork)
    net.include(net.channel([1, spoil(net.batch(2))]))
    net.assert_safe(1)
    assert net.drops[reason] == 1, net.drops
    net.include(net.channel([2, 3]))
    net.assert_safe(3)


def test_set_code_transactions_count_from_isthmus() -> None:
    net = Network(Fork.ISTHMUS)
    net.include(net.channel([net.batch(1, transactions=(b"\x04\xc0",))]))
    assert net.safe == 1


@pytest.mark.parametrize("fork", [BEFORE, AFTER])
def test_a_batch_before_its_origins_time(fork: Fork) -> None:
    net = Network(fork, advance_chance=0.0)
    net.sequence(2)
    net.empty(1)
    epoch = net.l1.by_number(101)
    assert epoch is not None
    net.include(net.channel([net.batch(1, epoch_number=101, epoch_hash=epoch.hash)]))
    net.assert_safe(0)
    assert net.drops[DropReason.BEFORE_ORIGIN] == 1


@pytest.mark.parametrize(
    ("transactions", "advance", "safe", "reason"),
    [
        (True, False, 6, DropReason.DRIFT_WITH_TRANSACTIONS),
        (False, False, 6, DropReason.DRIFT_WITHOUT_ADVANCE),
        (False, True, 7, None),
    ],
)
def test_beyond_the_sequencer_drift_a_block_is_empty_and_takes_the_next_origin(
    transactions: bool, advance: bool, safe: int, reason: DropReason | None
) -> None:
    net = Network(Fork.CANYON, max_sequencer_drift=12, advance_chance=0.0, max_origin_lag=50)
    net.sequence(6)  # time 12, still with L1 origin 100: as far as the drift goes
    assert net.block(6).block.ref.l1_origin.number == 100
    net.empty(2)
    origin = net.l1.by_number(101 if advance else 100)
    assert origin is not None
    batch = SingularBatch(
        parent_hash=net.block(6).block.ref.hash,
        epoch_number=origin.header.number,
        epoch_hash=origin.hash,
        timestamp=net.block(6).block.ref.timestamp + 2,
        transactions=(b"\x02\xc0",) if transactions else (),
    )
    net.include(net.channel([1, 2, 3, 4, 5, 6, batch]))
    assert net.safe == safe, net.drops
    if reason is not None:
        assert net.drops[reason] == 1


def test_an_empty_batch_beyond_the_drift_waits_for_the_next_origin_and_may_keep_the_old_one_if_that_is_late() -> None:
    net = Network(Fork.CANYON, max_sequencer_drift=12, advance_chance=0.0, max_origin_lag=50)
    net.sequence(6)
    batch = SingularBatch(net.block(6).block.ref.hash, 100, net.l1.chain[0].hash, net.block(6).block.ref.timestamp + 2, ())
    net.l1.rewind(len(net.l1.chain) - 1) if len(net.l1.chain) > 1 else None
    net.l1.extend([net._transaction(net.channel([1, 2, 3, 4, 5, 6, batch]))], seconds=60)
    net.feed()
    assert net.safe == 7


@pytest.mark.parametrize("fork", [BEFORE, AFTER])
def test_a_span_gives_all_its_blocks(fork: Fork) -> None:
    net = Network(fork)
    net.include(net.channel([net.span([1, 2, 3, 4])]))
    net.assert_safe(4)


@pytest.mark.parametrize("fork", [BEFORE, AFTER])
@pytest.mark.parametrize(("numbers", "safe"), [([1, 2, 3, 4], 4), ([2, 3, 4], 4), ([3, 4], 4), ([1, 2], 2), ([4], 2)])
def test_a_span_may_overlap_the_safe_chain_if_it_says_the_same(fork: Fork, numbers: list[int], safe: int) -> None:
    net = Network(fork)
    net.include(net.channel([1, 2]))
    net.include(net.channel([net.span(numbers)]))
    net.assert_safe(safe)


OVERLAPS: list[tuple[str, Callable[[SingularBatch], SingularBatch], DropReason]] = [
    ("other transactions", lambda b: b._replace(transactions=b.transactions[:-1]), DropReason.OVERLAP_TRANSACTIONS),
    ("misaligned", lambda b: b._replace(timestamp=b.timestamp - 1), DropReason.MISALIGNED),
]


@pytest.mark.parametrize("fork", [BEFORE, AFTER])
@pytest.mark.parametrize(("change", "reason"), [case[1:] for case in OVERLAPS], ids=[case[0] for case in OVERLAPS])
def test_a_span_that_overlaps_otherwise(fork: Fork, change: Callable[[SingularBatch], SingularBatch], reason: DropReason) -> None:
    net = Network(fork)
    net.include(net.channel([1, 2, 3]))
    first = net.block(2).batch.timestamp
    net.include(net.channel([net.span([2, 3, 4, 5], lambda b: change(b) if b.timestamp == first else b)]))
    net.assert_safe(3)
    assert net.drops[reason] == 1, net.drops


def test_a_span_whose_overlap_has_another_origin() -> None:
    # A span that moves the change of L1 origin one block on is refused.
    net = Network(AFTER)
    net.empty(2)
    net.sequence(9)
    change = next(n for n in range(2, 9) if net.block(n).sequence_number == 0)
    net.include(net.channel(list(range(1, change + 1))))
    net.assert_safe(change)
    origin = net.block(change - 1).batch
    moved = net.span(
        [change - 1, change, change + 1],
        lambda b: b._replace(epoch_number=origin.epoch_number) if b.timestamp == net.block(change).batch.timestamp else b,
    )
    net.include(net.channel([moved]))
    net.assert_safe(change)
    assert net.drops[DropReason.OVERLAP_ORIGIN] == 1


@pytest.mark.parametrize(("fork", "safe"), [(BEFORE, 0), (AFTER, 2)])
def test_a_span_with_a_bad_transaction_in_the_middle(fork: Fork, safe: int) -> None:
    """Before Holocene nothing of the span counts; from it on the blocks before the bad one do."""
    net = Network(fork)
    third = net.block(3).batch.timestamp
    set_code = TransactionMaker(net.config.l2_chain_id, Random(0)).make_set_code()
    net.include(net.channel([net.span([1, 2, 3, 4], lambda b: b._replace(transactions=(set_code,)) if b.timestamp == third else b)]))
    net.assert_safe(safe)
    assert net.drops[DropReason.SET_CODE_BEFORE_ISTHMUS] == 1


def test_before_delta_spans_are_dropped_and_the_channel_is_read_on() -> None:
    net = Network(Fork.CANYON)
    net.include(net.channel([net.span([1, 2]), 1, 2]))
    net.assert_safe(2)
    assert net.drops[DropReason.SPAN_BATCH_BEFORE_DELTA] == 1


def test_a_span_included_after_delta_with_an_origin_before_it_is_dropped() -> None:
    net = Network(Fork.CANYON, forks=forks_at_genesis(Fork.CANYON) | {"delta": 30})
    net.sequence(2)
    net.empty(3)
    net.include(net.channel([net.span([1, 2])]))
    net.assert_safe(0)
    assert net.drops[DropReason.SPAN_ORIGIN_BEFORE_DELTA] == 1


def test_before_holocene_a_span_is_safe_as_a_whole_only() -> None:
    net = Network(BEFORE)
    net.invalid.add(3)
    net.include(net.channel([net.span([1, 2, 3, 4])]))
    assert net.safe == 0
    assert net.pending_safe == 0
    assert net.drops[DropReason.BLOCK_INVALID] == 1


def test_holocene_an_invalid_block_is_replaced_by_its_deposits_and_its_channel_goes() -> None:
    net = Network(AFTER)
    net.invalid.add(2)
    net.include(net.channel([1, 2, 3]))
    assert net.safe == 2
    assert net.is_sequenced(1)
    refused, replacement = net.derived[1][0], net.derived[2][0]
    assert net.derived[1][1] is None
    assert replacement.deposits_only
    assert replacement.attributes.transactions == refused.attributes.transactions[:1]
    assert replace(replacement.attributes, transactions=()) == replace(refused.attributes, transactions=())
    assert replacement.derived_from == refused.derived_from


def test_before_holocene_an_invalid_batch_can_be_followed_by_a_valid_one_for_the_same_block() -> None:
    net = Network(BEFORE)
    net.invalid.add(2)
    empty = net.batch(2, transactions=())
    net.include(net.channel([1, 2]))
    assert net.safe == 1
    net.include(net.channel([empty]))
    assert net.safe == 2


@pytest.mark.parametrize(("fork", "drops"), [(Fork.JOVIAN, True), (Fork.ISTHMUS, False), (Fork.KARST, True), (Fork.ECOTONE, False)])
def test_the_activation_blocks_of_jovian_and_later_forks_have_no_batch_transactions(fork: Fork, drops: bool) -> None:
    before = Fork(fork - 1)
    net = Network(fork, forks=forks_at_genesis(before) | {fork.label: 6})
    # The sequencer knows the rule; put transactions into its block 3 all the same.
    third = net.block(3)
    raw = net.block(2).batch.transactions or (b"\x02\xc0",)
    net.include(net.channel([1, 2, third.batch._replace(transactions=raw)]))
    assert net.safe == (2 if drops else 3)
    assert net.drops[DropReason.TRANSACTIONS_IN_ACTIVATION_BLOCK] == int(drops)


@pytest.mark.parametrize(("fork", "upgrades"), [(Fork.ECOTONE, 6), (Fork.FJORD, 3), (Fork.ISTHMUS, 8), (Fork.JOVIAN, 5), (Fork.KARST, 31)])
def test_activation_blocks_carry_the_upgrade(fork: Fork, upgrades: int) -> None:
    net = Network(fork, transactions=0, forks=forks_at_genesis(Fork(fork - 1)) | {fork.label: 6})
    net.include(net.channel([1, 2, 3, 4]))
    net.assert_safe(4)
    attributes = [derived.attributes for derived, _ in net.derived]
    assert len(attributes[2].transactions) == len(attributes[3].transactions) + upgrades
    extra_gas = attributes[2].gas_limit - attributes[1].gas_limit
    assert extra_gas == (55_370_657 if fork is Fork.KARST else 0)
    assert attributes[3].gas_limit == attributes[1].gas_limit


def test_karst_upgrade_gas_stays_where_the_chain_says_so() -> None:
    net = Network(Fork.KARST, transactions=0, forks=forks_at_genesis(Fork.JOVIAN) | {"karst": 6}, keep_karst_upgrade_gas=True)
    net.include(net.channel([1, 2, 3, 4, 5]))
    net.assert_safe(5)
    limits = [derived.attributes.gas_limit for derived, _ in net.derived]
    assert limits[3] == limits[4] == limits[1] + 55_370_657



def test_holocene_each_block_of_a_span_is_safe_at_once() -> None:
    """Found by the comparison with op-node: from Holocene on every block concludes, forced empty ones too."""
    net = Network(AFTER)
    net.invalid.add(3)
    net.include(net.channel([net.span([1, 2, 3, 4])]))
    assert net.safe == 3
    assert [derived.concluding for derived, _ in net.derived] == [True] * 4
    net.empty(25)
    assert all(derived.concluding for derived, _ in net.derived)
    assert net.safe == net.pending_safe > 4
