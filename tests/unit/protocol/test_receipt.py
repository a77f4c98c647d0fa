"""Receipts of all types, and what is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trinode.protocol import rlp_codec
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.receipt import Log, Receipt, ReceiptDecodingError, decode_receipt, encode_receipt
from trinode.protocol.rlp_codec import Item

LOGS = (Log(b"\x11" * 20, (b"\x22" * 32, b"\x33" * 32), b"data"), Log(b"\x44" * 20, (), b""))
RECEIPT = Receipt(type=2, succeeded=True, cumulative_gas_used=21_000, logs_bloom=logs_bloom(LOGS), logs=LOGS)
DEPOSIT = replace(RECEIPT, type=0x7E)


def fields_of(receipt: Receipt) -> list[Item]:
    return rlp_codec.decode_list(encode_receipt(receipt)[1:])


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 0x7E])
@pytest.mark.parametrize("succeeded", [True, False])
def test_each_type(kind: int, succeeded: bool) -> None:
    receipt = replace(RECEIPT, type=kind, succeeded=succeeded)
    raw = encode_receipt(receipt)
    assert raw[0] == kind if kind else raw[0] >= 0xC0
    assert decode_receipt(raw) == receipt


def test_state_root_instead_of_a_status() -> None:
    receipt = replace(RECEIPT, type=0, succeeded=False, post_state=b"\x55" * 32)
    assert decode_receipt(encode_receipt(receipt)) == receipt


@pytest.mark.parametrize(("nonce", "version", "count"), [(None, None, 4), (0, None, 5), (4012991, 1, 6)])
def test_deposit_receipts(nonce: int | None, version: int | None, count: int) -> None:
    receipt = replace(DEPOSIT, deposit_nonce=nonce, deposit_receipt_version=version)
    assert len(fields_of(receipt)) == count
    assert decode_receipt(encode_receipt(receipt)) == receipt


def test_only_deposits_have_a_nonce() -> None:
    for kind in (b"", b"\x01", b"\x02", b"\x03", b"\x04"):
        with pytest.raises(ReceiptDecodingError, match="5 fields"):
            decode_receipt(kind + rlp_codec.encode([*fields_of(RECEIPT), b"\x01"]))
    with pytest.raises(ReceiptDecodingError, match="7 fields"):
        decode_receipt(b"\x7e" + rlp_codec.encode([*fields_of(DEPOSIT), b"\x01", b"\x01", b"\x01"]))


@pytest.mark.parametrize(
    "raw", [b"", b"\x02", b"\x00\xc0", b"\x05\xc0", b"\x7d\xc0", b"\x7f\xc0", b"\x80", b"\xc0", b"\x02\xc0"]
)
def test_not_a_receipt(raw: bytes) -> None:
    with pytest.raises(ReceiptDecodingError):
        decode_receipt(raw)


@pytest.mark.parametrize(
    ("index", "value", "why"),
    [
        (0, b"\x00", "neither a status"),
        (0, b"\x02", "neither a status"),
        (0, bytes(31), "neither a status"),
        (1, b"\x00", "leading zeros"),
        (1, b"\x01" * 9, "at most 8"),
        (2, bytes(255), "256 bytes"),
        (3, b"", "a list is expected"),
        (3, [b""], "a list is expected"),
        (3, [[b"\x11" * 20, []]], "2 fields in a log"),
        (3, [[b"\x11" * 19, [], b""]], "20 bytes"),
        (3, [[b"\x11" * 20, [b"\x22" * 31], b""]], "32 bytes"),
        (3, [[b"\x11" * 20, [], []]], "a string is expected"),
    ],
)
def test_wrong_fields(index: int, value: Item, why: str) -> None:
    fields = fields_of(RECEIPT)
    fields[index] = value
    with pytest.raises(ReceiptDecodingError, match=why):
        decode_receipt(b"\x02" + rlp_codec.encode(fields))


def test_trailing_bytes() -> None:
    with pytest.raises(ReceiptDecodingError, match="after"):
        decode_receipt(encode_receipt(RECEIPT) + b"\x00")
