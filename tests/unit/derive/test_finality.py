"""Which L2 block is final: by L1 block, across resets and restarts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trinode.derive.finality import Derived, FinalityTracker
from trinode.protocol.types import BlockId
from trinode.rollup.l2_block import L2BlockRef


def l1(number: int) -> BlockId:
    return BlockId(number, number.to_bytes(32, "big"))


def l2(number: int) -> L2BlockRef:
    return L2BlockRef((number << 128).to_bytes(32, "big"), number, bytes(32), 2 * number, l1(number // 6), number % 6)


def tracker(*derived: tuple[int, int]) -> FinalityTracker:
    """With L2 block 0 final; pairs of L1 and L2 block."""
    made = FinalityTracker(l2(0))
    for from_l1, block in derived:
        made.derived(l2(block), l1(from_l1))
    return made


def test_the_last_block_of_a_final_l1_block_is_final() -> None:
    made = tracker((10, 1), (10, 2), (12, 3), (13, 4))
    assert made.l1_finalized(9, l2(4)) == l2(0)
    assert made.l1_finalized(11, l2(4)) == l2(2)
    assert made.l1_finalized(13, l2(3)) == l2(3)  # never above the safe head
    assert made.l1_finalized(1, l2(4)) == l2(3)  # and never back


def test_the_l1_block_is_named_before_anything_is_final() -> None:
    made = tracker((10, 1), (12, 2))
    assert made.finalizable(11, l2(2)) == Derived(l1(10), l2(1))
    assert made.finalized == l2(0)
    made.finalize(l2(1))
    assert made.finalized == l2(1)
    assert made.finalizable(11, l2(2)) is None


def test_what_is_taken_back_is_not_final() -> None:
    made = tracker((10, 1), (10, 2), (11, 3))
    made.rewind(1)
    assert made.l1_finalized(20, l2(9)) == l2(1)


def test_after_a_restart_earlier_blocks_finalize_without_new_ones() -> None:
    made = FinalityTracker(l2(2))
    made.restore([(l1(9), l2(1)), (l1(10), l2(5)), (l1(12), l2(8))])
    assert made.l1_finalized(11, l2(8)) == l2(5)
    assert made.l1_finalized(12, l2(8)) == l2(8)


def test_what_was_derived_since_counts_more_than_the_records() -> None:
    made = tracker((14, 6), (14, 7))
    made.restore([(l1(10), l2(5)), (l1(11), l2(6)), (l1(12), l2(8))])
    assert made.l1_finalized(12, l2(8)) == l2(5)
    assert made.l1_finalized(14, l2(8)) == l2(7)


steps = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=20)


@given(steps=steps, cut=st.integers(0, 20), final=st.integers(0, 45))
def test_records_of_safe_heads_are_enough(steps: list[tuple[int, int]], cut: int, final: int) -> None:
    """One entry an L1 block, as the records have it, finalizes the same block as all blocks do."""
    whole, l1_number, number = FinalityTracker(l2(0)), 0, 0
    recorded: dict[int, L2BlockRef] = {}
    restarted = FinalityTracker(l2(0))
    for index, (later, blocks) in enumerate(steps):
        l1_number += later
        for _ in range(blocks):
            number += 1
            whole.derived(l2(number), l1(l1_number))
            if index < cut:
                recorded[l1_number] = l2(number)
            else:
                restarted.derived(l2(number), l1(l1_number))
    restarted.restore((l1(at), block) for at, block in recorded.items())
    assert restarted.l1_finalized(final, l2(number)) == whole.l1_finalized(final, l2(number))
