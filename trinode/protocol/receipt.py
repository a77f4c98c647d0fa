"""Receipts in consensus encoding (EIP-2718; deposit receipts: OP Stack specification, deposits, "Deposit Receipt").

What the receipts root of a block commits to: `rlp([...])` for legacy receipts, `type || rlp([...])` for typed ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from trinode.protocol import rlp_codec
from trinode.protocol.errors import DecodingError
from trinode.protocol.rlp_codec import Item, RlpDecodingError, to_bytes, to_fixed_bytes, to_int, to_list
from trinode.protocol.types import Address, Hash32

DEPOSIT_RECEIPT_TYPE = 0x7E
_TYPES = frozenset((1, 2, 3, 4, DEPOSIT_RECEIPT_TYPE))


class ReceiptDecodingError(DecodingError):
    """Not a receipt in consensus encoding."""


class Log(NamedTuple):
    """An event: the contract that logged it, its topics (32 bytes each) and its data."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of a transaction.

    `type`: 0 for legacy. `cumulative_gas_used`: gas of the block up to and with this transaction. `post_state`: the
    state root that receipts before Byzantium carry instead of a status; such a receipt counts as not succeeded, as geth
    has it. `deposit_nonce` (Regolith) and `deposit_receipt_version` (Canyon) only stand in deposit receipts.
    """

    type: int
    succeeded: bool
    cumulative_gas_used: int
    logs_bloom: bytes
    logs: tuple[Log, ...]
    post_state: Hash32 | None = None
    deposit_nonce: int | None = None
    deposit_receipt_version: int | None = None


def decode_receipt(raw: bytes) -> Receipt:
    """The receipt in `raw`, types 0 to 4 and 0x7e. Raises ReceiptDecodingError."""
    try:
        return _decode(raw)
    except RlpDecodingError as error:
        raise ReceiptDecodingError(str(error)) from error


def _decode(raw: bytes) -> Receipt:
    if not raw:
        raise ReceiptDecodingError("an empty receipt")
    kind = raw[0] if raw[0] < 0x80 else 0
    if raw[0] < 0x80 and kind not in _TYPES:
        raise ReceiptDecodingError(f"unknown receipt type {kind}")
    fields = rlp_codec.decode_list(raw[1:] if kind else raw)
    if len(fields) != 4 and not (kind == DEPOSIT_RECEIPT_TYPE and 4 < len(fields) <= 6):
        raise ReceiptDecodingError(f"{len(fields)} fields in a receipt of type {kind}")
    status = to_bytes(fields[0])
    if status not in (b"", b"\x01") and len(status) != 32:
        raise ReceiptDecodingError(f"{status.hex()} is neither a status nor a state root")
    return Receipt(
        type=kind,
        succeeded=status == b"\x01",
        cumulative_gas_used=to_int(fields[1], 8),
        logs_bloom=to_fixed_bytes(fields[2], 256),
        logs=tuple([_decode_log(log) for log in to_list(fields[3])]),
        post_state=status if len(status) == 32 else None,
        deposit_nonce=to_int(fields[4], 8) if len(fields) > 4 else None,
        deposit_receipt_version=to_int(fields[5], 8) if len(fields) > 5 else None,
    )


def _decode_log(item: Item) -> Log:
    fields = to_list(item)
    if len(fields) != 3:
        raise ReceiptDecodingError(f"{len(fields)} fields in a log")
    topics = tuple([to_fixed_bytes(topic, 32) for topic in to_list(fields[1])])
    return Log(to_fixed_bytes(fields[0], 20), topics, to_bytes(fields[2]))


def encode_receipt(receipt: Receipt) -> bytes:
    """The inverse of `decode_receipt`."""
    status = b"\x01" if receipt.succeeded else b""
    fields = [
        rlp_codec.encode_bytes(status if receipt.post_state is None else receipt.post_state),
        rlp_codec.encode_int(receipt.cumulative_gas_used),
        rlp_codec.encode_bytes(receipt.logs_bloom),
        rlp_codec.encode([[log.address, list(log.topics), log.data] for log in receipt.logs]),
    ]
    if receipt.deposit_nonce is not None:
        fields.append(rlp_codec.encode_int(receipt.deposit_nonce))
    if receipt.deposit_receipt_version is not None:
        fields.append(rlp_codec.encode_int(receipt.deposit_receipt_version))
    body = rlp_codec.encode_list(fields)
    return bytes([receipt.type]) + body if receipt.type else body
