"""Recursive Length Prefix, strict in both directions (Ethereum yellow paper, appendix B).

Written for speed: decoding is one loop over the input with the prefix cases in line. Everything that has a shorter
encoding is rejected, as geth does, so that each value has exactly one encoding and hashes of re-encoded values agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias, Union

from trinode.protocol.errors import DecodingError

Item: TypeAlias = Union[bytes, "list[Item]"]

MAX_DEPTH = 64
"""Nesting of lists that `decode` follows. Nothing in the protocol nests deeper than five."""

_SINGLE_BYTES = [bytes([value]) for value in range(256)]


class RlpDecodingError(DecodingError):
    """Not canonical RLP, or not of the expected shape."""


def decode(data: bytes) -> Item:
    """The item that is all of `data`. Raises RlpDecodingError."""
    is_list, start, end = split(data, 0)
    if end != len(data):
        raise RlpDecodingError(f"{len(data) - end} bytes after the item")
    return _decode_items(data, start, end, MAX_DEPTH) if is_list else data[start:end]


def decode_list(data: bytes) -> list[Item]:
    """The list that is all of `data`. Raises RlpDecodingError."""
    is_list, start, end = split(data, 0)
    if end != len(data):
        raise RlpDecodingError(f"{len(data) - end} bytes after the list")
    if not is_list:
        raise RlpDecodingError("a string where a list is expected")
    return _decode_items(data, start, end, MAX_DEPTH)


def split(data: bytes, offset: int) -> tuple[bool, int, int]:
    """The first item at `offset`: whether it is a list, and where its payload starts and ends (the next item starts
    there).

    Checks the prefix only, not what a list holds. Raises RlpDecodingError, also where the input ends before the payload
    does.
    """
    size = len(data)
    if offset >= size:
        raise RlpDecodingError("no item: the input is empty")
    prefix = data[offset]
    if prefix < 0x80:
        return False, offset, offset + 1
    if prefix < 0xB8:
        start, end = offset + 1, offset + prefix - 0x7F
        if prefix == 0x81 and end <= size and data[start] < 0x80:
            raise RlpDecodingError("a single byte below 0x80 behind a length prefix")
    elif prefix < 0xC0:
        start, end = _long_payload(data, offset, prefix - 0xB7)
    elif prefix < 0xF8:
        start, end = offset + 1, offset + prefix - 0xBF
    else:
        start, end = _long_payload(data, offset, prefix - 0xF7)
    if end > size:
        raise RlpDecodingError(f"the input ends {end - size} bytes before its item")
    return prefix >= 0xC0, start, end


def _long_payload(data: bytes, offset: int, length_size: int) -> tuple[int, int]:
    start = offset + 1 + length_size
    length = int.from_bytes(data[offset + 1 : start], "big")
    if start > len(data):
        raise RlpDecodingError("the input ends inside a length prefix")
    if length < 56 or data[offset + 1] == 0:
        raise RlpDecodingError("a length prefix that is longer than needed")
    return start, start + length


def _decode_items(data: bytes, position: int, end: int, depth: int) -> list[Item]:
    """The items between `position` and `end`, which lies inside `data`."""
    items: list[Item] = []
    append = items.append
    while position < end:
        prefix = data[position]
        if prefix < 0x80:
            append(_SINGLE_BYTES[prefix])
            position += 1
        elif prefix < 0xB8:
            start = position + 1
            position += prefix - 0x7F
            if prefix == 0x81 and position <= end and data[start] < 0x80:
                raise RlpDecodingError("a single byte below 0x80 behind a length prefix")
            append(data[start:position])
        elif prefix < 0xC0:
            start, position = _long_payload(data, position, prefix - 0xB7)
            append(data[start:position])
        else:
            if prefix < 0xF8:
                start, position = position + 1, position + prefix - 0xBF
            else:
                start, position = _long_payload(data, position, prefix - 0xF7)
            if position > end:
                break
            if depth <= 1:
                raise RlpDecodingError(f"lists nest deeper than {MAX_DEPTH}")
            append(_decode_items(data, start, position, depth - 1))
    if position != end:
        raise RlpDecodingError("an item reaches beyond the end of its list")
    return items


def to_int(item: Item, max_bytes: int) -> int:
    """The big-endian integer of at most `max_bytes` bytes, without leading zeros. Raises RlpDecodingError."""
    if type(item) is not bytes:
        raise RlpDecodingError("a list where an integer is expected")
    if len(item) > max_bytes:
        raise RlpDecodingError(f"an integer of {len(item)} bytes where at most {max_bytes} are allowed")
    if item and item[0] == 0:
        raise RlpDecodingError("an integer with leading zeros")
    return int.from_bytes(item, "big")


def to_fixed_bytes(item: Item, size: int) -> bytes:
    """The string of exactly `size` bytes. Raises RlpDecodingError."""
    if type(item) is not bytes or len(item) != size:
        raise RlpDecodingError(f"{_shape(item)} where {size} bytes are expected")
    return item


def to_bytes(item: Item) -> bytes:
    """The string, of any length. Raises RlpDecodingError on a list."""
    if type(item) is not bytes:
        raise RlpDecodingError("a list where a string is expected")
    return item


def to_list(item: Item) -> list[Item]:
    """The list. Raises RlpDecodingError on a string."""
    if type(item) is not list:
        raise RlpDecodingError(f"{_shape(item)} where a list is expected")
    return item


def to_optional_address(item: Item) -> bytes | None:
    """20 bytes, or None for the empty string (a contract creation). Raises RlpDecodingError."""
    return to_fixed_bytes(item, 20) if item != b"" else None


def _shape(item: Item) -> str:
    return f"a list of {len(item)}" if isinstance(item, list) else f"{len(item)} bytes"


def encode(item: bytes | Sequence[Item]) -> bytes:
    """RLP of a string, or of a list of items (a tuple counts as a list)."""
    if isinstance(item, bytes):
        return encode_bytes(item)
    return encode_list([encode(member) for member in item])


def encode_bytes(value: bytes) -> bytes:
    """RLP of a string."""
    size = len(value)
    if size == 1 and value[0] < 0x80:
        return value
    if size < 56:
        return _SINGLE_BYTES[0x80 + size] + value
    length = size.to_bytes((size.bit_length() + 7) >> 3, "big")
    return _SINGLE_BYTES[0xB7 + len(length)] + length + value


def encode_int(value: int) -> bytes:
    """RLP of a non-negative integer: its big-endian bytes without leading zeros."""
    if 0 < value < 0x80:
        return _SINGLE_BYTES[value]
    return encode_bytes(value.to_bytes((value.bit_length() + 7) >> 3, "big"))


def encode_list(encoded_items: Iterable[bytes]) -> bytes:
    """RLP of a list whose items are RLP already."""
    payload = b"".join(encoded_items)
    size = len(payload)
    if size < 56:
        return _SINGLE_BYTES[0xC0 + size] + payload
    length = size.to_bytes((size.bit_length() + 7) >> 3, "big")
    return _SINGLE_BYTES[0xF7 + len(length)] + length + payload
