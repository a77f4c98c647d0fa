"""Whatever comes as a block message gets a judgement and an id, and snappy is read as its format's description says."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.p2p.blocks.made_blocks import FIRST_OF_VERSION, OP_MAINNET, SEQUENCER, at, made_block, message_of, signed_bytes
from trinode.p2p.blocks.judgement import Reason
from trinode.p2p.blocks.message_id import message_id
from trinode.p2p.blocks.rules import judge
from trinode.p2p.blocks.snappy import MAX_MESSAGE_SIZE, CompressionFault, compress, inflate
from trinode.p2p.blocks.topics import VERSIONS
from trinode.protocol.payload import encode_envelope

VERSION = st.sampled_from(VERSIONS)


class NotSnappy(Exception):
    """By the description."""


def inflated_by_the_description(data: bytes) -> bytes:
    """google/snappy, format_description: the size as a varint, then literals and copies."""
    size, at, shift = 0, 0, 0
    while True:
        if at == len(data) or at == 5:
            raise NotSnappy
        size |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            break
    if size > MAX_MESSAGE_SIZE:
        raise NotSnappy
    out = bytearray()
    while at < len(data):
        tag, kind = data[at] >> 2, data[at] & 3
        at += 1
        if kind == 0:
            extra = max(tag - 59, 0)
            if at + extra > len(data):
                raise NotSnappy
            length = 1 + (int.from_bytes(data[at : at + extra], "little") if extra else tag)
            at += extra
            if at + length > len(data) or len(out) + length > size:
                raise NotSnappy
            out += data[at : at + length]
            at += length
            continue
        extra = (1, 2, 4)[kind - 1]
        if at + extra > len(data):
            raise NotSnappy
        offset = int.from_bytes(data[at : at + extra], "little")
        length = 1 + tag
        if kind == 1:
            length, offset = 4 + (tag & 7), offset | (tag >> 3) << 8
        at += extra
        if not 0 < offset <= len(out) or len(out) + length > size:
            raise NotSnappy
        for _ in range(length):
            out.append(out[-offset])
    if len(out) != size:
        raise NotSnappy
    return bytes(out)


@st.composite
def snappy_like(draw: st.DrawFn) -> bytes:
    """Bytes that often are snappy: a size and elements that mostly fit."""
    size = draw(st.integers(0, 40))
    elements = st.one_of(
        st.binary(min_size=1, max_size=12).map(lambda literal: bytes([(len(literal) - 1) << 2]) + literal),
        st.builds(lambda length, offset: bytes([(length - 4) << 2 | 1, offset]), st.integers(4, 11), st.integers(0, 20)),
        st.builds(lambda length, offset: bytes([(length - 1) << 2 | 2, offset, 0]), st.integers(1, 20), st.integers(0, 20)),
        st.builds(lambda length, offset: bytes([(length - 1) << 2 | 3, offset, 0, 0, 0]), st.integers(1, 20), st.integers(0, 20)),
        st.builds(lambda literal: b"\xf0" + bytes([len(literal) - 1]) + literal, st.binary(min_size=1, max_size=12)),
        st.binary(max_size=3),
    )
    body = b"".join(draw(st.lists(elements, max_size=6)))
    return bytes([size]) + body


@given(st.one_of(st.binary(max_size=60), snappy_like()))
@example(b"\x0a\x08xyz\x0d\x03")
def test_snappy_is_read_by_its_description(data: bytes) -> None:
    try:
        expected = inflated_by_the_description(data)
    except NotSnappy:
        expected = None
    try:
        found = inflate(data)
    except CompressionFault:
        found = None
    assert found == expected


@given(st.binary(max_size=5000), st.integers(1, 50))
def test_snappy_round_trips(data: bytes, times: int) -> None:
    assert inflate(compress(data * times)) == data * times


@given(st.text(max_size=60), st.one_of(st.binary(max_size=80), snappy_like()))
def test_everything_has_an_id(topic: str, data: bytes) -> None:
    assert len(message_id(topic, data)) == 20


@given(st.binary(max_size=700), VERSION, st.booleans())
def test_arbitrary_messages_are_judged(data: bytes, version: int, compressed: bool) -> None:
    judgement = judge(compress(data) if compressed else data, version, OP_MAINNET, at(FIRST_OF_VERSION[version]))
    assert judgement.reason is not Reason.VALID and judgement.envelope is None


@given(st.binary(max_size=700), VERSION)
def test_arbitrary_payloads_of_the_sequencer_are_judged(signed: bytes, version: int) -> None:
    judgement = judge(compress(signed_bytes(signed)), version, OP_MAINNET, at(FIRST_OF_VERSION[version]))
    assert judgement.reason in (Reason.BAD_ENCODING, Reason.TOO_SMALL, Reason.TOO_OLD, Reason.IN_THE_FUTURE)


@given(VERSION, st.integers(0, 5000), st.integers(0, 7), st.booleans())
def test_a_changed_bit_is_noticed(version: int, place: int, bit: int, resigned: bool) -> None:
    envelope = made_block(version)
    signed = encode_envelope(envelope, version)
    place %= len(signed)
    changed = signed[:place] + bytes([signed[place] ^ 1 << bit]) + signed[place + 1 :]
    data = compress(signed_bytes(changed) if resigned else signed_bytes(signed)[:65] + changed)
    judgement = judge(data, version, OP_MAINNET, at(FIRST_OF_VERSION[version]))
    assert judgement.reason is not Reason.VALID


TRANSACTIONS = st.lists(st.binary(min_size=1, max_size=300), max_size=20)


@given(VERSION, TRANSACTIONS, st.integers(0, 2**63 - 1), st.integers(0, 2**256 - 1), st.binary(max_size=32))
def test_all_that_the_sequencer_may_make_is_valid(version: int, transactions: list[bytes], number: int, base_fee: int, extra_data: bytes) -> None:
    envelope = made_block(version, number, transactions=tuple(transactions), base_fee_per_gas=base_fee, extra_data=extra_data)
    judgement = judge(message_of(envelope, version), version, OP_MAINNET, at(FIRST_OF_VERSION[version]))
    assert judgement.reason is Reason.VALID and judgement.envelope == envelope
    assert judgement.signer == SEQUENCER.address
    elsewhere = replace(OP_MAINNET, l2_chain_id=11)
    assert judge(message_of(envelope, version), version, elsewhere, at(FIRST_OF_VERSION[version])).reason is Reason.WRONG_SIGNER
