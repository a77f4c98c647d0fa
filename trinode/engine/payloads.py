"""Payloads that are being built (Engine API: paris, "Payload building"; OP Stack specification: exec-engine, "Engine API")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trinode.engine.pool.condition import Beginning
from trinode.engine.status import PAYLOAD_ID_SIZE, BuiltPayload, PayloadStatus, Status
from trinode.execution.block import ExecutedBlock
from trinode.execution.validity import fees_of
from trinode.protocol.block import KnownBlock
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.header import header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope, encode_withdrawal, payload_header, payload_of
from trinode.protocol.rlp_codec import Item, encode
from trinode.protocol.types import Hash32

MOST_PAYLOADS = 16
"""Payloads that can be asked for: of those begun last."""


class Pool(Protocol):
    """Where transactions come from that nobody forces into a block. Called on the engine's thread."""

    def best(self, base_fee: int, block: Beginning | None = None) -> Iterable[bytes]:
        """Raw transactions in the order in which they should be tried, for a block of that base fee (wei)."""

    def head_moved(self, appended: Sequence[ExecutedBlock]) -> None:
        """The chain may have another head; `appended`: the blocks that were put on it last."""


@dataclass(slots=True)
class Payload:
    """A payload. `built`: with the forced transactions alone, as long as `takes_pool`."""

    parent_hash: Hash32
    attributes: PayloadAttributes
    built: BuiltPayload
    takes_pool: bool


class Payloads:
    """The payloads that were begun last, by their ids."""

    def __init__(self, most: int = MOST_PAYLOADS) -> None:
        self._most = most
        self._payloads: dict[bytes, Payload] = {}

    def get(self, payload_id: bytes) -> Payload | None:
        """The payload; None: it was never begun, or it is forgotten."""
        return self._payloads.get(payload_id)

    def add(self, payload_id: bytes, payload: Payload) -> None:
        """Keeps a payload."""
        self._payloads[payload_id] = payload
        if len(self._payloads) > self._most:
            del self._payloads[next(iter(self._payloads))]


def payload_id(parent: Hash32, attributes: PayloadAttributes) -> bytes:
    """The id (8 bytes) of what these attributes make on that block: the same for the same, another for any other.

    Raises OverflowError if a number is no uint64.
    """
    withdrawals = attributes.withdrawals
    fields: list[Item] = [
        parent,
        attributes.timestamp.to_bytes(8, "big"),
        attributes.prev_randao,
        attributes.suggested_fee_recipient,
        [] if withdrawals is None else [[encode_withdrawal(withdrawal) for withdrawal in withdrawals]],
        _optional(attributes.parent_beacon_block_root),
        list(attributes.transactions),
        b"\x01" if attributes.no_tx_pool else b"",
        attributes.gas_limit.to_bytes(8, "big"),
        _optional(attributes.eip1559_params),
        _optional(None if attributes.min_base_fee is None else attributes.min_base_fee.to_bytes(8, "big")),
    ]
    return keccak256(encode(fields))[:PAYLOAD_ID_SIZE]


def _optional(field: bytes | None) -> Item:
    return [] if field is None else [field]


def built_payload(block: ExecutedBlock) -> BuiltPayload:
    """The block as an execution payload, with what it is worth."""
    return BuiltPayload(payload_of(KnownBlock(block.header, block.hash, block.transactions)), block_value(block))


def block_value(block: ExecutedBlock) -> int:
    """What the fee recipient gets for the gas of the block's transactions beyond the base fee, in wei."""
    base_fee = block.header.base_fee_per_gas or 0
    value = 0
    for prepared, result in zip(block.prepared, block.results, strict=True):
        if not isinstance(prepared.transaction, DepositTransaction):
            value += (fees_of(prepared.transaction).effective(base_fee) - base_fee) * result.gas_used
    return value


def claimed_block(envelope: PayloadEnvelope) -> KnownBlock | PayloadStatus:
    """The block that a payload is said to be; INVALID where its contents are not that block."""
    payload = envelope.payload
    header = payload_header(envelope)
    block = KnownBlock(header, header_hash(header), payload.transactions)
    if block.hash != payload.block_hash:
        return PayloadStatus(Status.INVALID, None, f"block hash mismatch: the contents hash to 0x{block.hash.hex()}")
    if payload.withdrawals_root is not None and payload.withdrawals != ():
        # Since Isthmus the block's hash does not cover the list, so that nothing is said about the block itself.
        return PayloadStatus(Status.INVALID, None, "withdrawals: an L2 block has an empty list of them")
    return block
