"""50 routers in a simulated network: messages reach all, through loss, a flooder, an eclipse and a partition; and each run can be repeated."""

from __future__ import annotations

import pytest

from tests.unit.p2p.gossip.routers import TOPIC, SimulatedNetwork, SimulatedNode
from trinode.p2p.gossip.params import GossipParams
from trinode.p2p.gossip.rpc import IHave, Message, Rpc

NODES = 50


def network_of(seed: int, nodes: int = NODES, links: int = 10, loss: float = 0.0) -> tuple[SimulatedNetwork, list[SimulatedNode]]:
    network = SimulatedNetwork(seed, loss)
    all_nodes = [network.add(f"node {at}") for at in range(nodes)]
    for at, node in enumerate(all_nodes):
        node.router.subscribe(TOPIC, 0.0)
        network.flush(node)
        for other in network.random.sample(all_nodes[:at], min(at, links)):
            network.connect(node, other)
    network.run(5)
    return network, all_nodes


def blocks(network: SimulatedNetwork, sequencer: SimulatedNode, numbers: range, size: int = 2000) -> list[bytes]:
    sent = [b"block %d " % number + bytes(size) for number in numbers]
    for block in sent:
        network.publish(sequencer, block)
        network.run(2)
    return sent


def test_blocks_reach_all_nodes_once_and_each_run_is_the_same() -> None:
    runs = []
    for _ in range(2):
        network, nodes = network_of(seed=1)
        sent = blocks(network, nodes[7], range(4))
        network.run(3)
        for node in nodes:
            assert sorted(node.heard) == ([] if node is nodes[7] else sorted(sent))
        runs.append((network.delivered, network.trace.hexdigest()))
    assert runs[0] == runs[1]
    other, nodes = network_of(seed=2)
    assert other.trace.hexdigest() != runs[0][1]


def test_meshes_are_of_their_size_mutual_and_mixed() -> None:
    network, nodes = network_of(seed=3, links=12)
    network.run(30)
    by_id = network.nodes
    for node in nodes:
        mesh = node.router.mesh(TOPIC)
        assert 6 <= len(mesh) <= 12
        assert all(node.peer_id in by_id[peer].router.mesh(TOPIC) for peer in mesh)


@pytest.mark.parametrize("loss", [0.05, 0.25])
def test_what_is_lost_is_asked_for(loss: float) -> None:
    network, nodes = network_of(seed=4, links=12)
    network.loss = loss
    sent = blocks(network, nodes[0], range(15))
    network.loss = 0.0
    network.run(10)
    for node in nodes[1:]:
        assert sorted(node.heard) == sorted(sent)


def test_a_partition_heals() -> None:
    network, nodes = network_of(seed=5)
    left, right = nodes[:25], nodes[25:]
    cut = [(one, other) for one in left for other in right if (one.peer_id, other.peer_id) in network.links]
    for one, other in cut:
        network.disconnect(one, other)
    blocks(network, left[0], range(3))
    assert all(node.heard == [] for node in right)
    for one, other in cut:
        network.connect(one, other)
    network.run(5)
    sent = blocks(network, left[0], range(3, 6))
    for node in right:  # what was gossiped while they were away is the sync's to fetch
        assert sorted(node.heard) == sorted(sent)


def test_a_flooder_is_scored_out_and_costs_nobody_else() -> None:
    network, nodes = network_of(seed=6)
    flooder = network.add("flooder")
    victims = nodes[:30]
    for victim in victims:
        network.connect(flooder, victim)
    flooder.router.subscribe(TOPIC, network.now)
    network.flush(flooder)
    sent = []
    for number in range(10):
        for victim in victims:
            junk = [Message(TOPIC, b"bad %d %d %r" % (number, at, victim.peer_id)) for at in range(20)]
            ids = tuple(b"%19d %d" % (number, at) for at in range(200))
            network.send_raw(flooder, victim, Rpc(messages=junk, ihave=[IHave(TOPIC, ids)], graft=[TOPIC] * 50))
        sent += blocks(network, nodes[40], range(number, number + 1))
    network.run(5)
    for node in nodes:
        assert sorted(node.heard) == ([] if node is nodes[40] else sorted(sent))
        sizes = node.router.sizes()
        assert sizes["seen"] <= 400 and sizes["promises"] <= 100 and sizes["message_bytes"] < 20_000
        for other in nodes:
            assert node.router.scores.score(other.peer_id) >= 0
    for victim in victims:
        assert victim.router.scores.score(flooder.peer_id) < -100
        assert flooder.peer_id not in victim.router.mesh(TOPIC)


def test_who_is_surrounded_by_silent_peers_still_hears() -> None:
    network, nodes = network_of(seed=7)
    victim = network.add("victim", GossipParams())
    victim.router.subscribe(TOPIC, network.now)
    for at in range(30):  # they take part in everything and pass nothing on
        silent = network.add(f"silent {at}")
        silent.router.subscribe(TOPIC, network.now)
        silent.router.receive = lambda *_: []  # type: ignore[method-assign]
        network.connect(silent, victim)
    for honest in nodes[:3]:
        network.connect(victim, honest)
    network.run(5)
    sent = blocks(network, nodes[20], range(15))
    network.run(5)
    assert sorted(victim.heard) == sorted(sent)
