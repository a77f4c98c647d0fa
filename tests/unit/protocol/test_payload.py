"""Payloads: block hash and SSZ."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from trinode.protocol.block import KnownBlock
from trinode.protocol.header import EMPTY_REQUESTS_HASH, header_hash
from trinode.protocol.payload import (
    ExecutionPayload,
    PayloadDecodingError,
    PayloadEnvelope,
    Withdrawal,
    decode_envelope,
    encode_envelope,
    payload_block_hash,
    payload_header,
    payload_of,
)
from trinode.protocol.trie import EMPTY_TRIE_ROOT, ordered_trie_root

BEDROCK = ExecutionPayload(
    parent_hash=b"\x01" * 32,
    fee_recipient=b"\x02" * 20,
    state_root=b"\x03" * 32,
    receipts_root=b"\x04" * 32,
    logs_bloom=b"\x05" * 256,
    prev_randao=b"\x06" * 32,
    block_number=2**64 - 1,
    gas_limit=8,
    gas_used=9,
    timestamp=10,
    extra_data=b"extra",
    base_fee_per_gas=2**256 - 2,
    block_hash=b"\x0b" * 32,
    transactions=(b"one", b"", b"three" * 100),
)
CANYON = replace(BEDROCK, withdrawals=())
ECOTONE = replace(CANYON, blob_gas_used=1, excess_blob_gas=2)
ISTHMUS = replace(ECOTONE, withdrawals_root=b"\x0c" * 32)
ROOT = b"\x0d" * 32
ENVELOPES = {
    1: PayloadEnvelope(BEDROCK),
    2: PayloadEnvelope(CANYON),
    3: PayloadEnvelope(ECOTONE, ROOT),
    4: PayloadEnvelope(ISTHMUS, ROOT),
}
WITHDRAWALS = tuple(Withdrawal(index, 2, b"\x03" * 20, 2**64 - 1) for index in range(17))
OFFSETS = {"extra": 436, "transactions": 504, "withdrawals": 508}


def with_offset(data: bytes, name: str, value: int) -> bytes:
    at = OFFSETS[name]
    return data[:at] + value.to_bytes(4, "little") + data[at + 4 :]


@pytest.mark.parametrize(("version", "fixed_size"), [(1, 508), (2, 512), (3, 32 + 528), (4, 32 + 560)])
def test_round_trip(version: int, fixed_size: int) -> None:
    envelope = ENVELOPES[version]
    data = encode_envelope(envelope, version)
    assert len(data) == fixed_size + 5 + 3 * 4 + 503
    assert decode_envelope(data, version) == envelope


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_empty_lists(version: int) -> None:
    envelope = ENVELOPES[version]
    bare = replace(envelope, payload=replace(envelope.payload, transactions=(), extra_data=b""))
    assert decode_envelope(encode_envelope(bare, version), version) == bare


def test_withdrawals() -> None:
    full = PayloadEnvelope(replace(CANYON, withdrawals=WITHDRAWALS[:16]))
    assert decode_envelope(encode_envelope(full, 2), 2) == full
    with pytest.raises(PayloadDecodingError, match="at most 16 withdrawals"):
        decode_envelope(encode_envelope(PayloadEnvelope(replace(CANYON, withdrawals=WITHDRAWALS)), 2), 2)
    with pytest.raises(PayloadDecodingError, match="at most 16 withdrawals"):
        decode_envelope(encode_envelope(full, 2)[:-1], 2)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_the_fields_must_be_those_of_the_version(version: int) -> None:
    for other, envelope in ENVELOPES.items():
        if other != version:
            with pytest.raises(ValueError, match="version"):
                encode_envelope(envelope, version)


def test_the_parent_beacon_block_root_must_fit_the_version() -> None:
    with pytest.raises(ValueError, match="parent beacon block root"):
        encode_envelope(PayloadEnvelope(ECOTONE), 3)
    with pytest.raises(ValueError, match="parent beacon block root"):
        encode_envelope(PayloadEnvelope(CANYON, ROOT), 2)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_too_short(version: int) -> None:
    data = encode_envelope(ENVELOPES[version], version)
    for size in (0, 31, 32, 507):
        with pytest.raises(PayloadDecodingError, match="too few"):
            decode_envelope(data[:size], version)


SSZ = encode_envelope(ENVELOPES[2], 2)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("extra", 511, "extra data at offset 511"),
        ("extra", 513, "extra data at offset 513"),
        ("transactions", 511, "do not rise"),
        ("transactions", 512 + 33, "33 bytes of extra data"),
        ("transactions", len(SSZ) + 1, "do not rise"),
        ("withdrawals", 516, "do not rise"),
        ("withdrawals", len(SSZ) + 1, "do not rise"),
        ("withdrawals", 2**32 - 1, "do not rise"),
        ("withdrawals", len(SSZ) - 1, "at most 16 withdrawals"),
        ("withdrawals", 520, "ends inside its first offset"),
    ],
)
def test_offsets(name: str, value: int, why: str) -> None:
    with pytest.raises(PayloadDecodingError, match=why):
        decode_envelope(with_offset(SSZ, name, value), 2)


def transactions_replaced(data: bytes) -> bytes:
    """Version 1 with these bytes for the list of transactions."""
    return encode_envelope(PayloadEnvelope(replace(BEDROCK, transactions=())), 1) + data


def offsets(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (offsets(2), "first transaction"),
        (offsets(8), "first transaction"),
        (offsets(8, 7) + b"abc", "transaction 0"),
        (offsets(8, 12) + b"abc", "transaction 0"),
        (offsets(12, 15, 13) + b"abc", "transaction 1"),
        (offsets(4 * (2**20 + 1)) + bytes(4 * 2**20), "1048577 transactions"),
    ],
)
def test_transaction_offsets(data: bytes, why: str) -> None:
    with pytest.raises(PayloadDecodingError, match=why):
        decode_envelope(transactions_replaced(data), 1)


def test_a_first_offset_of_0_is_an_empty_list_as_in_op_node() -> None:
    assert decode_envelope(transactions_replaced(offsets(0) + b"ignored"), 1).payload.transactions == ()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_block_hash(version: int) -> None:
    envelope = ENVELOPES[version]
    header = payload_header(envelope)
    assert payload_block_hash(envelope) == header_hash(header)
    assert header.transactions_root == ordered_trie_root(BEDROCK.transactions)
    assert header.withdrawals_root == [None, EMPTY_TRIE_ROOT, EMPTY_TRIE_ROOT, b"\x0c" * 32][version - 1]
    assert header.parent_beacon_block_root == (ROOT if version >= 3 else None)
    assert header.requests_hash == (EMPTY_REQUESTS_HASH if version == 4 else None)


def test_empty_requests_hash() -> None:
    assert hashlib.sha256(b"").digest() == EMPTY_REQUESTS_HASH


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_a_block_and_its_payload(version: int) -> None:
    envelope = ENVELOPES[version]
    block = KnownBlock(payload_header(envelope), envelope.payload.block_hash, envelope.payload.transactions)
    assert payload_of(block) == envelope
