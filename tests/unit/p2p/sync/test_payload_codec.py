"""Requests and answers: real blocks, round trips, and what peers that lie would send."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import cramjam
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.bare_blocks import rehashed
from tests.shared import shared
from tests.unit.p2p.sync.memory_hosts import CONFIG, FIRST, GENESIS, block_on, time_of
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.sync.codec import PayloadCodec, Refused, WrongBlock, decode_request, encode_request
from trinode.p2p.sync.limits import MAX_PAYLOAD_SIZE
from trinode.p2p.sync.snappy_frames import compress_frames, decompress_frames
from trinode.protocol.payload import PayloadEnvelope, Withdrawal, decode_envelope
from trinode.rollup.fork import Fork

CODEC = PayloadCodec(CONFIG)
BLOCK = block_on(GENESIS)
NUMBER = BLOCK.payload.block_number
IDENTIFIER = b"\xff\x06\x00\x00sNaPpY"


def test_the_protocol_is_named_as_op_node_names_it() -> None:
    assert CODEC.protocol == "/opstack/req/payload_by_number/10/0"


def test_real_blocks_of_op_mainnet_come_back_as_they_are() -> None:
    cases = json.loads(shared("data/gossip/real_mainnet_v3_envelopes_ssz.json").read_text())
    for case in cases:
        envelope = decode_envelope(bytes.fromhex(case["envelope_ssz"][2:]), 3)
        answer = CODEC.encode_answer(envelope)
        assert answer[:5] == b"\x00\x01\x00\x00\x00"
        assert CODEC.decode_answer(int(case["block_number"]), answer) == envelope
        assert envelope.payload.block_hash == bytes.fromhex(case["block_hash"][2:])


@pytest.mark.parametrize(
    ("fork", "version", "fields"),
    [
        (Fork.ISTHMUS, 1, {}),
        (Fork.ECOTONE, 1, {"withdrawals_root": None}),
        (Fork.CANYON, 0, {"withdrawals_root": None, "blob_gas_used": None, "excess_blob_gas": None}),
        (Fork.REGOLITH, 0, {"withdrawals_root": None, "blob_gas_used": None, "excess_blob_gas": None, "withdrawals": None}),
    ],
)
def test_each_fork_has_its_version(fork: Fork, version: int, fields: dict[str, Any]) -> None:
    number = CONFIG.genesis.l2.number + -(-max(0, CONFIG.fork_times[fork] - CONFIG.genesis.l2_time) // CONFIG.block_time)
    payload = replace(BLOCK.payload, block_number=number, timestamp=time_of(number), **fields)
    envelope = rehashed(PayloadEnvelope(payload, bytes(32) if fork >= Fork.ECOTONE else None))
    answer = CODEC.encode_answer(envelope)
    assert answer[:5] == struct.pack("<BI", 0, version)
    assert CODEC.decode_answer(number, answer) == envelope
    for other in {0, 1, 2, 3, 256} - {version}:
        told = struct.pack("<BI", 0, other) + answer[5:]
        if fork >= Fork.ISTHMUS and other == 2:  # as the specification has it
            assert CODEC.decode_answer(number, told) == envelope
            continue
        with pytest.raises(ProtocolViolation, match=f"in version {other}, not {version}"):
            CODEC.decode_answer(number, told)


def other_block(**fields: Any) -> PayloadEnvelope:
    """The block with other fields, and the hash that goes with them."""
    return rehashed(replace(BLOCK, payload=replace(BLOCK.payload, **fields)))


LIES: dict[str, tuple[Callable[[], PayloadEnvelope], str]] = {
    "another number": (lambda: block_on(GENESIS._replace(number=FIRST + 1)), f"block {FIRST + 2}, not {FIRST + 1}"),
    "another time": (lambda: other_block(timestamp=BLOCK.payload.timestamp + 1), "at 1"),
    "another hash": (lambda: replace(BLOCK, payload=replace(BLOCK.payload, block_hash=bytes(32))), "does not have the hash"),
    "another content": (lambda: replace(BLOCK, payload=replace(BLOCK.payload, transactions=(b"\x02" * 64,))), "does not have the hash"),
    "tiny transactions": (lambda: block_on(GENESIS, b"", (bytes(49),)), "1 transactions: too"),
    "empty transactions": (lambda: block_on(GENESIS, b"", (bytes(500), *[b""] * 10)), "11 transactions: too"),
    "too many transactions": (lambda: replace(BLOCK, payload=replace(BLOCK.payload, transactions=(bytes(50),) * 65_537)), "65537 transactions: too"),
    "withdrawals": (lambda: other_block(withdrawals=(Withdrawal(0, 0, bytes(20), 0),)), "with withdrawals"),
    "another root": (lambda: replace(BLOCK, parent_beacon_block_root=b"\x01" * 32), "does not have the hash"),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_told_from_what_cannot_be_read(name: str) -> None:
    make, why = LIES[name]
    with pytest.raises(WrongBlock, match=why):
        CODEC.decode_answer(NUMBER, CODEC.encode_answer(make()))


@pytest.mark.parametrize("result", [1, 2, 3, 127, 128, 255])
def test_any_result_but_success_is_a_refusal(result: int) -> None:
    with pytest.raises(Refused, match=f"result {result}") as raised:
        CODEC.decode_answer(NUMBER, bytes([result]) + CODEC.encode_answer(BLOCK)[1:])
    assert raised.value.result == result


def test_an_answer_that_is_cut_off_anywhere_cannot_be_read() -> None:
    answer = CODEC.encode_answer(BLOCK)
    for size in range(len(answer)):
        with pytest.raises(ProtocolViolation):
            CODEC.decode_answer(NUMBER, answer[:size])


def test_a_payload_beyond_the_limit_is_not_sent() -> None:
    with pytest.raises(ValueError, match="a payload of 1048"):
        CODEC.encode_answer(block_on(GENESIS, b"", (bytes(MAX_PAYLOAD_SIZE),)))
    with pytest.raises(ValueError, match="optional fields"):
        CODEC.encode_answer(replace(BLOCK, payload=replace(BLOCK.payload, withdrawals_root=None)))


def test_a_zip_bomb_is_refused_before_it_is_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = compress_frames(bytes(200 << 20))
    assert len(bomb) < MAX_PAYLOAD_SIZE
    monkeypatch.delattr(cramjam.snappy, "decompress")
    with pytest.raises(ProtocolViolation, match="more than 10485760 bytes"):
        CODEC.decode_answer(NUMBER, b"\x00\x02\x00\x00\x00" + bomb)


def chunk(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(3, "little") + content


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"", "nothing at all"),
        (IDENTIFIER + b"\x00\x00", "chunk 2"),
        (IDENTIFIER + chunk(1, bytes(10))[:-1], "chunk 2"),
        (IDENTIFIER + chunk(1, bytes(3)), "a chunk of -1 bytes"),
        (IDENTIFIER + chunk(1, bytes(4 + (1 << 16) + 1)), "a chunk of 65537 bytes"),
        (IDENTIFIER + chunk(0, bytes(4)), "does not end"),
        (IDENTIFIER + chunk(0, bytes(4) + b"\x81\x80\x04"), "a chunk of 65537 bytes"),
        (IDENTIFIER + chunk(2, b""), "of type 2"),
        (IDENTIFIER + chunk(0x80, b"") * 4096, "chunk 4097"),
        (chunk(1, bytes(4) + b"data"), "snappy"),
        (IDENTIFIER + chunk(1, bytes(4) + b"data"), "checksum"),
        (IDENTIFIER + chunk(0, bytes(4) + b"\x64\x00a"), "snappy"),
    ],
)
def test_frames_that_are_none(stream: bytes, why: str) -> None:
    with pytest.raises(ProtocolViolation, match=why):
        decompress_frames(stream, MAX_PAYLOAD_SIZE)


def test_chunks_that_are_to_be_skipped_are_skipped() -> None:
    frames = compress_frames(b"data" * 50_000)
    assert decompress_frames(frames[:10] + chunk(0x80, b"later") + frames[10:] + chunk(0xFE, bytes(9)), 200_000) == b"data" * 50_000
    with pytest.raises(ProtocolViolation, match="more than 199999"):
        decompress_frames(frames, 199_999)


@given(st.binary(min_size=1, max_size=300_000))
def test_frames_round_trip(data: bytes) -> None:
    assert decompress_frames(compress_frames(data), len(data)) == data


@given(st.binary(max_size=300) | st.binary(max_size=300).map(partial(lambda a, b: a + b, IDENTIFIER)))
def test_arbitrary_frames_raise_only_what_is_declared(stream: bytes) -> None:
    with suppress(ProtocolViolation):
        assert len(decompress_frames(stream, 100)) <= 100


@given(st.binary(max_size=12))
def test_requests_are_eight_bytes(data: bytes) -> None:
    if len(data) == 8:
        assert encode_request(decode_request(data)) == data
    else:
        with pytest.raises(ProtocolViolation):
            decode_request(data)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=200))
@example(NUMBER, CODEC.encode_answer(BLOCK))
def test_arbitrary_answers_raise_only_what_is_declared(number: int, answer: bytes) -> None:
    with suppress(ProtocolViolation, Refused):
        assert CODEC.decode_answer(number, answer).payload.block_number == number


@given(st.data())
def test_answers_with_arbitrary_payloads_raise_only_what_is_declared(data: st.DataObject) -> None:
    ssz = bytearray(decompress_frames(CODEC.encode_answer(BLOCK)[5:], 1 << 20))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(ssz) - 1))
        ssz[at : at + 1] = data.draw(st.binary(max_size=6))
    with suppress(ProtocolViolation):
        assert CODEC.decode_answer(NUMBER, b"\x00\x02\x00\x00\x00" + compress_frames(bytes(ssz))).payload.block_number == NUMBER


def test_which_blocks_there_can_be() -> None:
    genesis = CONFIG.genesis
    assert not CODEC.is_possible(genesis.l2.number - 1, genesis.l2_time + 100)
    assert CODEC.is_possible(genesis.l2.number, genesis.l2_time)
    assert not CODEC.is_possible(genesis.l2.number + 1, genesis.l2_time + 1)
    assert CODEC.is_possible(genesis.l2.number + 1, genesis.l2_time + 2)
    assert not CODEC.is_possible(2**64 - 1, 2e9)
