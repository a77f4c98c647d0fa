"""Everything that discovery reads from others: any bytes give a value or ProtocolViolation, and what is written is read again."""

from __future__ import annotations

import contextlib
import random
from ipaddress import IPv4Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from trinode.p2p.discovery.contact import Reach, parse_node
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr, OpStackEntry, parse_enr
from trinode.p2p.discovery.find_node import distances_to, found_in, nodes_messages
from trinode.p2p.discovery.identity_scheme import NodeId, log_distance
from trinode.p2p.discovery.local_record import Advertised, LocalRecord
from trinode.p2p.discovery.messages import FindNode, Message, Nodes, Ping, Pong, TalkRequest, TalkResponse, decode_message
from trinode.p2p.discovery.node import DiscoveryNode
from trinode.p2p.discovery.packet import (
    MAX_SIZE,
    HandshakePacket,
    MessagePacket,
    WhoAreYou,
    decode_packet,
    encode_packet,
    handshake_header,
    message_header,
    whoareyou_header,
)
from trinode.p2p.errors import ProtocolViolation
from trinode.protocol.rlp_codec import encode, encode_bytes, encode_int, encode_list

SOMEBODY = NodeId(bytes(range(32)))
KEY = bytes([7] * 32)
RECORD = Enr.sign(KEY, 5, {b"ip": encode_bytes(b"\x7f\x00\x00\x01"), b"udp": encode_int(9222), b"tcp": encode_int(9222)})

request_ids = st.binary(max_size=8)
node_ids = st.binary(min_size=32, max_size=32).map(NodeId)
endpoints = st.builds(Endpoint, st.ip_addresses(v=4), st.integers(0, 0xFFFF))
seqs = st.integers(0, (1 << 64) - 1)
distances = st.lists(st.integers(0, 256), max_size=20, unique=True).map(tuple)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Ping, request_ids, seqs),
    st.builds(Pong, request_ids, seqs, endpoints),
    st.builds(FindNode, request_ids, distances),
    st.builds(Nodes, request_ids, st.integers(0, 255), st.lists(st.binary(max_size=100).map(lambda text: encode([text])), max_size=8).map(tuple)),
    st.builds(TalkRequest, request_ids, st.binary(max_size=20), st.binary(max_size=200)),
    st.builds(TalkResponse, request_ids, st.binary(max_size=200)),
)
entries = st.dictionaries(
    st.binary(min_size=1, max_size=6).filter(lambda key: key not in (b"id", b"secp256k1")),
    st.one_of(st.binary(max_size=10).map(encode_bytes), st.lists(st.binary(max_size=4), max_size=3).map(encode)),
    max_size=6,
)


def changed(data: bytes, at: int, by: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]


@given(messages)
def test_messages_are_read_as_they_were_written(message: Message) -> None:
    assert decode_message(message.encode()) == message


@given(st.binary(max_size=200))
def test_any_bytes_as_a_message(data: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        decode_message(data)


@given(messages, st.integers(0), st.integers(1, 255))
def test_a_damaged_message(message: Message, at: int, by: int) -> None:
    try:
        read = decode_message(changed(message.encode(), at, by))
    except ProtocolViolation:
        return
    assert decode_message(read.encode()) == read


@given(node_ids, st.binary(min_size=12, max_size=12), st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=400))
def test_packets_are_read_as_they_were_written(source: NodeId, nonce: bytes, iv: bytes, sealed: bytes) -> None:
    header = message_header(source, nonce)
    assert decode_packet(encode_packet(SOMEBODY, iv, header, sealed), SOMEBODY) == MessagePacket(source, nonce, iv + header, sealed)
    header = whoareyou_header(nonce, iv, 9)
    assert decode_packet(encode_packet(SOMEBODY, iv, header), SOMEBODY) == WhoAreYou(nonce, iv, 9, iv + header)
    header = handshake_header(source, nonce, bytes(64), bytes(33), RECORD.encoded)
    packet = decode_packet(encode_packet(SOMEBODY, iv, header, sealed), SOMEBODY)
    assert packet == HandshakePacket(source, nonce, bytes(64), bytes(33), RECORD.encoded, iv + header, sealed)


@given(st.binary(max_size=MAX_SIZE + 20))
def test_any_bytes_as_a_packet(data: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        decode_packet(data, SOMEBODY)


@given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 300))
def test_any_header_as_a_packet(authdata: bytes, flag: int, size: int) -> None:
    """Bytes that are masked as they should be: what is behind the mask is read too."""
    header = b"discv5\x00\x01" + bytes([flag]) + bytes(12) + size.to_bytes(2, "big") + authdata
    with contextlib.suppress(ProtocolViolation):
        decode_packet(encode_packet(SOMEBODY, bytes(16), header), SOMEBODY)


@given(entries, seqs)
def test_records_are_read_as_they_were_written(more: dict[bytes, bytes], seq: int) -> None:
    record = Enr.sign(KEY, seq, more)
    assert Enr.decode(record.encoded) == record == parse_enr(str(record))
    record.udp(), record.tcp(), record.udp(6), record.tcp(6), record.opstack, Reach((6, 4)).contact(record)
    assert dict(record.pairs).items() >= more.items()


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1), st.binary(max_size=5))
def test_opstack_entries(chain_id: int, version: int, more: bytes) -> None:
    entry = OpStackEntry(chain_id, version)
    assert Enr.sign(KEY, 1, {b"opstack": entry.encode()}).opstack == entry
    assert Enr.sign(KEY, 1, {b"opstack": encode_bytes(entry.encode()[1:] + more)}).opstack == entry


@given(st.binary(max_size=320))
def test_any_bytes_as_a_record(data: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        Enr.decode(data)


@given(st.lists(st.one_of(st.binary(max_size=40), st.lists(st.binary(max_size=4), max_size=3)), max_size=9))
def test_any_list_as_a_record(items: list[bytes | list[bytes]]) -> None:
    with contextlib.suppress(ProtocolViolation):
        Enr.decode(encode_list([encode(item) for item in items]))


@given(st.one_of(st.text(max_size=200), st.text(alphabet="AZaz09-_=", max_size=200).map("enr:".__add__), st.text(max_size=150).map("enode://".__add__)))
def test_any_text_as_a_node(text: str) -> None:
    with contextlib.suppress(ProtocolViolation):
        parse_node(text)


@given(node_ids, node_ids)
def test_distances_to(target: NodeId, asked: NodeId) -> None:
    distances = distances_to(target, asked)
    assert len(set(distances)) == len(distances) == (3 if target != asked else 2)
    assert log_distance(target, asked) in (*distances, 0)
    assert all(0 < distance <= 256 for distance in distances)


@given(st.lists(st.integers(0, 300), max_size=30))
def test_answers_in_pieces(sizes: list[int]) -> None:
    records = [bytes(size) for size in sizes]
    parts = nodes_messages(FindNode(b"1", (256,)), records)
    assert [record for part in parts for record in part.records] == records
    assert {part.total for part in parts} == {len(parts)}
    assert all(len(Nodes(part.request_id, part.total, tuple(encode_bytes(record) for record in part.records)).encode()) < 1200 for part in parts)


@given(st.lists(st.binary(max_size=40), max_size=5), distances)
def test_any_records_as_an_answer(records: list[bytes], wanted: tuple[int, ...]) -> None:
    try:
        found_in([*records, RECORD.encoded], wanted, SOMEBODY)
    except ProtocolViolation:
        assert records
    assert found_in([RECORD.encoded] * 2, wanted, SOMEBODY) == ([RECORD] if log_distance(SOMEBODY, RECORD.node_id) in wanted else [])


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=200), st.integers(0), st.integers(1, 255)), min_size=1, max_size=20))
def test_a_node_takes_any_packets(packets: list[tuple[bool, bytes, int, int]]) -> None:
    """Between two nodes that speak, packets come changed or made up: nothing but drops and challenges comes of them, and the two go on."""
    ends = [Endpoint(IPv4Address("127.0.0.1"), 9001 + number) for number in range(2)]
    nodes = [node_at(number, end) for number, end in enumerate(ends)]
    nodes[1].add(nodes[0].local.record, 0.0)
    now = 0.0
    for made_up, data, at, by in packets:
        now += 1.1
        for number in (0, 1):
            nodes[number].tick(now)
            sent = [packet for _, packet in nodes[number].outgoing]
            nodes[number].outgoing.clear()
            for packet in sent:
                nodes[1 - number].receive(data if made_up else changed(packet, at, by), ends[number], now)
                nodes[1 - number].receive(packet, ends[number], now)
    for _ in range(12):
        now += 0.01
        for number in (0, 1):
            nodes[number].tick(now)
            while nodes[number].outgoing:
                nodes[1 - number].receive(nodes[number].outgoing.popleft()[1], ends[number], now)
    assert len(nodes[1].table) <= 1 and len(nodes[0].table) <= 1


def node_at(number: int, end: Endpoint) -> DiscoveryNode:
    key = bytes([number + 1] * 32)
    local = LocalRecord(key, Advertised(ip_address("127.0.0.1"), 9222, end.port), end, OpStackEntry(10, 0), previous=None, first_seq=1)
    entropy = random.Random(number)
    return DiscoveryNode(key, local, reach=Reach(), bootnodes=(), found=lambda _record: None, wanted=lambda: True, entropy=entropy, now=0.0)
