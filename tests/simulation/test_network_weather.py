"""The network in bad weather: loss, delay, nodes that come and go, a partition. Every node ends at the sequencer's head."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from harness.network.wires import Link
from harness.network.world import settled
from tests.simulation.network_bounds import COUNTS, check_bounds


@pytest.mark.parametrize("count", COUNTS)
async def test_blocks_reach_all(count: int, autojump_clock: MockClock) -> None:
    async with settled(count, seed=1) as world:
        made = await world.sequence(10)
        await world.converge(5)
        latencies = world.latencies(made)
        assert len(latencies) == 10 * (count - 1)  # all by gossip
        assert latencies[len(latencies) // 2] < 0.5 and latencies[-1] < 2.0
        assert all(set(node.judged) <= {node.judged.most_common(1)[0][0]} for node in world.nodes[1:])
        check_bounds(world)


@pytest.mark.parametrize("count", COUNTS)
async def test_loss_and_long_ways(count: int, autojump_clock: MockClock) -> None:
    async with settled(count, seed=2, link=Link(delay=0.15, jitter=0.2, loss=0.15)) as world:
        made = await world.sequence(10)
        await world.converge(30)
        latencies = world.latencies(made)
        assert len(latencies) >= 0.95 * 10 * (count - 1)
        assert latencies[len(latencies) // 2] < 2.0
        check_bounds(world)


@pytest.mark.parametrize("count", COUNTS)
async def test_a_partition_and_its_end(count: int, autojump_clock: MockClock) -> None:
    async with settled(count, seed=3) as world:
        await world.sequence(3)
        await world.converge(5)
        away = world.nodes[count // 2 :]
        world.internet.partition([node.settings.ip for node in away])
        await world.sequence(25)
        assert len(world.behind()) >= len(away)
        assert all(node.heads.head.number < world.sequencer.heads.head.number - 20 for node in away)
        await world.converge(10, world.nodes[: count // 2])
        world.internet.partition()
        await world.sequence(20)
        await world.converge(120)
        check_bounds(world)


@pytest.mark.parametrize("count", COUNTS)
async def test_nodes_come_and_go(count: int, autojump_clock: MockClock) -> None:
    async with settled(count, seed=4) as world:
        for _ in range(4):
            for _ in range(count // 6):
                world.stop(world.random.choice(world.nodes[1:]))
            await world.sequence(3)
            await world.add_nodes(count // 6)  # they begin far behind
            await world.sequence(2)
        await world.converge(90)
        assert len(world.nodes) == count
        check_bounds(world)


@pytest.mark.parametrize("count", COUNTS)
async def test_blocks_that_nobody_but_the_sequencer_has(count: int, autojump_clock: MockClock) -> None:
    """After an outage it makes blocks that are too old to be sent. All the others lack the same ones, and must not hold that against each other."""
    async with settled(count, seed=5) as world:
        await world.sequence(3)
        await world.converge(5)
        await trio.sleep(70)
        made = await world.sequence(10)
        assert len(world.chain) > 3 + 30
        await world.converge(120)
        latencies = world.latencies(made[1:])
        assert len(latencies) == 9 * (count - 1) and latencies[-1] < 2.0  # gossip went on meanwhile
        assert all(node.scores.score(peer) >= 0 for node in world.nodes for peer in node.connected)
        check_bounds(world)
