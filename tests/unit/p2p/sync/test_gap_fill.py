"""Which blocks fill a gap: proved from the top down, used from the bottom up, within the memory that there is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.p2p.sync.memory_hosts import FIRST, GENESIS, chain_on, id_of, peer_name
from trinode.p2p.sync.gap_fill import Finding, Gap, GapFill, Stage
from trinode.p2p.sync.limits import FillLimits
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import BlockId

GOOD, BAD = peer_name("good"), peer_name("bad")
CHAIN = chain_on(GENESIS, 40)
FORK = chain_on(GENESIS, 40, b"other")
GAP = Gap(GENESIS, id_of(CHAIN[9]))  # blocks FIRST + 1 to FIRST + 10


def stage(fill: GapFill) -> Stage:
    return fill.stage


def numbers(fill: GapFill) -> list[int]:
    return [number - FIRST for number in fill.wanted()]


def on_head(fill: GapFill) -> int | None:
    block = fill.next_on_head()
    return None if block is None else block.payload.block_number - FIRST


def test_nothing_is_wanted_without_a_gap() -> None:
    fill = GapFill()
    assert stage(fill) is Stage.NOTHING
    assert fill.wanted() == []
    assert fill.arrived(CHAIN[0], GOOD) == []
    assert fill.held == (0, 0)
    assert fill.next_on_head() is None


def test_from_the_top_down_and_then_from_the_bottom_up() -> None:
    fill = GapFill()
    fill.aim(GAP)
    assert numbers(fill) == list(range(10, 0, -1))
    for index in range(9, 0, -1):
        assert fill.arrived(CHAIN[index], GOOD) == [Finding(GOOD, FIRST + index + 1, True)]
        assert stage(fill) is Stage.PROVING and on_head(fill) is None
    fill.arrived(CHAIN[0], GOOD)
    assert stage(fill) is Stage.PROVED
    assert fill.wanted() == []
    for index in range(9):
        assert on_head(fill) == index + 1
        fill.aim(Gap(id_of(CHAIN[index]), GAP.top))
    assert on_head(fill) == 10
    assert fill.held[0] == 1
    fill.aim(None)
    assert fill.held == (0, 0)


def test_any_order_will_do_and_findings_come_when_they_can() -> None:
    fill = GapFill()
    fill.aim(GAP)
    for index in range(9):
        assert fill.arrived(CHAIN[index], GOOD) == []
    assert numbers(fill) == [10]
    assert len(fill.arrived(CHAIN[9], BAD)) == 10
    assert stage(fill) is Stage.PROVED


def test_a_block_of_another_fork_is_found_and_its_senders_others_are_dropped() -> None:
    fill = GapFill()
    fill.aim(GAP)
    for index in (2, 5, 7, 8):
        fill.arrived(FORK[index], BAD)
    fill.arrived(CHAIN[6], GOOD)
    assert fill.arrived(CHAIN[9], GOOD) == [Finding(GOOD, FIRST + 10, True), Finding(BAD, FIRST + 9, False)]
    assert numbers(fill) == [9, 8, 6, 5, 4, 3, 2, 1]


def test_blocks_outside_of_the_gap_are_not_held() -> None:
    fill = GapFill()
    fill.aim(GAP)
    assert fill.arrived(CHAIN[10], GOOD) == []
    assert fill.arrived(chain_on(BlockId(FIRST - 1, bytes(32)), 1)[0], GOOD) == []
    assert fill.held == (0, 0)


def test_the_other_fork_at_the_known_head_is_told_and_no_block_is_used() -> None:
    fill = GapFill()
    fill.aim(Gap(BlockId(FIRST, b"\xbb" * 32), GAP.top))
    for block in CHAIN[:10]:
        fill.arrived(block, GOOD)
    assert stage(fill) is Stage.OTHER_FORK
    assert fill.wanted() == [] and fill.next_on_head() is None
    fill.aim(GAP)  # L1 told that the other one is right
    assert stage(fill) is Stage.PROVED and on_head(fill) == 1


def test_the_head_moves_up_while_blocks_come() -> None:
    fill = GapFill()
    fill.aim(GAP)
    for index in (9, 8, 7, 0, 1):
        fill.arrived(CHAIN[index], GOOD)
    fill.aim(Gap(id_of(CHAIN[4]), GAP.top))
    assert numbers(fill) == [7, 6]
    assert fill.held[0] == 3
    fill.arrived(CHAIN[6], GOOD)
    fill.arrived(CHAIN[5], GOOD)
    assert stage(fill) is Stage.PROVED and on_head(fill) == 6
    fill.aim(Gap(id_of(CHAIN[8]), GAP.top))  # derivation was faster
    assert on_head(fill) == 10


def test_a_head_that_moves_up_to_another_fork() -> None:
    fill = GapFill()
    fill.aim(GAP)
    for block in CHAIN[:10]:
        fill.arrived(block, GOOD)
    fill.aim(Gap(id_of(FORK[4]), GAP.top))
    assert stage(fill) is Stage.OTHER_FORK
    fill.aim(Gap(id_of(CHAIN[2]), GAP.top))  # and back below
    assert stage(fill) is Stage.PROVING
    assert numbers(fill) == [5, 4]


def test_a_reorg_of_the_head_to_a_lower_block() -> None:
    fill = GapFill()
    fill.aim(Gap(id_of(FORK[4]), GAP.top))
    for block in CHAIN[5:10]:
        fill.arrived(block, GOOD)
    assert stage(fill) is Stage.OTHER_FORK
    fill.aim(Gap(id_of(CHAIN[1]), GAP.top))
    assert numbers(fill) == [5, 4, 3]
    for block in CHAIN[2:5]:
        fill.arrived(block, GOOD)
    assert stage(fill) is Stage.PROVED and on_head(fill) == 3


def test_a_lower_top_and_a_higher_one_keep_what_is_proved() -> None:
    fill = GapFill()
    fill.aim(GAP)
    for block in CHAIN[5:10]:
        fill.arrived(block, GOOD)
    fill.aim(Gap(GENESIS, id_of(CHAIN[7])))
    assert numbers(fill) == [5, 4, 3, 2, 1]
    fill.aim(Gap(GENESIS, id_of(CHAIN[11])))
    assert numbers(fill) == [12, 11, 10, 9, 5, 4, 3, 2, 1]
    for block in reversed(CHAIN[8:12]):
        fill.arrived(block, GOOD)
    assert fill.proved == 7
    assert numbers(fill) == [5, 4, 3, 2, 1]


def test_a_top_of_another_fork_forgets_what_was_proved_and_blames_nobody_for_it() -> None:
    fill = GapFill()
    fill.aim(GAP)
    for block in CHAIN[5:10]:
        fill.arrived(block, GOOD)
    assert fill.aim(Gap(GENESIS, id_of(FORK[9]))) == []
    assert fill.proved == 0
    findings = [finding for block in reversed(FORK[:10]) for finding in fill.arrived(block, BAD)]
    assert all(finding == Finding(BAD, finding.number, True) for finding in findings)
    while missing := fill.wanted():
        fill.arrived(FORK[missing[0] - FIRST - 1], BAD)
    assert stage(fill) is Stage.PROVED


def test_a_gap_that_is_too_long_is_left_to_derivation() -> None:
    fill = GapFill(FillLimits(longest=9))
    fill.aim(GAP)
    assert stage(fill) is Stage.TOO_LONG
    assert fill.wanted() == [] and fill.arrived(CHAIN[9], GOOD) == []
    fill.aim(Gap(id_of(CHAIN[0]), GAP.top))
    assert stage(fill) is Stage.PROVING


def test_only_a_window_is_wanted() -> None:
    fill = GapFill(FillLimits(window=3))
    fill.aim(GAP)
    assert numbers(fill) == [10, 9, 8]
    fill.arrived(CHAIN[8], GOOD)
    assert numbers(fill) == [10, 8]
    fill.arrived(CHAIN[9], GOOD)
    assert numbers(fill) == [8, 7, 6]


def test_what_does_not_fit_into_memory_is_fetched_again_by_its_hash() -> None:
    chain = chain_on(GENESIS, 30, size=10_000)
    fill = GapFill(FillLimits(window=4, max_bytes=100_000))
    fill.aim(Gap(GENESIS, id_of(chain[-1])))
    fetched = 0
    used = []
    while stage(fill) is not Stage.NOTHING:
        block = fill.next_on_head()
        if block is not None:
            used.append(block)
            fill.aim(None if block == chain[-1] else Gap(id_of(block), id_of(chain[-1])))
            continue
        number = fill.wanted()[0]
        if stage(fill) is Stage.PROVED:
            assert fill.arrived(chain_on(BlockId(number - 1, bytes(32)), 1)[0], BAD) == [Finding(BAD, number, False)]
        fill.arrived(chain[number - FIRST - 1], GOOD)
        fetched += 1
        assert fill.held[1] <= 100_000
    assert used == chain
    assert 30 < fetched <= 30 + 22


def test_what_is_held_and_not_proved_is_bounded_and_the_needed_one_always_finds_room() -> None:
    chain = chain_on(GENESIS, 30, size=10_000)
    fill = GapFill(FillLimits(window=30, max_bytes=100_000))
    fill.aim(Gap(GENESIS, id_of(chain[-1])))
    for block in chain[:-1]:
        fill.arrived(block, BAD)
        assert fill.held[1] <= 100_000
    assert numbers(fill) == [30]
    assert fill.arrived(chain[-1], GOOD)[0] == Finding(GOOD, FIRST + 30, True)
    big = chain_on(GENESIS, 2, size=200_000)
    fill = GapFill(FillLimits(max_bytes=100_000))
    fill.aim(Gap(GENESIS, id_of(big[1])))
    for block in (big[1], big[0]):
        fill.arrived(block, GOOD)
    assert on_head(fill) == 1


@pytest.mark.parametrize("max_bytes", [1, 15_000, 1 << 20])
@given(seed=st.integers(0, 2**32))
def test_whatever_comes_in_whatever_order_the_chain_is_used_and_only_liars_are_blamed(max_bytes: int, seed: int) -> None:
    rng = random.Random(seed)
    fill = GapFill(FillLimits(window=rng.randint(1, 20), max_bytes=max_bytes))
    head, top = GENESIS, id_of(CHAIN[24])
    used: list[PayloadEnvelope] = []
    for _ in range(5000):
        if head == top:
            break
        findings = fill.aim(Gap(head, top))
        block = fill.next_on_head()
        if block is not None:
            head = id_of(block)
            used.append(block)
            continue
        number = rng.choice(fill.wanted()[:3])
        source = rng.choice([GOOD, GOOD, BAD])
        findings += fill.arrived((CHAIN if source == GOOD else FORK)[number - FIRST - 1], source)
        assert all(finding.is_right == (finding.source == GOOD) for finding in findings)
        assert fill.held[1] <= max_bytes or fill.held[0] == 1
    assert used == CHAIN[:25]
