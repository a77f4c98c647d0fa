"""Blocks as they travel, of no state and with no chain but what their fields say: nothing about them is true but their hash."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trinode.protocol.payload import ExecutionPayload, PayloadEnvelope, payload_block_hash

_PAYLOAD = ExecutionPayload(
    parent_hash=bytes(32),
    fee_recipient=bytes(20),
    state_root=bytes(32),
    receipts_root=bytes(32),
    logs_bloom=bytes(256),
    prev_randao=bytes(32),
    block_number=0,
    gas_limit=30_000_000,
    gas_used=0,
    timestamp=0,
    extra_data=b"",
    base_fee_per_gas=7,
    block_hash=bytes(32),
    transactions=(),
)


def bare_block(version: int, **fields: Any) -> PayloadEnvelope:
    """A block in the layout of that version (1 to 4). `fields` of the payload are put in before it is hashed."""
    of_version: dict[str, Any] = {}
    if version >= 2:
        of_version["withdrawals"] = ()
    if version >= 3:
        of_version |= {"blob_gas_used": 0, "excess_blob_gas": 0}
    if version >= 4:
        of_version["withdrawals_root"] = b"\x09" * 32
    return rehashed(PayloadEnvelope(replace(_PAYLOAD, **{**of_version, **fields}), b"\x05" * 32 if version >= 3 else None))


def rehashed(envelope: PayloadEnvelope) -> PayloadEnvelope:
    """The block with the hash that its contents have."""
    return replace(envelope, payload=replace(envelope.payload, block_hash=payload_block_hash(envelope)))
