"""The columns in which a span batch holds its transactions (specification: delta/span-batches, "Span Batch Format")."""

from __future__ import annotations

from dataclasses import dataclass

from trinode.protocol.batch import BatchDecodingError
from trinode.protocol.span_batch_fields import encode_bits, read_bits, read_uvarint_bytes

MAX_SPAN_BATCH_ELEMENT_COUNT = 10_000_000
"""Blocks, or transactions, of a span; and bytes of the RLP list of one of its transactions."""
SIGNATURE_SIZE = 64
RECIPIENT_SIZE = 20


@dataclass(frozen=True, slots=True)
class TransactionColumns:
    """One entry a transaction, as on the wire: what decodes need not make sense, what is encoded need not decode.

    Bits are integers, the first transaction's the lowest.
    """

    contract_creation_bits: int
    y_parity_bits: int
    signatures: bytes
    """r and s, 64 bytes each."""
    recipients: bytes
    """20 bytes for each transaction whose contract creation bit is 0."""
    data: tuple[bytes, ...]
    """The type byte (none in legacy transactions), and the RLP list of the fields that no other column holds."""
    nonces: tuple[bytes, ...]
    """Varints."""
    gas_limits: tuple[bytes, ...]
    """Varints."""
    protected_bits: int
    """Of the legacy transactions only: whether EIP-155 puts the chain id into v."""


def decode_columns(payload: bytes, position: int, count: int) -> TransactionColumns:
    """The columns of `count` transactions at `position`; what follows them is ignored. Raises BatchDecodingError."""
    creations, position = read_bits(payload, position, count)
    parities, position = read_bits(payload, position, count)
    recipients = position + SIGNATURE_SIZE * count
    end = recipients + RECIPIENT_SIZE * (count - creations.bit_count())
    if end > len(payload):
        raise BatchDecodingError(f"the span batch ends within signatures and recipients of {count} transactions")
    data, legacy_count, behind = _read_data(payload, end, count)
    numbers, behind = read_uvarint_bytes(payload, behind, 2 * count)
    protections, _ = read_bits(payload, behind, legacy_count)
    return TransactionColumns(
        contract_creation_bits=creations,
        y_parity_bits=parities,
        signatures=payload[position:recipients],
        recipients=payload[recipients:end],
        data=data,
        nonces=numbers[:count],
        gas_limits=numbers[count:],
        protected_bits=protections,
    )


def _read_data(payload: bytes, position: int, count: int) -> tuple[tuple[bytes, ...], int, int]:
    """The data column, how many of its transactions count as legacy, and the position behind it.

    Of the lists it looks at the sizes only.
    """
    data: list[bytes] = []
    append = data.append
    typed = 0
    try:
        for _ in range(count):
            start = position
            prefix = payload[position]
            if prefix < 0x80:
                if prefix:  # a type byte of 0 counts as legacy (and is no type that a transaction can have)
                    typed += 1
                position += 1
                prefix = payload[position]
            if prefix == 0xF8:
                size = payload[position + 1]
                if size < 56:
                    raise BatchDecodingError("a transaction's list has a longer size prefix than needed")
                position += 2 + size
            elif 0xC0 <= prefix < 0xF8:
                position += prefix - 0xBF
            else:
                position = _long_list_end(payload, position)
            append(payload[start:position])
    except IndexError:
        position = len(payload) + 1
    if position > len(payload):
        raise BatchDecodingError("the span batch ends within its transactions")
    return tuple(data), count - typed, position


def _long_list_end(payload: bytes, position: int) -> int:
    """Where the list at `position` ends, whose size takes more than one byte."""
    start = position + payload[position] - 0xF6
    if start < position + 3:
        raise BatchDecodingError("a transaction whose fields are not a list")
    size = int.from_bytes(payload[position + 1 : start], "big")
    if payload[position + 1] == 0:
        raise BatchDecodingError("a transaction's list has a longer size prefix than needed")
    if start - position + size > MAX_SPAN_BATCH_ELEMENT_COUNT:
        raise BatchDecodingError(f"{size} bytes of a transaction's list, at most {MAX_SPAN_BATCH_ELEMENT_COUNT}")
    return start + size


def is_legacy(data: bytes) -> bool:
    """Whether an entry of the data column has a protected bit."""
    return not b"\0" < data[:1] < b"\x80"


def encode_columns(columns: TransactionColumns) -> bytes:
    """The columns as they stand in a span batch. `decode_columns` is the inverse where they fit together."""
    count = len(columns.data)
    return b"".join((
        encode_bits(columns.contract_creation_bits, count),
        encode_bits(columns.y_parity_bits, count),
        columns.signatures,
        columns.recipients,
        *columns.data,
        *columns.nonces,
        *columns.gas_limits,
        encode_bits(columns.protected_bits, sum(map(is_legacy, columns.data))),
    ))
