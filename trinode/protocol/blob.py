"""How batcher data lies in a blob (specification: ecotone/derivation, "Blob Encoding").

A blob is 4,096 field elements of 32 bytes that must stay below the field's modulus, so that the top two bits of each
are zero. Four elements make a round: their 4 x 31 lower bytes, and three bytes (x, y, z) out of the 4 x 6 usable bits
on top. The first round loses four bytes to the encoding version and the length of the data.

All 1,024 rounds are done at once. In the data, x, y and z lie where the blob has the top bytes of the second, third and
fourth element:

    blob   top1 31 bytes top2 31 bytes top3 31 bytes top4 31 bytes    (128 bytes a round)
    data        31 bytes   x  31 bytes   y  31 bytes   z  31 bytes    (127 bytes a round)

so decoding replaces three columns and deletes one. Bits are put together column by column, as integers of 1,024 bytes.
"""

from __future__ import annotations

from trinode.protocol.errors import DecodingError

BLOB_SIZE = 131_072
ROUNDS = 1_024
ENCODING_VERSION = 0
MAX_BLOB_DATA_SIZE = (4 * 31 + 3) * ROUNDS - 4
"""Bytes of data that a blob holds."""

_ROUND_IN, _ROUND_OUT = 128, 127
_HEADER_SIZE = 4  # of the data: encoding version, and length in three bytes


def _each(bits: int) -> int:
    """`bits` in every byte of a column."""
    return int.from_bytes(bytes([bits]) * ROUNDS, "big")


_LOW_6, _LOW_4, _BITS_4_5, _TOP_2, _TOP_4 = map(_each, (0x3F, 0x0F, 0x30, 0xC0, 0xF0))


class BlobDecodingError(DecodingError):
    """A blob that does not hold encoded data."""


def decode_blob(blob: bytes) -> bytes:
    """The data in a blob of 131,072 bytes, at most MAX_BLOB_DATA_SIZE. Raises BlobDecodingError."""
    if len(blob) != BLOB_SIZE:
        raise BlobDecodingError(f"{len(blob)} bytes, not {BLOB_SIZE}")
    if blob[1] != ENCODING_VERSION:
        raise BlobDecodingError(f"encoding version {blob[1]}, not {ENCODING_VERSION}")
    length = int.from_bytes(blob[2:5], "big")
    if length > MAX_BLOB_DATA_SIZE:
        raise BlobDecodingError(f"length {length}, at most {MAX_BLOB_DATA_SIZE}")
    data = bytearray(blob)
    # op-node never looks at the top bits of the very first element, and a canonical one may have the lower of them set.
    data[0] &= 0x3F
    top1, top2, top3, top4 = (int.from_bytes(data[start::_ROUND_IN], "big") for start in (0, 32, 64, 96))
    if (top1 | top2 | top3 | top4) & _TOP_2:
        raise BlobDecodingError("a field element has one of its two top bits set")
    data[32::_ROUND_IN] = (top1 | (top2 & _BITS_4_5) << 2).to_bytes(ROUNDS, "big")
    data[64::_ROUND_IN] = (top2 & _LOW_4 | (top4 & _LOW_4) << 4).to_bytes(ROUNDS, "big")
    data[96::_ROUND_IN] = (top3 | (top4 & _BITS_4_5) << 2).to_bytes(ROUNDS, "big")
    del data[::_ROUND_IN]
    end = _HEADER_SIZE + length
    if data.count(0, end) != len(data) - end:
        raise BlobDecodingError(f"bytes that are not zero behind the {length} bytes of data")
    return bytes(data[_HEADER_SIZE:end])


def encode_blob(data: bytes) -> bytes:
    """A blob that holds `data`. Raises ValueError if it is longer than MAX_BLOB_DATA_SIZE."""
    if len(data) > MAX_BLOB_DATA_SIZE:
        raise ValueError(f"{len(data)} bytes do not fit into a blob, which holds {MAX_BLOB_DATA_SIZE}")
    flat = (bytes([ENCODING_VERSION]) + len(data).to_bytes(3, "big") + data).ljust(_ROUND_OUT * ROUNDS, b"\0")
    x, y, z = (int.from_bytes(flat[start::_ROUND_OUT], "big") for start in (31, 63, 95))
    blob = bytearray().join(b"\0" + flat[start : start + _ROUND_OUT] for start in range(0, len(flat), _ROUND_OUT))
    blob[0::_ROUND_IN] = (x & _LOW_6).to_bytes(ROUNDS, "big")
    blob[32::_ROUND_IN] = (y & _LOW_4 | (x & _TOP_2) >> 2).to_bytes(ROUNDS, "big")
    blob[64::_ROUND_IN] = (z & _LOW_6).to_bytes(ROUNDS, "big")
    blob[96::_ROUND_IN] = ((y & _TOP_4) >> 4 | (z & _TOP_2) >> 2).to_bytes(ROUNDS, "big")
    return bytes(blob)
