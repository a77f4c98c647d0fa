"""Block headers of L1 and L2 (Ethereum execution specification, header; with the fields of London, Shanghai, Cancun and
Prague).

The optional fields form a tail as in geth: a header carries all of them up to its last one.
"""

from __future__ import annotations

from dataclasses import dataclass

from trinode.protocol.errors import DecodingError
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import (
    RlpDecodingError,
    decode_list,
    encode_bytes,
    encode_int,
    encode_list,
    to_bytes,
    to_fixed_bytes,
    to_int,
)
from trinode.protocol.types import Address, Hash32

EMPTY_OMMERS_HASH: Hash32 = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
"""Of the empty list; what every block since the merge, and every L2 block, has."""

EMPTY_REQUESTS_HASH: Hash32 = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""SHA-256 of nothing: what every L2 block has since Isthmus (EIP-7685)."""

_FIELDS_WITHOUT_TAIL = 15
_FIELDS_WITH_TAIL = 21


class HeaderDecodingError(DecodingError):
    """Not the RLP of a block header."""


@dataclass(frozen=True, slots=True)
class Header:
    """A block header. Hashes and roots are 32 bytes, `beneficiary` 20, `nonce` 8, `logs_bloom` 256; base fee in wei,
    gas in gas, timestamp in seconds.

    `prev_randao` is the mix hash of a block before the merge. The fields from `base_fee_per_gas` on are None in a block
    of a fork before theirs.
    """

    parent_hash: Hash32
    ommers_hash: Hash32
    beneficiary: Address
    state_root: Hash32
    transactions_root: Hash32
    receipts_root: Hash32
    logs_bloom: bytes
    difficulty: int
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    prev_randao: Hash32
    nonce: bytes
    base_fee_per_gas: int | None = None
    withdrawals_root: Hash32 | None = None
    blob_gas_used: int | None = None
    excess_blob_gas: int | None = None
    parent_beacon_block_root: Hash32 | None = None
    requests_hash: Hash32 | None = None


def decode_header(rlp: bytes) -> Header:
    """The header whose RLP is `rlp`; its hash is `keccak256(rlp)`. Raises HeaderDecodingError."""
    try:
        fields = decode_list(rlp)
        count = len(fields)
        if not _FIELDS_WITHOUT_TAIL <= count <= _FIELDS_WITH_TAIL:
            raise HeaderDecodingError(f"{count} fields in a header")
        return Header(
            to_fixed_bytes(fields[0], 32),
            to_fixed_bytes(fields[1], 32),
            to_fixed_bytes(fields[2], 20),
            to_fixed_bytes(fields[3], 32),
            to_fixed_bytes(fields[4], 32),
            to_fixed_bytes(fields[5], 32),
            to_fixed_bytes(fields[6], 256),
            to_int(fields[7], 32),
            to_int(fields[8], 8),
            to_int(fields[9], 8),
            to_int(fields[10], 8),
            to_int(fields[11], 8),
            to_bytes(fields[12]),
            to_fixed_bytes(fields[13], 32),
            to_fixed_bytes(fields[14], 8),
            to_int(fields[15], 32) if count > 15 else None,
            to_fixed_bytes(fields[16], 32) if count > 16 else None,
            to_int(fields[17], 8) if count > 17 else None,
            to_int(fields[18], 8) if count > 18 else None,
            to_fixed_bytes(fields[19], 32) if count > 19 else None,
            to_fixed_bytes(fields[20], 32) if count > 20 else None,
        )
    except RlpDecodingError as error:
        raise HeaderDecodingError(str(error)) from error


def encode_header(header: Header) -> bytes:
    """RLP of `header`. Raises ValueError if its tail has a gap: a field is there and one before it is not."""
    fields = [
        encode_bytes(header.parent_hash),
        encode_bytes(header.ommers_hash),
        encode_bytes(header.beneficiary),
        encode_bytes(header.state_root),
        encode_bytes(header.transactions_root),
        encode_bytes(header.receipts_root),
        encode_bytes(header.logs_bloom),
        encode_int(header.difficulty),
        encode_int(header.number),
        encode_int(header.gas_limit),
        encode_int(header.gas_used),
        encode_int(header.timestamp),
        encode_bytes(header.extra_data),
        encode_bytes(header.prev_randao),
        encode_bytes(header.nonce),
    ]
    tail = [
        header.base_fee_per_gas,
        header.withdrawals_root,
        header.blob_gas_used,
        header.excess_blob_gas,
        header.parent_beacon_block_root,
        header.requests_hash,
    ]
    while tail and tail[-1] is None:
        tail.pop()
    for field in tail:
        if field is None:
            raise ValueError("an optional header field is missing before one that is there")
        fields.append(encode_int(field) if isinstance(field, int) else encode_bytes(field))
    return encode_list(fields)


def header_hash(header: Header) -> Hash32:
    """The block's hash."""
    return keccak256(encode_header(header))
