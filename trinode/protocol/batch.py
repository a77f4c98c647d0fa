"""Batches: what batchers put on L1 for one L2 block or for many (specification: derivation, "Batch Format")."""

from __future__ import annotations

from typing import NamedTuple

from trinode.protocol.errors import DecodingError
from trinode.protocol.rlp_codec import (
    RlpDecodingError,
    decode_list,
    encode_bytes,
    encode_int,
    encode_list,
    split,
    to_bytes,
    to_fixed_bytes,
    to_int,
    to_list,
)
from trinode.protocol.types import Hash32

SINGULAR_BATCH_TYPE = 0
SPAN_BATCH_TYPE = 1


class BatchDecodingError(DecodingError):
    """A batch that does not decode: what follows it in its channel is not read."""


class SingularBatch(NamedTuple):
    """One L2 block. `epoch_number` (uint64), `epoch_hash`: its L1 origin; `timestamp`: seconds (uint64)."""

    parent_hash: Hash32
    epoch_number: int
    epoch_hash: Hash32
    timestamp: int
    transactions: tuple[bytes, ...]


def decode_singular_batch(payload: bytes) -> SingularBatch:
    """The batch in `payload`, which is what comes after the type byte; what follows its list is ignored.

    Raises BatchDecodingError.
    """
    try:
        _, _, end = split(payload, 0)
        fields = decode_list(payload[:end])
        if len(fields) != 5:
            raise BatchDecodingError(f"{len(fields)} fields in a singular batch, not 5")
        return SingularBatch(
            parent_hash=to_fixed_bytes(fields[0], 32),
            epoch_number=to_int(fields[1], 8),
            epoch_hash=to_fixed_bytes(fields[2], 32),
            timestamp=to_int(fields[3], 8),
            transactions=tuple(map(to_bytes, to_list(fields[4]))),
        )
    except RlpDecodingError as error:
        raise BatchDecodingError(f"singular batch: {error}") from error


def encode_singular_batch(batch: SingularBatch) -> bytes:
    """The batch with its type byte."""
    fields = [
        encode_bytes(batch.parent_hash),
        encode_int(batch.epoch_number),
        encode_bytes(batch.epoch_hash),
        encode_int(batch.timestamp),
        encode_list(map(encode_bytes, batch.transactions)),
    ]
    return bytes([SINGULAR_BATCH_TYPE]) + encode_list(fields)
