"""The sequencer's rounds over a scripted L1 and chain: when it builds, on which origin, and what it does when something fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from harness.scenario import GENESIS_TIME, Scenario
from tests.unit.node.sequencer_world import FORKS, TRANSACTION, World
from trinode.derive.errors import CriticalError
from trinode.engine.status import InvalidForkchoiceState, InvalidPayloadAttributes, UnknownPayload
from trinode.jsonrpc.endpoint import UnavailableError
from trinode.node.heads import EngineOutOfStep, HeadMoved, PayloadRefused
from trinode.node.sequencer import SequencerRefused, SequencerSettings

MARGIN = SequencerSettings().sealing_margin
SEALED = [2 - MARGIN, 4 - MARGIN, 6 - MARGIN]


def origins(world: World) -> list[int]:
    """The L1 origins of all blocks, after L1 genesis."""
    return [block.ref.l1_origin.number - world.fake_l1.genesis.number for block in world.chain.blocks]


def empty(world: World) -> list[bool]:
    """Of each begun payload, whether it may take nothing from the pool."""
    return [begun.attributes.no_tx_pool for begun in world.chain.begun]


# ---- time ----


async def test_a_block_is_begun_at_its_parents_time_and_sealed_at_its_own(autojump_clock: MockClock) -> None:
    world = World()
    world.chain.pool = [[TRANSACTION], [], [TRANSACTION, TRANSACTION]]
    async with world.running():
        await trio.sleep(7)
    assert [begun.time for begun in world.chain.begun] == pytest.approx([0, 2, 4, 6])
    assert world.chain.sealed_at == pytest.approx(SEALED)
    assert [len(block.transactions) for block in world.chain.blocks] == [0, 2, 1, 3]
    assert [block.ref.timestamp - GENESIS_TIME for block in world.chain.blocks] == [0, 2, 4, 6]
    assert [envelope.payload.block_hash for envelope in world.published] == [block.ref.hash for block in world.chain.blocks[1:]]
    assert world.sequencer.status() == (True, False, "wait for the time of block 4", None, 3)
    assert not any(empty(world))


async def test_blocks_whose_time_is_past_are_made_at_once(autojump_clock: MockClock) -> None:
    world = World(behind=101)
    async with world.running():
        await trio.sleep(0.9)
        assert world.head.timestamp - GENESIS_TIME == 100
        assert world.chain.adopted_at == pytest.approx([101] * 50)
        await trio.sleep(0.1)
        assert world.head.timestamp - GENESIS_TIME == 102


async def test_a_block_that_took_long_is_followed_at_once(autojump_clock: MockClock) -> None:
    world = World()
    world.chain.sealing_time = 3
    async with world.running():
        await trio.sleep(6)
        world.chain.sealing_time = 0
        await trio.sleep(6)
    assert world.head.timestamp - GENESIS_TIME == 12
    assert world.chain.adopted_at[-1] == pytest.approx(12 - MARGIN)


async def test_a_moved_clock_is_noticed(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running():
        await trio.sleep(1)
        world._began -= 100
        world.sequencer.wake()
        await trio.sleep(0.01)
        assert world.head.number == 50


# ---- L1 origins ----


async def test_origins_are_taken_as_they_are_confirmed(autojump_clock: MockClock) -> None:
    world = World()
    world.l1.confirmations = 1
    async with world.running():
        await trio.sleep(11)
        for _ in range(4):
            world.grow_l1()
            await trio.sleep(12)
    # The block of 12 s knows no more than L1 genesis; L1 block 1 is confirmed by block 2, which is known at 23 s.
    assert origins(world) == [0] * 13 + [1] * 6 + [2] * 6 + [3] * 5
    numbers = [block.ref.sequence_number for block in world.chain.blocks]
    assert numbers == [*range(13), *range(6), *range(6), *range(5)]


async def test_catching_up_takes_each_origin_in_its_time(autojump_clock: MockClock) -> None:
    world = World(behind=60)
    for _ in range(5):
        world.fake_l1.extend()
    async with world.running():
        await trio.sleep(1)
    assert origins(world) == [number // 6 for number in range(31)]


async def test_a_slow_l1_does_not_delay_blocks(autojump_clock: MockClock) -> None:
    world = World()
    world.fake_l1.extend(seconds=4)
    async with world.running():
        await trio.sleep(1.9)
        world.l1.delay = 5
        world.fake_l1.extend(seconds=1)
        world.sequencer.wake()
        await trio.sleep(10)
    assert world.chain.sealed_at == pytest.approx([2 * number - MARGIN for number in range(1, 6)])
    assert origins(world) == [0, 0, 1, 1, 1, 1]


async def test_beyond_the_drift_blocks_wait_for_the_next_origin_and_are_empty(autojump_clock: MockClock) -> None:
    world = World(Scenario(forks=dict.fromkeys(("regolith", "canyon", "delta", "ecotone"), 0), max_sequencer_drift=20))
    async with world.running():
        await trio.sleep(40)
        assert world.head.timestamp - GENESIS_TIME == 20
        assert world.sequencer.status().doing.startswith("wait for L1 block 101: an L2 block at ")
        world.grow_l1(seconds=50)
        await trio.sleep(1)
        # It is known to be later: the chain goes on without it.
        assert world.head.timestamp - GENESIS_TIME == 40
        await trio.sleep(20)
    assert empty(world)[:25] == [False] * 10 + [True] * 14 + [False]
    assert origins(world)[:26] == [0] * 25 + [1]


async def test_an_orphaned_origin_has_derivation_look_for_the_heads(autojump_clock: MockClock) -> None:
    world = World()
    first = world.fake_l1.extend(seconds=2)
    async with world.running():
        await trio.sleep(5)
        assert world.head.l1_origin == first.id
        count = len(world.chain.blocks)
        world.fake_l1.rewind(1)
        world.fake_l1.extend(seconds=3)
        world.grow_l1(seconds=1)
        await trio.sleep(1.5)
        assert len(world.resets) == 1
        count += 1  # was begun before
        assert len(world.chain.blocks) == count
        assert "is not the parent of L1 block 102" in (world.sequencer.status().problem or "")
        world.chain.lose()
        await trio.sleep(3)
        assert world.sequencer.status().doing == "wait for derivation to find the heads"
        assert len(world.chain.blocks) == count
        world.chain.go_back(count - 1)
        await trio.sleep(1)
        assert len(world.resets) == 1
        assert world.head.timestamp - GENESIS_TIME == 10
        assert world.sequencer.status().problem is None
    assert world.head.l1_origin == world.fake_l1.head.id


async def test_an_l1_that_does_not_answer_is_waited_for(autojump_clock: MockClock) -> None:
    world = World()
    world.l1.failures = [UnavailableError("L1 here", "eth_getBlockByHash", "no answer", None)]
    async with world.running():
        await trio.sleep(0.5)
        assert world.sequencer.status().problem == "L1 here: eth_getBlockByHash: no answer"
        await trio.sleep(2)
        assert world.head.number == 1
        assert world.sequencer.status().problem is None


# ---- blocks without transactions of the pool ----


async def test_recover_mode_takes_each_origin_and_nothing_else(autojump_clock: MockClock) -> None:
    world = World(settings=SequencerSettings(recover=True), behind=200)
    world.chain.pool = [[TRANSACTION]]
    for seconds in (1, 1, 1, 12):
        world.fake_l1.extend(seconds=seconds)
    async with world.running():
        await trio.sleep(0.9)
        assert origins(world) == [0, 1, 2, 3, 3, 3, 3, 3, 4]
        assert all(empty(world))
        assert world.sequencer.status().doing == "wait for L1 block 105: in recover mode each block takes the next origin"
        world.sequencer.set_recover_mode(False)
        await trio.sleep(0)
        await trio.sleep(0.9)
        assert world.head.timestamp - GENESIS_TIME == 200
        assert not any(empty(world)[8:])


async def test_activation_blocks_take_nothing_from_the_pool(autojump_clock: MockClock) -> None:
    world = World(Scenario(forks=FORKS | {"jovian": 6, "karst": 9}))
    world.chain.pool = [[TRANSACTION]] * 10
    async with world.running():
        await trio.sleep(13)
    assert [begun.attributes.timestamp - GENESIS_TIME for begun in world.chain.begun if begun.attributes.no_tx_pool] == [6, 10]
    upgrades = [len(block.transactions) for block in world.chain.blocks[1:]]
    assert [count > 2 for count in upgrades] == [False, False, True, False, True, False]


# ---- control ----


async def test_it_starts_on_the_unsafe_head_alone(autojump_clock: MockClock) -> None:
    world = World(settings=SequencerSettings(stopped=True))
    async with world.running():
        await trio.sleep(5)
        assert (world.sequencer.active, world.sequencer.status().doing, world.head.number) == (False, "wait to be started", 0)
        with pytest.raises(SequencerRefused, match=f"block hash does not match: head 0x{world.head.hash.hex()}, received 0x7777"):
            world.sequencer.start(b"\x77" * 32)
        with pytest.raises(SequencerRefused, match="sequencer not running"):
            await world.sequencer.stop()
        world.sequencer.start(world.head.hash)
        with pytest.raises(SequencerRefused, match="sequencer already running"):
            world.sequencer.start(world.head.hash)
        await trio.sleep(0.5)
        assert (world.sequencer.active, world.head.number) == (True, 2)
        await world.sequencer.stop()
        world.chain.lose()
        with pytest.raises(SequencerRefused, match="no unsafe head"):
            world.sequencer.start(world.head.hash)


async def test_it_stops_at_once_while_it_waits_for_a_blocks_time(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running():
        await trio.sleep(5)
        assert await world.sequencer.stop() == world.head.hash
        assert world.now() == pytest.approx(5)
        assert not world.sequencer.active
        await trio.sleep(20)
        assert world.head.number == len(world.published) == 2
        world.sequencer.start(world.head.hash)
        await trio.sleep(1)
        assert world.head.number == 13


async def test_a_block_that_is_being_sealed_is_finished_before_it_stops(autojump_clock: MockClock) -> None:
    world = World()
    world.chain.sealing_time = 1
    async with world.running():
        await trio.sleep(2)
        head = await world.sequencer.stop()
        assert world.now() == pytest.approx(3 - MARGIN)
        assert (world.head.number, head) == (1, world.head.hash)
        await trio.sleep(10)
        assert world.head.number == 1


async def test_stopping_waits_for_the_heads(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(), trio.open_nursery() as nursery:
        await trio.sleep(3)
        world.chain.lose()
        answers: list[bytes] = []

        async def stop() -> None:
            answers.append(await world.sequencer.stop())

        nursery.start_soon(stop)
        await trio.sleep(1)
        assert not answers
        world.chain.go_back(1)
        await trio.sleep(1)
        assert answers == [world.head.hash]
        assert world.head.number == 0


async def test_the_unsafe_head_may_only_be_so_far_ahead(autojump_clock: MockClock) -> None:
    world = World(settings=SequencerSettings(max_safe_lag=3))
    async with world.running():
        await trio.sleep(20)
        assert world.head.number == 3
        assert world.sequencer.status().doing == "wait for the safe head: block 0, and the unsafe one is 3 ahead"
        world.chain.make_safe()
        await trio.sleep(0.5)
        assert world.head.number == 6


# ---- what else moves the chain, and what fails ----


async def test_a_head_that_moves_while_a_block_is_built_is_built_on(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running():
        await trio.sleep(7)
        assert world.head.number == 3
        world.chain.go_back(2)
        await trio.sleep(0.5)
        assert world.head.number == 3
        world.chain.failures["adopt"] = [HeadMoved("by derivation")]
        world.chain.failures["begin"] = [HeadMoved("by derivation")]
        await trio.sleep(1)
        assert world.head.number == 4
    assert not world.notices


async def test_without_heads_nothing_is_built(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running():
        await trio.sleep(3)
        world.chain.lose()
        await trio.sleep(10)
        assert world.head.number == 1
        assert world.sequencer.status().doing == "wait for derivation to find the heads"
        world.chain.go_back(0)
        await trio.sleep(0.5)
        assert world.head.number == 6


@pytest.mark.parametrize(
    ("method", "failure"),
    [
        ("begin", lambda: InvalidPayloadAttributes("the engine does not want them")),
        ("begin", lambda: EngineOutOfStep("it is syncing")),
        ("seal", lambda: UnknownPayload("it was started again")),
        ("adopt", lambda: PayloadRefused("the state root is wrong")),
    ],
)
async def test_failures_of_the_engine_are_waited_out(autojump_clock: MockClock, method: str, failure: Callable[[], Exception]) -> None:
    world = World()
    world.chain.failures[method] = [failure() for _ in range(7)]
    async with world.running():
        await trio.sleep(5)
        assert world.sequencer.status().problem == str(failure())
        assert world.sequencer.status().doing.startswith("wait ")
        await trio.sleep(60)
        assert world.head.number > 20
    assert world.notices == [str(failure())]
    assert world.sequencer.status().problem is None
    assert not world.resets


async def test_delays_grow_up_to_a_bound(autojump_clock: MockClock) -> None:
    world = World()
    times: list[float] = []

    async def refuse(parent: object, attributes: object) -> bytes:
        times.append(world.now())
        await trio.lowlevel.checkpoint()
        raise EngineOutOfStep("it is gone")

    world.chain.begin = refuse  # type: ignore[method-assign]
    async with world.running():
        await trio.sleep(80)
    assert times == pytest.approx([0, 1, 3, 7, 15, 31, 47, 63, 79])


async def test_a_payload_that_its_engine_refuses_is_built_again_without_the_pool(autojump_clock: MockClock) -> None:
    world = World()
    world.chain.pool = [[TRANSACTION]] * 5
    world.chain.failures["adopt"] = [PayloadRefused("gas used is wrong")]
    async with world.running():
        await trio.sleep(7)
    assert empty(world) == [False, True, False, False, False]
    assert [len(block.transactions) for block in world.chain.blocks] == [0, 1, 2, 2]


async def test_a_fork_choice_that_is_refused_has_derivation_look_for_the_heads(autojump_clock: MockClock) -> None:
    world = World()
    world.chain.failures["begin"] = [InvalidForkchoiceState("the safe block is no ancestor")]
    async with world.running():
        await trio.sleep(0.5)
        assert len(world.resets) == 1
        await trio.sleep(2)
        assert world.head.number == 1


async def test_a_configuration_that_allows_no_block_ends_it(autojump_clock: MockClock) -> None:
    world = World(Scenario(forks=FORKS, omit_receipts=True))
    block = world.fake_l1.extend(seconds=1)
    broken = type(block.header.logs_bloom)(b"\xff" * 256)
    world.fake_l1.chain[-1] = replace(block, header=replace(block.header, logs_bloom=broken), receipts=None)
    with pytest.RaisesGroup(CriticalError, flatten_subgroups=True):
        async with world.running():
            await trio.sleep(10)


# ---- instant mode ----


class Pool:
    """Transactions that wait; each block takes one."""

    def __init__(self) -> None:
        self.waiting = 0

    def has_some(self) -> bool:
        """Whether there are any."""
        return self.waiting > 0


def instant_world(pool: Pool, *, most_ahead: int = 100) -> World:
    """One second a block, and the scripted chain takes from `pool`."""
    world = World(Scenario(forks=FORKS, block_time=1), SequencerSettings(most_ahead=most_ahead), instant=pool.has_some)
    seal = world.chain.seal

    async def take(payload_id: bytes) -> object:
        if pool.waiting and not world.chain.begun[-1].attributes.no_tx_pool:
            pool.waiting -= 1
            world.chain.pool = [[TRANSACTION]]
        return await seal(payload_id)

    world.chain.seal = take  # type: ignore[method-assign,assignment]
    return world


async def test_a_transaction_has_its_block_at_once(autojump_clock: MockClock) -> None:
    pool = Pool()
    world = instant_world(pool)
    async with world.running():
        await trio.sleep(3.5)
        assert world.chain.adopted_at == pytest.approx([1, 2, 3])
        pool.waiting = 4
        world.sequencer.transaction_arrived()
        await trio.sleep(0.1)
        assert (world.head.number, pool.waiting) == (7, 0)
        await trio.sleep(4)  # the clock shows 7.6 then
        assert world.head.number == 7
        await trio.sleep(1)
        assert world.head.number == 8
    assert [len(block.transactions) - 1 for block in world.chain.blocks[1:]] == [0, 0, 0, 1, 1, 1, 1, 0]


async def test_instant_blocks_are_only_so_far_ahead(autojump_clock: MockClock) -> None:
    pool = Pool()
    world = instant_world(pool, most_ahead=10)
    pool.waiting = 1000
    async with world.running():
        await trio.sleep(0.5)
        assert world.head.number == 10
        await trio.sleep(20)
        assert world.head.number == 30


async def test_a_new_l1_origin_has_its_block_at_once(autojump_clock: MockClock) -> None:
    pool = Pool()
    world = instant_world(pool)
    async with world.running():
        await trio.sleep(0.5)
        pool.waiting = 20
        world.sequencer.transaction_arrived()
        await trio.sleep(0.5)
        assert world.head.number == 20
        world.grow_l1()
        await trio.sleep(0.1)
        assert world.head.l1_origin == world.fake_l1.head.id
        assert world.head.number == 21
        world.grow_l1()  # at 24 s: later than the next block
        await trio.sleep(0.1)
        assert world.head.number == 21


async def test_a_pool_whose_transactions_are_not_taken_makes_no_blocks(autojump_clock: MockClock) -> None:
    world = World(Scenario(forks=FORKS, block_time=1), instant=lambda: True)
    async with world.running():
        await trio.sleep(3.5)
        assert world.chain.adopted_at == pytest.approx([0, 2, 3])
        world.sequencer.transaction_arrived()
        await trio.sleep(0.1)
        assert world.head.number == 4


async def test_a_transaction_that_comes_too_late_for_a_block_has_the_next(autojump_clock: MockClock) -> None:
    pool = Pool()
    world = instant_world(pool)
    world.chain.sealing_time = 0.2
    async with world.running():
        await trio.sleep(1.1)  # the first block is being sealed, without it
        pool.waiting = 1
        world.sequencer.transaction_arrived()
        await trio.sleep(0.4)
        assert [len(block.transactions) - 1 for block in world.chain.blocks[1:]] == [0, 1]


async def test_beyond_the_drift_no_block_is_early(autojump_clock: MockClock) -> None:
    pool = Pool()
    world = instant_world(pool, most_ahead=3_000)
    pool.waiting = 5_000
    async with world.running():
        await trio.sleep(0.5)
        assert world.head.timestamp - GENESIS_TIME == 1_800
        assert world.sequencer.status().doing.startswith("wait for L1 block 101")
        world.grow_l1(seconds=2_000)
        await trio.sleep(0.5)
        assert world.head.timestamp - GENESIS_TIME == 1_800
        assert world.sequencer.status().doing == "wait for the time of block 1801"


@pytest.mark.parametrize("by", ["head", "stop"])
async def test_what_was_begun_and_is_not_wanted_is_given_up(autojump_clock: MockClock, by: str) -> None:
    world = World()
    async with world.running():
        await trio.sleep(3)
        assert len(world.chain.begun) == 2
        if by == "head":
            world.chain.go_back(1)
            await trio.sleep(0.1)
            assert world.chain.begun[-1].time == pytest.approx(3)
        else:
            await world.sequencer.stop()
            await trio.sleep(4)
        assert len(world.chain.sealed_at) == (2 if by == "head" else 1)
