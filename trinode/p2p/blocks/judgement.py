"""What is said of a block message: a verdict, and the reason for it, which can be counted and logged."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from trinode.p2p.verdict import Verdict
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import Address


class Reason(Enum):
    """Why a message got its verdict. The value is for labels of metrics."""

    VALID = "valid"
    UNKNOWN_TOPIC = "unknown_topic"
    TOO_LARGE = "too_large"
    BAD_COMPRESSION = "bad_compression"
    TOO_SMALL = "too_small"
    BAD_SIGNATURE = "bad_signature"
    NO_SIGNER_KNOWN = "no_signer_known"
    WRONG_SIGNER = "wrong_signer"
    BAD_ENCODING = "bad_encoding"
    TOO_OLD = "too_old"
    IN_THE_FUTURE = "in_the_future"
    TOO_MANY_TRANSACTIONS = "too_many_transactions"
    EMPTY_TRANSACTION = "empty_transaction"
    NUMBER_TOO_LARGE = "number_too_large"
    WRONG_BLOCK_HASH = "wrong_block_hash"
    HAS_WITHDRAWALS = "has_withdrawals"
    HAS_BLOB_GAS_USED = "has_blob_gas_used"
    HAS_EXCESS_BLOB_GAS = "has_excess_blob_gas"
    TOO_MANY_OF_HEIGHT = "too_many_of_height"
    SEEN = "seen"

    @property
    def verdict(self) -> Verdict:
        """What gossip makes of it."""
        if self is Reason.VALID:
            return Verdict.ACCEPT
        return Verdict.IGNORE if self in _NOBODY_S_FAULT else Verdict.REJECT


_NOBODY_S_FAULT = frozenset(
    (Reason.UNKNOWN_TOPIC, Reason.NO_SIGNER_KNOWN, Reason.TOO_MANY_TRANSACTIONS, Reason.EMPTY_TRANSACTION, Reason.SEEN)
)


class Judgement(NamedTuple):
    """A message's verdict. `detail`: for people; empty if there is nothing to say. `envelope`: None where it did not come to be read. `signer`: who
    signed it, of those that count; None where it did not come that far.
    """

    reason: Reason
    detail: str = ""
    envelope: PayloadEnvelope | None = None
    signer: Address | None = None

    @property
    def verdict(self) -> Verdict:
        """What gossip makes of it."""
        return self.reason.verdict
