"""Transactions of all types: codecs, signatures, and what is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_keys.backends.coincurve import CoinCurveECCBackend

from trinode.protocol import rlp_codec, transaction
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import Item
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
    legacy_v,
    recover_sender,
    sign_transaction,
    transaction_hash,
)

KEY = b"\x46" * 32
SENDER = bytes.fromhex("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")
TO = b"\x35" * 20
ACCESS_LIST = (AccessListEntry(b"\x01" * 20, (b"\x02" * 32, b"\x03" * 32)), AccessListEntry(b"\x04" * 20, ()))
AUTHORIZATIONS = (Authorization(0, b"\x05" * 20, 2**64 - 1, 1, 2**255, 1), Authorization(10, b"\x06" * 20, 0, 0, 1, 2))
BLOB_HASHES = (b"\x01" + bytes(31), b"\x01" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

# The example of EIP-155, for chain 1 and for every chain.
PROTECTED = LegacyTransaction(9, 20 * 10**9, 21_000, TO, 10**18, b"", v=legacy_v(1))
UNPROTECTED = replace(PROTECTED, v=legacy_v(None))
TYPED: list[SignedTransaction] = [
    AccessListTransaction(10, 9, 7, 21_000, TO, 1, b"data", ACCESS_LIST),
    DynamicFeeTransaction(10, 9, 1, 7, 21_000, None, 1, b"data", ACCESS_LIST),
    DynamicFeeTransaction(10, 0, 0, 0, 0, TO, 0, b""),
    BlobTransaction(10, 9, 1, 7, 21_000, TO, 1, b"data", ACCESS_LIST, 5, BLOB_HASHES),
    SetCodeTransaction(10, 9, 1, 7, 21_000, TO, 1, b"data", ACCESS_LIST, AUTHORIZATIONS),
]
ALL: list[SignedTransaction] = [PROTECTED, UNPROTECTED, *TYPED]
names = [f"{index}-{type(tx).__name__}" for index, tx in enumerate(ALL)]


def test_the_example_of_eip_155() -> None:
    signed = sign_transaction(PROTECTED, KEY)
    assert encode_transaction(signed).hex() == (
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc"
        "2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb196"
        "6a3b6d83"
    )
    assert recover_sender(signed) == SENDER


@pytest.mark.parametrize("tx", ALL, ids=names)
def test_round_trip_and_sender(tx: SignedTransaction) -> None:
    signed = sign_transaction(tx, KEY)
    raw = encode_transaction(signed)
    assert decode_transaction(raw) == signed
    assert recover_sender(signed) == SENDER
    assert transaction_hash(raw) == keccak256(raw)
    assert sign_transaction(signed, KEY) == signed


def test_legacy_chain_ids() -> None:
    assert PROTECTED.chain_id == 1
    assert UNPROTECTED.chain_id is None
    assert replace(PROTECTED, v=2 * 11155420 + 36).chain_id == 11155420
    signed = [sign_transaction(replace(PROTECTED, v=legacy_v(chain)), KEY) for chain in (None, 1, 10, 2**64)]
    assert [recover_sender(tx) for tx in signed] == [SENDER] * 4
    assert len({transaction_hash(encode_transaction(tx)) for tx in signed}) == 4


def test_native_backend() -> None:
    assert isinstance(transaction._KEYS.backend, CoinCurveECCBackend)


def test_a_deposit_is_from_whom_it_says() -> None:
    deposit = DepositTransaction(bytes(32), SENDER, None, 0, 0, 0, False, b"")
    assert decode_transaction(encode_deposit(deposit)) == deposit
    assert encode_transaction(deposit) == encode_deposit(deposit)
    assert recover_sender(deposit) == SENDER


@pytest.mark.parametrize("v", [0, 1, 26, 29, 30, 34])
def test_wrong_v(v: int) -> None:
    signed = sign_transaction(UNPROTECTED, KEY)
    assert isinstance(signed, LegacyTransaction)
    with pytest.raises(SignatureError, match="parity"):
        recover_sender(replace(signed, v=v))


@pytest.mark.parametrize("tx", TYPED[:1], ids=["access list"])
def test_wrong_signatures(tx: AccessListTransaction) -> None:
    signed = sign_transaction(tx, KEY)
    assert isinstance(signed, AccessListTransaction)
    with pytest.raises(SignatureError, match="2 is no parity"):
        recover_sender(replace(signed, y_parity=2))
    # The other half of the curve signs for the same account before Homestead, and for nobody since.
    with pytest.raises(SignatureError, match="upper half"):
        recover_sender(replace(signed, y_parity=1 - signed.y_parity, s=ORDER - signed.s))
    for r, s in [
        (0, signed.s),
        (signed.r, 0),
        (ORDER, signed.s),
        (ORDER + 1, signed.s),
        (2**256 - 1, signed.s),
        (0, 0),
    ]:
        with pytest.raises(SignatureError):
            recover_sender(replace(signed, r=r, s=s))
    with pytest.raises(SignatureError, match="no public key"):
        recover_sender(replace(signed, r=5))  # no point of the curve has this x


def test_a_signature_error_is_a_decoding_error() -> None:
    assert issubclass(SignatureError, TransactionDecodingError)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xc0",
        b"\x05\xc0",
        b"\x7d\xc0",
        b"\x7f\xc0",
        b"\x80",
        b"\xbf",
        b"\xc0",
        b"\x02",
        b"\x02\xc0",
        b"\x7e\xc0",
    ],
)
def test_not_a_transaction(raw: bytes) -> None:
    with pytest.raises(TransactionDecodingError):
        decode_transaction(raw)


@pytest.mark.parametrize("tx", ALL, ids=names)
def test_number_of_fields_and_trailing_bytes(tx: SignedTransaction) -> None:
    raw = encode_transaction(sign_transaction(tx, KEY))
    prefix, body = (raw[:1], raw[1:]) if raw[0] < 0x80 else (b"", raw)
    fields = rlp_codec.decode_list(body)
    for wrong in (fields[:-1], [*fields, b""]):
        with pytest.raises(TransactionDecodingError, match="fields in a"):
            decode_transaction(prefix + rlp_codec.encode(wrong))
    for damaged in (raw + b"\x00", raw[:-1]):
        with pytest.raises(TransactionDecodingError):
            decode_transaction(damaged)


# By position in the payload: chain id, nonce, fees, gas limit, to, value, data, access list, signature.
BAD_DYNAMIC_FEE: list[tuple[int, Item, str]] = [
    (0, b"\x01" * 33, "at most 32"),
    (1, b"\x01" * 9, "at most 8"),
    (1, b"\x00", "leading zeros"),
    (2, b"\x01" * 33, "at most 32"),
    (3, [], "an integer is expected"),
    (4, b"\x01" * 9, "at most 8"),
    (5, bytes(19), "20 bytes"),
    (5, bytes(21), "20 bytes"),
    (5, [], "20 bytes"),
    (6, b"\x01" * 33, "at most 32"),
    (7, [], "a string is expected"),
    (8, b"", "a list is expected"),
    (8, [b""], "a list is expected"),
    (8, [[bytes(20)]], "1 members"),
    (8, [[bytes(19), []]], "20 bytes"),
    (8, [[bytes(20), b""]], "a list is expected"),
    (8, [[bytes(20), [bytes(31)]]], "32 bytes"),
    (9, b"\x01" * 33, "at most 32"),
    (10, b"\x00\x01", "leading zeros"),
    (11, b"\x01" * 33, "at most 32"),
]


@pytest.mark.parametrize(("index", "value", "why"), BAD_DYNAMIC_FEE)
def test_wrong_fields(index: int, value: Item, why: str) -> None:
    fields = rlp_codec.decode_list(encode_transaction(TYPED[1])[1:])
    fields[index] = value
    with pytest.raises(TransactionDecodingError, match=why):
        decode_transaction(b"\x02" + rlp_codec.encode(fields))


@pytest.mark.parametrize(
    ("tx", "index", "value", "why"),
    [
        (TYPED[3], 5, b"", "20 bytes"),
        (TYPED[3], 10, [bytes(31)], "32 bytes"),
        (TYPED[3], 10, b"", "a list is expected"),
        (TYPED[4], 5, b"", "20 bytes"),
        (TYPED[4], 9, b"", "a list is expected"),
        (TYPED[4], 9, [[b"\x01"] * 5], "5 members"),
        (TYPED[4], 9, [[b"\x01", bytes(19), b"", b"", b"", b""]], "20 bytes"),
        (TYPED[4], 9, [[b"\x01", bytes(20), b"\x01" * 9, b"", b"", b""]], "at most 8"),
        (TYPED[4], 9, [[b"\x01", bytes(20), b"", b"\x01\x00", b"", b""]], "at most 1"),
        (TYPED[4], 9, [[b"\x01", bytes(20), b"", b"", b"\x01" * 33, b""]], "at most 32"),
    ],
)
def test_wrong_fields_of_newer_types(
    tx: BlobTransaction | SetCodeTransaction, index: int, value: Item, why: str
) -> None:
    fields = rlp_codec.decode_list(encode_transaction(tx)[1:])
    fields[index] = value
    with pytest.raises(TransactionDecodingError, match=why):
        decode_transaction(tx.TYPE_BYTE + rlp_codec.encode(fields))


def test_a_blob_transaction_with_its_blobs_is_not_canonical() -> None:
    body = rlp_codec.decode(encode_transaction(TYPED[3])[1:])
    with pytest.raises(TransactionDecodingError, match="4 fields"):
        decode_transaction(b"\x03" + rlp_codec.encode([body, [], [], []]))
