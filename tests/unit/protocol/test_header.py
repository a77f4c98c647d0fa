"""Headers of every fork, and what is no header."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trinode.protocol import rlp_codec
from trinode.protocol.header import (
    EMPTY_OMMERS_HASH,
    EMPTY_REQUESTS_HASH,
    Header,
    HeaderDecodingError,
    decode_header,
    encode_header,
    header_hash,
)
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import Item

LEGACY = Header(
    parent_hash=b"\x01" * 32,
    ommers_hash=EMPTY_OMMERS_HASH,
    beneficiary=b"\x02" * 20,
    state_root=b"\x03" * 32,
    transactions_root=b"\x04" * 32,
    receipts_root=b"\x05" * 32,
    logs_bloom=b"\x06" * 256,
    difficulty=2**70,
    number=17,
    gas_limit=30_000_000,
    gas_used=0,
    timestamp=1_700_000_000,
    extra_data=b"extra",
    prev_randao=b"\x07" * 32,
    nonce=b"\x08" * 8,
)
LONDON = replace(LEGACY, base_fee_per_gas=7)
SHANGHAI = replace(LONDON, withdrawals_root=b"\x09" * 32)
CANCUN = replace(SHANGHAI, blob_gas_used=0, excess_blob_gas=131072, parent_beacon_block_root=b"\x0a" * 32)
PRAGUE = replace(CANCUN, requests_hash=EMPTY_REQUESTS_HASH)


def fields_of(header: Header) -> list[Item]:
    return rlp_codec.decode_list(encode_header(header))


@pytest.mark.parametrize(("header", "count"), [(LEGACY, 15), (LONDON, 16), (SHANGHAI, 17), (CANCUN, 20), (PRAGUE, 21)])
def test_each_fork(header: Header, count: int) -> None:
    encoded = encode_header(header)
    assert len(rlp_codec.decode_list(encoded)) == count
    assert decode_header(encoded) == header
    assert header_hash(header) == keccak256(encoded)


def test_constants() -> None:
    assert keccak256(b"\xc0") == EMPTY_OMMERS_HASH


def test_the_tail_has_no_gap() -> None:
    with pytest.raises(ValueError, match="missing before"):
        encode_header(replace(PRAGUE, excess_blob_gas=None))


@pytest.mark.parametrize("count", [0, 14, 22])
def test_number_of_fields(count: int) -> None:
    fields = [*fields_of(PRAGUE), b"\x01" * 32][:count]
    with pytest.raises(HeaderDecodingError, match=f"{count} fields"):
        decode_header(rlp_codec.encode(fields))


@pytest.mark.parametrize("index", [0, 1, 2, 3, 4, 5, 6, 13, 14, 16, 19, 20])
@pytest.mark.parametrize("change", ["shorter", "longer", "empty", "list"])
def test_sizes_of_fixed_fields(index: int, change: str) -> None:
    fields = fields_of(PRAGUE)
    value = fields[index]
    assert isinstance(value, bytes)
    changed: dict[str, Item] = {"shorter": value[:-1], "longer": value + b"\x01", "empty": b"", "list": [value]}
    fields[index] = changed[change]
    with pytest.raises(HeaderDecodingError, match="bytes are expected"):
        decode_header(rlp_codec.encode(fields))


@pytest.mark.parametrize(("index", "width"), [(7, 32), (8, 8), (9, 8), (10, 8), (11, 8), (15, 32), (17, 8), (18, 8)])
def test_widths_of_integers(index: int, width: int) -> None:
    fields = fields_of(PRAGUE)
    fields[index] = b"\xff" * width
    assert encode_header(decode_header(rlp_codec.encode(fields))) == rlp_codec.encode(fields)
    wrong: list[Item] = [b"\xff" * (width + 1), b"\x00", b"\x00\x01", [b"\x01"]]
    for value in wrong:
        fields[index] = value
        with pytest.raises(HeaderDecodingError, match="an integer"):
            decode_header(rlp_codec.encode(fields))


def test_not_rlp_of_a_list() -> None:
    for data in (b"", b"\x83dog", encode_header(PRAGUE) + b"\x00", encode_header(PRAGUE)[:-1]):
        with pytest.raises(HeaderDecodingError):
            decode_header(data)
