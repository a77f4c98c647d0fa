"""Transactions taken apart into the columns of a span batch, as op-batcher does it (specification: delta/span-batches,
"Span Batch Format"; isthmus/derivation, "Span Batch Updates"). The inverse is in span_batch_transactions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from trinode.protocol.rlp_codec import Item, decode_list, encode, to_bytes, to_int
from trinode.protocol.span_batch_columns import SIGNATURE_SIZE, TransactionColumns, is_legacy
from trinode.protocol.span_batch_fields import encode_uvarint, text_to_bits
from trinode.protocol.span_batch_transactions import FEE_FIELDS, POST_EXECUTION_TYPE

_FIELD_COUNTS = {1: 11, 2: 12, 4: 13}
_LEGACY_FIELD_COUNT = 9


class _Row(NamedTuple):
    """One transaction, taken apart."""

    creates: bool
    parity: int
    signature: bytes
    recipient: bytes
    data: bytes
    nonce: int
    gas_limit: int
    protected: bool = False


def transpose_transactions(transactions: Iterable[bytes], chain_id: int) -> TransactionColumns:
    """The columns of raw transactions.

    Raises ValueError for what a span batch cannot hold: types other than 0, 1, 2, 4 and 0x7d, another chain's.
    """
    rows = [_take_apart(raw, chain_id) for raw in transactions]
    return TransactionColumns(
        contract_creation_bits=_bits(row.creates for row in rows),
        y_parity_bits=_bits(row.parity == 1 for row in rows),
        signatures=b"".join(row.signature for row in rows),
        recipients=b"".join(row.recipient for row in rows),
        data=tuple(row.data for row in rows),
        nonces=tuple(encode_uvarint(row.nonce) for row in rows),
        gas_limits=tuple(encode_uvarint(row.gas_limit) for row in rows),
        protected_bits=_bits(row.protected for row in rows if is_legacy(row.data)),
    )


def _bits(flags: Iterable[bool]) -> int:
    return text_to_bits("".join("1" if flag else "0" for flag in flags))


def _take_apart(raw: bytes, chain_id: int) -> _Row:
    if not raw:
        raise ValueError("an empty transaction in a span batch")
    if raw[0] == POST_EXECUTION_TYPE:
        return _Row(True, 0, bytes(SIGNATURE_SIZE), b"", raw, 0, 0)
    if raw[0] >= 0xC0:
        nonce, gas_price, gas_limit, to, value, data, v, r, s = _fields(raw, _LEGACY_FIELD_COUNT)
        number = to_int(v, 32)
        if number not in (27, 28, chain_id * 2 + 35, chain_id * 2 + 36):
            raise ValueError(f"a legacy transaction with v {number} in a span batch of chain {chain_id}")
        parity, kind, rest = 1 - number % 2, b"", [value, gas_price, data]
        protected = number > 28
    elif raw[0] in FEE_FIELDS:
        fee_count = FEE_FIELDS[raw[0]]
        chain, nonce, *middle, y_parity, r, s = _fields(raw[1:], _FIELD_COUNTS[raw[0]])
        if to_int(chain, 32) != chain_id:
            raise ValueError(f"a transaction of chain {to_int(chain, 32)} in a span batch of chain {chain_id}")
        gas_limit, to, value, *lists = middle[fee_count:]
        parity, kind, rest = to_int(y_parity, 1), raw[:1], [value, *middle[:fee_count], *lists]
        protected = True
    else:
        raise ValueError(f"transaction type {raw[0]} in a span batch")
    signature = b"".join(to_int(number, 32).to_bytes(32, "big") for number in (r, s))
    recipient = to_bytes(to)
    numbers = to_int(nonce, 8), to_int(gas_limit, 8)
    return _Row(not recipient, parity, signature, recipient, kind + encode(rest), *numbers, protected)


def _fields(encoded: bytes, count: int) -> list[Item]:
    fields = decode_list(encoded)
    if len(fields) != count:
        raise ValueError(f"{len(fields)} fields in a transaction, not {count}")
    return fields
