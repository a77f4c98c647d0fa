"""Singular batches: RLP as strict as Go's, but for what follows it."""

from __future__ import annotations

import pytest

from trinode.protocol.batch import (
    SINGULAR_BATCH_TYPE,
    BatchDecodingError,
    SingularBatch,
    decode_singular_batch,
    encode_singular_batch,
)
from trinode.protocol.rlp_codec import Item, encode

BATCH = SingularBatch(b"p" * 32, 2**64 - 1, b"e" * 32, 0, (b"", b"\x02one", b"\x7f", bytes(300)))
FIELDS: list[Item] = [b"p" * 32, b"\x07", b"e" * 32, b"\x01\x00", [b"tx", b""]]


def with_field(index: int, value: Item) -> bytes:
    return encode([*FIELDS[:index], value, *FIELDS[index + 1 :]])


def test_round_trip() -> None:
    encoded = encode_singular_batch(BATCH)
    assert encoded[0] == SINGULAR_BATCH_TYPE
    assert decode_singular_batch(encoded[1:]) == BATCH


def test_the_fields_in_order() -> None:
    assert decode_singular_batch(encode(FIELDS)) == SingularBatch(b"p" * 32, 7, b"e" * 32, 256, (b"tx", b""))


def test_what_follows_is_ignored() -> None:
    assert decode_singular_batch(encode_singular_batch(BATCH)[1:] + b"\xff") == BATCH


def test_every_truncation() -> None:
    payload = encode_singular_batch(BATCH)[1:]
    for size in range(len(payload)):
        with pytest.raises(BatchDecodingError):
            decode_singular_batch(payload[:size])


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(encode(b"string"), id="no list"),
        pytest.param(encode(FIELDS[:4]), id="too few fields"),
        pytest.param(encode([*FIELDS, b""]), id="too many fields"),
        pytest.param(with_field(0, b"p" * 31), id="short parent hash"),
        pytest.param(with_field(0, []), id="parent hash is a list"),
        pytest.param(with_field(2, b"e" * 33), id="long epoch hash"),
        pytest.param(with_field(1, b"\x01" * 9), id="epoch number over 64 bits"),
        pytest.param(with_field(1, b"\x00"), id="epoch number with leading zero"),
        pytest.param(with_field(3, b"\x00\x01"), id="timestamp with leading zero"),
        pytest.param(with_field(3, [b""]), id="timestamp is a list"),
        pytest.param(with_field(4, b""), id="transactions are a string"),
        pytest.param(with_field(4, [[b"tx"]]), id="transaction is a list"),
        pytest.param(encode(FIELDS).replace(b"\x82tx", b"\xb8\x02tx"), id="long prefix of a short string"),
        pytest.param(encode(FIELDS).replace(b"\x82tx", b"\x81\x01x"), id="prefix of a single byte"),
        pytest.param(b"\xf9\x00" + encode(FIELDS)[1:], id="leading zero in the list's length"),
    ],
)
def test_what_is_no_singular_batch(payload: bytes) -> None:
    with pytest.raises(BatchDecodingError):
        decode_singular_batch(payload)
