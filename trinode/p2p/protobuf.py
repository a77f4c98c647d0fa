"""As much of protobuf's wire format as libp2p's messages need: varints and length-delimited fields, read with bounds.

A message is read into its fields in the order in which they came; what it means is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator

from trinode.p2p.errors import ProtocolViolation

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups (3 and 4) are refused."""
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_SIZE = 10


def encode_varint(value: int) -> bytes:
    """An unsigned varint of up to 64 bits, in the fewest bytes."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode_varint(data: bytes, start: int = 0) -> tuple[int, int]:
    """The varint at `start`, and where it ends. Raises ProtocolViolation: it does not end, or has more than 64 bits."""
    value = shift = 0
    for at in range(start, min(len(data), start + _MAX_VARINT_SIZE)):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                raise ProtocolViolation("a varint of more than 64 bits")
            return value, at + 1
        shift += 7
    raise ProtocolViolation("a varint that does not end")


def int_field(number: int, value: int) -> bytes:
    """A field that is a varint."""
    return encode_varint(number << 3 | VARINT) + encode_varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """A field of bytes, a string or a message."""
    return encode_varint(number << 3 | BYTES) + encode_varint(len(value)) + value


def fields_of(data: bytes, *, most: int) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: their numbers and values (int for varints, bytes for all others). Raises ProtocolViolation: it is no message,
    or has more than `most` fields.
    """
    at, count = 0, 0
    while at < len(data):
        count += 1
        if count > most:
            raise ProtocolViolation(f"a message of more than {most} fields")
        tag, at = decode_varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, at = decode_varint(data, at)
            yield number, value
            continue
        if wire_type == BYTES:
            size, at = decode_varint(data, at)
        elif wire_type in _FIXED_SIZES:
            size = _FIXED_SIZES[wire_type]
        else:
            raise ProtocolViolation(f"a field of wire type {wire_type}")
        if at + size > len(data):
            raise ProtocolViolation(f"field {number} of {size} bytes ends after its message")
        yield number, data[at : at + size]
        at += size
