"""What is asked of an engine and what it answers (Engine API: paris, "Structures" and "Errors"; OP Stack specification:
exec-engine, "Engine API").
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import Hash32

PAYLOAD_ID_SIZE = 8


class Status(StrEnum):
    """What an engine thinks of a block."""

    VALID = "VALID"
    INVALID = "INVALID"
    SYNCING = "SYNCING"
    """It cannot tell yet: an ancestor is missing."""
    ACCEPTED = "ACCEPTED"
    """It looks right, and was not executed. Our own engine does not give this answer; others do."""


class PayloadStatus(NamedTuple):
    """An engine's verdict on a block. `latest_valid_hash`: the block itself, or its last valid ancestor; None: not known."""

    status: Status
    latest_valid_hash: Hash32 | None = None
    validation_error: str | None = None


class ForkchoiceState(NamedTuple):
    """Which blocks are the head, the safe and the finalized one. 32 zero bytes for the last two: not said."""

    head: Hash32
    safe: Hash32
    finalized: Hash32


class ForkchoiceResult(NamedTuple):
    """What became of a forkchoice update. `payload_id` (8 bytes) if a payload is being built."""

    payload_status: PayloadStatus
    payload_id: bytes | None = None


class BuiltPayload(NamedTuple):
    """A payload that an engine built. `block_value` in wei: the priority fees that its fee recipient gets."""

    envelope: PayloadEnvelope
    block_value: int


class UnknownPayload(Exception):
    """There is no payload of that id (-38001)."""


class HeadRefused(Exception):
    """A block cannot be made the head by hand; why, in one line."""


class InvalidForkchoiceState(Exception):
    """The safe or the finalized block is unknown, or no ancestor of the head (-38002)."""


class InvalidPayloadAttributes(Exception):
    """No block can be built from the attributes (-38003). The fork choice was updated nevertheless."""
