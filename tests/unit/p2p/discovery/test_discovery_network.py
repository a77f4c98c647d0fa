"""Whole networks of discovery nodes, in simulated time."""

from __future__ import annotations

import random
from ipaddress import IPv4Address

from coincurve import PublicKey

from tests.unit.p2p.discovery.discovery_network import OP_MAINNET, DiscoveryNetwork
from trinode.p2p.discovery.contact import Contact, parse_node
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr, OpStackEntry
from trinode.p2p.discovery.identity_scheme import NodeId
from trinode.p2p.discovery.limits import Limits
from trinode.p2p.discovery.messages import FindNode, Response, TalkRequest, TalkResponse
from trinode.p2p.discovery.packet import MAX_SIZE, message_header
from trinode.p2p.discovery.packet import encode_packet as packet_of
from trinode.protocol.rlp_codec import encode_bytes, encode_int


def test_two_nodes_meet() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    other = network.join(1, [boot.local.record])
    network.run(3.0)
    assert [entry.live for entry in other.table.entries()] == [True]
    assert [entry.live for entry in boot.table.entries()] == [True]
    assert network.found[network.address(1)] == [boot.local.record]
    assert network.found[network.address(0)] == [other.local.record]
    assert boot.dropped + other.dropped == {}


def test_an_enode_url_is_enough_to_begin() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    key = PublicKey(boot.local.record.public_key).format(compressed=False)[1:].hex()
    other = network.join(1, [parse_node(f"enode://{key}@20.0.7.1:0?discport=9222")])
    network.run(3.0)
    assert [entry.record for entry in other.table.entries()] == [boot.local.record]


def test_all_find_all() -> None:
    """Each knows one node at first, and the nodes of other chains are not told of."""
    network = DiscoveryNetwork()
    boot = network.join(0)
    for number in range(1, 24):
        network.join(number, [boot.local.record], opstack=OP_MAINNET if number % 4 else OpStackEntry(8453, 0))
    network.run(15.0)
    ours = {node.local.record.node_id for node in network.nodes.values() if node.local.record.opstack == OP_MAINNET}
    for at, node in network.nodes.items():
        found = {record.node_id for record in network.found[at]}
        if node.local.record.opstack == OP_MAINNET:
            assert found == ours - {node.local.record.node_id}
        else:
            assert not found & ours


def test_the_same_entropy_gives_the_same_network() -> None:
    def sent(seed: int) -> list[tuple[Endpoint, Endpoint, bytes]]:
        network = DiscoveryNetwork(seed, loss=0.1)
        boot = network.join(0)
        for number in range(1, 5):
            network.join(number, [boot.local.record])
        network.run(5.0)
        return network.sent

    assert sent(1) == sent(1) != sent(2)


def test_lost_packets_do_not_keep_nodes_apart() -> None:
    network = DiscoveryNetwork(seed=5, loss=0.15)
    boot = network.join(0)
    for number in range(1, 10):
        network.join(number, [boot.local.record])
    network.run(60.0)
    for at in network.nodes:
        assert len({record.node_id for record in network.found[at]}) == 9


def test_who_is_gone_leaves_the_tables() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    nodes = [network.join(number, [boot.local.record]) for number in range(1, 5)]
    network.run(10.0)
    assert all(node.table.get(boot.local.record.node_id) for node in nodes)
    network.leave(network.address(0))
    network.run(200.0)
    gone = boot.local.record.node_id
    assert [node.table.get(gone) for node in nodes if node.table.get(gone) is not None and node.table.get(gone).live] == []  # type: ignore[union-attr]


def test_who_comes_back_without_its_sessions_is_challenged_and_stays() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    other = network.join(1, [boot.local.record])
    network.run(5.0)
    again = network.join(0)  # the same key at the same place, with nothing in its memory
    network.run(120.0)
    entry = other.table.get(again.local.record.node_id)
    assert entry is not None and entry.live
    assert [entry.record.node_id for entry in again.table.entries()] == [other.local.record.node_id]


def test_both_begin_at_once() -> None:
    """Two handshakes cross on the way; each side still reads what the other writes."""
    for seed in range(10):
        network = DiscoveryNetwork(seed)
        one, other = network.join(0), network.join(1)
        one.add(other.local.record, 0.0)
        other.add(one.local.record, 0.0)
        network.run(3.0)
        assert [len(node.table) for node in (one, other)] == [1, 1]
        assert all(entry.live for node in (one, other) for entry in node.table.entries())


def test_a_new_record_is_learnt_from_pings() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    other = network.join(1, [boot.local.record])
    network.run(5.0)
    old = boot.local.record
    boot.local._change({b"eth2": encode_int(1)})
    assert boot.local.record.seq == old.seq + 1
    network.run(90.0)
    assert [entry.record for entry in other.table.entries()] == [boot.local.record]


def test_behind_a_translator_the_others_say_where_we_are() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    for number in range(1, 12):
        network.join(number, [boot.local.record])
    inside, outside = Endpoint(IPv4Address("192.168.1.7"), 9222), Endpoint(IPv4Address("99.1.2.3"), 40_000)
    node = network.join(100, [boot.local.record], advertise=False, at=inside)
    network.translate_pair(inside, outside)
    assert node.local.record.udp() is None
    network.run(30.0)
    assert (node.local.record.udp(), node.local.record.seq) == (outside, 2)
    network.run(90.0)
    entry = boot.table.get(node.local.record.node_id)
    assert entry is not None and entry.contact.endpoint == outside


def test_a_node_outside_cannot_send_peers_to_addresses_inside() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    other, inside = network.join(1, [boot.local.record]), network.join(2, [boot.local.record])
    inside.local._change({b"ip6": encode_bytes(bytes(15) + b"\x01")})
    network.run(10.0)
    assert other.table.get(inside.local.record.node_id) is not None
    assert {record.node_id for record in network.found[network.address(1)]} == {boot.local.record.node_id}


def test_one_network_cannot_fill_a_table() -> None:
    network = DiscoveryNetwork()
    node = network.join(0)
    limits = Limits()
    for number in range(300, 330):
        attacker = network.join(number, [node.local.record], at=Endpoint(IPv4Address(f"66.66.66.{number - 299}"), 9222))
        assert attacker.table.closest(attacker.local.record.node_id, 1) == []
    network.run(10.0)
    assert len(node.table) <= limits.nodes_per_table_subnet
    honest = network.join(1, [node.local.record])
    network.run(20.0)
    assert node.table.get(honest.local.record.node_id) is not None


def test_a_flood_from_forged_addresses() -> None:
    """It gets less back than it sends, makes nothing grow, and those who know each other go on."""
    network = DiscoveryNetwork()
    node = network.join(0, limits=Limits(sessions=50, challenges=20, subnets=100, records=50))
    friend = network.join(1, [node.local.record])
    network.run(5.0)
    entropy = random.Random(3)
    network.sent.clear()
    forged_bytes = 0
    for number in range(4000):
        source = Endpoint(IPv4Address(entropy.randrange(1 << 24, 200 << 24)), 4000 + number % 50)
        header = message_header(NodeId(entropy.randbytes(32)), entropy.randbytes(12))
        data = packet_of(node.local.record.node_id, entropy.randbytes(16), header, entropy.randbytes(16 + number % 40))
        forged_bytes += len(data)
        node.receive(data, source, network.now + number / 4000)
    answered = [(endpoint, data) for endpoint, data in node.outgoing if endpoint not in network.nodes]
    assert sum(len(data) for _, data in answered) < forged_bytes / 2
    assert len(answered) <= 3 * Limits().unknown_packets_per_second
    assert node.dropped["too many"] >= 2000
    exchange = node._exchange
    assert (len(exchange._challenges), len(exchange._sessions), len(exchange._admission._subnets)) == (20, 1, 100)
    node.outgoing.clear()
    network.run(200.0)
    entry = node.table.get(friend.local.record.node_id)
    assert entry is not None and entry.live


def test_every_packet_fits() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    for number in range(1, 20):
        network.join(number, [boot.local.record])
    network.run(10.0)
    assert min(len(data) for _, _, data in network.sent) >= 63
    assert max(len(data) for _, _, data in network.sent) <= MAX_SIZE


def test_packets_heard_on_the_way_are_worth_nothing() -> None:
    """Who replays all packets from elsewhere, or from the same place, gets no session and no answer but challenges."""
    network = DiscoveryNetwork()
    boot = network.join(0)
    other = network.join(1, [boot.local.record])
    network.run(10.0)
    heard = [data for _, destination, data in network.sent if destination == network.address(0)]
    sessions = len(boot._exchange._sessions)
    for source in (network.address(1), network.address(50)):
        for data in heard:
            boot.receive(data, source, network.now)
    assert len(boot._exchange._sessions) == sessions
    assert {len(data) for endpoint, data in boot.outgoing if endpoint == network.address(50)} <= {63}
    network.run(120.0)
    assert all(entry.live for entry in other.table.entries())


def asked(network: DiscoveryNetwork, asker: int, of: Enr, request: FindNode | TalkRequest) -> Response | None:
    """What a node answers to a request."""
    answers: list[Response | None] = []
    contact = Contact(of.public_key, of.node_id, network.address(0), of)
    node = network.nodes[network.address(asker)]
    assert node._exchange.call(contact, request, lambda response, _now: answers.append(response), network.now)
    network.run(network.now + 3.0)
    assert len(answers) == 1
    return answers[0]


def test_a_protocol_that_we_do_not_speak_is_answered_with_nothing() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    network.join(1, [boot.local.record])
    network.run(3.0)
    assert asked(network, 1, boot.local.record, TalkRequest(b"\x07", b"utp", b"hello")) == TalkResponse(b"\x07", b"")


def test_nobody_there() -> None:
    network = DiscoveryNetwork()
    boot = network.join(0)
    network.join(1)
    record = boot.local.record
    network.leave(network.address(0))
    assert asked(network, 1, record, FindNode(b"\x07", (0,))) is None
