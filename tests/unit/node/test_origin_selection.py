"""Which L1 origin the next block has, rule by rule, and how the next one is fetched ahead."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from harness.scenario import GENESIS_TIME, Scenario, make_head, make_l1
from tests.unit.node.sequencer_world import FORKS, ScriptedL1
from trinode.derive.errors import ResetRequired
from trinode.jsonrpc.endpoint import UnavailableError
from trinode.node.origin_selection import OriginPending, Origins, choose_origin, is_beyond_drift, why_empty
from trinode.protocol.block import L1BlockRef
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.l2_block import L2BlockRef

CURRENT = L1BlockRef(b"\x01" * 32, 100, bytes(32), 1_000)
DRIFT = 1_800


@pytest.fixture
def config() -> RollupConfig:
    scenario = Scenario(forks=FORKS)
    return make_head(scenario, make_l1(scenario), "a test").rollup_config


def parent(timestamp: int) -> L2BlockRef:
    """An L2 block of that time whose origin is CURRENT."""
    return L2BlockRef(b"\x02" * 32, 7, bytes(32), timestamp, CURRENT.id, 3)


def after(seconds: int) -> L1BlockRef:
    """The L1 block after CURRENT."""
    return L1BlockRef(b"\x03" * 32, 101, CURRENT.hash, CURRENT.timestamp + seconds)


# Blocks follow each other after 2 seconds.
@pytest.mark.parametrize(
    ("parent_time", "following", "takes_next"),
    [
        (1_009, 12, False),
        (1_010, 12, True),
        (1_100, None, False),
        (1_100, 101, True),
        (1_100, 103, False),
        (1_000 + DRIFT - 2, None, False),  # the last block that needs not know what follows
        (1_000 + DRIFT - 1, 5_000, False),
        (1_000 + DRIFT + 500, DRIFT + 503, False),
        (1_000 + DRIFT + 500, DRIFT + 502, True),
    ],
)
def test_the_next_origin_is_taken_as_soon_as_time_allows(config: RollupConfig, parent_time: int, following: int | None, takes_next: bool) -> None:
    block = None if following is None else after(following)
    chosen = choose_origin(config, parent(parent_time), CURRENT, block)
    assert chosen == (block if takes_next else CURRENT)


@pytest.mark.parametrize(("parent_time", "recover"), [(1_000 + DRIFT - 1, False), (1_000 + 10 * DRIFT, False), (1_001, True)])
def test_beyond_the_drift_and_to_recover_the_next_origin_must_be_known(config: RollupConfig, parent_time: int, recover: bool) -> None:
    with pytest.raises(OriginPending, match="L1 block 101"):
        choose_origin(config, parent(parent_time), CURRENT, None, recover=recover)


def test_recovery_keeps_an_origin_while_the_next_is_later(config: RollupConfig) -> None:
    assert choose_origin(config, parent(1_000), CURRENT, after(3), recover=True) == CURRENT
    assert choose_origin(config, parent(1_000), CURRENT, after(2), recover=True) == after(2)


@pytest.mark.parametrize("recover", [True, False])
def test_an_orphaned_origin_wants_a_reset(config: RollupConfig, recover: bool) -> None:
    with pytest.raises(ResetRequired, match="L1 origin 100 0x0101"):
        choose_origin(config, parent(1_000), CURRENT, after(3)._replace(parent_hash=b"\x09" * 32), recover=recover)


def test_the_drift_is_of_the_origins_time(config: RollupConfig) -> None:
    config = replace(config, fork_times={fork: 0 for fork in config.fork_times if fork < Fork.FJORD} | {Fork.FJORD: 1_012})
    before, since = CURRENT, after(12)
    assert not is_beyond_drift(config, 1_000 + 600, before)
    assert is_beyond_drift(config, 1_000 + 601, before)
    assert not is_beyond_drift(config, 1_012 + DRIFT, since)
    assert is_beyond_drift(config, 1_012 + DRIFT + 1, since)


def test_why_a_block_is_empty(config: RollupConfig) -> None:
    config = replace(config, fork_times={**config.fork_times, Fork.KARST: 1_020})
    assert why_empty(config, 1_018, CURRENT) is None
    assert why_empty(config, 1_020, CURRENT) == "activation of karst"
    assert why_empty(config, 1_022, CURRENT) is None
    assert why_empty(config, 1_000 + DRIFT, CURRENT) is None
    assert why_empty(config, 1_001 + DRIFT, CURRENT) == "beyond the drift from L1 block 100"
    assert why_empty(config, 1_018, CURRENT, recover=True) == "recover mode"


# ---- fetching ahead ----


class Fetching:
    """Origins of a made-up L1, at its first block."""

    def __init__(self) -> None:
        self.fake_l1 = make_l1(Scenario(forks=FORKS))
        self.l1 = ScriptedL1(self.fake_l1)
        self.changes = 0
        self.origins = Origins(self.l1, self._count)

    def _count(self) -> None:
        self.changes += 1

    def following(self) -> BlockId | None:
        """Which block is known to follow."""
        return None if self.origins.following is None else self.origins.following.id


async def test_the_following_block_is_fetched_when_it_comes(autojump_clock: trio.testing.MockClock) -> None:
    rig = Fetching()
    rig.l1.confirmations = 1
    first = rig.fake_l1.head
    async with trio.open_nursery() as nursery:
        await nursery.start(rig.origins.run)
        assert await rig.origins.at(first.id) is first
        await rig.origins.answered()
        assert (rig.following(), rig.changes) == (None, 0)
        second, third = rig.fake_l1.extend(), rig.fake_l1.extend()
        await trio.sleep(5)
        assert rig.following() is None  # nobody said that L1 has moved
        rig.origins.l1_moved()
        await trio.sleep(5)
        assert (rig.following(), rig.changes) == (second.id, 1)
        rig.l1.failures = [AssertionError("nobody asks for a block that is known")]
        assert await rig.origins.at(second.id) is second
        rig.l1.failures = []
        assert rig.following() is None
        fourth = rig.fake_l1.extend()
        assert fourth.header.parent_hash == third.hash
        rig.origins.l1_moved()
        await trio.sleep(5)
        assert (rig.following(), rig.changes) == (third.id, 2)
        nursery.cancel_scope.cancel()


async def test_a_reorg_exchanges_the_following_block(autojump_clock: trio.testing.MockClock) -> None:
    rig = Fetching()
    first, second = rig.fake_l1.head, rig.fake_l1.extend()
    async with trio.open_nursery() as nursery:
        await nursery.start(rig.origins.run)
        await rig.origins.at(first.id)
        await rig.origins.answered()
        assert rig.following() == second.id
        rig.fake_l1.rewind(1)
        rig.origins.l1_moved()
        await trio.sleep(1)
        assert rig.following() is None
        other = rig.fake_l1.extend()
        rig.origins.l1_moved()
        await trio.sleep(1)
        assert rig.following() == other.id != second.id
        assert rig.changes == 3
        nursery.cancel_scope.cancel()


async def test_an_answer_that_comes_too_late_is_not_taken(autojump_clock: trio.testing.MockClock) -> None:
    rig = Fetching()
    first, second, third = rig.fake_l1.head, rig.fake_l1.extend(), rig.fake_l1.extend()
    async with trio.open_nursery() as nursery:
        await nursery.start(rig.origins.run)
        await rig.origins.at(first.id)
        rig.l1.delay = 10
        rig.origins.l1_moved()
        await trio.sleep(1)  # the question for what follows the first one is under way
        rig.l1.delay = 0
        await rig.origins.at(second.id)
        await rig.origins.answered()
        assert rig.following() == third.id
        nursery.cancel_scope.cancel()


async def test_an_l1_that_does_not_answer_is_asked_again(autojump_clock: trio.testing.MockClock) -> None:
    rig = Fetching()
    first, second = rig.fake_l1.head, rig.fake_l1.extend()
    async with trio.open_nursery() as nursery:
        await nursery.start(rig.origins.run)
        await rig.origins.at(first.id)
        rig.l1.failures = [UnavailableError("L1 here", "eth_getBlockByNumber", "no answer", None) for _ in range(3)]
        with trio.move_on_after(0.5):
            await rig.origins.answered()
        assert rig.origins.problem == "L1 here: eth_getBlockByNumber: no answer"
        assert rig.following() is None
        began = trio.current_time()
        await rig.origins.answered()
        assert trio.current_time() - began == pytest.approx(2.5)
        assert rig.following() == second.id
        assert rig.origins.problem is None
        nursery.cancel_scope.cancel()


async def test_an_origin_that_nobody_has_wants_a_reset(autojump_clock: trio.testing.MockClock) -> None:
    rig = Fetching()
    first = rig.fake_l1.head
    rig.l1.forgotten.add(first.hash)
    with pytest.raises(ResetRequired, match="is gone"):
        await rig.origins.at(first.id)
    assert rig.origins.current is None
    assert first.header.timestamp == GENESIS_TIME
