"""The network under attack: floods, replays, an eclipse, a sequencer's key that signs several chains."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from harness.network.attackers import Attacker, keep_on, message_of, unsigned_blocks
from harness.network.chain import block_on
from harness.network.node import swallow
from harness.network.world import World, network, settled
from tests.simulation.network_bounds import COUNTS, check_bounds
from trinode.p2p.blocks.judgement import Reason


def is_out(world: World, attacker: Attacker) -> bool:
    """Whether no honest node is connected with it."""
    return not any(attacker.node.peer_id in node.connected for node in world.nodes)


def honest_are_trusted(world: World) -> bool:
    """Whether no honest node holds so much against another that it hears it no more."""
    honest = {node.peer_id for node in world.nodes}
    return all(node.gossip.router.hears(peer) for node in world.nodes for peer in node.connected if peer in honest)


@pytest.mark.parametrize("count", COUNTS)
async def test_a_flood_of_blocks_that_nobody_signed(count: int, autojump_clock: MockClock) -> None:
    async with settled(count, seed=11) as world:
        attacker = await Attacker.join(world)
        await attacker.dial(world.nodes)
        assert not is_out(world, attacker)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_on, lambda: attacker.send(unsigned_blocks(world, 20)), 0.25)
            nursery.start_soon(keep_on, lambda: attacker.dial(world.nodes), 5.0)
            await world.sequence(10)
            await world.converge(5)
            assert is_out(world, attacker)
            check_bounds(world)
            nursery.cancel_scope.cancel()
        assert attacker.sent > 100 and all(node.peers.keeper.bans == 1 for node in world.nodes)
        for node in world.nodes:
            # Nobody passed one on, and who sent many is not heard for long.
            assert node.judged[Reason.WRONG_SIGNER] <= 200
        assert honest_are_trusted(world)


@pytest.mark.parametrize("count", COUNTS)
async def test_a_replay_of_old_blocks(count: int, autojump_clock: MockClock) -> None:
    async with settled(count, seed=12) as world:
        attacker = await Attacker.join(world)
        await attacker.dial(world.nodes)
        old = [message_of(world.sequencer, block, world.key) for block in await world.sequence(8)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_on, partial(attacker.send, old), 2.0)
            nursery.start_soon(keep_on, lambda: attacker.dial(world.nodes), 5.0)  # where it was parted with
            await world.sequence(10)  # so long they are known: duplicates, which cost nothing
            await world.converge(5)
            assert honest_are_trusted(world)
            await world.sequence(60)  # now they are forgotten, and too old
            await world.converge(5)
            nursery.cancel_scope.cancel()
        for node in world.nodes:
            # It is heard again when its score has decayed, and not for long.
            assert 0 < node.judged[Reason.TOO_OLD] <= 16 and node.judged[Reason.VALID] <= 78
            assert attacker.node.peer_id not in node.connected or node.scores.score(attacker.node.peer_id) < -10
        assert honest_are_trusted(world)
        check_bounds(world)


@pytest.mark.parametrize("count", COUNTS)
async def test_an_attempt_at_an_eclipse(count: int, autojump_clock: MockClock) -> None:
    """Somebody with many identities is all that a node is told of from now on, and connects with it from each; they pass nothing on."""
    async with settled(count, seed=13) as world:
        crowd = [await Attacker.join(world) for _ in range(count)]
        for each in crowd:
            world.directory.nodes.remove(each.node)
        attackers = {each.node.peer_id for each in crowd}
        victim = world.nodes[-1]
        world.directory.lies[victim] = [each.node for each in crowd], 1.0
        async with trio.open_nursery() as nursery:
            for each in crowd:
                nursery.start_soon(keep_on, partial(each.dial, [victim]), 3.0)
            await world.sequence(12)
            await world.converge(5)
            lost = next(node for node in world.nodes[1:] if node.peer_id in victim.connected and node is not victim)
            world.stop(lost)
            await world.sequence(12)
            await world.converge(5)
            assert sum(peer in attackers for peer in victim.connected) >= 4  # it was tried
            nursery.cancel_scope.cancel()
        check_bounds(world)


@pytest.mark.parametrize("count", COUNTS)
async def test_a_key_that_signs_two_chains(count: int, autojump_clock: MockClock) -> None:
    """Who hears which block first follows it; until L1 has one of them, nodes differ. Nobody is blamed for passing on what is signed."""
    async with settled(count, seed=14) as world:
        await world.sequence(2)
        await world.converge(5)
        other = world.nodes[-1]  # has the key too
        for number in range(4):
            block = block_on(other.heads.head, b"other")
            await trio.sleep(max(0.0, block.payload.timestamp - world.clock()))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(other.publish, block, world.key)
                nursery.start_soon(partial(world.sequence, 1))
            await trio.sleep(0.5)
            assert number or other.heads.head != world.sequencer.heads.head
        assert world.behind()
        assert honest_are_trusted(world)
        for block in world.chain:
            for node in world.nodes:
                node.heads.derive(block)
        await world.sequence(5)
        await world.converge(20)
        assert any(node.heads.reorgs for node in world.nodes)
        check_bounds(world)


@pytest.mark.parametrize("count", COUNTS)
async def test_a_key_that_signs_very_many_blocks(count: int, autojump_clock: MockClock) -> None:
    """More blocks of a height than are taken: memory stays bounded, and the network goes on once the key signs one chain again."""
    async with settled(count, seed=15) as world:
        await world.sequence(2)
        await world.converge(5)
        attacker = await Attacker.join(world)
        await attacker.dial(world.nodes)
        head = world.sequencer.heads.head
        for number in range(3):
            many = [message_of(world.sequencer, block_on(head, bytes([number, salt])), world.key) for salt in range(30)]
            await attacker.send(many)
            await trio.sleep(0.5)
        await trio.sleep(5)
        for node in world.nodes:
            assert node.unsafe.buffered[0] <= 4
        block = block_on(head)  # L1 tells which
        for node in world.nodes:
            node.heads.derive(block)
        world.chain.append(block)
        await world.sequence(10)
        await world.converge(60)
        check_bounds(world)


async def test_a_node_that_swallows_blocks_is_no_hindrance(autojump_clock: MockClock) -> None:
    async with network(seed=16) as world:
        await world.add_nodes(10)
        for _ in range(5):
            await world.add(honest=False, validate=swallow)
        await world.settle()
        await world.sequence(10)
        await world.converge(10)
        check_bounds(world)
