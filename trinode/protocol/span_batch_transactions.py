"""Transactions of a span batch, put together from its columns (specification: delta/span-batches, "Span Batch Format";
isthmus/derivation, "Span Batch Updates").

This is the hottest loop of derivation. It splices slices of the input, and checks what op-node finds wrong when it
decodes the data column (canonical RLP of the right shape) and encodes it again:

    data column          value | fees | data, access list, authorizations
    transaction      chain id, nonce | fees | gas limit, to | value | data, access list, authorizations | y parity, r, s
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import TypeAlias

from trinode.protocol.batch import BatchDecodingError
from trinode.protocol.rlp_codec import (
    RlpDecodingError,
    decode_list,
    encode_bytes,
    encode_int,
    split,
    to_bytes,
)
from trinode.protocol.span_batch_columns import RECIPIENT_SIZE, SIGNATURE_SIZE, TransactionColumns
from trinode.protocol.span_batch_fields import bits_to_text, uvarint_value

_CHUNK = 4096  # transactions put together at once: bounds what is held beside input and output
POST_EXECUTION_TYPE = 0x7D
SET_CODE_TYPE = 4
FEE_FIELDS = {1: 1, 2: 2, SET_CODE_TYPE: 2}
"""How many fees transactions of each type have; legacy ones have a single one."""
_LEGACY_FEE_FIELDS = 1
_EMPTY_LIST = 0xC0
_LEGACY = 0  # stands for all first bytes that are a list's prefix
_NO_RECIPIENT = b"\x80"
_DIGIT_TO_RLP = bytes.maketrans(b"01", b"\x80\x01")
_ROW_SIZE = 1 + 33 + 33
_REMEMBERED = 1 << 16
_PREFIX_COUNT = 1 << 10


def _list_prefix(kind: int, size: int) -> bytes:
    """Type byte, if any, and prefix of a list whose payload has `size` bytes."""
    type_byte = b"" if kind == _LEGACY else bytes([kind])
    if size < 56:
        return type_byte + bytes([_EMPTY_LIST + size])
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return type_byte + bytes([0xF7 + len(length)]) + length


_LIST_PREFIXES = {kind: [_list_prefix(kind, size) for size in range(_PREFIX_COUNT)] for kind in (_LEGACY, *FEE_FIELDS)}


class SpanTransactionError(BatchDecodingError):
    """A transaction that cannot be put together: its span is lost, and the channel is read on."""


_Layout: TypeAlias = Callable[[bytes], re.Match[bytes] | None]


def _integer(max_size: int) -> bytes:
    """A pattern of RLP integers of up to so many bytes."""
    longer = (rb"[\x%02x][^\x00].{%d}" % (0x80 + size, size - 1) for size in range(2, max_size + 1))
    return b"(?:" + b"|".join((rb"\x80|[\x01-\x7f]|\x81[\x80-\xff]", *longer)) + b")"


def _layout(fee_fields: int, type_byte: bytes = b"") -> _Layout:
    """Finds the value (group 1) behind type byte and list prefix (known to be right), and ends behind the fees."""
    prefix = type_byte + rb"(?:[\xc0-\xf7]|\xf8.|\xf9..|\xfa...)"
    return re.compile(prefix + b"(%b)%b{%d}" % (_integer(32), _integer(32), fee_fields), re.DOTALL).match


def _no_layout(_data: bytes) -> None:
    """For other first bytes than those of types and lists."""


_LAYOUTS: list[_Layout] = [_no_layout] * _EMPTY_LIST + [_layout(_LEGACY_FEE_FIELDS)] * (256 - _EMPTY_LIST)
for _kind, _fee_fields in FEE_FIELDS.items():
    _LAYOUTS[_kind] = _layout(_fee_fields, bytes([_kind]))
_AUTHORIZATION = re.compile(
    b"%b\x94.{20}%b%b%b%b" % (_integer(32), _integer(8), _integer(1), _integer(32), _integer(32)), re.DOTALL
).fullmatch


def _long_integers(data: bytes) -> tuple[int, int, int]:
    """Where value and fees start and where they end, if one is longer than 32 bytes (which only type 4 rules out)."""
    kind = data[0]
    if kind < _EMPTY_LIST and kind not in FEE_FIELDS:
        raise RlpDecodingError(f"type {kind}")
    ends = [split(data, 0 if kind >= _EMPTY_LIST else 1)[1]]
    for _ in range(1 + FEE_FIELDS.get(kind, _LEGACY_FEE_FIELDS)):
        is_list, start, end = split(data, ends[-1])
        if is_list or (end > start and data[start] == 0) or kind == SET_CODE_TYPE:
            raise RlpDecodingError("value or fees are not integers in their shortest form")
        ends.append(end)
    return ends[0], ends[1], ends[-1]


def _check_lists(data: bytes, position: int) -> None:
    """What follows the calldata: an access list, in type 4 an authorization list too, and nothing else."""
    _, _, end = split(data, position)
    for entry in decode_list(data[position:end]):
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], list)):
            raise RlpDecodingError("an access list entry is not an address with a list of keys")
        if len(to_bytes(entry[0])) != RECIPIENT_SIZE or any(len(to_bytes(key)) != 32 for key in entry[1]):
            raise RlpDecodingError("an access list entry has fields of other sizes than 20 and 32 bytes")
    if data[0] == SET_CODE_TYPE:
        position = end
        _, start, end = split(data, position)
        if data[position] < _EMPTY_LIST:
            raise RlpDecodingError("the authorizations are not a list")
        while start < end:
            is_list, entry_start, start = split(data, start)
            if not (is_list and _AUTHORIZATION(data, entry_start, start)):
                raise RlpDecodingError("an authorization is not (chain id, address, nonce, y parity, r, s)")
    if end != len(data):
        raise RlpDecodingError("there are too many fields")


def assemble_transactions(columns: TransactionColumns, chain_id: int) -> list[bytes]:
    """The raw transactions. Raises SpanTransactionError: what one of them lacks makes all of the span void."""
    count = len(columns.data)
    creations = bits_to_text(columns.contract_creation_bits, count)
    parities = bits_to_text(columns.y_parity_bits, count).encode().translate(_DIGIT_TO_RLP)
    legacy_v = _legacy_v(columns.protected_bits, chain_id)
    transactions: list[bytes] = []
    recipient = 0
    for start in range(0, count, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        creation = creations[chunk]
        recipient_end = recipient + RECIPIENT_SIZE * creation.count("0")
        signatures = columns.signatures[SIGNATURE_SIZE * start : SIGNATURE_SIZE * (start + _CHUNK)]
        rows = zip(
            columns.data[chunk],
            map(_INTEGERS.__getitem__, columns.nonces[chunk]),
            map(_INTEGERS.__getitem__, columns.gas_limits[chunk]),
            _recipients(columns.recipients[recipient:recipient_end], creation),
            _signatures(signatures, parities[chunk]),
            strict=True,
        )
        recipient = recipient_end
        try:
            _assemble(rows, encode_int(chain_id), legacy_v, transactions.append)
        except (RlpDecodingError, IndexError) as error:
            raise SpanTransactionError(f"transaction {len(transactions)} of the span: {error}") from error
    return transactions


def _assemble(
    rows: Iterable[tuple[bytes, bytes, bytes, bytes, bytes]],
    chain_id: bytes,
    legacy_v: Iterator[tuple[bytes, bytes]],
    append: Callable[[bytes], None],
) -> None:
    """Append the transaction of each row: data, then nonce, gas limit, recipient, and y parity with r and s as RLP."""
    join, layouts, prefixes = b"".join, _LAYOUTS, _LIST_PREFIXES
    for data, nonce, gas_limit, recipient, signature in rows:
        kind = data[0]
        found = layouts[kind](data)
        if found is not None:
            value, fees = found.span(1)
            calldata = found.end()
        elif kind == POST_EXECUTION_TYPE:  # nothing but its data
            append(data)
            continue
        else:
            value, fees, calldata = _long_integers(data)
        prefix = data[calldata]
        if prefix < 0x80:
            end = calldata + 1
        elif prefix == 0xB8 and data[calldata + 1] >= 56:
            end = calldata + 2 + data[calldata + 1]
        elif prefix < 0xB8 and (prefix != 0x81 or data[calldata + 1] >= 0x80):
            end = calldata + prefix - 0x7F
        else:
            is_list, _, end = split(data, calldata)
            if is_list:
                raise RlpDecodingError("a list where the calldata is expected")
        if kind >= _EMPTY_LIST:
            if end != len(data):
                raise RlpDecodingError("there are too many fields")
            v = next(legacy_v)[signature[0] == 1]
            r_s = signature[1:]
            body = join((nonce, data[fees:calldata], gas_limit, recipient, data[value:fees], data[calldata:], v, r_s))
            kind = _LEGACY
        else:
            if data[end] != _EMPTY_LIST or end + 1 != len(data) or kind == SET_CODE_TYPE:
                _check_lists(data, end)
                if kind == SET_CODE_TYPE and recipient == _NO_RECIPIENT:
                    raise RlpDecodingError("a set-code transaction without recipient")
            rest = data[calldata:]
            body = join((chain_id, nonce, data[fees:calldata], gas_limit, recipient, data[value:fees], rest, signature))
        size = len(body)
        append((prefixes[kind][size] if size < _PREFIX_COUNT else _list_prefix(kind, size)) + body)


def _legacy_v(protected_bits: int, chain_id: int) -> Iterator[tuple[bytes, bytes]]:
    """v of each legacy transaction as RLP, for y parity 0 and 1."""
    choices = {
        "0": (encode_int(27), encode_int(28)),
        "1": (encode_int(2 * chain_id + 35), encode_int(2 * chain_id + 36)),
    }
    return map(choices.__getitem__, chain(f"{protected_bits:b}"[::-1], repeat("0")))


def _recipients(column: bytes, creation: str) -> Iterable[bytes]:
    """Each recipient as RLP; an empty string where a contract is created."""
    given = [b"\x94" + column[start : start + RECIPIENT_SIZE] for start in range(0, len(column), RECIPIENT_SIZE)]
    if "1" not in creation:
        return given
    following = iter(given)
    return [_NO_RECIPIENT if digit == "1" else next(following) for digit in creation]


def _signatures(column: bytes, parities: bytes) -> list[bytes]:
    """Each transaction's y parity, r and s as RLP. Made for all at once, as if none had leading zeros; then mended."""
    rows = bytearray(_ROW_SIZE * len(parities))
    rows[::_ROW_SIZE] = parities
    rows[1::_ROW_SIZE] = rows[34::_ROW_SIZE] = b"\xa0" * len(parities)
    for byte in range(32):
        rows[2 + byte :: _ROW_SIZE] = column[byte::SIGNATURE_SIZE]
        rows[35 + byte :: _ROW_SIZE] = column[32 + byte :: SIGNATURE_SIZE]
    flat = bytes(rows)
    signatures = [flat[start : start + _ROW_SIZE] for start in range(0, len(flat), _ROW_SIZE)]
    leading = column[::32]
    at = leading.find(0)
    while at >= 0:
        index = at // 2
        start = SIGNATURE_SIZE * index
        r_s = column[start : start + 32], column[start + 32 : start + 64]
        signatures[index] = parities[index : index + 1] + b"".join(encode_bytes(number.lstrip(b"\0")) for number in r_s)
        at = leading.find(0, 2 * index + 2)
    return signatures


class _EncodedVarints(dict[bytes, bytes]):
    """RLP of the numbers in varints. Remembers a bounded number of them: nonces repeat, and gas limits are few."""

    def __missing__(self, varint: bytes) -> bytes:
        encoded = encode_int(uvarint_value(varint))
        if len(self) < _REMEMBERED:
            self[varint] = encoded
        return encoded


_INTEGERS = _EncodedVarints()
