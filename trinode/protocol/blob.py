"""How batcher data lies in a blob (specification: ecotone/derivation, "Blob Encoding").

A blob is 4,096 field elements of 32 bytes that must stay below the field's modulus, so that the top two bits of each are zero. Four elements
make a round: their 4 x 31 lower bytes, and three bytes out of the 4 x 6 usable bits on top. The first round loses five bytes to
the encoding version and the length of the data.

Rounds are transposed rather than looped over: byte k of all 1,024 rounds is one strided slice, and the bits on top are put together for all
rounds at once, as integers of 1,024 bytes.
"""

from __future__ import annotations

from trinode.protocol.errors import DecodingError

BLOB_SIZE = 131_072
ROUNDS = 1_024
ENCODING_VERSION = 0
MAX_BLOB_DATA_SIZE = (4 * 31 + 3) * ROUNDS - 4
"""Bytes of data that a blob holds."""

_ROUND_IN, _ROUND_OUT = 128, 127
_MASK_LOW4 = bytes(value & 0x0F for value in range(256))
_MASK_LOW6 = bytes(value & 0x3F for value in range(256))
_BITS_4_5_UP = bytes((value & 0x30) << 2 for value in range(256))
_LOW4_UP = bytes((value & 0x0F) << 4 for value in range(256))


class BlobDecodingError(DecodingError):
    """A blob that does not hold encoded data."""


def _either(left: bytes | bytearray, right: bytes | bytearray) -> bytes:
    """Bitwise or of two columns (1,024 bytes each)."""
    return (int.from_bytes(left, "big") | int.from_bytes(right, "big")).to_bytes(ROUNDS, "big")


def decode_blob(blob: bytes) -> bytes:
    """The data in a blob of 131,072 bytes, at most MAX_BLOB_DATA_SIZE. Raises BlobDecodingError."""
    if len(blob) != BLOB_SIZE:
        raise BlobDecodingError(f"{len(blob)} bytes, not {BLOB_SIZE}")
    if blob[1] != ENCODING_VERSION:
        raise BlobDecodingError(f"encoding version {blob[1]}, not {ENCODING_VERSION}")
    length = int.from_bytes(blob[2:5], "big")
    if length > MAX_BLOB_DATA_SIZE:
        raise BlobDecodingError(f"length {length}, at most {MAX_BLOB_DATA_SIZE}")
    tops = [blob[32 * element :: _ROUND_IN] for element in range(4)]
    # op-node never looks at the top bits of the very first element, and a canonical one may have the lower of them set.
    if max(max(tops[0][1:]), *map(max, tops[1:])) > 0x3F:
        raise BlobDecodingError("a field element has one of its two top bits set")
    data = bytearray(_ROUND_OUT * ROUNDS)
    # 31 bytes of each element; the byte of the bits on top comes behind them in three of the four.
    for element in range(4):
        for byte in range(31):
            data[32 * element + byte :: _ROUND_OUT] = blob[32 * element + 1 + byte :: _ROUND_IN]
    first, second, third, fourth = tops
    data[31::_ROUND_OUT] = _either(first.translate(_MASK_LOW6), second.translate(_BITS_4_5_UP))
    data[63::_ROUND_OUT] = _either(second.translate(_MASK_LOW4), fourth.translate(_LOW4_UP))
    data[95::_ROUND_OUT] = _either(third.translate(_MASK_LOW6), fourth.translate(_BITS_4_5_UP))
    if data.count(0, 4 + length) != len(data) - 4 - length:
        raise BlobDecodingError(f"bytes that are not zero behind the {length} bytes of data")
    return bytes(data[4 : 4 + length])


def encode_blob(data: bytes) -> bytes:
    """A blob that holds `data`. Raises ValueError if it is longer than MAX_BLOB_DATA_SIZE."""
    if len(data) > MAX_BLOB_DATA_SIZE:
        raise ValueError(f"{len(data)} bytes do not fit into a blob, which holds {MAX_BLOB_DATA_SIZE}")
    flat = bytearray(_ROUND_OUT * ROUNDS)
    flat[0:4] = bytes([ENCODING_VERSION]) + len(data).to_bytes(3, "big")
    flat[4 : 4 + len(data)] = data
    blob = bytearray(BLOB_SIZE)
    for element in range(4):
        for byte in range(31):
            blob[32 * element + 1 + byte :: _ROUND_IN] = flat[32 * element + byte :: _ROUND_OUT]
    x, y, z = flat[31::_ROUND_OUT], flat[63::_ROUND_OUT], flat[95::_ROUND_OUT]
    top_two = bytes((value & 0xC0) >> 2 for value in range(256))
    top_four = bytes((value & 0xF0) >> 4 for value in range(256))
    blob[0::_ROUND_IN] = x.translate(_MASK_LOW6)
    blob[32::_ROUND_IN] = _either(y.translate(_MASK_LOW4), x.translate(top_two))
    blob[64::_ROUND_IN] = z.translate(_MASK_LOW6)
    blob[96::_ROUND_IN] = _either(y.translate(top_four), z.translate(top_two))
    return bytes(blob)
