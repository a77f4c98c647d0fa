"""Decoders are total: any bytes are a value, which encodes to the same bytes again, or the documented error.

RLP also agrees with the rlp package, on what it accepts and on what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st
from rlp.codec import consume_item

from trinode.protocol import rlp_codec
from trinode.protocol.deposit import (
    TRANSACTION_DEPOSITED_TOPIC,
    DepositDecodingError,
    DepositTransaction,
    decode_deposit,
    decode_deposit_log,
    encode_deposit,
)
from trinode.protocol.eip1559 import (
    ExtraDataDecodingError,
    decode_eip1559_params,
    decode_extra_data,
    encode_eip1559_params,
    encode_holocene_extra_data,
    encode_jovian_extra_data,
)
from trinode.protocol.errors import DecodingError
from trinode.protocol.header import Header, HeaderDecodingError, decode_header, encode_header
from trinode.protocol.l1_info import L1BlockInfo, L1InfoDecodingError, L1InfoFormat, decode_l1_info, encode_l1_info
from trinode.protocol.payload import (
    ExecutionPayload,
    PayloadDecodingError,
    PayloadEnvelope,
    Withdrawal,
    decode_envelope,
    encode_envelope,
)
from trinode.protocol.receipt import Log, Receipt, ReceiptDecodingError, decode_receipt, encode_receipt
from trinode.protocol.rlp_codec import Item, RlpDecodingError
from trinode.protocol.transaction import (
    AccessListEntry,
    AccessListTransaction,
    Authorization,
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignatureError,
    SignedTransaction,
    TransactionDecodingError,
    decode_transaction,
    encode_transaction,
    recover_sender,
    sign_transaction,
)

uint8, uint16, uint32, uint64, uint256 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64, 256))
address = st.binary(min_size=20, max_size=20)
hash32 = st.binary(min_size=32, max_size=32)
bloom = st.binary(min_size=256, max_size=256)
data = st.binary(max_size=80)


def tuples_of(strategy: st.SearchStrategy[Any], max_size: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=max_size).map(tuple)


items: st.SearchStrategy[Item] = st.recursive(
    st.binary(max_size=60), lambda inner: st.lists(inner, max_size=5), max_leaves=20
)

access_list = tuples_of(st.builds(AccessListEntry, address, tuples_of(hash32)))
call: dict[str, Any] = {
    "gas_limit": uint64,
    "value": uint256,
    "data": data,
    "nonce": uint64,
    "r": uint256,
    "s": uint256,
}
typed = call | {"chain_id": uint256, "access_list": access_list, "y_parity": st.integers(0, 2)}
fees = {"max_priority_fee_per_gas": uint256, "max_fee_per_gas": uint256}
to_or_creation = st.none() | address
# One less than fits: the next would be signed into 33 bytes.
legacy_v_of_any_chain = st.integers(0, 2**256 - 2)
authorization = st.builds(Authorization, uint256, address, uint64, uint8, uint256, uint256)
blob_fields = {"max_fee_per_blob_gas": uint256, "blob_versioned_hashes": tuples_of(hash32)}
signed_transactions: st.SearchStrategy[SignedTransaction] = st.one_of(
    st.builds(LegacyTransaction, **call, to=to_or_creation, gas_price=uint256, v=uint16 | legacy_v_of_any_chain),
    st.builds(AccessListTransaction, **typed, to=to_or_creation, gas_price=uint256),
    st.builds(DynamicFeeTransaction, **typed, **fees, to=to_or_creation),
    st.builds(BlobTransaction, **typed, **fees, **blob_fields, to=address),
    st.builds(SetCodeTransaction, **typed, **fees, to=address, authorization_list=tuples_of(authorization)),
)
deposits = st.builds(DepositTransaction, hash32, address, to_or_creation, uint256, uint256, uint64, st.booleans(), data)
legacy_header = (hash32, hash32, address, hash32, hash32, hash32, bloom, uint256, *[uint64] * 4, data, hash32)
header_tail = (uint256, hash32, uint64, uint64, hash32, hash32)
headers = st.integers(0, len(header_tail)).flatmap(
    lambda count: st.builds(Header, *legacy_header, st.binary(min_size=8, max_size=8), *header_tail[:count])
)
logs = tuples_of(st.builds(Log, address, tuples_of(hash32), data))
outcome = {"cumulative_gas_used": uint64, "logs_bloom": bloom, "logs": logs}
receipts = st.one_of(
    st.builds(Receipt, type=st.integers(0, 4), succeeded=st.booleans(), **outcome),
    st.builds(Receipt, type=st.integers(0, 4), succeeded=st.just(False), **outcome, post_state=hash32),
    st.builds(Receipt, type=st.just(0x7E), succeeded=st.booleans(), **outcome, deposit_nonce=st.none() | uint64),
    st.builds(
        Receipt,
        type=st.just(0x7E),
        succeeded=st.booleans(),
        **outcome,
        deposit_nonce=uint64,
        deposit_receipt_version=uint64,
    ),
)

L1_INFO_FIELDS: dict[L1InfoFormat, dict[str, Any]] = {
    L1InfoFormat.BEDROCK: {"l1_fee_overhead": uint256, "l1_fee_scalar": uint256},
    L1InfoFormat.ECOTONE: {"blob_base_fee": uint256, "base_fee_scalar": uint32, "blob_base_fee_scalar": uint32},
}
L1_INFO_FIELDS[L1InfoFormat.ISTHMUS] = L1_INFO_FIELDS[L1InfoFormat.ECOTONE] | {
    "operator_fee_scalar": uint32,
    "operator_fee_constant": uint64,
}
L1_INFO_FIELDS[L1InfoFormat.JOVIAN] = L1_INFO_FIELDS[L1InfoFormat.ISTHMUS] | {"da_footprint_gas_scalar": uint16}
l1_infos = st.sampled_from(L1InfoFormat).flatmap(
    lambda format: st.builds(
        L1BlockInfo, st.just(format), uint64, uint64, uint256, hash32, uint64, address, **L1_INFO_FIELDS[format]
    )
)

payload_head = (hash32, address, hash32, hash32, bloom, hash32, *[uint64] * 4, st.binary(max_size=32), uint256, hash32)
withdrawals = tuples_of(st.builds(Withdrawal, uint64, uint64, address, uint64), max_size=16)
payload_tail = (withdrawals, uint64, uint64, hash32)
TAIL_OF_VERSION = {1: 0, 2: 1, 3: 3, 4: 4}


def envelopes(version: int) -> st.SearchStrategy[PayloadEnvelope]:
    payload = st.builds(ExecutionPayload, *payload_head, tuples_of(data), *payload_tail[: TAIL_OF_VERSION[version]])
    return st.builds(PayloadEnvelope, payload, hash32 if version >= 3 else st.none())


class Codec(NamedTuple):
    """A decoder with its encoder, its one error, and values to encode."""

    name: str
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    error: type[DecodingError]
    values: st.SearchStrategy[Any]


def ssz(version: int) -> Codec:
    return Codec(
        f"payload version {version}",
        lambda raw: decode_envelope(raw, version),
        lambda envelope: encode_envelope(envelope, version),
        PayloadDecodingError,
        envelopes(version),
    )


def encode_extra_data(values: Sequence[Any]) -> bytes:
    denominator, elasticity, min_base_fee = values
    if min_base_fee is None:
        return encode_holocene_extra_data(denominator, elasticity)
    return encode_jovian_extra_data(denominator, elasticity, min_base_fee)


CODECS = [
    Codec("rlp", rlp_codec.decode, rlp_codec.encode, RlpDecodingError, items),
    Codec(
        "transaction", decode_transaction, encode_transaction, TransactionDecodingError, signed_transactions | deposits
    ),
    Codec("deposit", decode_deposit, encode_deposit, DepositDecodingError, deposits),
    Codec("header", decode_header, encode_header, HeaderDecodingError, headers),
    Codec("receipt", decode_receipt, encode_receipt, ReceiptDecodingError, receipts),
    Codec("l1 info", decode_l1_info, encode_l1_info, L1InfoDecodingError, l1_infos),
    Codec(
        "extra data",
        decode_extra_data,
        encode_extra_data,
        ExtraDataDecodingError,
        st.tuples(uint32, uint32, st.none() | uint64),
    ),
    Codec(
        "eip-1559 params",
        decode_eip1559_params,
        lambda params: encode_eip1559_params(*params),
        ExtraDataDecodingError,
        st.tuples(uint32, uint32),
    ),
    *[ssz(version) for version in (1, 2, 3, 4)],
]
every_codec = pytest.mark.parametrize("codec", CODECS, ids=[codec.name for codec in CODECS])


def check_total(codec: Codec, raw: bytes) -> None:
    try:
        value = codec.decode(raw)
    except codec.error:
        return
    again = codec.encode(value)
    if isinstance(value, PayloadEnvelope) and not value.payload.transactions:
        # The one encoding that is not canonical, as op-node reads it: bytes behind an empty list of transactions.
        assert codec.decode(again) == value
        return
    assert again == raw


@every_codec
@given(st.data())
def test_values_round_trip(codec: Codec, draw: st.DataObject) -> None:
    value = draw.draw(codec.values)
    assert codec.decode(codec.encode(value)) == value


@every_codec
@given(raw=st.binary(max_size=700))
def test_any_bytes(codec: Codec, raw: bytes) -> None:
    check_total(codec, raw)


@st.composite
def damaged(draw: st.DrawFn, codec: Codec) -> bytes:
    """A valid encoding with a few bytes changed, inserted or cut out."""
    raw = bytearray(codec.encode(draw(codec.values)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        cut = draw(st.integers(0, 3))
        raw[at : at + cut] = draw(
            st.binary(max_size=3) | st.sampled_from([b"", b"\x00", b"\x80", b"\x81", b"\xc0", b"\xff"])
        )
    return bytes(raw)


@every_codec
@given(st.data())
def test_damaged_encodings(codec: Codec, draw: st.DataObject) -> None:
    check_total(codec, draw.draw(damaged(codec)))


prefixes = st.sampled_from([b"\x00", b"\x7f", b"\x80", b"\x81", b"\x82", b"\xb7", b"\xb8", b"\xb9", b"\xbf"])
list_prefixes = st.sampled_from([b"\xc0", b"\xc1", b"\xc2", b"\xc4", b"\xf7", b"\xf8", b"\xf9", b"\xff"])
rlp_like = st.lists(prefixes | list_prefixes | st.binary(max_size=3), max_size=12).map(b"".join)


@st.composite
def nested_transactions(draw: st.DrawFn) -> bytes:
    """A typed transaction whose payload is RLP, but of any shape: past the codec below it."""
    fields = draw(st.lists(items, min_size=8, max_size=15))
    return bytes([draw(st.sampled_from([1, 2, 3, 4, 0x7E]))]) + rlp_codec.encode(fields)


@given(nested_transactions())
def test_transactions_of_any_shape(raw: bytes) -> None:
    for codec in CODECS[1:3]:
        check_total(codec, raw)


@given(st.binary(max_size=300) | rlp_like | damaged(CODECS[0]) | damaged(CODECS[1]))
def test_rlp_decodes_as_the_rlp_package_does(raw: bytes) -> None:
    try:
        # Not rlp.decode: with rusty-rlp installed it takes c20081, a list that ends inside its second string.
        expected, _, end = consume_item(raw, 0)
    except (rlp.DecodingError, IndexError):  # the package's own way to say that the input ends too early
        expected, end = None, -1
    if end == len(raw):
        assert rlp_codec.decode(raw) == as_lists(expected)
    else:
        with pytest.raises(RlpDecodingError):
            rlp_codec.decode(raw)


def as_lists(item: Any) -> Item:
    return bytes(item) if isinstance(item, bytes) else [as_lists(member) for member in item]


@given(items)
def test_rlp_encodes_as_the_rlp_package_does(item: Item) -> None:
    assert rlp_codec.encode(item) == rlp.encode(item)


@given(uint256)
def test_rlp_integers_are_those_of_the_rlp_package(value: int) -> None:
    assert rlp_codec.encode_int(value) == rlp.encode(value)
    assert rlp_codec.to_int(rlp_codec.decode(rlp.encode(value)), 32) == value


@given(rlp_like | st.binary(max_size=80), st.integers(0, 90))
def test_split_stays_inside_its_input(raw: bytes, offset: int) -> None:
    try:
        _, start, end = rlp_codec.split(raw, offset)
    except RlpDecodingError:
        return
    assert offset <= start <= end <= len(raw)


@given(signed_transactions)
def test_any_signature_is_somebody_s_or_the_documented_error(tx: SignedTransaction) -> None:
    with suppress(SignatureError):
        assert len(recover_sender(tx)) == 20


@given(signed_transactions, st.integers(1, 2**200).map(lambda key: key.to_bytes(32, "big")))
def test_signing_and_recovering(tx: SignedTransaction, key: bytes) -> None:
    signed = sign_transaction(tx, key)
    assert recover_sender(signed) == recover_sender(sign_transaction(signed, key))
    assert decode_transaction(encode_transaction(signed)) == signed


words = (
    st.sampled_from([bytes(32), (32).to_bytes(32, "big"), (73).to_bytes(32, "big"), (96).to_bytes(32, "big")]) | hash32
)
topics = tuples_of(st.sampled_from([TRANSACTION_DEPOSITED_TOPIC, bytes(32)]) | hash32, max_size=5)
deposit_topics = st.builds(lambda *rest: (TRANSACTION_DEPOSITED_TOPIC, *rest, bytes(32)), hash32, hash32)
log_data = st.lists(words, max_size=8).map(b"".join) | st.binary(max_size=300)


@given(st.builds(Log, address, topics | deposit_topics, log_data), hash32, uint32)
def test_any_deposit_log(log: Log, block_hash: bytes, index: int) -> None:
    try:
        deposit = decode_deposit_log(log, block_hash, index)
    except DepositDecodingError:
        return
    assert decode_deposit(encode_deposit(deposit)) == deposit
