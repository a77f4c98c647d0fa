"""Numbers and bit lists of span batches (specification: delta/span-batches, "Span Batch Format")."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trinode.protocol.batch import BatchDecodingError

# A number's bytes go on while their top bit is set. As Go reads them: at most 10 bytes and 64 bits, in the shortest
# form or not.
_VARINT = re.compile(rb"[\x00-\x7f]|[\x80-\xff]{1,8}[\x00-\x7f]|[\x80-\xff]{9}[\x00\x01]")
_MAX_VARINT_SIZE = 10


def read_uvarint(data: bytes, position: int) -> tuple[int, int]:
    """A number (uint64), and the position behind it. Raises BatchDecodingError."""
    found = _VARINT.match(data, position)
    if found is None:
        raise BatchDecodingError("the span batch ends within a number, or a number has more than 64 bits")
    return uvarint_value(found[0]), found.end()


def read_uvarint_bytes(data: bytes, position: int, count: int) -> tuple[tuple[bytes, ...], int]:
    """`count` numbers, each in the bytes that it has in `data`, and the position behind them.

    Raises BatchDecodingError.
    """
    # Every byte belongs to a number, so that what is found up to here holds `count` numbers if they are all right.
    varints = tuple(_VARINT.findall(data, position, position + _MAX_VARINT_SIZE * count)[:count])
    column = b"".join(varints)
    if len(varints) < count or not data.startswith(column, position):
        raise BatchDecodingError(f"{count} numbers: the span batch ends before, or one has more than 64 bits")
    return varints, position + len(column)


def read_uvarints(data: bytes, position: int, count: int) -> tuple[Sequence[int], int]:
    """`count` numbers, and the position behind them. Raises BatchDecodingError."""
    column = data[position : position + count]
    if len(column) == count and column.isascii():  # all of one byte, which then is the number
        return column, position + count
    numbers: list[int] = []
    append = numbers.append
    size = len(data)
    for _ in range(count):
        if position + 1 < size and data[position + 1] < 0x80 <= data[position]:
            append(data[position] & 0x7F | data[position + 1] << 7)
            position += 2
        elif position < size and data[position] < 0x80:
            append(data[position])
            position += 1
        else:
            number, position = read_uvarint(data, position)
            append(number)
    return numbers, position


def uvarint_value(varint: bytes) -> int:
    """The number in the bytes of a varint."""
    number = 0
    for byte in reversed(varint):
        number = number << 7 | byte & 0x7F
    return number


def encode_uvarint(number: int) -> bytes:
    """The shortest form of a uint64."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_bits(data: bytes, position: int, count: int) -> tuple[int, int]:
    """`count` bits as an integer, and the position behind them.

    Raises BatchDecodingError, also where a bit beyond `count` is set.
    """
    end = position + (count + 7) // 8
    if end > len(data):
        raise BatchDecodingError(f"the span batch ends within {count} bits")
    bits = int.from_bytes(data[position:end], "big")
    if bits.bit_length() > count:
        raise BatchDecodingError(f"{bits.bit_length()} bits where {count} are expected")
    return bits, end


def encode_bits(bits: int, count: int) -> bytes:
    """Bits in as many bytes as `count` bits take. More bits make it undecodable, more than fit raise OverflowError."""
    return bits.to_bytes((count + 7) // 8, "big")


def bits_to_text(bits: int, count: int) -> str:
    """`count` digits "0" and "1", the lowest bit first."""
    return f"{bits:0{count}b}"[::-1] if count else ""


def text_to_bits(text: str) -> int:
    """The inverse of `bits_to_text`."""
    return int(text[::-1] or "0", 2)
