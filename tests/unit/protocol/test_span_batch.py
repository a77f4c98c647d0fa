"""Span batches: columns taken apart and put together again, and what is wrong with them told apart as op-node does."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from random import Random

import pytest

from trinode.protocol.batch import SPAN_BATCH_TYPE, BatchDecodingError, SingularBatch
from trinode.protocol.rlp_codec import Item, encode
from trinode.protocol.span_batch import (
    RawSpanBatch,
    SpanBatch,
    SpanBatchElement,
    decode_raw_span_batch,
    decode_span_batch,
    encode_raw_span_batch,
    encode_span_batch,
)
from trinode.protocol.span_batch_columns import MAX_SPAN_BATCH_ELEMENT_COUNT, TransactionColumns, decode_columns
from trinode.protocol.span_batch_fields import encode_uvarint
from trinode.protocol.span_batch_transactions import SpanTransactionError

CHAIN_ID = 901
GENESIS = 1000
TO = b"\x77" * 20
R, S = b"\x81" * 32, b"\x02" * 32
ACCESS_LIST: list[Item] = [[b"a" * 20, [b"k" * 32, b"\0" * 32]], [b"b" * 20, []]]
AUTHORIZATION: list[Item] = [b"\x03\x85", b"c" * 20, b"\x05", b"\x01", b"\x81", b""]


def legacy(*, v: int = 2 * CHAIN_ID + 36, to: bytes = TO, r: bytes = R, s: bytes = S, data: bytes = b"") -> bytes:
    v_bytes = v.to_bytes((v.bit_length() + 7) // 8, "big")
    return encode([b"\x07", b"\x09", b"\x52\x08", to, b"\x01", data, v_bytes, r, s])


def typed(
    kind: int,
    *,
    chain_id: bytes = b"\x03\x85",
    to: bytes = TO,
    y_parity: bytes = b"\x01",
    r: bytes = R,
    data: bytes = b"\xff" * 300,
) -> bytes:
    fees = [b"\x09"] if kind == 1 else [b"", b"\x01\x00"]
    lists: list[Item] = [ACCESS_LIST, [AUTHORIZATION, AUTHORIZATION]] if kind == 4 else [ACCESS_LIST]
    nonce = b"\x80" + b"\xff" * 7
    return bytes([kind]) + encode([chain_id, nonce, *fees, b"\x52\x08", to, b"", data, *lists, y_parity, r, S])


POST_EXECUTION = b"\x7d" + encode([b"\x01", []])
TRANSACTIONS = {
    "legacy": legacy(),
    "legacy, even": legacy(v=2 * CHAIN_ID + 35),
    "legacy, unprotected": legacy(v=27),
    "legacy, unprotected, odd": legacy(v=28),
    "legacy, creation": legacy(to=b"", data=b"\x60"),
    "legacy, long": legacy(data=bytes(70_000)),
    "access list": typed(1),
    "access list, creation": typed(1, to=b"", data=b"\x80"),
    "dynamic fee": typed(2),
    "dynamic fee, even": typed(2, y_parity=b"", data=b""),
    "dynamic fee, 55 bytes of data": typed(2, data=b"d" * 55),
    "dynamic fee, 56 bytes of data": typed(2, data=b"d" * 56),
    "set code": typed(4),
    "post-execution": POST_EXECUTION,
    "short r": typed(2, r=R[:31]),
    "tiny r and s": legacy(r=b"\x05", s=b"\x80"),
    "no r and s": legacy(r=b"", s=b""),
}


def block(number: int, *transactions: bytes, epoch: int = 7) -> SingularBatch:
    return SingularBatch(bytes([number]) * 32, epoch, bytes([epoch]) * 32, GENESIS + 2 * number, transactions)


def encoded(*blocks: SingularBatch, starts_epoch: bool = False) -> bytes:
    return encode_span_batch(blocks, genesis_timestamp=GENESIS, chain_id=CHAIN_ID, starts_epoch=starts_epoch)


def decoded(batch: bytes) -> SpanBatch:
    assert batch[0] == SPAN_BATCH_TYPE
    return decode_span_batch(batch[1:], block_time=2, genesis_timestamp=GENESIS, chain_id=CHAIN_ID)


def raw_span(*transactions: bytes) -> RawSpanBatch:
    return decode_raw_span_batch(encoded(block(3, *transactions))[1:])


def with_columns(raw: RawSpanBatch, **changes: object) -> bytes:
    """The span with columns changed, encoded."""
    return encode_raw_span_batch(replace(raw, columns=replace(raw.columns, **changes)))  # type: ignore[arg-type]


# ---- whole ----


@pytest.mark.parametrize("transaction", TRANSACTIONS.values(), ids=TRANSACTIONS)
def test_each_kind_of_transaction(transaction: bytes) -> None:
    assert decoded(encoded(block(3, transaction)))[0].transactions == (transaction,)


def test_all_of_them_in_several_blocks() -> None:
    transactions = [*TRANSACTIONS.values(), *reversed(TRANSACTIONS.values())]
    blocks = [block(3, *transactions[:20]), block(4), block(5, *transactions[20:], epoch=8), block(6, epoch=8)]
    batch = decoded(encoded(*blocks))
    assert list(batch) == [SpanBatchElement(b.epoch_number, b.timestamp, b.transactions) for b in blocks]
    assert batch.transaction_count == len(transactions)
    assert (batch.parent_check, batch.l1_origin_check) == (b"\x03" * 20, b"\x08" * 20)


def test_more_transactions_than_are_put_together_at_once() -> None:
    random = Random(1)
    transactions = [
        legacy(v=random.choice((27, 28, 1837, 1838)), to=random.choice((b"", TO)), r=random.randbytes(32).lstrip(b"\0"))
        for _ in range(9000)
    ]
    assert decoded(encoded(block(3, *transactions)))[0].transactions == tuple(transactions)


def test_the_bytes_of_a_span() -> None:
    batch = encoded(block(64, legacy(v=28), POST_EXECUTION), block(65, epoch=9), starts_epoch=True)
    assert batch == b"".join(
        (
            b"\x01",
            b"\x80\x01",  # 128 seconds after genesis
            b"\x09",  # the last L1 origin
            b"\x40" * 20 + b"\x09" * 20,
            b"\x02",  # blocks
            b"\x03",  # both start an epoch
            b"\x02\x00",  # transactions
            b"\x02",  # the second creates a contract, as it has no recipient
            b"\x01",  # the first has odd parity
            R + S + bytes(64),
            TO,
            b"\xc3\x01\x09\x80",  # value, gas price, calldata
            POST_EXECUTION,
            b"\x07\x00",  # nonces
            b"\x88\xa4\x01\x00",  # gas limits
            b"\x00",  # not protected
        )
    )


def test_what_follows_is_ignored() -> None:
    batch = encoded(block(3, *TRANSACTIONS.values()))
    assert list(decoded(batch + b"\xff" * 30)) == list(decoded(batch))


def test_raw_spans_are_encoded_as_they_are() -> None:
    batch = encoded(block(3, *TRANSACTIONS.values()), block(4))
    assert encode_raw_span_batch(decode_raw_span_batch(batch[1:])) == batch


def test_a_large_chain_id() -> None:
    chain_id = 2**254
    transaction = legacy(v=2 * chain_id + 35)
    batch = encode_span_batch([block(3, transaction)], genesis_timestamp=GENESIS, chain_id=chain_id, starts_epoch=False)
    span = decode_span_batch(batch[1:], block_time=2, genesis_timestamp=GENESIS, chain_id=chain_id)
    assert span[0].transactions == (transaction,)


@pytest.mark.parametrize(
    "transaction",
    [
        b"",
        b"\x03\xc0",
        b"\x7e\xc0",
        typed(2, chain_id=b"\x01"),
        legacy(v=2 * CHAIN_ID + 37),
        legacy(v=29),
        b"\x02\xc0",
        b"\xc0",
        legacy()[:-1],
    ],
    ids=[
        "empty",
        "blob",
        "deposit",
        "other chain",
        "legacy of another chain",
        "v",
        "no fields",
        "no legacy fields",
        "truncated",
    ],
)
def test_transactions_that_no_span_holds(transaction: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each says something else)
        encoded(block(3, transaction))


# ---- blocks ----


def test_blocks_by_index() -> None:
    batch = decoded(encoded(*(block(number) for number in range(1, 4))))
    assert len(batch) == 3
    assert batch[0].timestamp == GENESIS + 2
    assert batch[-1] == batch[2]
    for index in (3, -4, -5):
        with pytest.raises(IndexError):
            batch[index]


@pytest.mark.parametrize("first_bit", [0, 1])
def test_origins_count_back_from_the_last(first_bit: int) -> None:
    bits = 0b101100 | first_bit
    raw = replace(raw_span(), l1_origin_number=1, block_count=6, origin_bits=bits, transaction_counts=[0] * 6)
    numbers = [element.epoch_number for element in decoded(encode_raw_span_batch(raw))]
    assert numbers == [2**64 - 2, 2**64 - 2, 2**64 - 1, 0, 0, 1]


def test_timestamps_wrap() -> None:
    start = 2**64 - GENESIS - 2
    raw = replace(raw_span(), relative_timestamp=start, block_count=3, origin_bits=0, transaction_counts=[0] * 3)
    assert [element.timestamp for element in decoded(encode_raw_span_batch(raw))] == [2**64 - 2, 0, 2]


def test_many_empty_blocks_take_little_room() -> None:
    count = 300_000
    payload = b"\x00\x07" + bytes(40) + encode_uvarint(count) + bytes(count // 8) + bytes(count)
    tracemalloc.start()
    batch = decoded(b"\x01" + payload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(batch) == count
    assert batch[count - 1].timestamp == GENESIS + 2 * (count - 1)
    assert peak < 20 * count


# ---- what does not decode: the rest of the channel is lost ----


def test_every_truncation() -> None:
    batch = encoded(block(3, legacy(), typed(4, data=b"")), block(4))
    for size in range(1, len(batch)):
        with pytest.raises(BatchDecodingError) as info:
            decoded(batch[:size])
        assert not isinstance(info.value, SpanTransactionError)


def fails(batch: bytes, message: str) -> None:
    with pytest.raises(BatchDecodingError, match=message) as info:
        decoded(batch)
    assert not isinstance(info.value, SpanTransactionError)


@pytest.mark.parametrize("count", [0, MAX_SPAN_BATCH_ELEMENT_COUNT + 1, 2**64 - 1])
def test_block_counts(count: int) -> None:
    fails(b"\x01\x00\x07" + bytes(40) + encode_uvarint(count) + bytes(100), "blocks")


def test_transaction_counts() -> None:
    raw = raw_span(legacy())
    fails(encode_raw_span_batch(replace(raw, transaction_counts=[MAX_SPAN_BATCH_ELEMENT_COUNT + 1])), "at most")
    raw = replace(raw, block_count=2, origin_bits=0, transaction_counts=[MAX_SPAN_BATCH_ELEMENT_COUNT, 1])
    fails(encode_raw_span_batch(raw), "at most")


def test_bits_beyond_the_count() -> None:
    raw = raw_span(*[legacy()] * 3)
    fails(encode_raw_span_batch(replace(raw, origin_bits=2)), "bits")
    fails(with_columns(raw, contract_creation_bits=8), "bits")
    fails(with_columns(raw, y_parity_bits=8), "bits")
    fails(with_columns(raw, protected_bits=8), "bits")


@pytest.mark.parametrize("column", ["nonces", "gas_limits"])
def test_numbers_are_read_as_go_does(column: str) -> None:
    raw = raw_span(legacy(), legacy())
    for varint, expected in ((b"\x80\x80\x00", 0), (b"\x87\x00", 7), (b"\xff" * 9 + b"\x01", 2**64 - 1)):
        batch = decoded(with_columns(raw, **{column: (varint, b"\x07")}))
        number = encode(expected.to_bytes((expected.bit_length() + 7) // 8, "big"))
        assert number in batch[0].transactions[0]
    for varint in (b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x00", b"\x80" * 9 + b"\x80"):
        fails(with_columns(raw, **{column: (varint, b"\x07")}), "64 bits")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x02\x02\xc0", id="two type bytes"),
        pytest.param(b"\x80", id="a string"),
        pytest.param(b"\x02\xb8\x38" + bytes(56), id="a long string"),
        pytest.param(b"\xf8\x03\x01\x09\x80", id="a longer size than needed"),
        pytest.param(b"\xf9\x00\x38" + bytes(56), id="a size with leading zero"),
        pytest.param(b"\xfa\x98\x96\x7d", id="over the maximal size"),
        pytest.param(b"\xff" + b"\xff" * 8, id="a size of 64 bits"),
    ],
)
def test_what_is_no_list_of_fields(data: bytes) -> None:
    with pytest.raises(BatchDecodingError) as info:
        decoded(with_columns(raw_span(legacy()), data=(data,), protected_bits=0))
    assert not isinstance(info.value, SpanTransactionError)


def test_the_longest_list_of_fields() -> None:
    """Go's limit of 10,000,000 bytes holds for the list with its prefix."""
    column = b"\xfa\x98\x96\x7c" + bytes(MAX_SPAN_BATCH_ELEMENT_COUNT - 4)
    payload = bytes(2) + bytes(64) + bytes(20) + column + b"\0\0" + b"\0"
    assert decode_columns(payload, 0, 1).data == (column,)
    with pytest.raises(BatchDecodingError, match="at most"):
        decode_columns(payload.replace(b"\xfa\x98\x96\x7c", b"\xfa\x98\x96\x7d"), 0, 1)


# ---- what decodes but cannot be put together: only this batch is lost ----

VALUE, FEE = b"\x01", b"\x09"
WIDE_PARITY: list[Item] = [*AUTHORIZATION[:3], b"\x01\x00", b"", b""]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x00" + encode([VALUE, FEE, b""]), id="type 0"),
        pytest.param(b"\x03" + encode([VALUE, FEE, FEE, b"", []]), id="type 3"),
        pytest.param(b"\x7e" + encode([VALUE]), id="deposit"),
        pytest.param(encode([VALUE, FEE]), id="legacy, too few fields"),
        pytest.param(encode([VALUE, FEE, b"", []]), id="legacy, too many fields"),
        pytest.param(b"\x01" + encode([VALUE, FEE, b""]), id="no access list"),
        pytest.param(b"\x02" + encode([VALUE, FEE, FEE, b"", [], b""]), id="too many fields"),
        pytest.param(b"\x04" + encode([VALUE, FEE, FEE, b"", []]), id="no authorizations"),
        pytest.param(b"\x04" + encode([VALUE, FEE, FEE, b"", [], [], []]), id="type 4, too many fields"),
        pytest.param(b"\xc0", id="nothing"),
        pytest.param(encode([b"\x00", FEE, b""]), id="value with leading zero"),
        pytest.param(encode([VALUE, b"\x00\x01", b""]), id="fee with leading zero"),
        pytest.param(encode([VALUE, b"\x00" + b"\x01" * 40, b""]), id="long fee with leading zero"),
        pytest.param(encode([[], FEE, b""]), id="value is a list"),
        pytest.param(encode([VALUE, FEE, []]), id="calldata is a list"),
        pytest.param(b"\xc4\x81\x01\x09\x80", id="value behind a prefix"),
        pytest.param(b"\xc4\x01\x09\x81\x7f", id="calldata behind a prefix"),
        pytest.param(b"\xc4\x01\x09\xb8\x01", id="calldata with a long prefix"),
        pytest.param(b"\xc3\x01\x09\x85", id="calldata beyond the list"),
        pytest.param(b"\x01" + encode([VALUE, FEE, b"", b""]), id="access list is a string"),
        pytest.param(b"\x01" + encode([VALUE, FEE, b"", [b"a" * 20]]), id="access list entry is a string"),
        pytest.param(b"\x01" + encode([VALUE, FEE, b"", [[b"a" * 20]]]), id="no keys"),
        pytest.param(b"\x01" + encode([VALUE, FEE, b"", [[b"a" * 19, []]]]), id="short address"),
        pytest.param(b"\x01" + encode([VALUE, FEE, b"", [[b"a" * 20, [b"k" * 33]]]]), id="long key"),
        pytest.param(b"\x01" + encode([VALUE, FEE, b"", [[b"a" * 20, [[]]]]]), id="key is a list"),
        pytest.param(b"\x04" + encode([b"\x01" * 33, FEE, FEE, b"", [], []]), id="type 4, value over 256 bits"),
        pytest.param(b"\x04" + encode([VALUE, FEE, FEE, b"", [], b""]), id="authorizations are a string"),
        pytest.param(b"\x04" + encode([VALUE, FEE, FEE, b"", [], [AUTHORIZATION[:5]]]), id="authorization without s"),
        pytest.param(
            b"\x04" + encode([VALUE, FEE, FEE, b"", [], [[*AUTHORIZATION, b""]]]), id="authorization too long"
        ),
        pytest.param(b"\x04" + encode([VALUE, FEE, FEE, b"", [], [WIDE_PARITY]]), id="y parity over 8 bits"),
    ],
)
def test_wrong_data_of_a_transaction(data: bytes) -> None:
    raw = raw_span(legacy(), legacy())
    with pytest.raises(SpanTransactionError):
        decoded(with_columns(raw, data=(raw.columns.data[0], data), protected_bits=0))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode([b"\xff" * 33, FEE, b""]), id="value over 256 bits"),
        pytest.param(encode([VALUE, b"\xff" * 300, b"x"]), id="fee of 300 bytes"),
        pytest.param(b"\x02" + encode([b"", b"\xff" * 60, b"", b"\x81", []]), id="long fee, type 2"),
    ],
)
def test_integers_of_any_size_are_taken_over(data: bytes) -> None:
    fields = data[1:] if data[0] == 2 else data
    transaction = decoded(with_columns(raw_span(legacy()), data=(data,), protected_bits=0))[0].transactions[0]
    payload = fields[1 if fields[0] < 0xF8 else fields[0] - 0xF6 :]
    assert len(transaction) > len(payload)
    assert b"\xff" * 33 in transaction


def test_a_set_code_transaction_has_a_recipient() -> None:
    raw = raw_span(typed(4))
    with pytest.raises(SpanTransactionError, match="recipient"):
        decoded(with_columns(raw, contract_creation_bits=1, recipients=b""))


def test_a_post_execution_transaction_is_nothing_but_its_data() -> None:
    raw = raw_span(POST_EXECUTION)
    others = {"contract_creation_bits": 0, "y_parity_bits": 1, "recipients": TO, "nonces": (b"\x05",)}
    batch = with_columns(raw, signatures=R + S, **others)
    assert decoded(batch)[0].transactions == (POST_EXECUTION,)


def test_a_type_byte_of_zero_has_a_protected_bit() -> None:
    """It is no type, but the columns are as long as if it were legacy."""
    columns = raw_span(legacy()).columns
    zero = TransactionColumns(**{name: getattr(columns, name) for name in columns.__slots__} | {"data": (b"\x00\xc0",)})
    batch = encode_raw_span_batch(replace(raw_span(legacy()), columns=zero))
    with pytest.raises(SpanTransactionError):
        decoded(batch)
    fails(batch[:-1], "bits")
